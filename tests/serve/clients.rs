//! Real clients: curl, and Python's own.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::support::listener::Setup;
use crate::support::output;

fn curl(arguments: &[&str], input: &[u8]) -> String {
    let mut child = Command::new("curl")
        .args(["--silent", "--show-error", "--max-time", "30"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("curl is missing: apt-get install curl");
    child.stdin.take().unwrap().write_all(input).unwrap();
    let done = child.wait_with_output().unwrap();
    assert!(done.status.success(), "{arguments:?}: {}", done.status);
    String::from_utf8(done.stdout).unwrap()
}

#[test]
fn curl_is_served() {
    let listener = Setup::of("serve_probe.py").start();
    let address = |path: &str| format!("http://127.0.0.1:{}{path}", listener.port);
    let large = vec![b'x'; 2_000_000];
    // Chunked, as curl sends what has no known length.
    assert_eq!(
        curl(&["-T", "-", &address("/length")], &large),
        "2000000 2000000 none"
    );
    let expect = [
        "-H",
        "Expect: 100-continue",
        "--data-binary",
        "@-",
        &address("/length"),
    ];
    assert_eq!(curl(&expect, &large), "2000000 2000000 none");
    assert_eq!(
        curl(&["--http1.0", "-d", "a=b", &address("/echo")], b""),
        "a=b"
    );
    assert!(curl(&["-I", &address("/stream")], b"").starts_with("HTTP/1.1 200 OK\r\n"));
    assert!(curl(&["-L", &address("/moved")], b"").contains("\"PATH_INFO\": \"/environ\""));
    let two = curl(
        &["-d", "1", &address("/echo"), "-d", "1", &address("/echo")],
        b"",
    );
    assert!(!two.is_empty());
}

const CLIENT: &str = r#"
import http.client, sys
client = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=30)
client.connect()
port = client.sock.getsockname()
for number in range(5):
    body = b"x" * 30000 * number
    client.request("POST", "/echo", body=body)
    assert client.getresponse().read() == body
client.request("POST", "/length", body=(b"ab" for _ in range(100)), encode_chunked=True, headers={"Transfer-Encoding": "chunked"})
assert client.getresponse().read() == b"200 200 none"
client.request("GET", "/stream?")
assert client.getresponse().read() == b"piece 0\npiece 1\npiece 2\n"
client.request("HEAD", "/environ")
assert client.getresponse().read() == b""
assert client.sock.getsockname() == port, "it had to connect again"
"#;

#[test]
fn pythons_client_is_served_on_one_connection() {
    let listener = Setup::of("serve_probe.py").start();
    let port = listener.port.to_string();
    output(Command::new("/usr/bin/python3").args(["-c", CLIENT, &port]));
}
