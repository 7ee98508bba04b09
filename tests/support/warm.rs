//! The same tests in warm mode: under `WSGI_CGI_TESTS=warm` each request is answered by a zygote's worker.

use std::ffi::{OsStr, OsString};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

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
