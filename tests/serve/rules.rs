//! Requests that are none, or could be read in two ways: refused, and nothing of them passed on.

use std::fs;
use std::path::Path;

use crate::support::listener::{Listener, Setup};
use crate::support::wire::{Pace, Then, exchange, readable, replies, says_close};

/// A request, and the status it deserves.
const REFUSED: [(&str, u16); 62] = [
    // RFC 9112 section 6: the body's length is said once, and in one way.
    (
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    (
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        400,
    ),
    (
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        400,
    ),
    (
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        400,
    ),
    (
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5, 5\r\n\r\nhello",
        400,
    ),
    (
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\nhello",
        400,
    ),
    (
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\nhello",
        400,
    ),
    (
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5 5\r\n\r\nhello",
        400,
    ),
    (
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0x5\r\n\r\nhello",
        400,
    ),
    (
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5.0\r\n\r\nhello",
        400,
    ),
    (
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n\r\nhello",
        400,
    ),
    (
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551616\r\n\r\nhello",
        400,
    ),
    (
        "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    (
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
        501,
    ),
    (
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        501,
    ),
    (
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n",
        501,
    ),
    (
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, gzip\r\n\r\n",
        400,
    ),
    (
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, chunked\r\n\r\n",
        400,
    ),
    (
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        400,
    ),
    (
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\r\n\r\n",
        400,
    ),
    (
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: \x0bchunked\r\n\r\n",
        400,
    ),
    // Section 7.1: chunks.
    (
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n+1\r\na\r\n0\r\n\r\n",
        400,
    ),
    (
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\na\r\n0\r\n\r\n",
        400,
    ),
    (
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n",
        400,
    ),
    (
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1 \r\na\r\n0\r\n\r\n",
        400,
    ),
    (
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n 1\r\na\r\n0\r\n\r\n",
        400,
    ),
    (
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n\r\na\r\n0\r\n\r\n",
        400,
    ),
    (
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n00000000000000001\r\na\r\n0\r\n\r\n",
        400,
    ),
    (
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\na\r\n0\r\n\r\n",
        400,
    ),
    (
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
        400,
    ),
    (
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\naXX0\r\n\r\n",
        400,
    ),
    (
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;a\rb\r\na\r\n0\r\n\r\n",
        400,
    ),
    (
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;\x01\r\na\r\n0\r\n\r\n",
        400,
    ),
    // Section 5: fields.
    ("GET / HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n", 400),
    (
        "GET / HTTP/1.1\r\nHost: x\r\nContent-Length : 5\r\n\r\nhello",
        400,
    ),
    ("GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n folded\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n\tfolded\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\n Host: x\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: x\r\nA: b\nB: c\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: x\r\nA\0: b\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: x\r\n: no name\r\n\r\n", 400),
    ("GET / HTTP/1.1\nHost: x\n\n", 400),
    // Section 3: the request line.
    ("GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ("GET / HTTP/1.1x\r\nHost: x\r\n\r\n", 400),
    ("GET  / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ("GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ("GET /\r\nHost: x\r\n\r\n", 400),
    ("GET no-slash HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ("GET * HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ("GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505),
    ("GET / HTTP/0.9\r\nHost: x\r\n\r\n", 505),
    ("CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n", 501),
    ("\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    // Section 3.2: the host.
    ("GET / HTTP/1.1\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: x/y\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", 400),
    ("GET http:///x HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    // RFC 9110 section 10.1.1.
    (
        "GET / HTTP/1.1\r\nHost: x\r\nExpect: the-unexpected\r\n\r\n",
        417,
    ),
];

/// What a smuggler would want to be taken for the next request.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";

fn listener(calls: &Path) -> Listener {
    Setup::of("serve_probe.py")
        .option(format!("--env=CALLS={}", calls.display()))
        .start()
}

#[track_caller]
fn assert_refused(listener: &Listener, request: &[u8], expected: u16, pace: Pace) {
    let (_, answer) = exchange(listener.port, request, pace, Then::Wait);
    let shown = readable(request);
    let answer = answer.unwrap_or_else(|error| panic!("{shown:?} {pace:?}: {error}"));
    let replies = replies(&answer).unwrap_or_else(|error| panic!("{shown:?} {pace:?}: {error}"));
    let [reply] = replies.as_slice() else {
        panic!("{shown:?} {pace:?}: {} answers", replies.len());
    };
    assert_eq!(reply.status, expected, "{shown:?} {pace:?}\n{reply}");
    assert!(
        reply.field("Connection").is_some_and(says_close),
        "{shown:?}\n{reply}"
    );
}

#[test]
fn what_could_be_read_in_two_ways_is_refused_and_not_passed_on() {
    let folder = tempfile::tempdir().unwrap();
    let calls = folder.path().join("calls");
    let listener = listener(&calls);
    for (request, expected) in REFUSED {
        for pace in [Pace::Whole, Pace::ByteByByte, Pace::Split] {
            let bytes = format!("{request}{SMUGGLED}");
            assert_refused(&listener, bytes.as_bytes(), expected, pace);
        }
    }
    assert!(!calls.exists(), "{}", fs::read_to_string(&calls).unwrap());
}

#[test]
fn an_encoded_nul_is_no_path() {
    let folder = tempfile::tempdir().unwrap();
    let calls = folder.path().join("calls");
    let listener = listener(&calls);
    let reply = listener.connect().exchange("GET", "/a%00b", &[], b"");
    assert_eq!(reply.status, 400, "{reply}");
    assert!(!calls.exists());
}

#[test]
fn what_is_too_large_has_its_own_status() {
    let folder = tempfile::tempdir().unwrap();
    let calls = folder.path().join("calls");
    let listener = Setup::of("serve_probe.py")
        .option(format!("--env=CALLS={}", calls.display()))
        .option("--max-body=1000")
        .start();
    let line = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(9000));
    let field = format!(
        "GET / HTTP/1.1\r\nHost: x\r\nA: {}\r\n\r\n",
        "a".repeat(70_000)
    );
    let fields = format!(
        "GET / HTTP/1.1\r\nHost: x\r\n{}\r\n",
        "A: b\r\n".repeat(101)
    );
    let body = format!(
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n{}",
        "a".repeat(1001)
    );
    let announced = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999999999\r\n\r\n";
    let chunks = format!(
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n",
        format!("1f4\r\n{}\r\n", "a".repeat(500)).repeat(3)
    );
    for (request, expected) in [
        (line.as_str(), 414),
        (&field, 431),
        (&fields, 431),
        (&body, 413),
        (announced, 413),
        (&chunks, 413),
    ] {
        assert_refused(&listener, request.as_bytes(), expected, Pace::Whole);
    }
    assert!(!calls.exists());
    let fits = "a".repeat(1000);
    let reply = listener
        .connect()
        .exchange("POST", "/echo", &[], fits.as_bytes());
    assert_eq!((reply.status, reply.text()), (200, fits));
}

#[test]
fn an_answer_to_a_large_unread_body_arrives() {
    let listener = Setup::of("serve_probe.py")
        .option("--max-body=1000")
        .start();
    let body = vec![b'x'; 8 << 20];
    for _ in 0..20 {
        let request = format!(
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let bytes = [request.as_bytes(), &body].concat();
        assert_refused(&listener, &bytes, 413, Pace::Whole);
    }
}
