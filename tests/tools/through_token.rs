//! `check --through`: who opens the self-test, and who does not.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::process::{Pid, Signal, geteuid, kill_process};
use sha2::{Digest, Sha256};

use crate::support::run::{Done, Run};
use crate::support::{PROGRAM, python};

const FILE: &str = ".wsgi-cgi-self-test";
const TOKEN: &str = "4f1c8a0000000000000000000000000000000000000000000000000000000001";

/// An application with a token file beside it.
struct Site {
    _folder: tempfile::TempDir,
    app: PathBuf,
    file: PathBuf,
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

impl Site {
    /// Whose token expires so many seconds from now.
    fn new(seconds: i64, mode: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let app = folder.path().join("app.py");
        let text = "def application(environ, start_response):\n    \
                    start_response('200 OK', [])\n    return [b'the application']\n";
        fs::write(&app, text).unwrap();
        let file = folder.path().join(FILE);
        let digest: String = Sha256::digest(TOKEN)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        fs::write(
            &file,
            format!("{} {digest}\n", now().saturating_add_signed(seconds)),
        )
        .unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        Self {
            _folder: folder,
            app,
            file,
        }
    }

    /// Asks by CGI, with this token.
    fn ask(&self, token: &str) -> Done {
        let path = format!("/wsgi-cgi-self-test/{token}/process");
        Run::with_arguments(&[&self.app])
            .request("GET", &path)
            .variable("DATABASE_URL", "hunter2")
            .done()
    }
}

#[test]
fn the_token_opens_it_and_no_value_of_a_variable_is_told() {
    let done = Site::new(100, 0o644).ask(TOKEN);
    let text = done.assert_status("200 OK").response().text();
    let told: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(told["wsgi_cgi_self_test"], "answered");
    assert_eq!(told["environment"]["SERVER_SOFTWARE"], "Test/1");
    assert_eq!(told["environment"]["DATABASE_URL"], serde_json::Value::Null);
    for secret in ["hunter2", TOKEN] {
        assert!(
            !text.contains(secret) && !done.err.contains(secret),
            "{secret}\n{done}"
        );
    }
    done.assert_exit(0);
}

#[test]
fn without_the_token_the_application_answers() {
    let site = Site::new(100, 0o644);
    let ticket = fs::read_to_string(&site.file).unwrap();
    let digest = ticket.trim().rsplit(' ').next().unwrap().to_owned();
    let almost = TOKEN.replace('1', "2");
    for wrong in [almost.as_str(), "", ".", &digest, &TOKEN[1..], "%00"] {
        site.ask(wrong)
            .assert_body("the application")
            .assert_quiet();
    }
    fs::remove_file(&site.file).unwrap();
    site.ask(TOKEN)
        .assert_body("the application")
        .assert_quiet();
}

#[test]
fn a_token_that_is_not_valid_is_refused_and_its_owner_is_told_why() {
    for (seconds, mode, reason) in [
        (0, 0o644, "the token has expired"),
        (-100, 0o644, "the token has expired"),
        (1000, 0o644, "the token is valid for too long"),
        (100, 0o666, "others may write to the token file"),
        (100, 0o664, "others may write to the token file"),
    ] {
        let done = Site::new(seconds, mode).ask(TOKEN);
        assert!(
            done.assert_status("403 Forbidden")
                .response()
                .text()
                .contains(reason),
            "{done}"
        );
        assert!(
            !done.response().text().contains("SERVER_SOFTWARE"),
            "{done}"
        );
    }
}

#[test]
fn a_token_file_of_somebody_else_opens_nothing() {
    // Only root can make files of somebody else.
    if !geteuid().is_root() {
        return;
    }
    let site = Site::new(100, 0o644);
    chown(&site.file, Some(12345), None).unwrap();
    let done = site.ask(TOKEN);
    let text = done.assert_status("403 Forbidden").response().text();
    assert!(text.contains("belongs to somebody else"), "{done}");
    // The application's own owner may.
    chown(&site.app, Some(12345), None).unwrap();
    site.ask(TOKEN).assert_status("200 OK");
    // A link to a file of the right owner is none of it.
    let target = site.file.with_file_name("target");
    fs::rename(&site.file, &target).unwrap();
    std::os::unix::fs::symlink(&target, &site.file).unwrap();
    site.ask(TOKEN).assert_body("the application");
}

#[test]
fn the_token_file_goes_when_the_check_is_interrupted() {
    for signal in [Signal::INT, Signal::TERM] {
        let site = Site::new(-1, 0o644);
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", silent.local_addr().unwrap());
        let child = Command::new(PROGRAM)
            .args(["check", "--through", &url])
            .arg(&site.app)
            .env("WSGI_CGI_PYTHON", python::default())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // It has asked, and waits for an answer.
        let (_stream, _) = silent.accept().unwrap();
        let ticket = fs::read_to_string(&site.file).unwrap();
        assert!(
            ticket.split(' ').next().unwrap().parse::<u64>().unwrap() > now(),
            "{ticket}"
        );
        kill_process(Pid::from_child(&child), signal).unwrap();
        let done = child.wait_with_output().unwrap();
        assert_eq!(done.status.code(), Some(130), "{done:?}");
        assert!(!site.file.exists());
    }
}

#[test]
fn who_may_not_make_the_token_file_is_told() {
    let site = Site::new(100, 0o644);
    let check = || {
        Run::by_hand(&[&site.app])
            .before(&["check", "--through", "http://127.0.0.1:1/"])
            .done()
    };
    check()
        .assert_exit(3)
        .assert_told("WC090")
        .assert_told("another self-test of this application");
    // What is not ours is not replaced.
    fs::write(&site.file, "somebody's own").unwrap();
    check()
        .assert_exit(3)
        .assert_told("WC090")
        .assert_told("File exists");
    assert_eq!(fs::read_to_string(&site.file).unwrap(), "somebody's own");
}

#[test]
fn an_address_that_is_none_is_wrong_usage() {
    let site = Site::new(100, 0o644);
    for url in ["example.org", "http://", "http://h/?a", "http://h/\nX: y"] {
        let done = Run::by_hand(&[&site.app])
            .before(&["check", "--through", url])
            .done();
        done.assert_exit(2).assert_told("WC002");
    }
}
