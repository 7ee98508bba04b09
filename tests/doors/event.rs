//! `wsgi-cgi request --event`: one request as JSON, and its response as JSON.

use std::fs;

use serde_json::{Value, json};

use super::request::{asks, environ, validate};
use crate::support::write_program;

#[test]
fn an_event_is_json_in_and_json_out() {
    let event = json!({
        "method": "POST", "path": "/a%20b?c=%20", "scheme": "https", "script_name": "/base",
        "headers": {"Host": "example.org", "Cookie": ["a=1", "b=2"], "Content-Type": "text/plain"},
        "body_base64": "/wA=", "remote_addr": "203.0.113.7", "remote_user": "me", "variables": {"GEOIP_COUNTRY": "CH", "REQUEST_SCHEME": null},
        "record": {"code": "WC040"},
    });
    assert!(validate("request.json", &event.to_string()));
    let done = asks(&["--event", "-"], "environ_json.py", "")
        .input(event.to_string())
        .done();
    let told = environ(&done);
    assert!(validate("response.json", &told.to_string()), "{told}");
    assert_eq!(told["status"], 200);
    assert_eq!(told["headers"]["Content-Type"], json!(["application/json"]));
    let environ: Value = serde_json::from_str(told["body"].as_str().unwrap()).unwrap();
    for (name, value) in [
        ("REQUEST_METHOD", "POST"),
        ("SCRIPT_NAME", "/base"),
        ("PATH_INFO", "/a b"),
        ("REQUEST_URI", "/base/a%20b?c=%20"),
        ("HTTP_COOKIE", "a=1; b=2"),
        ("REMOTE_ADDR", "203.0.113.7"),
        ("REMOTE_USER", "me"),
        ("GEOIP_COUNTRY", "CH"),
        ("SERVER_PORT", "443"),
        ("wsgi.input", "\u{ff}\0"),
    ] {
        assert_eq!(environ[name], value, "{name}");
    }
    assert_eq!(environ.get("REQUEST_SCHEME"), None);
    let binary = asks(&["--event", "-"], "responses.py", "")
        .input(r#"{"path": "/?png"}"#)
        .done();
    let told: Value = serde_json::from_slice(&binary.out).unwrap();
    assert_eq!(told["body_base64"], "iVBORw==");
    assert!(validate("response.json", &told.to_string()));
    let cookies = asks(&["--event", "-"], "responses.py", "")
        .input(r#"{"path": "/?cookies"}"#)
        .done();
    let told: Value = serde_json::from_slice(&cookies.out).unwrap();
    assert_eq!(told["headers"]["Set-Cookie"], json!(["a=1; Path=/", "b=2"]));
    let failing = asks(&["--event", "-"], "failures.py:raises", "")
        .input("{}")
        .done();
    failing.assert_exit(1);
    let told: Value = serde_json::from_slice(&failing.out).unwrap();
    assert_eq!(told["status"], 500);
}

#[test]
fn an_event_that_is_no_request_is_refused_by_the_name_of_its_field() {
    for (text, expected) in [
        ("{", "EOF"),
        ("[]", "list"),
        (r#"{"metod": "GET"}"#, "metod"),
        (r#"{"method": 1}"#, "invalid type: integer"),
        (r#"{"method": "GE T"}"#, "the method"),
        (r#"{"path": "a"}"#, "path \"a\""),
        (r#"{"path": "/%00"}"#, "NUL"),
        (r#"{"headers": {"X A": "1"}}"#, "the header \"X A\""),
        (r#"{"headers": {"X-A": "1\r\nB: 2"}}"#, "in the header X-A"),
        (r#"{"body": "a", "body_base64": ""}"#, "exclude each other"),
        (r#"{"body_base64": "*"}"#, "body_base64 is no base64"),
        (r#"{"scheme": "ftp"}"#, "ftp"),
        (r#"{"variables": {"A=B": "1"}}"#, "variables.A=B"),
        (
            r#"{"variables": {"PATH_INFO": "\u0000"}}"#,
            "variables.PATH_INFO",
        ),
        (r#"{"variables": {"HTTP_X": "a\nb"}}"#, "variables.HTTP_X"),
        (
            r#"{"variables": {"GATEWAY_INTERFACE": null}}"#,
            "variables.GATEWAY_INTERFACE",
        ),
    ] {
        let done = asks(&["--event", "-"], "environ_json.py", "")
            .input(text)
            .done();
        done.assert_exit(2).assert_told("WC062");
        let told: Value = serde_json::from_slice(&done.out).unwrap();
        assert!(validate("response.json", &told.to_string()), "{told}");
        let message = told["error"]["message"].as_str().unwrap();
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn an_event_without_an_end_is_refused() {
    let done = asks(&["--event", "/dev/zero"], "environ_json.py", "").done();
    done.assert_exit(2)
        .assert_told("WC062")
        .assert_told("256 MiB");
}

/// Somebody else may have sent it: what it holds is a request's, and no setting of anything.
#[test]
fn an_event_sets_nothing_but_a_request_s_variables() {
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("ran");
    let program = folder.path().join("python");
    write_program(
        &program,
        &format!("#!/bin/sh\necho > {}\n", mark.display()),
        0o755,
    );
    let program = program.to_str().unwrap();
    for (name, value) in [
        ("WSGI_CGI_PYTHON", program),
        ("WSGI_CGI_ERROR_LOG", mark.to_str().unwrap()),
        ("WSGI_CGI_SERVE_CHILD", "as:root"),
        ("REDIRECT_WSGI_CGI_PYTHON", program),
        ("LD_PRELOAD", program),
        ("PATH", "."),
        ("PYTHONPATH", "."),
        ("SSL_CERT_FILE", program),
        ("HTTP_PROXY", "http://example.org"),
        ("SERVER_ENV", "mine"),
        ("\u{1b}[2J", "x"),
    ] {
        for value in [json!(value), Value::Null] {
            let event = json!({"variables": {name: value}, "record": {"code": "WC040"}});
            let done = asks(&["--event", "-"], "environ_json.py", "")
                .input(event.to_string())
                .done();
            let told = format!("variables.{} is not", name.escape_debug());
            done.assert_exit(2).assert_told("WC062").assert_told(&told);
        }
    }
    // Under Apache's `Action`, a file that a variable names would run.
    let file = folder.path().join("other.py");
    let text = format!("open({:?}, 'w')\n", mark.to_str().unwrap());
    fs::write(&file, text).unwrap();
    let event = json!({"variables": {
        "SCRIPT_FILENAME": env!("CARGO_BIN_EXE_wsgi-cgi"), "REDIRECT_HANDLER": "x", "REDIRECT_STATUS": "200",
        "PATH_TRANSLATED": file,
    }});
    let done = asks(&["--event", "-"], "environ_json.py", "")
        .input(event.to_string())
        .done();
    done.assert_exit(0);
    assert!(!mark.exists());
}
