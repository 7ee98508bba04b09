//! What passes between a client and the application, over each server.

use super::{exchange, told};
use crate::support::http::Connection;
use crate::support::server::{ALL, Server, server};
use crate::support::until;

fn each(test: impl Fn(&Server)) {
    for kind in ALL {
        test(server(kind));
    }
}

#[test]
fn query_path_and_method_arrive() {
    each(|server| {
        let reply = exchange(
            server,
            "GET",
            "/caf%C3%A9/%E2%82%AC%20x%3Fy?q=%C3%A9&a=b+c",
            &[],
            b"",
        );
        assert_eq!(reply.status, 200, "{server}: {reply}");
        // Bytes as latin-1 (PEP 3333).
        let path = "/caf\u{c3}\u{a9}/\u{e2}\u{82}\u{ac} x?y";
        assert_eq!(told(&reply, "PATH_INFO").as_deref(), Some(path), "{server}");
        assert_eq!(
            told(&reply, "SCRIPT_NAME").as_deref(),
            Some("/cgi-bin/app.cgi"),
            "{server}"
        );
        assert_eq!(
            told(&reply, "QUERY_STRING").as_deref(),
            Some("q=%C3%A9&a=b+c"),
            "{server}"
        );
        assert_eq!(
            told(&reply, "REQUEST_METHOD").as_deref(),
            Some("GET"),
            "{server}"
        );
    });
}

#[test]
fn forms_and_large_uploads_arrive_whole() {
    each(|server| {
        let kind = [("Content-Type", "application/x-www-form-urlencoded")];
        let reply = exchange(server, "POST", "/whole", &kind, b"name=Zo%C3%AB&x=1");
        assert_eq!(reply.text(), "name=Zo%C3%AB&x=1", "{server}: {reply}");
        let upload: Vec<u8> = (0..20u32 << 20)
            .map(|number| (number % 251) as u8)
            .collect();
        let reply = exchange(server, "POST", "/digest", &[], &upload);
        assert_eq!(reply.text(), digest(&upload), "{server}: {reply}");
    });
}

/// The system's own sha256.
fn digest(bytes: &[u8]) -> String {
    use std::io::Write;
    use std::process::{Command, Stdio};
    let mut command = Command::new("sha256sum");
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    let out = child.wait_with_output().unwrap();
    String::from_utf8(out.stdout)
        .unwrap()
        .split(' ')
        .next()
        .unwrap()
        .to_owned()
}

#[test]
fn a_chunked_body_arrives() {
    each(|server| {
        let mut connection = Connection::to(server.port);
        let body = b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";
        connection.send(
            "POST",
            "/cgi-bin/app.cgi/whole",
            &[("Transfer-Encoding", "chunked")],
            body,
        );
        let reply = connection.reply("POST");
        assert_eq!(reply.text(), "hello world", "{server}: {reply}");
    });
}

#[test]
fn authorization_is_passed_on_and_proxy_is_not() {
    each(|server| {
        let fields = [
            ("Authorization", "Basic dXNlcjpwYXNz"),
            ("Proxy", "http://evil"),
        ];
        let reply = exchange(server, "GET", "/", &fields, b"");
        assert_eq!(
            told(&reply, "HTTP_AUTHORIZATION").as_deref(),
            Some("Basic dXNlcjpwYXNz"),
            "{server}"
        );
        assert_eq!(told(&reply, "HTTP_PROXY"), None, "{server}");
    });
}

#[test]
fn a_redirect_reaches_the_client() {
    each(|server| {
        let reply = exchange(server, "GET", "/redirect", &[], b"");
        assert_eq!(reply.status, 302, "{server}: {reply}");
        assert!(
            reply
                .field("Location")
                .is_some_and(|to| to.ends_with("/elsewhere?x=1")),
            "{server}: {reply}"
        );
        assert_eq!(reply.text(), "over there", "{server}");
    });
}

#[test]
fn cookies_stay_apart() {
    each(|server| {
        let reply = exchange(server, "GET", "/cookies", &[], b"");
        assert_eq!(
            reply.all("Set-Cookie").collect::<Vec<_>>(),
            ["a=1", "b=2; Path=/"],
            "{server}"
        );
    });
}

#[test]
fn head_and_not_modified_have_no_body_and_the_connection_goes_on() {
    each(|server| {
        let mut connection = Connection::to(server.port);
        let head = connection.exchange("HEAD", "/cgi-bin/app.cgi/cookies", &[], b"");
        assert_eq!(head.status, 200, "{server}: {head}");
        assert_eq!(head.field("Content-Length"), Some("7"), "{server}: {head}");
        let unchanged = connection.exchange(
            "GET",
            "/cgi-bin/app.cgi/unchanged",
            &[("If-None-Match", "\"v1\"")],
            b"",
        );
        assert_eq!(
            (unchanged.status, unchanged.field("ETag")),
            (304, Some("\"v1\"")),
            "{server}: {unchanged}"
        );
        let next = connection.exchange("GET", "/cgi-bin/app.cgi/cookies", &[], b"");
        assert_eq!(next.text(), "cookies", "{server}: {next}");
        assert_eq!(next.field("Content-Length"), Some("7"), "{server}: {next}");
    });
}

#[test]
fn a_response_arrives_in_its_pieces() {
    each(|server| {
        let sign = server.sign("pieces");
        let mut connection = Connection::to(server.port);
        connection.send(
            "GET",
            &format!("/cgi-bin/app.cgi/pieces?{}", sign.display()),
            &[],
            b"",
        );
        let head = connection.head();
        assert_eq!(connection.piece(&head), b"first", "{server}");
        std::fs::write(&sign, "").unwrap();
        assert_eq!(connection.piece(&head), b"second", "{server}");
    });
}

#[test]
fn a_failure_is_an_error_page_and_a_reason_in_the_log() {
    each(|server| {
        let reply = exchange(server, "GET", "/fail", &[], b"");
        assert_eq!(reply.status, 500, "{server}: {reply}");
        assert!(
            reply.text().contains("WC040") && !reply.text().contains("secret"),
            "{server}: {reply}"
        );
        until("the log", || {
            server.log().contains("RuntimeError: a secret reason")
        });
    });
}

#[test]
fn a_client_that_goes_away_ends_the_application() {
    each(|server| {
        let sign = server.sign("closed");
        let mut connection = Connection::to(server.port);
        connection.send(
            "GET",
            &format!("/cgi-bin/app.cgi/forever?{}", sign.display()),
            &[],
            b"",
        );
        let head = connection.head();
        assert!(!connection.piece(&head).is_empty());
        drop(connection);
        until(&format!("close() under {server}"), || sign.exists());
    });
}
