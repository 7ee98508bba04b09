//! What only children of this program do: no client can ask for it, and nothing inherited lets one choose a program.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::support::listener::Setup;
use crate::support::run::Run;
use crate::support::{PROGRAM, app};

const NAME: &str = "WSGI_CGI_SERVE_CHILD";
const KINDS: [&str; 5] = ["1", "check", "script", "as:", "as:check"];

/// What the observer begins its lines with.
const MARK: &str = "\u{1e}wsgi-cgi check";

#[test]
fn a_header_or_a_query_makes_no_child_of_ours() {
    let listener = Setup::of("environ_json.py").start();
    for kind in KINDS {
        let query = format!("{NAME}={kind}");
        let done = Run::of("environ_json.py")
            .variable(&format!("HTTP_{NAME}"), kind)
            .variable("QUERY_STRING", &query)
            .done();
        done.assert_status("200 OK").assert_quiet();
        let target = format!("/?{query}");
        let fields = [("WSGI-CGI-Serve-Child", kind), (NAME, kind)];
        let reply = listener.connect().exchange("GET", &target, &fields, b"");
        assert_eq!(reply.status, 200, "{kind}");
        let text = String::from_utf8_lossy(&reply.body).into_owned();
        assert!(
            text.contains("HTTP_WSGI_CGI_SERVE_CHILD")
                && !text.contains("\"WSGI_CGI_SERVE_CHILD\""),
            "{text}"
        );
    }
}

/// As where a server has the variable in its own environment, and this program in its folder of scripts.
#[test]
fn an_inherited_variable_lets_no_query_choose_a_program() {
    let folder = tempfile::tempdir().unwrap();
    let (script, trace) = (folder.path().join("script"), folder.path().join("trace"));
    fs::write(&script, format!("#!/bin/sh\n: > '{}'\n", trace.display())).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let script = script.to_str().unwrap();
    let user = rustix::process::geteuid().as_raw().to_string();
    let evil = app("environ_json.py");
    let python = format!("--python={script}");
    let kinds = ["script", "as:", "as:script", "as:check", "other", ""];
    for kind in kinds.into_iter().chain(KINDS) {
        for words in [
            &[script][..],
            &[&user, &user, script],
            &[&python, evil.to_str().unwrap()],
        ] {
            let done = Run::with_arguments(words)
                .variable("SCRIPT_FILENAME", PROGRAM)
                .variable("QUERY_STRING", words.join("+"))
                .variable(NAME, kind)
                .done();
            done.assert_told("WC003").assert_exit(2);
            assert!(!trace.exists(), "{kind:?} {words:?}");
        }
    }
}

#[test]
fn a_request_is_observed_for_check_alone_and_then_never_warm() {
    let text = "def application(environ, start_response):\n    \
                start_response('200 OK', [('Content-Type', 'text/plain')])\n    return [b'x']\n";
    let site = crate::warm::Site::with(text);
    site.start();
    let observed = site.request().variable(NAME, "check").done();
    observed.assert_told(MARK).assert_exit(0);
    let done = site.get();
    assert!(
        crate::warm::is_warm(&done) && !done.err.contains(MARK),
        "{done}"
    );
}

/// A record of Apache's `Action` has this program as SCRIPT_FILENAME.
#[test]
fn a_replayed_request_goes_to_the_application_that_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let event = folder.path().join("event.json");
    let text =
        format!(r#"{{"variables": {{"SCRIPT_FILENAME": {PROGRAM:?}, "REDIRECT_HANDLER": "x"}}}}"#);
    fs::write(&event, text).unwrap();
    let application = app("environ_json.py");
    let words = [
        "request".as_ref(),
        "--event".as_ref(),
        event.as_os_str(),
        application.as_os_str(),
    ];
    Run::by_hand(&words).done().assert_exit(0);
}
