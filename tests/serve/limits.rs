//! How much a request may be, to the byte, and what is told to one that is more.

use super::raw_requests::{Ending, MAX_BODY, Row, check_all};
use crate::support::wire::Pace;

const PACES: [Pace; 3] = [Pace::Whole, Pace::ByteByByte, Pace::Split];

/// A row that is made here: nobody would read a file of it.
fn made(name: &str, status: u16, ending: Ending, bytes: impl Into<Vec<u8>>) -> Row {
    Row {
        name: name.to_owned(),
        statuses: vec![vec![status]],
        may_be_silent: false,
        ending,
        says: Vec::new(),
        bytes: bytes.into(),
    }
}

fn get(target: &str, fields: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n")
}

fn post(fields: &str, body: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n{body}")
}

#[test]
fn a_request_line_has_8_kib() {
    let a = |count| "a".repeat(count);
    // What stands around the target takes 14 bytes.
    let fits = get(&format!("/{}", a(8192 - 14)), "");
    let rows = [
        made("fits", 200, Ending::Keep, fits),
        made(
            "path",
            414,
            Ending::Close,
            get(&format!("/{}", a(8200)), ""),
        ),
        made(
            "query",
            414,
            Ending::Close,
            get(&format!("/?{}", a(8200)), ""),
        ),
        made(
            "absolute",
            414,
            Ending::Close,
            get(&format!("http://localhost/{}", a(8200)), ""),
        ),
        made(
            "without end",
            414,
            Ending::Close,
            format!("GET /{}", a(20_000)),
        ),
        made(
            "empty line before",
            414,
            Ending::Close,
            format!("\r\n{}", get(&a(8200), "")),
        ),
    ];
    check_all(&rows, &PACES);
}

#[test]
fn a_head_has_64_kib_and_100_fields() {
    let fields = |count| "X-A: b\r\n".repeat(count);
    let large = |count: usize| format!("X-A: {}\r\n", "b".repeat(1000)).repeat(count);
    let long = format!("X-A: {}\r\n", "b".repeat(66_000));
    // Host is one of the hundred.
    let rows = [
        made("100 fields", 200, Ending::Keep, get("/", &fields(99))),
        made("101 fields", 431, Ending::Close, get("/", &fields(100))),
        made("1000 fields", 431, Ending::Close, get("/", &fields(1000))),
    ];
    check_all(&rows, &PACES);
    let rows = [
        made("60 KiB", 200, Ending::Keep, get("/", &large(60))),
        made("70 KiB", 431, Ending::Close, get("/", &large(70))),
        made("one long field", 431, Ending::Close, get("/", &long)),
        made(
            "one long name",
            431,
            Ending::Close,
            get("/", &"X".repeat(66_000)),
        ),
        made(
            "without end",
            431,
            Ending::Close,
            format!("GET / HTTP/1.1\r\nHost: x\r\nX-A: {}", "b".repeat(500_000)),
        ),
        made(
            "many small lines",
            431,
            Ending::Close,
            get("/", &"X:\r\n".repeat(20_000)),
        ),
    ];
    check_all(&rows, &[Pace::Whole, Pace::Split]);
}

#[test]
fn a_body_has_its_limit_however_it_comes() {
    let body = "b".repeat(MAX_BODY);
    let length = |length: usize| format!("Content-Length: {length}\r\n");
    let chunked = "Transfer-Encoding: chunked\r\n";
    let chunk = |size: usize| format!("{size:x}\r\n{}\r\n", "c".repeat(size));
    let expects = |fields: &str| format!("Expect: 100-continue\r\n{fields}");
    let rows = [
        made(
            "length fits",
            200,
            Ending::Keep,
            post(&length(MAX_BODY), &body),
        ),
        made(
            "length",
            413,
            Ending::Close,
            post(&length(MAX_BODY + 1), &body),
        ),
        made(
            "length before any body",
            413,
            Ending::Close,
            post(&length(MAX_BODY + 1), ""),
        ),
        made(
            "length with Expect",
            413,
            Ending::Close,
            post(&expects(&length(MAX_BODY + 1)), ""),
        ),
        made(
            "chunks fit",
            200,
            Ending::Keep,
            post(chunked, &format!("{}0\r\n\r\n", chunk(1024).repeat(100))),
        ),
        made(
            "one chunk",
            413,
            Ending::Close,
            post(chunked, &format!("{}0\r\n\r\n", chunk(MAX_BODY + 1))),
        ),
        made(
            "a size alone",
            413,
            Ending::Close,
            post(chunked, "fffffff\r\n"),
        ),
        made(
            "many chunks",
            413,
            Ending::Close,
            post(chunked, &format!("{}0\r\n\r\n", chunk(1024).repeat(101))),
        ),
        made(
            "endless chunks",
            413,
            Ending::Close,
            post(
                chunked,
                &format!("{}0\r\n\r\n", chunk(1).repeat(MAX_BODY + 10)),
            ),
        ),
    ];
    check_all(&rows, &[Pace::Whole, Pace::Split]);
}

#[test]
fn what_is_skipped_in_a_chunked_body_has_its_limit() {
    let chunked = "Transfer-Encoding: chunked\r\n";
    let extension = "e".repeat(100_000);
    let trailers = "X-A: b\r\n".repeat(20_000);
    let small = "1;e=12345678901234567890123456789012345678901234567890\r\na\r\n0\r\n\r\n";
    let bad = |name, bytes| Row {
        statuses: vec![vec![400, 413, 431]],
        ..made(name, 400, Ending::Close, bytes)
    };
    let rows = [
        made("a short extension", 200, Ending::Keep, post(chunked, small)),
        bad(
            "a long extension",
            post(chunked, &format!("1;{extension}\r\na\r\n0\r\n\r\n")),
        ),
        bad(
            "a long extension of the last chunk",
            post(chunked, &format!("0;{extension}\r\n\r\n")),
        ),
        bad(
            "an extension without end",
            post(chunked, &format!("1;{extension}")),
        ),
        bad(
            "a long trailer",
            post(chunked, &format!("0\r\nX: {extension}\r\n\r\n")),
        ),
        bad(
            "many trailers",
            post(chunked, &format!("0\r\n{trailers}\r\n")),
        ),
    ];
    check_all(&rows, &[Pace::Whole, Pace::Split]);
}
