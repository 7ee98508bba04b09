//! HTTP/1.1 as a careful server does it: connections that live on, bodies whose end is known.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::OnceLock;

use crate::support::listener::{Listener, Setup};
use crate::support::wire::{Pace, Then, exchange, replies};

fn listener() -> &'static Listener {
    static LISTENER: OnceLock<Listener> = OnceLock::new();
    LISTENER.get_or_init(|| Setup::of("serve_probe.py").start())
}

/// Everything that is answered until the listener ends the connection.
#[track_caller]
fn answers(request: &str, then: Then) -> String {
    let (_, answer) = exchange(listener().port, request.as_bytes(), Pace::Whole, then);
    String::from_utf8(answer.unwrap()).unwrap()
}

#[test]
fn a_connection_serves_one_request_after_another() {
    let mut connection = listener().connect();
    for number in 0..5 {
        let body = format!("body {number}");
        let reply = connection.exchange("POST", "/echo", &[], body.as_bytes());
        assert_eq!((reply.status, reply.text()), (200, body));
        assert_eq!(reply.field("Connection"), Some("keep-alive"));
    }
}

#[test]
fn pipelined_requests_are_answered_in_their_order() {
    let mut requests = String::new();
    for number in 0..5 {
        let body = format!("body {number}");
        let length = body.len();
        requests +=
            &format!("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{body}");
    }
    requests += "GET /bare?204 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let text = answers(&requests, Then::Wait);
    let replies = replies(text.as_bytes()).unwrap();
    let bodies: Vec<_> = replies.iter().map(|reply| reply.text()).collect();
    assert_eq!(
        bodies,
        ["body 0", "body 1", "body 2", "body 3", "body 4", ""]
    );
    assert_eq!(replies.last().map(|reply| reply.status), Some(204));
}

#[test]
fn http_1_0_ends_its_connection_unless_it_asks_for_another_request() {
    let text = answers("GET /stream HTTP/1.0\r\n\r\n", Then::Wait);
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
    assert!(!text.contains("Transfer-Encoding"), "{text}");
    assert!(text.contains("Connection: close\r\n"), "{text}");
    assert!(
        text.ends_with("\r\n\r\npiece 0\npiece 1\npiece 2\n"),
        "{text}"
    );
    let two = "POST /echo HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\na\
               POST /echo HTTP/1.0\r\nContent-Length: 1\r\n\r\nb";
    let text = answers(two, Then::Wait);
    assert!(
        text.contains("Connection: keep-alive\r\n\r\na")
            && text.ends_with("Connection: close\r\n\r\nb")
    );
}

#[test]
fn a_chunked_body_has_a_length_and_no_trailers() {
    let request = "POST /length HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n\
                   3;ext=\"1\"\r\nabc\r\n00a\r\n0123456789\r\n0\r\nX-Trailer: 1\r\nContent-Length: 5\r\n\r\n";
    let text = answers(request, Then::Wait);
    assert!(text.ends_with("13 13 none"), "{text}");
    let mut large = "POST /length HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n".to_owned();
    for _ in 0..50 {
        large += &format!("{:x}\r\n{}\r\n", 10_000, "x".repeat(10_000));
    }
    large += "0\r\n\r\n";
    let text = answers(&large, Then::Wait);
    assert!(text.ends_with("500000 500000 none"), "{text}");
}

#[test]
fn large_bodies_arrive_whole_both_ways() {
    let body: Vec<u8> = (0..3_000_000u32).map(|number| number as u8).collect();
    let reply = listener().connect().exchange("POST", "/echo", &[], &body);
    assert_eq!(reply.status, 200);
    assert!(reply.body == body);
}

#[test]
fn a_response_is_streamed_in_pieces() {
    let folder = tempfile::tempdir().unwrap();
    let mut connection = listener().connect();
    connection.send(
        "GET",
        &format!("/stream?{}", folder.path().display()),
        &[],
        b"",
    );
    let head = connection.head();
    assert_eq!(head.field("Transfer-Encoding"), Some("chunked"));
    // The application waits for the file: the first piece has come before its second is made.
    assert_eq!(connection.piece(&head), b"piece 0\n");
    std::fs::write(folder.path().join("go"), "").unwrap();
    let mut rest = Vec::new();
    loop {
        let piece = connection.piece(&head);
        if piece.is_empty() {
            break;
        }
        rest.extend(piece);
    }
    assert_eq!(rest, b"piece 1\npiece 2\n");
}

#[test]
fn a_client_that_expects_it_is_told_to_continue() {
    let mut stream = TcpStream::connect(("127.0.0.1", listener().port)).unwrap();
    stream
        .write_all(b"POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: 4\r\n\r\n")
        .unwrap();
    let mut line = [0; 25];
    stream.read_exact(&mut line).unwrap();
    assert_eq!(&line, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"body").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("body"), "{answer}");
    // Not in vain, and not where the body is refused.
    let early = "POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: 1\r\n\r\na";
    assert!(answers(early, Then::Wait).starts_with("HTTP/1.1 200"));
    let large =
        "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 99999999999\r\n\r\n";
    assert!(answers(large, Then::Wait).starts_with("HTTP/1.1 413"));
}

#[test]
fn head_and_responses_without_body_have_none() {
    let text = answers(
        "HEAD /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        Then::Wait,
    );
    assert!(
        text.ends_with("\r\n\r\n") && text.contains("Content-Length: 0\r\n"),
        "{text}"
    );
    let text = answers(
        "HEAD /stream HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        Then::Wait,
    );
    assert!(
        text.ends_with("\r\n\r\n") && !text.contains("piece"),
        "{text}"
    );
    // Refused before it is a request, and after.
    for (request, status) in [
        ("HEAD / HTTP/1.1\r\n\r\n", 400),
        ("HEAD /\0 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("HEAD / HTTP/2.0\r\nHost: x\r\n\r\n", 505),
        (
            "HEAD /%00 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            400,
        ),
    ] {
        let text = answers(request, Then::Wait);
        let is_right = text.starts_with(&format!("HTTP/1.1 {status} "));
        assert!(
            is_right && text.ends_with("\r\n\r\n"),
            "{request:?}: {text}"
        );
        assert!(text.contains("Content-Length: "), "{text}");
    }
    for status in ["204", "304"] {
        let request =
            format!("GET /bare?{status} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let text = answers(&request, Then::Wait);
        assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{text}");
        assert!(
            text.ends_with("\r\n\r\n") && text.contains("X-Bare: yes\r\n"),
            "{text}"
        );
        assert!(
            !text.contains("Transfer-Encoding") && !text.contains("Content-Length"),
            "{text}"
        );
    }
}

#[test]
fn the_server_as_a_whole_can_be_asked() {
    let text = answers(
        "OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        Then::Wait,
    );
    assert!(text.starts_with("HTTP/1.1 204 "), "{text}");
}

#[test]
fn a_wrong_length_of_the_application_is_seen_or_cut() {
    let text = answers("GET /short HTTP/1.1\r\nHost: x\r\n\r\n", Then::Wait);
    assert!(
        text.contains("Content-Length: 10\r\n") && text.ends_with("\r\n\r\nshort"),
        "{text}"
    );
    listener().told("WC050");
    let mut connection = listener().connect();
    let reply = connection.exchange("GET", "/long", &[], b"");
    assert_eq!(reply.text(), "long");
    assert_eq!(
        connection.exchange("POST", "/echo", &[], b"next").text(),
        "next"
    );
    listener().told("WC051");
}

#[test]
fn a_response_whose_application_died_is_cut_for_the_client_to_see() {
    let text = answers("GET /dies HTTP/1.1\r\nHost: x\r\n\r\n", Then::Wait);
    assert!(
        text.contains("Transfer-Encoding: chunked") && text.ends_with("4\r\nsome\r\n"),
        "{text}"
    );
}

#[test]
fn redirects_and_repeated_fields_pass() {
    let reply = listener().connect().exchange("GET", "/moved", &[], b"");
    assert_eq!(
        (reply.status, reply.field("Location")),
        (302, Some("/environ"))
    );
    assert_eq!(reply.all("Set-Cookie").collect::<Vec<_>>(), ["a=1", "b=2"]);
    assert_eq!(reply.all("Date").count(), 1);
}

#[test]
fn a_client_that_ends_its_side_gets_its_answer() {
    let text = answers("GET /environ HTTP/1.0\r\n\r\n", Then::StopSending);
    assert!(text.starts_with("HTTP/1.1 200 "), "{text}");
}
