//! `wsgi-cgi watchdog`, started with the environment that OpenFaaS's classic watchdog gives to its fprocess.

use std::fs;
use std::process::Stdio;

use serde_json::Value;

use crate::support::run::{Run, Watch};
use crate::support::{app, until};

fn watchdog(application: &str, options: &[&str]) -> Run {
    let application = app(application);
    let mut words = vec!["watchdog".as_ref()];
    words.extend(options.iter().map(std::ffi::OsStr::new));
    words.push(application.as_os_str());
    Run::by_hand(&words)
}

/// A request as the watchdog tells it; -1 is an unknown length.
fn told(run: Run, method: &str, length: i64) -> Run {
    run.variable("Http_Method", method)
        .variable("Http_Path", "/caf\u{e9} au lait")
        .variable("Http_Query", "a=%20")
        .variable("Http_Host", "gateway:8080")
        .variable("Http_User_Agent", "Go-http-client/1.1")
        .variable("Http_X_Call_Id", "7")
        .variable("Http_Content_Type", "text/plain")
        .variable("Http_Proxy", "http://evil/")
        .variable("Http_ContentLength", length.to_string())
        .variable("Http_Content_Length", length.to_string())
        .variable("fprocess", "wsgi-cgi watchdog app.py")
}

#[track_caller]
fn check(environ: &[u8], expected: &[(&str, &str)]) {
    let environ: Value = serde_json::from_slice(environ).unwrap();
    for (name, value) in expected {
        let found = environ.get(*name).and_then(Value::as_str);
        assert_eq!(found.unwrap_or("(absent)"), *value, "{name} in {environ}");
    }
}

#[test]
fn the_watchdogs_variables_are_a_request_and_the_body_is_the_output() {
    for (length, said) in [(4, 4), (-1, 4)] {
        let done = told(watchdog("environ_json.py", &[]), "POST", length)
            .input("body")
            .done();
        done.assert_quiet();
        check(
            &done.out,
            &[
                ("REQUEST_METHOD", "POST"),
                ("PATH_INFO", "/caf\u{c3}\u{a9} au lait"),
                ("REQUEST_URI", "/caf%C3%A9%20au%20lait?a=%20"),
                ("QUERY_STRING", "a=%20"),
                ("HTTP_HOST", "gateway:8080"),
                ("SERVER_NAME", "gateway"),
                ("SERVER_PORT", "8080"),
                ("HTTP_X_CALL_ID", "7"),
                ("CONTENT_TYPE", "text/plain"),
                ("CONTENT_LENGTH", &said.to_string()),
                ("wsgi.input", "body"),
                ("HTTP_PROXY", "(absent)"),
                ("Http_Method", "(absent)"),
            ],
        );
    }
    let done = told(
        watchdog("environ_json.py", &["--script-name=/function/f"]),
        "GET",
        0,
    )
    .done();
    check(
        &done.out,
        &[
            ("SCRIPT_NAME", "/function/f"),
            ("CONTENT_LENGTH", "(absent)"),
        ],
    );
}

#[test]
fn a_marshalled_request_keeps_its_repeated_headers() {
    let request =
        r#"{"header": {"Cookie": ["a=1", "b=2"], "X-A": ["1"]}, "body": {"raw": "Ym9keQ=="}}"#;
    let run = told(watchdog("environ_json.py", &[]), "POST", 80);
    let run = run.variable("marshal_request", "true");
    let done = run.clone().input(request).done();
    check(
        &done.out,
        &[
            ("HTTP_COOKIE", "a=1; b=2"),
            ("HTTP_X_A", "1"),
            ("wsgi.input", "body"),
            ("CONTENT_LENGTH", "4"),
        ],
    );
    let wrong = run.variable("combine_output", "false").input("{").done();
    wrong
        .assert_exit(2)
        .assert_told("marshal_request on standard input");
    assert!(String::from_utf8_lossy(&wrong.out).contains("WC062"));
}

#[test]
fn an_error_is_told_by_the_exit_status() {
    let run = told(watchdog("failures.py:raises", &[]), "GET", 0);
    let done = run.variable("combine_output", "false").done();
    done.assert_exit(1).assert_told("WC040");
    let page = String::from_utf8_lossy(&done.out).into_owned();
    assert!(
        page.starts_with("<!doctype html>") && page.contains("WC040"),
        "{page}"
    );
    let missing = told(watchdog("missing.py", &[]), "GET", 0);
    let done = missing.variable("combine_output", "false").done();
    done.assert_exit(3).assert_told("WC010");
    assert!(String::from_utf8_lossy(&done.out).contains("WC010"));
}

/// By the watchdog's default what stands on stderr goes to the visitor, so nothing does; its own stderr, here the
/// test's, is its log.
#[test]
fn nothing_is_said_on_stderr_where_that_is_a_part_of_the_page() {
    let done = told(watchdog("failures.py:raises", &[]), "GET", 0).done();
    done.assert_exit(1);
    assert_eq!(done.err, "");
    assert!(!String::from_utf8_lossy(&done.out).contains("compute"));
}

#[test]
fn what_the_watchdog_cannot_pass_on_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let application = folder.path().join("app.py");
    let text = "def application(environ, start_response):\n    \
        start_response('302 Found', [('Location', '/x'), ('Set-Cookie', 'a=1')])\n    return [b'moved']\n";
    fs::write(&application, text).unwrap();
    let words = ["watchdog".as_ref(), application.as_os_str()];
    let run = told(Run::by_hand(&words), "GET", 0);
    let done = run.variable("combine_output", "false").done();
    done.assert_exit(0)
        .assert_told("cannot tell status 302, Location, Set-Cookie");
    assert_eq!(done.out, b"moved");

    let words = [
        "watchdog".as_ref(),
        "--http".as_ref(),
        application.as_os_str(),
    ];
    let done = told(Run::by_hand(&words), "GET", 0).done();
    done.assert_quiet();
    let response = String::from_utf8_lossy(&done.out).into_owned();
    assert!(response.starts_with("HTTP/1.1 302 Found\r\n"), "{response}");
    assert!(
        response.contains("\r\nSet-Cookie: a=1\r\n") && response.ends_with("\r\n\r\nmoved"),
        "{response}"
    );
}

/// exec_timeout kills the one process that the watchdog has started.
#[test]
fn the_application_ends_with_its_watchdog() {
    let folder = tempfile::tempdir().unwrap();
    let sign = folder.path().join("pid");
    let application = folder.path().join("app.py");
    let text = "import os, time\ndef application(environ, start_response):\n    \
        with open(os.environ['SIGN'] + '.new', 'w') as file: file.write(str(os.getpid()))\n    \
        os.rename(os.environ['SIGN'] + '.new', os.environ['SIGN'])\n    time.sleep(100)\n";
    fs::write(&application, text).unwrap();
    let words = ["watchdog".as_ref(), application.as_os_str()];
    let run = told(Run::by_hand(&words), "GET", 0).variable("SIGN", &sign);
    let mut command = run.command();
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let _watch = Watch::over(&child);
    until("the application to run", || sign.exists());
    let pid = fs::read_to_string(&sign).unwrap();
    child.kill().unwrap();
    until("its end", || !fs::exists(format!("/proc/{pid}")).unwrap());
    // Nobody holds the output any more.
    child.wait_with_output().unwrap();
}
