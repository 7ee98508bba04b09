//! `wsgi-cgi lambda` with a runtime API that stops in the middle, fails, or says what it should not.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use crate::support::lambda::Function;
use crate::support::wire::wait_until_read;
use crate::support::{app, until};

/// A function, and its connection to an API after it has asked for an event there.
fn asking() -> (Function, TcpListener, TcpStream) {
    let api = TcpListener::bind("127.0.0.1:0").unwrap();
    let application = app("environ_json.py");
    let port = api.local_addr().unwrap().port();
    let words: [&OsStr; 1] = [application.as_os_str()];
    let function = Function::of(port, "f".into(), &words, &[]);
    let stream = asked(&api);
    (function, api, stream)
}

/// The next connection, when a whole request without a body has come on it.
fn asked(api: &TcpListener) -> TcpStream {
    let (mut stream, _) = api.accept().unwrap();
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        request.extend(byte);
    }
    assert!(request.starts_with(b"GET /.rt/f/2018-06-01/runtime/invocation/next "));
    stream
}

const HEAD: &str = "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: i\r\n";

#[test]
fn sigterm_in_the_middle_of_an_event_ends_the_function_at_once() {
    for begun in [
        String::new(),
        "HTTP/1.1 200 OK\r\nLambda-Run".into(),
        "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 2".into(),
        format!("{HEAD}Content-Length: 1000\r\n\r\n{{"),
        format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n5\r\n{{"),
        format!("{HEAD}\r\n{{"),
    ] {
        let (mut function, _api, mut stream) = asking();
        stream.write_all(begun.as_bytes()).unwrap();
        wait_until_read(&stream);
        function.terminate();
        until(&format!("the end within {begun:?}"), || {
            function.has_ended()
        });
        let (status, log) = function.ended();
        assert_eq!((status, log.as_str()), (Some(0), ""), "{begun:?}");
    }
}

#[test]
fn a_runtime_api_that_fails_is_named_as_what_failed() {
    let head = HEAD.trim_end();
    for (answer, told) in [
        (
            "HTTP/1.1 500 No\r\nContent-Length: 4\r\n\r\nwell".to_owned(),
            "answered 500 well",
        ),
        (
            "HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\n\x1b[".to_owned(),
            "answered 403 \u{fffd}[",
        ),
        ("nothing of HTTP\r\n\r\n".to_owned(), "invalid"),
        (format!("{HEAD}Content-Length: 9\r\n\r\n{{"), "closed"),
        (
            format!("{HEAD}Transfer-Encoding: chunked\r\n\r\nx\r\n"),
            "chunk",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}".to_owned(),
            "Lambda-Runtime-Aws-Request-Id is \"\"",
        ),
        (
            format!("{head}/../../x\r\nContent-Length: 2\r\n\r\n{{}}"),
            "\"i/../../x\"",
        ),
        (
            format!("{head} HTTP/1.1 x\r\nContent-Length: 2\r\n\r\n{{}}"),
            "\"i HTTP/1.1 x\"",
        ),
    ] {
        let (function, _api, mut stream) = asking();
        stream.write_all(answer.as_bytes()).unwrap();
        drop(stream);
        let (status, log) = function.ended();
        let is_right = log.contains("WC077") && log.contains("invocation/next");
        assert!(
            is_right && log.contains(told) && !log.contains("WC070"),
            "{told}:\n{log}"
        );
        assert_eq!(status, Some(1));
    }
}

/// A kept connection that has ended is no failure; and an API that is gone is one.
#[test]
fn an_event_is_asked_for_once_more_on_a_new_connection() {
    let (function, api, stream) = asking();
    drop(stream);
    let stream = asked(&api);
    drop((stream, api));
    let (status, log) = function.ended();
    assert!(log.contains("WC077"), "{log}");
    assert_eq!(status, Some(1));
}
