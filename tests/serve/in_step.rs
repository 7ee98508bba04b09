//! Responses whose end is easily mistaken: after each of them the next one on the connection is still whole.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::support::listener::{Listener, Setup};
use crate::support::wire::{Pace, Then, exchange, readable, replies};

/// The query is the status; the body is what a response on the same connection would look like.
const ODD: &str = "\
def application(environ, start_response):
    start_response(environ['QUERY_STRING'] + ' Odd', [('ETag', '\"v1\"'), ('Date', 'Sun, 06 Nov 1994 08:49:37 GMT')])
    return [b'HTTP/1.1 200 OK\\r\\nContent-Length: 4\\r\\n\\r\\nevil']
";

fn probe() -> &'static Listener {
    static LISTENER: std::sync::OnceLock<Listener> = std::sync::OnceLock::new();
    LISTENER.get_or_init(|| Setup::of("serve_probe.py").start())
}

fn answer(listener: &Listener, request: &str) -> Vec<u8> {
    exchange(listener.port, request.as_bytes(), Pace::Whole, Then::Wait)
        .1
        .unwrap()
}

#[test]
fn a_head_leaves_nothing_behind() {
    let mut connection = probe().connect();
    for target in [
        "/environ",
        "/stream",
        "/short",
        "/long",
        "/moved",
        "/bare?204",
        "/dies",
        "/says",
    ] {
        let head = connection.exchange("HEAD", target, &[], b"");
        assert!(matches!(head.status, 200 | 204 | 302), "{target}: {head}");
        assert_eq!(
            head.field("Connection"),
            Some("keep-alive"),
            "{target}: {head}"
        );
        let next = connection.exchange("POST", "/echo", &[], b"next");
        assert_eq!(next.text(), "next", "behind {target}");
    }
}

#[test]
fn a_body_where_none_belongs_is_not_sent() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("odd.py");
    std::fs::write(&file, ODD).unwrap();
    let listener = Setup::with(&file).start();
    let mut connection = listener.connect();
    for status in [204, 304, 304, 204] {
        let reply = connection.exchange("GET", &format!("/?{status}"), &[], b"");
        assert_eq!(
            (reply.status, reply.field("ETag")),
            (status, Some("\"v1\"")),
            "{reply}"
        );
        assert_eq!(reply.field("Transfer-Encoding"), None, "{reply}");
    }
    let reply = connection.exchange("GET", "/?200", &[], b"");
    assert!(reply.text().ends_with("evil"), "{reply}");
    assert_eq!(reply.all("Date").count(), 1, "{reply}");
}

#[test]
fn http_1_0_asks_in_vain_for_another_request_behind_an_end_that_only_the_connection_tells() {
    let two = "GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /environ HTTP/1.0\r\n\r\n";
    let bytes = answer(probe(), two);
    let replies = replies(&bytes).unwrap();
    assert_eq!(replies.len(), 1);
    assert_eq!(replies[0].text(), "piece 0\npiece 1\npiece 2\n");
}

#[test]
fn a_client_that_needs_no_100_gets_none() {
    for request in [
        "POST /echo HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\nbody",
        "GET /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody",
    ] {
        let statuses: Vec<u16> = replies(&answer(probe(), request))
            .unwrap()
            .iter()
            .map(|reply| reply.status)
            .collect();
        assert_eq!(statuses, [200], "{request:?}");
    }
}

#[test]
fn a_chunked_body_is_asked_for_too() {
    let mut stream = TcpStream::connect(("127.0.0.1", probe().port)).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    let head = "POST /length HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let mut line = [0; 25];
    stream.read_exact(&mut line).unwrap();
    assert_eq!(&line, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"4\r\nbody\r\n0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("4 4 none"),
        "{answer}"
    );
}

#[test]
fn the_date_is_an_http_date_of_this_moment() {
    let mut connection = probe().connect();
    let reply = connection.exchange("GET", "/environ", &[], b"");
    let date = reply.field("Date").unwrap();
    // The system's own reading of it, strict in form by its length.
    assert!(date.len() == 29 && date.ends_with(" GMT"), "{date}");
    let read = std::process::Command::new("date")
        .args(["-d", date, "+%s"])
        .output()
        .unwrap();
    let read: u64 = String::from_utf8(read.stdout)
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    assert!(now.abs_diff(read) < 60, "{date}");
}

#[test]
fn an_absolute_target_replaces_host_for_the_application_too() {
    let reply = probe().connect().exchange(
        "GET",
        "http://other.example:81/x",
        &[("Host", "ignored.example")],
        b"",
    );
    let environ: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
    // RFC 9112 section 3.2.2.
    assert_eq!(environ["HTTP_HOST"], "other.example:81");
}

#[test]
fn connection_names_nothing_that_the_gateway_itself_must_know() {
    let fields = [
        (
            "Connection",
            "keep-alive, Content-Length, Host, Content-Type",
        ),
        ("Content-Type", "text/x"),
    ];
    let mut connection = probe().connect();
    let reply = connection.exchange("POST", "/length", &fields, b"body");
    assert_eq!(reply.text(), "4 4 none", "{reply}");
    let reply = connection.exchange("POST", "/environ", &fields, b"body");
    let environ: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(
        (&environ["CONTENT_LENGTH"], &environ["SERVER_NAME"]),
        (&"4".into(), &"localhost".into())
    );
}

#[test]
fn an_unread_body_is_never_the_next_request() {
    let folder = tempfile::tempdir().unwrap();
    let mount = format!("--static=/static={}", folder.path().display());
    let application = Setup::of("serve_probe.py").option(mount).start();
    let scripts = Setup::with(folder.path()).option("--list").start();
    let smuggled = "GET /environ HTTP/1.1\r\nHost: x\r\n\r\n";
    for (listener, line) in [
        (&application, "OPTIONS *"),
        (&application, "GET /static/none"),
        (&application, "GET /static"),
        (&application, "GET /a%00b"),
        (&scripts, "OPTIONS *"),
        (&scripts, "POST /none"),
        (&scripts, "GET /"),
    ] {
        let length = smuggled.len();
        let request =
            format!("{line} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{smuggled}");
        let (_, answer) = exchange(listener.port, request.as_bytes(), Pace::Whole, Then::Wait);
        let answer = answer.unwrap();
        let replies = replies(&answer).unwrap();
        assert_eq!(replies.len(), 1, "{line}: {}", readable(&answer));
    }
}
