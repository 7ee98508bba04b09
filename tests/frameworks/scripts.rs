//! The scripts of `cgi-bin/`, started as a web server starts them.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::django;
use super::site::Site;
use crate::support::run::Run;
use crate::support::{PROGRAM, write_program};

/// A script in a folder of its own, edited as its user would.
struct Script {
    folder: tempfile::TempDir,
    name: &'static str,
}

impl Script {
    fn edited(name: &'static str, changes: &[(&str, &str)]) -> Self {
        let from = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("cgi-bin")
            .join(name);
        let mut text = fs::read_to_string(&from).unwrap();
        for (old, new) in changes {
            assert!(text.contains(old), "{old} in {name}");
            text = text.replace(old, new);
        }
        let folder = tempfile::tempdir().unwrap();
        let mode = fs::metadata(&from).unwrap().permissions().mode();
        write_program(&folder.path().join(name), &text, mode);
        Self { folder, name }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join(self.name)
    }

    #[track_caller]
    fn run(&self, variables: &[(&str, &str)], arguments: &[&str]) -> String {
        let run = Run::with_arguments(arguments)
            .program(self.path())
            .directory(self.folder.path())
            .without("WSGI_CGI_PYTHON")
            .variable("PATH", search_path())
            .variable("SERVER_NAME", "localhost")
            .variable("SERVER_PORT", "80")
            .variable("SCRIPT_NAME", format!("/cgi-bin/{}", self.name))
            .variable("SCRIPT_FILENAME", self.path())
            .variable("QUERY_STRING", arguments.join("+"))
            .variable("REMOTE_ADDR", "192.0.2.1");
        let variables = variables.iter();
        let run = variables.fold(run, |run, (name, value)| run.variable(name, value));
        let done = run.done();
        done.assert_quiet();
        String::from_utf8(done.out).unwrap()
    }
}

/// With the executable under test in front, as where it is installed.
fn search_path() -> OsString {
    let ours = Path::new(PROGRAM).parent().unwrap().to_owned();
    let others = ["/usr/local/bin", "/usr/bin", "/bin"].map(PathBuf::from);
    std::env::join_paths([ours].into_iter().chain(others)).unwrap()
}

#[test]
fn hello_answers() {
    let response = Script::edited("hello.cgi", &[]).run(&[], &[]);
    assert!(response.starts_with("Status: 200 OK\r\n"), "{response}");
    assert!(response.ends_with("\r\n\r\nHello, world!\n"), "{response}");
}

#[test]
fn flask_starts_from_a_folder_with_an_odd_name() {
    let site = Site::copy_of("flask", "app.py");
    let odd = site.path("it's $HOME \"here\" *");
    fs::create_dir(&odd).unwrap();
    for name in ["app.py", "templates", "static", ".venv"] {
        fs::rename(site.path(name), odd.join(name)).unwrap();
    }
    // As a user has to write it between double quotes.
    let quoted = odd
        .to_str()
        .unwrap()
        .replace('"', "\\\"")
        .replace('$', "\\$");
    let script = Script::edited("flask.cgi", &[("/srv/flask", &quoted)]);
    let response = script.run(&[], &[]);
    assert!(response.contains("Hello from Flask"), "{response}");
    assert!(
        response.contains("href=\"/cgi-bin/flask.cgi/visits\""),
        "{response}"
    );
}

/// CVE-2012-1823: a query without `=` becomes arguments (RFC 3875 section 4.4).
#[test]
fn arguments_from_the_visitor_change_nothing() {
    let site = Site::copy_of("flask", "app.py");
    let script = Script::edited(
        "flask.cgi",
        &[("/srv/flask", site.path("").to_str().unwrap())],
    );
    for arguments in [["--debug", "/etc/passwd"], ["--help", "--version"]] {
        let response = script.run(&[], &arguments);
        assert!(response.contains("Hello from Flask"), "{response}");
    }
}

#[test]
fn django_takes_its_key_from_a_file() {
    let site = django::migrated();
    fs::write(site.path("secret_key"), format!("{}\n", "k".repeat(50))).unwrap();
    let script = Script::edited(
        "django.cgi",
        &[("/srv/django\"", &format!("{}\"", site.path("").display()))],
    );
    let public = [("HTTP_HOST", "www.example.org")];
    assert!(script.run(&public, &[]).contains("Hello from Django"));
}

#[test]
fn environ_answers_named_visitors_only() {
    let stranger = Script::edited("environ.cgi", &[]).run(&[], &[]);
    assert!(stranger.starts_with("Status: 403 "), "{stranger}");
    assert!(stranger.contains("<code>192.0.2.1</code>"), "{stranger}");
    assert!(!stranger.contains("sys.path"), "{stranger}");
}

#[test]
fn environ_hides_secrets_and_escapes_the_rest() {
    let script = Script::edited("environ.cgi", &[("put your address here", "192.0.2.1")]);
    let secret = "hunter2";
    let page = script.run(
        &[
            ("PATH_INFO", "/Zoë"),
            ("QUERY_STRING", "a=<b>&access_token=hunter2&next=/"),
            ("HTTP_AUTHORIZATION", "Basic hunter2"),
            ("REDIRECT_HTTP_AUTHORIZATION", "Basic hunter2"),
            ("HTTP_COOKIE", "session=hunter2"),
            ("HTTP_X_API_KEY", "hunter2"),
            ("HTTP_REFERER", "http://localhost/reset?Password=hunter2"),
            ("HTTP_USER_AGENT", "<script>alert(1)</script>"),
            ("DATABASE_URL", "postgres://zoe:hunter2@localhost/db"),
            ("DB_PASSWORD", "hunter2"),
            ("DJANGO_SECRET_KEY", "hunter2"),
        ],
        &[],
    );
    assert!(page.starts_with("Status: 200 "), "{page}");
    assert!(!page.contains(secret), "{page}");
    assert!(!page.contains("<script"), "{page}");
    for shown in [
        "/Zoë",
        "a=&lt;b&gt;&amp;access_token=…&amp;next=/",
        "&lt;script&gt;alert(1)",
        "postgres://…@localhost/db",
        "13 characters, hidden",
        "wsgi.run_once",
        "sys.path",
    ] {
        assert!(page.contains(shown), "{shown} in {page}");
    }
}
