//! The same tests in warm mode: under `WSGI_CGI_TESTS=warm` each request is answered by a zygote's worker.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant};

use super::http::Connection;

/// Whether the tests run warm.
pub fn is_wanted() -> bool {
    static IS_WANTED: LazyLock<bool> =
        LazyLock::new(|| std::env::var_os("WSGI_CGI_TESTS").is_some_and(|mode| mode == "warm"));
    *IS_WANTED
}

/// What the program gets by its environment.
pub fn environment() -> impl Iterator<Item = (&'static str, &'static str)> {
    let settings = [("WSGI_CGI_WARM", "1"), ("WSGI_CGI_WARM_IDLE", "15")];
    settings.into_iter().filter(|_| is_wanted())
}

/// A script as it is deployed: in warm mode its pragma, or its wrapper's command line, says so.
pub fn deployed(text: &str) -> String {
    if !is_wanted() {
        return text.to_owned();
    }
    text.replace(
        "# wsgi-cgi: python=",
        "# wsgi-cgi: warm warm-idle=15 python=",
    )
    .replace(" --python=", " --warm --warm-idle=15 --python=")
}

/// In warm mode, lets the server start the script's zygote, if there can be one: the next request is warm.
pub fn first_request(port: u16, address: &str) {
    if !is_wanted() {
        return;
    }
    let zygotes = || {
        let folders = fs::read_dir("/tmp").unwrap().flatten();
        folders
            .filter(|entry| entry.file_name().to_string_lossy().starts_with("wsgi-cgi-"))
            .filter_map(|entry| fs::read_dir(entry.path()).ok())
            .flat_map(|seats| seats.flatten())
            .filter(|seat| seat.path().join("requests").exists())
            .count()
    };
    let before = zygotes();
    Connection::to(port).exchange("GET", address, &[], b"");
    let deadline = Instant::now() + Duration::from_secs(1);
    while zygotes() <= before && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(5));
    }
}

/// Starts the zygote for this command line, and waits for it. An application that cannot have one runs cold.
pub fn start(command: &mut Command, arguments: &[impl AsRef<OsStr>]) {
    let words = ["warm", "start"].map(OsString::from);
    let output = command
        .args(words)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    if std::env::var_os("WSGI_CGI_TESTS_VERBOSE").is_some() && !output.status.success() {
        eprintln!("{}", String::from_utf8_lossy(&output.stderr));
    }
}
