//! `wsgi-cgi inetd`: one HTTP request on descriptors 0 and 1, given by those who really do it.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::serve::raw_requests::{Ending, rows};
use crate::support::run::{Run, Watch};
use crate::support::wire::{readable, replies};
use crate::support::{PROGRAM, app, python, until};

fn inetd(application: &str) -> Run {
    let application = app(application);
    let words = ["inetd".as_ref(), application.as_os_str()];
    Run::by_hand(&words)
}

/// A super-server: started, killed at the end.
struct Server {
    child: Child,
    port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap().port()
}

impl Server {
    fn start(command: &mut Command, port: u16) -> Self {
        let child = command
            .env("WSGI_CGI_PYTHON", python::default())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let server = Self { child, port };
        // Without a connection, which would be served.
        let listens = format!(":{port:04X} 00000000:0000 0A");
        until("it to listen", || {
            std::fs::read_to_string("/proc/net/tcp").is_ok_and(|table| table.contains(&listens))
        });
        server
    }

    fn systemd(application: &str) -> Self {
        let port = free_port();
        let mut command = Command::new("systemd-socket-activate");
        command
            .arg(format!("--listen=127.0.0.1:{port}"))
            .args(["--accept", "--inetd", "-E", "WSGI_CGI_PYTHON"])
            .args(["-E", "PATH=/usr/bin:/bin", PROGRAM, "inetd"])
            .arg(app(application));
        Self::start(&mut command, port)
    }

    fn socat(application: &str) -> Self {
        let port = free_port();
        let listen = format!("TCP-LISTEN:{port},bind=127.0.0.1,fork,reuseaddr");
        let execute = format!("EXEC:{PROGRAM} inetd {}", app(application).display());
        Self::start(Command::new("socat").args([listen, execute]), port)
    }

    /// Everything that comes back to these bytes, and the client's port.
    fn ask(&self, bytes: &[u8]) -> (Vec<u8>, u16) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        stream.write_all(bytes).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        (answer, stream.local_addr().unwrap().port())
    }
}

const POST: &[u8] =
    b"POST /a%20b?c=d HTTP/1.1\r\nHost: example.org\r\nContent-Length: 4\r\n\r\nbody\
      GET /second HTTP/1.1\r\nHost: example.org\r\n\r\n";

/// One answer, to the first request, though the client would send more.
#[track_caller]
fn check_environ(server: &Server) {
    let (answer, port) = server.ask(POST);
    let answered = replies(&answer).unwrap();
    let [reply] = answered.as_slice() else {
        panic!("{}", readable(&answer));
    };
    assert_eq!(reply.field("Connection"), Some("close"));
    let environ: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
    let port = port.to_string();
    for (name, expected) in [
        ("REQUEST_METHOD", "POST"),
        ("PATH_INFO", "/a b"),
        ("QUERY_STRING", "c=d"),
        ("HTTP_HOST", "example.org"),
        ("REMOTE_ADDR", "127.0.0.1"),
        ("REMOTE_PORT", &port),
        ("wsgi.input", "body"),
    ] {
        assert_eq!(environ[name], expected, "{name} in {environ}");
    }
}

#[test]
fn systemd_gives_the_connection_and_the_peer() {
    check_environ(&Server::systemd("environ_json.py"));
}

#[test]
fn socat_gives_the_connection_and_tells_the_peer() {
    check_environ(&Server::socat("environ_json.py"));
}

#[test]
fn a_pipe_is_a_connection_too_however_long_the_answer_takes_after_its_end() {
    let done = inetd("sleeps.py")
        .input(b"GET /?2 HTTP/1.0\r\n\r\n".as_slice())
        .done();
    let answered = replies(&done.out).unwrap();
    assert_eq!((answered.len(), answered[0].status), (1, 200), "{done}");
    assert_eq!(answered[0].body, b"slept", "{done}");
    done.assert_exit(0).assert_told("GET /?2 200");
}

#[test]
fn every_invalid_request_is_refused_as_the_listener_refuses_it() {
    let calls = tempfile::NamedTempFile::new().unwrap();
    let application = app("serve_echo.py");
    let words = [
        "inetd".as_ref(),
        "--env=CALLS".as_ref(),
        application.as_os_str(),
    ];
    let run = Run::by_hand(&words).variable("CALLS", calls.path());
    let mut refused = 0;
    for row in rows("invalid", "") {
        if row.ending == Ending::Keep || row.statuses.len() != 1 {
            continue;
        }
        let done = run.clone().input(row.bytes.clone()).done();
        let answered = replies(&done.out).unwrap_or_else(|error| panic!("{}: {error}", row.name));
        let statuses: Vec<u16> = answered.iter().map(|reply| reply.status).collect();
        let is_right = match statuses.as_slice() {
            [] => row.may_be_silent,
            [status] => row.statuses[0].contains(status),
            _ => false,
        };
        assert!(is_right, "{}: {statuses:?}\n{done}", row.name);
        refused += 1;
    }
    assert!(refused > 100, "{refused}");
    assert_eq!(std::fs::read_to_string(calls.path()).unwrap(), "");
}

/// As inetd starts it: one socket on 0, 1 and 2.
#[test]
fn nothing_but_the_answer_goes_to_the_client_where_stderr_is_its_connection() {
    for (application, expected) in [("failures.py:raises", 500), ("missing.py", 500)] {
        let (mut client, server) = UnixStream::pair().unwrap();
        let socket = || Stdio::from(OwnedFd::from(server.try_clone().unwrap()));
        let mut command = inetd(application).command();
        command.stdin(socket()).stdout(socket()).stderr(socket());
        let mut child = command.spawn().unwrap();
        drop((command, server));
        let _watch = Watch::over(&child);
        client
            .write_all(b"GET / HTTP/1.0\r\nHost: a\r\n\r\n")
            .unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).unwrap();
        let answered = replies(&answer).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((answered.len(), answered[0].status), (1, expected));
        assert!(!readable(&answer).contains("what to do"));
        child.wait().unwrap();
    }
}

/// Where a syslog daemon would be, if this machine had one; else there is nobody to tell.
#[test]
fn complaints_go_to_syslog_where_stderr_is_the_connection() {
    let log = Path::new("/dev/log");
    if log.exists() || !rustix::process::geteuid().is_root() {
        eprintln!("not tested: /dev/log belongs to somebody else");
        return;
    }
    let daemon = UnixDatagram::bind(log).unwrap();
    daemon
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    let (mut client, server) = UnixStream::pair().unwrap();
    let socket = || Stdio::from(OwnedFd::from(server.try_clone().unwrap()));
    let mut command = inetd("missing.py").command();
    command.stdin(socket()).stdout(socket()).stderr(socket());
    let mut child = command.spawn().unwrap();
    drop((command, server));
    client.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let mut message = vec![0; 4096];
    let length = daemon.recv(&mut message).unwrap();
    std::fs::remove_file(log).unwrap();
    let message = String::from_utf8_lossy(&message[..length]).into_owned();
    assert!(
        message.contains("wsgi-cgi[") && message.contains("WC010"),
        "{message}"
    );
    drop(client);
    child.wait().unwrap();
}

#[test]
fn a_mistake_in_the_command_line_is_told_to_both() {
    let done = Run::by_hand(&["inetd", "--no-such", "app.py"])
        .input(b"GET / HTTP/1.0\r\n\r\n".as_slice())
        .done();
    done.assert_exit(2).assert_told("--no-such");
    assert_eq!(replies(&done.out).unwrap()[0].status, 500);
    let help = Run::by_hand(&["inetd", "--help"]).done();
    help.assert_exit(0);
    assert!(String::from_utf8_lossy(&help.out).contains("systemd-socket-activate"));
}
