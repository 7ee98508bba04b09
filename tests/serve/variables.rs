//! The environment that a request makes (RFC 3875 section 4.1), and what does not get into it.

use std::sync::OnceLock;

use serde_json::Value;

use crate::support::app;
use crate::support::listener::{Listener, Setup};

fn listener() -> &'static Listener {
    static LISTENER: OnceLock<Listener> = OnceLock::new();
    LISTENER.get_or_init(|| {
        Setup::of("serve_probe.py")
            .variable("SECRET_OF_THE_SHELL", "x")
            .variable("HTTP_PROXY", "http://evil")
            .variable("LC_ALL", "C.UTF-8")
            .variable("NAMED", "taken along")
            .option("--env=NAMED")
            .option("--env=GIVEN=as is")
            .option("--env=UNSET")
            .start()
    })
}

#[track_caller]
fn environ(target: &str, fields: &[(&str, &str)]) -> Value {
    let reply = listener().connect().exchange("GET", target, fields, b"");
    assert_eq!(reply.status, 200, "{reply}");
    serde_json::from_slice(&reply.body).unwrap()
}

#[track_caller]
fn assert_has(environ: &Value, expected: &[(&str, &str)]) {
    for (name, value) in expected {
        assert_eq!(environ[name], *value, "{name} in {environ:#}");
    }
}

#[test]
fn the_request_line_and_the_connection() {
    let port = listener().port.to_string();
    let environ = environ("/a%20b//c%2Fd;e?x=%20y&z", &[("Host", "app.localhost")]);
    let file = app("serve_probe.py");
    let folder = file.parent().unwrap();
    assert_has(
        &environ,
        &[
            ("GATEWAY_INTERFACE", "CGI/1.1"),
            ("REQUEST_METHOD", "GET"),
            ("REQUEST_URI", "/a%20b//c%2Fd;e?x=%20y&z"),
            ("SCRIPT_NAME", ""),
            ("PATH_INFO", "/a b//c/d;e"),
            ("QUERY_STRING", "x=%20y&z"),
            ("SERVER_PROTOCOL", "HTTP/1.1"),
            ("SERVER_NAME", "app.localhost"),
            ("SERVER_PORT", &port),
            ("SERVER_ADDR", "127.0.0.1"),
            ("REMOTE_ADDR", "127.0.0.1"),
            ("REQUEST_SCHEME", "http"),
            ("wsgi.url_scheme", "http"),
            ("SCRIPT_FILENAME", file.to_str().unwrap()),
            ("DOCUMENT_ROOT", folder.to_str().unwrap()),
            ("cwd", folder.to_str().unwrap()),
        ],
    );
    assert!(
        environ["REMOTE_PORT"]
            .as_str()
            .unwrap()
            .parse::<u16>()
            .is_ok()
    );
    assert!(
        environ["SERVER_SOFTWARE"]
            .as_str()
            .unwrap()
            .starts_with("wsgi-cgi/")
    );
    for absent in [
        "CONTENT_LENGTH",
        "CONTENT_TYPE",
        "HTTP_CONTENT_LENGTH",
        "WSGI_CGI_SERVE_CHILD",
    ] {
        assert_eq!(environ[absent], Value::Null, "{absent}");
    }
}

#[test]
fn paths_are_decoded_once_and_cannot_climb() {
    for (target, expected) in [
        ("/%252e%252e/x", "/%2e%2e/x"),
        ("/%2e%2e/%2e%2e/etc/passwd", "/etc/passwd"),
        ("/a/../../b", "/b"),
        ("/a%2F..%2F..%2Fb", "/b"),
        ("//evil.example/x", "//evil.example/x"),
        ("/%ff%C3%A9", "/\u{ff}\u{c3}\u{a9}"),
        ("/a+b", "/a+b"),
        ("/%zz%", "/%zz%"),
    ] {
        assert_has(
            &environ(target, &[]),
            &[("PATH_INFO", expected), ("REQUEST_URI", target)],
        );
    }
}

#[test]
fn the_host_names_the_server() {
    assert_has(
        &environ("/", &[("Host", "[::1]:8000")]),
        &[("SERVER_NAME", "[::1]"), ("SERVER_PORT", "8000")],
    );
    let absolute = environ(
        "http://other.example:81/x?y",
        &[("Host", "ignored.example")],
    );
    assert_has(
        &absolute,
        &[
            ("HTTP_HOST", "other.example:81"),
            ("SERVER_NAME", "other.example"),
            ("SERVER_PORT", "81"),
            ("PATH_INFO", "/x"),
            ("QUERY_STRING", "y"),
        ],
    );
}

#[test]
fn fields_become_variables_by_the_rules() {
    let environ = environ(
        "/",
        &[
            ("X-One", "1"),
            ("x-one", "2"),
            ("Cookie", "a=1"),
            ("Cookie", "b=2"),
            ("Authorization", "Basic abc"),
            ("Content-Type", "text/x"),
            ("Proxy", "http://evil"),
            ("X_Under", "1"),
            ("X.Dot", "1"),
            ("Connection", "keep-alive, X-Hop"),
            ("X-Hop", "1"),
            ("Keep-Alive", "timeout=5"),
            ("TE", "trailers"),
            ("Upgrade", "websocket"),
        ],
    );
    assert_has(
        &environ,
        &[
            ("HTTP_X_ONE", "1, 2"),
            ("HTTP_COOKIE", "a=1; b=2"),
            ("HTTP_AUTHORIZATION", "Basic abc"),
            ("CONTENT_TYPE", "text/x"),
        ],
    );
    for absent in [
        "HTTP_PROXY",
        "HTTP_X_UNDER",
        "HTTP_X_DOT",
        "HTTP_X_HOP",
        "HTTP_CONNECTION",
        "HTTP_KEEP_ALIVE",
        "HTTP_TE",
        "HTTP_UPGRADE",
        "HTTP_CONTENT_TYPE",
    ] {
        assert_eq!(environ[absent], Value::Null, "{absent}");
    }
}

#[test]
fn the_environment_is_clean_but_for_what_is_named() {
    let environ = environ("/", &[]);
    let process = &environ["os.environ"];
    assert_has(
        process,
        &[
            ("LC_ALL", "C.UTF-8"),
            ("NAMED", "taken along"),
            ("GIVEN", "as is"),
        ],
    );
    assert!(process["PATH"].as_str().unwrap().contains("/bin"));
    for absent in [
        "SECRET_OF_THE_SHELL",
        "HTTP_PROXY",
        "UNSET",
        "WSGI_CGI_SERVE_CHILD",
    ] {
        assert_eq!(process[absent], Value::Null, "{absent}");
    }
}

#[test]
fn a_query_adds_no_arguments_and_no_options() {
    let file = app("serve_probe.py");
    for query in [
        "--python+/tmp/evil",
        "-h",
        file.to_str().unwrap(),
        "serve_probe.py",
        "--debug%3Dfalse",
    ] {
        let target = format!("/?{query}");
        assert_has(&environ(&target, &[]), &[("QUERY_STRING", query)]);
    }
}

#[test]
fn an_application_below_a_prefix_knows_its_place() {
    let listener = Setup::of("serve_probe.py")
        .option("--script-name=/app")
        .start();
    let reply = listener.connect().exchange("GET", "/app/page", &[], b"");
    let environ: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_has(&environ, &[("SCRIPT_NAME", "/app"), ("PATH_INFO", "/page")]);
}
