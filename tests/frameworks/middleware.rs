//! A stack of middleware beyond the table: what each of them does.

use std::io::Write;
use std::process::{Command, Stdio};

use super::browser::{Browser, get};
use super::site::{Site, virtualenv};

fn site() -> Site {
    Site::copy_of("middleware", "app.py")
}

#[test]
fn gzip_packs_what_the_visitor_can_unpack() {
    let site = site();
    let mut browser = Browser::at(&site);
    let plain = browser.send(get("/"));
    let packed = browser.send(get("/").field("HTTP_ACCEPT_ENCODING", "gzip"));
    packed.assert_status(200).assert_quiet();
    assert_eq!(packed.field("Content-Encoding"), "gzip");
    assert_eq!(
        packed.field("Content-Length"),
        packed.body().len().to_string()
    );
    assert_eq!(unpacked(packed.body()), plain.body());
}

#[test]
fn paste_reports_the_failure_with_the_request() {
    let site = site();
    let answer = Browser::at(&site).send(get("/fail"));
    answer.assert_status(500).assert_says("Server Error");
    answer.assert_told("RuntimeError: this page fails on purpose");
    answer.assert_told("PATH_INFO: '/fail'");
}

/// A failure after the response has begun: Paste passes it on, and the response must end there.
#[test]
fn a_failure_in_the_middle_ends_the_response() {
    let source = "\
from paste.exceptions.errormiddleware import ErrorMiddleware

def broken(environ, start_response):
    start_response('200 OK', [('Content-Type', 'text/plain')])
    yield b'first'
    raise RuntimeError('in the middle')

application = ErrorMiddleware(broken, debug=False, show_exceptions_in_wsgi_errors=True)
";
    let site = site().with_application("middle.py", source);
    let answer = Browser::at(&site).send(get("/"));
    answer.assert_status(200);
    assert!(answer.text().starts_with("first"), "{answer}");
    answer.assert_told("in the middle");
}

/// The lint is of use only if it does speak: an application that breaks a rule.
#[test]
fn lint_complains_about_the_application() {
    let source = "\
from webtest.lint import middleware

def wrong(environ, start_response):
    start_response('200 OK', [('content-type', 'text/plain')])
    return ['text, not bytes']

application = middleware(wrong)
";
    let site = site().with_application("wrong.py", source);
    let answer = Browser::at(&site).send(get("/"));
    answer.assert_status(500);
    answer.assert_told("AssertionError");
    answer.done.assert_exit(1);
}

fn unpacked(bytes: &[u8]) -> Vec<u8> {
    let code =
        "import gzip, sys; sys.stdout.buffer.write(gzip.decompress(sys.stdin.buffer.read()))";
    let mut python = Command::new(virtualenv().join("bin/python"))
        .args(["-c", code])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    python.stdin.take().unwrap().write_all(bytes).unwrap();
    python.wait_with_output().unwrap().stdout
}
