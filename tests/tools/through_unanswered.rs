//! `check --through`: what is told where the self-test is not answered, and ways to it.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;

use super::through::{APPLICATION, FILE, Seen, deploy};
use crate::support::listener::Setup;
use crate::support::run::Run;
use crate::support::server::{Kind, server};
use crate::support::{output, python, until};

/// Answers every connection with these bytes; gives its port.
fn answering(response: impl Fn(&str) -> String + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = vec![0; 64 << 10];
            let length = stream.read(&mut request).unwrap_or(0);
            let text = String::from_utf8_lossy(&request[..length]).into_owned();
            let path = text.split(' ').nth(1).unwrap_or_default();
            let _ = stream.write_all(response(path).as_bytes());
        }
    });
    port
}

/// An application in a folder of its own.
fn site() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let app = folder.path().join("app.py");
    fs::write(&app, APPLICATION).unwrap();
    (folder, app)
}

#[track_caller]
fn check_failure(url: &str, expected: &str) {
    let (folder, app) = site();
    let done = Run::by_hand(&[&app])
        .before(&["check", "--through", url])
        .done();
    done.assert_exit(3)
        .assert_told("WC091")
        .assert_told(expected);
    assert!(!folder.path().join(FILE).exists());
}

#[test]
fn what_came_instead_is_told() {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    check_failure(
        &format!("http://127.0.0.1:{port}/"),
        "no connection (Connection refused)",
    );
    check_failure(
        &format!("https://127.0.0.1:{}/", answering(|_| "what?\r\n".into())),
        "no TLS there",
    );
    check_failure(
        &format!("http://127.0.0.1:{}/", answering(|_| "what?\r\n".into())),
        "no HTTP server",
    );
    for (response, expected) in [
        (
            "200 OK\r\n\r\nimport os\nopen(",
            "the text of the script came back",
        ),
        (
            "302 Found\r\nLocation: https://elsewhere.test/x\r\n\r\n",
            "redirected to https://elsewhere.test/",
        ),
        ("401 Unauthorized\r\n\r\n", "wants a password"),
        ("403 Forbidden\r\n\r\n", "refuses to run it"),
        (
            "500 Internal Server Error\r\n\r\n",
            "a #! line whose program is missing",
        ),
    ] {
        let port = answering(move |_| format!("HTTP/1.1 {response}"));
        check_failure(&format!("http://127.0.0.1:{port}/"), expected);
    }
    // Real ones.
    for kind in [Kind::ApacheCgid, Kind::Lighttpd] {
        let server = server(kind);
        check_failure(
            &format!("http://127.0.0.1:{}/no/such", server.port),
            "does not lead to the application",
        );
        let text = server.root.join("htdocs/through.py");
        fs::write(&text, APPLICATION).unwrap();
        check_failure(
            &format!("http://127.0.0.1:{}/through.py", server.port),
            "the text of the script came back",
        );
        // Another copy of the application than the one that answers.
        let script = deploy(server, "cgi-bin/other");
        check_failure(
            &format!("http://127.0.0.1:{}/cgi-bin/other/app.cgi", server.port),
            "another copy of it",
        );
        assert!(script.with_file_name("signs-of-life").exists());
    }
}

#[test]
fn a_redirect_of_the_same_host_is_followed_once_and_told() {
    let (_folder, app) = site();
    let listener = Setup::with(&app).start();
    let target = format!("http://127.0.0.1:{}", listener.port);
    let location = target.clone();
    let port =
        answering(move |path| format!("HTTP/1.1 301 Moved\r\nLocation: {location}{path}\r\n\r\n"));
    let seen = Seen::of(&format!("http://127.0.0.1:{port}/"), &app);
    seen.assert("redirect", &target, "fact");
    seen.done.assert_exit(0);
    // To nobody else: the token would be theirs.
    let port = answering(move |path| {
        format!("HTTP/1.1 301 Moved\r\nLocation: http://localhost:1{path}\r\n\r\n")
    });
    check_failure(
        &format!("http://127.0.0.1:{port}/"),
        "redirected to http://localhost:1/",
    );
}

/// Ends TLS in front of a port, and tells its own.
const TLS: &str = "
import socket, ssl, sys, threading
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(sys.argv[1])
listener = socket.create_server(('127.0.0.1', 0))
print(listener.getsockname()[1], flush=True)

def copy(source, target):
    while data := source.recv(65536):
        target.sendall(data)

def serve(client):
    with context.wrap_socket(client, server_side=True) as client:
        with socket.create_connection(('127.0.0.1', int(sys.argv[2]))) as server:
            threading.Thread(target=copy, args=(client, server), daemon=True).start()
            copy(server, client)
            client.shutdown(socket.SHUT_RDWR)

while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
";

/// Ends with the test.
struct Tls(Child);

impl Drop for Tls {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_certificate_of_ones_own_is_accepted_where_that_is_said() {
    let (folder, app) = site();
    let listener = Setup::with(&app).start();
    let pem = folder.path().join("both.pem");
    let mut openssl = Command::new("openssl");
    openssl.args([
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
    ]);
    openssl
        .args(["-subj", "/CN=localhost", "-keyout"])
        .arg(&pem)
        .arg("-out")
        .arg(folder.path().join("certificate"));
    output(&mut openssl);
    let certificate = fs::read(folder.path().join("certificate")).unwrap();
    fs::write(&pem, [fs::read(&pem).unwrap(), certificate].concat()).unwrap();
    let mut command = Command::new(python::default());
    command
        .args(["-c", TLS])
        .arg(&pem)
        .arg(listener.port.to_string());
    let mut tls = Tls(command
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap());
    let mut told = tls.0.stdout.take().unwrap();
    let mut port = String::new();
    until("the port", || {
        let mut byte = [0];
        told.read_exact(&mut byte).unwrap();
        port.push(char::from(byte[0]));
        port.ends_with('\n')
    });
    let url = format!("https://127.0.0.1:{}/", port.trim());
    check_failure(&url, "the certificate is not valid");
    let done = Run::by_hand(&[&app])
        .before(&["check", "--insecure", "--through", &url])
        .done();
    let text = String::from_utf8_lossy(&done.out).into_owned();
    assert!(text.contains("nothing to change"), "{done}");
    done.assert_exit(0);
}
