//! `wsgi.input`.

use std::io::{Read, Write};
use std::process::Stdio;

use crate::support::response::Response;
use crate::support::run::{Run, Watch};

const BODY: &str = "first line\nsecond\n\nfourth line is longer\nfive\nsix\nseven\neight\nlast";

#[test]
fn input_ends_at_content_length_whatever_is_behind_it() {
    let run = Run::of("requests.py:whole")
        .post("12345")
        .input("12345GET / HTTP/1.1\r\n\r\n")
        .done();
    run.assert_body("12345").assert_quiet();
}

#[test]
fn input_of_known_length_is_not_read_to_end_of_file() {
    // uWSGI keeps the pipe open.
    let mut command = Run::of("requests.py:whole").post("12345").command();
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let _watch = Watch::over(&child);
    let mut open = child.stdin.take().unwrap();
    open.write_all(b"12345").unwrap();
    let mut out = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut out).unwrap();
    assert_eq!(Response::parse(&out).unwrap().body, b"12345");
    assert!(child.wait().unwrap().success());
}

#[test]
fn input_without_a_length_is_empty() {
    for length in [None, Some(""), Some("0")] {
        let run = Run::of("requests.py:whole").input("not a body");
        let run = match length {
            Some(length) => run.variable("CONTENT_LENGTH", length),
            None => run,
        };
        run.done().assert_body("").assert_quiet();
    }
}

#[test]
fn a_length_that_is_no_number_is_a_bad_request() {
    for length in [
        "-1",
        "+5",
        "5, 5",
        "0x5",
        " 5",
        "5.0",
        "99999999999999999999999",
    ] {
        let done = Run::of("requests.py:whole")
            .variable("CONTENT_LENGTH", length)
            .done();
        done.assert_status("400 Bad Request")
            .assert_told("WC060")
            .assert_exit(0);
    }
}

#[test]
fn a_chunked_body_that_the_server_decoded_ends_at_end_of_file() {
    let done = Run::of("requests.py:terminated")
        .variable("REQUEST_METHOD", "POST")
        .variable("HTTP_TRANSFER_ENCODING", "chunked")
        .input("decoded")
        .done();
    done.assert_body("True\n7\n").assert_quiet();
    Run::of("requests.py:terminated")
        .post("x")
        .done()
        .assert_body("None\n1\n");
}

#[test]
fn a_body_that_ends_early_is_told_and_given_as_far_as_it_came() {
    let done = Run::of("requests.py:whole")
        .post("12345")
        .input("123")
        .done();
    done.assert_body("123").assert_told("WC061").assert_exit(0);
}

#[test]
fn every_method_reads_as_io_bytesio_does() {
    let done = Run::of("requests.py:methods").post(BODY).done();
    done.assert_status("200 OK").assert_quiet();
    let told = done.response().text();
    assert_eq!(told.lines().count(), 13, "{done}");
    assert!(told.lines().all(|line| line.ends_with(": same")), "{done}");
}

#[test]
fn pythons_io_classes_can_wrap_it() {
    let wrapped = |kind: &str, body: &str| {
        let run = Run::of("requests.py:wrapped")
            .request("POST", &format!("/?{kind}"))
            .post(body)
            .done();
        run.assert_quiet();
        run.response().text()
    };
    assert_eq!(wrapped("text", "\u{e9}\nb"), "'\u{e9}\\n'\n'b'\n");
    assert_eq!(wrapped("buffered", "a\nb"), "b'a\\n'\nb'b'\n");
    assert_eq!(wrapped("into", "abcdef"), "4\nbytearray(b'abcd')\n");
    assert_eq!(wrapped("into", "ab"), "2\nbytearray(b'ab\\x00\\x00')\n");
}
