//! The listener over real sockets, with real CGI programs: what somebody gets who hosts one by this crate.
#![cfg(test)]

use std::env;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use wsgi_cgi_gateway::cgi::{Address, Place, Variables};
use wsgi_cgi_gateway::host::{
    Child, Host, Limits, Program, Reply, Request, Script, Site, Slot, Trouble,
};

const HERE: &str = env!("CARGO_MANIFEST_DIR");

/// A host that serves a program of this folder, until it is dropped.
struct Hosted {
    address: SocketAddr,
    /// Its lines on stderr.
    lines: Receiver<String>,
    stop: Option<UnixStream>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

/// Passes each write on.
struct Lines(Sender<String>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self
            .0
            .send(String::from_utf8_lossy(bytes).trim_end().to_owned());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Hosted {
    fn new(program: &str, limits: Limits) -> Self {
        Self::with(program, limits, |program| program)
    }

    fn with(program: &str, limits: Limits, more: impl FnOnce(Program) -> Program) -> Self {
        let (sender, lines) = channel();
        let program = Program::new(Path::new(HERE).join("tests").join(program));
        let program = more(program.script_name("/kinds/").stderr(Lines(sender)));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = UnixStream::pair().unwrap();
        let host = Host::new(program, limits);
        let serve = move || host.serve_until(vec![listener.into()], &stopped, Duration::MAX);
        Self {
            address,
            lines,
            stop: Some(stop),
            thread: Some(thread::spawn(serve)),
        }
    }

    /// Sends these bytes and reads to the end of the connection.
    fn raw(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8(answer).unwrap()
    }

    fn get(&self, path: &str) -> String {
        self.raw(&format!(
            "GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
        ))
    }

    #[track_caller]
    fn check(&self, path: &str, start: &str, end: &str) {
        let answer = self.get(path);
        assert!(
            answer.starts_with(start) && answer.ends_with(end),
            "{path}: {answer}"
        );
    }

    fn line(&self) -> String {
        self.lines.recv_timeout(Duration::from_secs(60)).unwrap()
    }
}

/// A site with faults: at `/find`, and where it is told what a script says.
struct Panics;

impl Site for Panics {
    fn find(
        &self,
        _: &Request<'_>,
        address: &Address,
        _: BorrowedFd<'_>,
        _: &mut Reply,
    ) -> Result<Option<(Script, Place)>, Trouble> {
        assert_ne!(address.path, b"/find", "on purpose");
        let place = Place {
            path_info: address.path.clone(),
            ..Place::default()
        };
        let script = Script::new(Path::new(HERE).join("tests/kinds.cgi"));
        Ok(Some((script, place)))
    }

    fn start(
        &self,
        _: &Request<'_>,
        script: &Script,
        variables: &Variables,
        body: OwnedFd,
        slot: Slot,
    ) -> io::Result<Child> {
        slot.spawn(script, variables, body)
    }

    fn script_says(&self, _: u64, line: &str) {
        panic!("on purpose: {line}");
    }

    fn host_says(&self, _: u64, _: &str) {}
}

/// What is shipped unwinds as the tests do.
#[test]
fn no_profile_aborts_at_a_panic() {
    let manifest = fs::read_to_string(Path::new(HERE).join("../Cargo.toml")).unwrap();
    assert!(manifest.contains("\n[profile.release]\n"));
    assert!(!manifest.contains("\npanic"));
}

#[test]
fn a_site_that_panics_ends_its_own_connection_and_keeps_no_listener_from_stopping() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = UnixStream::pair().unwrap();
    let (sender, ended) = channel();
    let limits = Limits {
        processes: 1,
        ..Limits::default()
    };
    let host = Host::new(Panics, limits);
    thread::spawn(move || {
        sender.send(host.serve_until(vec![listener.into()], &stopped, Duration::MAX))
    });
    let ask = |path: &str| {
        let mut stream = TcpStream::connect(address).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        // Its end, or a reset: the thread of the connection is gone.
        let _ = stream.read_to_end(&mut answer);
        answer
    };
    for _ in 0..2 {
        // One of them has a script that would run on.
        assert_eq!(ask("/find"), b"");
        assert_eq!(ask("/late"), b"");
        assert!(ask("/length").ends_with(b"four"));
    }
    drop(stop);
    // It would wait for the grace, which has no end.
    ended
        .recv_timeout(Duration::from_secs(60))
        .unwrap()
        .unwrap();
}

impl Drop for Hosted {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(matches!(ended, Some(Ok(Ok(())))) || thread::panicking());
    }
}

#[test]
fn every_kind_of_response() {
    let host = Hosted::new("kinds.cgi", Limits::default());
    host.check(
        "/kinds/document?a",
        "HTTP/1.1 202 Taken\r\n",
        "\r\n\r\n5\r\nGET a\r\n0\r\n\r\n",
    );
    host.check(
        "/kinds/length",
        "HTTP/1.1 200 OK\r\n",
        "\r\nContent-Length: 4\r\nConnection: close\r\n\r\nfour",
    );
    host.check(
        "/kinds/local",
        "HTTP/1.1 202 Taken\r\n",
        "\r\nGET from=local\r\n0\r\n\r\n",
    );
    let answer = host.get("/kinds/client");
    assert!(
        answer.starts_with("HTTP/1.1 302 Found\r\n")
            && answer.contains("\r\nLocation: http://example.org/\r\n")
    );
    host.check(
        "/kinds/circle",
        "HTTP/1.1 502 Bad Gateway\r\n",
        "\nThe page could not be made.\n",
    );
    host.check(
        "/elsewhere",
        "HTTP/1.1 404 Not Found\r\n",
        "\nThere is nothing at this address.\n",
    );
    host.check("/kindsmore", "HTTP/1.1 404 Not Found\r\n", "\n");
    let whole = Hosted::new("nph-whole.cgi", Limits::default());
    assert_eq!(
        whole.get("/kinds/"),
        "HTTP/1.1 299 Mine\r\nX-Own: yes\r\n\r\nall of it"
    );
}

#[test]
fn a_body_comes_whole_and_a_connection_carries_several_requests() {
    let limits = Limits {
        body: 5,
        ..Limits::default()
    };
    let host = Hosted::new("kinds.cgi", limits);
    let chunked = "POST /kinds/body HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n";
    let known =
        "POST /kinds/body HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi";
    let answers = host.raw(&format!("{chunked}{known}"));
    let end = "Content-Length: 5\r\nConnection: keep-alive\r\n\r\nhello";
    let (_, next) = answers.split_once(end).unwrap();
    assert!(next.starts_with("HTTP/1.1 200 OK\r\n"), "{answers}");
    assert!(next.ends_with("Connection: close\r\n\r\nhi"), "{answers}");
    let expecting = known.replace("\r\n\r\nhi", "\r\nExpect: 100-continue\r\n\r\n");
    let mut stream = TcpStream::connect(host.address).unwrap();
    stream.write_all(expecting.as_bytes()).unwrap();
    let mut line = String::new();
    BufReader::new(&stream).read_line(&mut line).unwrap();
    assert_eq!(line, "HTTP/1.1 100 Continue\r\n");
    let answer = host.raw("POST /kinds/body HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    let answer = host.raw(
        "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    );
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
}

#[test]
fn the_environment_is_the_requests_and_what_is_named() {
    let host = Hosted::with("kinds.cgi", Limits::default(), |program| {
        program
            .variable("NAMED", "yes")
            .variable("REQUEST_METHOD", "no")
    });
    let answer = host.get("/kinds/environment");
    for line in [
        "NAMED=yes",
        "REQUEST_METHOD=GET",
        "SCRIPT_NAME=/kinds",
        "PATH_INFO=/environment",
        "HTTP_HOST=h",
    ] {
        assert!(answer.contains(&format!("\n{line}\n")), "{line}: {answer}");
    }
    assert!(!answer.contains("\nCARGO"), "{answer}");
}

#[test]
fn complaints_go_to_the_writer_and_not_to_the_client() {
    let host = Hosted::new("kinds.cgi", Limits::default());
    host.check(
        "/kinds/nothing",
        "HTTP/1.1 502 ",
        "\nThe page could not be made.\n",
    );
    assert_eq!(host.line(), "a complaint");
    assert_eq!(
        host.line(),
        "#1 the script's answer is no CGI response: it wrote nothing"
    );
}

#[test]
fn what_is_late_is_ended_with_all_that_it_started() {
    let limits = Limits {
        time: Some(Duration::from_millis(300)),
        ..Limits::default()
    };
    let host = Hosted::new("kinds.cgi", limits);
    host.check("/kinds/late", "HTTP/1.1 504 ", "\n");
    let line = host.line();
    let process = line.strip_prefix("sleeps as ").unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    // Gone, or about to be reaped by whoever does that here.
    while fs::read_to_string(format!("/proc/{process}/stat"))
        .is_ok_and(|stat| !stat.contains(") Z "))
    {
        assert!(Instant::now() < deadline, "{process} still runs");
        thread::yield_now();
    }
}

/// A program that waits for a file when its answer is whole.
fn works(limits: Limits) -> (Hosted, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let flag = folder.path().join("flag");
    let host = Hosted::with("kinds.cgi", limits, |program| {
        program.variable("FLAG", flag)
    });
    (host, folder)
}

#[test]
fn a_connection_is_free_when_its_answer_is_whole() {
    let limits = Limits {
        processes: 4,
        ..Limits::default()
    };
    let (host, folder) = works(limits);
    let requests = [
        "GET /kinds/works",
        "HEAD /kinds/works",
        "GET /kinds/bare",
        "GET /kinds/length",
    ];
    let mut stream = TcpStream::connect(host.address).unwrap();
    let limit = Some(Duration::from_secs(60));
    stream.set_read_timeout(limit).unwrap();
    let mut answer = BufReader::new(stream.try_clone().unwrap());
    for request in requests {
        let head = format!("{request} HTTP/1.1\r\nHost: h\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            assert!(answer.read_line(&mut line).unwrap() > 0, "{request}");
        }
        if matches!(request, "GET /kinds/works" | "GET /kinds/length") {
            let mut body = [0; 4];
            answer.read_exact(&mut body).unwrap();
            assert_eq!(&body, b"four");
        }
    }
    fs::write(folder.path().join("flag"), "").unwrap();
    // What they say later is still told; only a body can be too long.
    let mut lines: Vec<_> = (0..4).map(|_| host.line()).collect();
    lines.sort();
    assert_eq!(
        lines,
        [
            "#1 the body is 5 bytes longer than its Content-Length: they were cut",
            "worked",
            "worked",
            "worked"
        ]
    );
}

#[test]
fn a_script_that_works_on_keeps_its_place_until_its_time_is_over() {
    let limits = Limits {
        processes: 1,
        time: Some(Duration::from_millis(300)),
        ..Limits::default()
    };
    let (host, _folder) = works(limits);
    host.check("/kinds/works", "HTTP/1.1 200 OK\r\n", "\r\n\r\nfour");
    host.check("/kinds/length", "HTTP/1.1 200 OK\r\n", "\r\n\r\nfour");
    assert_eq!(
        host.line(),
        "#1 the script still worked when its time was over: it is ended"
    );
}

#[test]
fn a_cut_answer_whose_end_is_the_connections_is_reset() {
    let host = Hosted::new("kinds.cgi", Limits::default());
    let ask = |request: &str| {
        let mut stream = TcpStream::connect(host.address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).map(|_| answer)
    };
    let cut = ask("GET /kinds/dies HTTP/1.0\r\n\r\n").unwrap_err();
    assert_eq!(cut.kind(), io::ErrorKind::ConnectionReset);
    let whole = ask("GET /kinds/document HTTP/1.0\r\n\r\n").unwrap();
    assert!(whole.ends_with(b"\r\n\r\nGET "));
    // In chunks it shows.
    let cut = ask("GET /kinds/dies HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    assert!(cut.ends_with(b"\r\n\r\n4\r\nsome\r\n"));
}

#[test]
fn a_client_that_has_ended_its_side_is_answered_when_its_turn_comes() {
    let limits = Limits {
        processes: 1,
        // What comes later than this came too late before.
        half_closed: Some(Duration::from_millis(1)),
        ..Limits::default()
    };
    let (host, folder) = works(limits);
    let mut first = TcpStream::connect(host.address).unwrap();
    first
        .write_all(b"GET /kinds/works HTTP/1.1\r\nHost: h\r\n\r\n")
        .unwrap();
    let mut start = [0; 12];
    first.read_exact(&mut start).unwrap();
    let mut queued = TcpStream::connect(host.address).unwrap();
    queued
        .write_all(b"GET /kinds/pauses HTTP/1.0\r\n\r\n")
        .unwrap();
    queued.shutdown(Shutdown::Write).unwrap();
    // The first byte comes ahead, to find out whether anybody reads it.
    assert_eq!(queued.peek(&mut [0; 12]).unwrap(), 1);
    fs::write(folder.path().join("flag"), "").unwrap();
    let mut answer = String::new();
    queued.read_to_string(&mut answer).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nfour"),
        "{answer}"
    );
}

#[test]
fn a_connection_carries_one_request_where_it_is_not_kept() {
    let limits = Limits {
        keep_alive: Duration::ZERO,
        ..Limits::default()
    };
    let host = Hosted::new("kinds.cgi", limits);
    let answer = host.raw("GET /kinds/length HTTP/1.1\r\nHost: h\r\n\r\n");
    assert!(
        answer.ends_with("\r\nConnection: close\r\n\r\nfour"),
        "{answer}"
    );
}

#[test]
fn the_longest_limits_are_as_good_as_none() {
    let limits = Limits {
        time: Some(Duration::MAX),
        half_closed: Some(Duration::MAX),
        keep_alive: Duration::MAX,
        ..Limits::default()
    };
    let host = Hosted::new("kinds.cgi", limits);
    let mut stream = TcpStream::connect(host.address).unwrap();
    stream
        .write_all(b"GET /kinds/length HTTP/1.0\r\n\r\n")
        .unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("\r\n\r\nfour"), "{answer}");
}

#[test]
fn a_request_that_runs_is_finished_and_the_next_one_waits_or_is_sent_away() {
    let folder = tempfile::tempdir().unwrap();
    let flag = folder.path().join("flag");
    let limits = Limits {
        processes: 1,
        queue: 0,
        ..Limits::default()
    };
    let mut host = Hosted::with("kinds.cgi", limits, |program| {
        program.variable("FLAG", &flag)
    });
    let mut stream = TcpStream::connect(host.address).unwrap();
    stream
        .write_all(b"GET /kinds/waits HTTP/1.0\r\n\r\n")
        .unwrap();
    let mut answer = BufReader::new(stream);
    let mut line = String::new();
    while line != "begun\n" {
        line.clear();
        assert!(answer.read_line(&mut line).unwrap() > 0);
    }
    let busy = host.get("/kinds/document");
    assert!(
        busy.starts_with("HTTP/1.1 503 ") && busy.contains("\r\nRetry-After: 5\r\n"),
        "{busy}"
    );
    drop(host.stop.take());
    fs::write(&flag, "").unwrap();
    line.clear();
    answer.read_to_string(&mut line).unwrap();
    assert_eq!(line, "ended\n");
}

#[test]
fn the_example_serves_its_script() {
    let cargo = Command::new(env!("CARGO"))
        .args([
            "build",
            "-q",
            "--locked",
            // As `cargo test` builds it: nothing is compiled anew.
            "--workspace",
            "--example",
            "hello",
        ])
        .status();
    assert!(cargo.unwrap().success());
    let built = env::current_exe().unwrap();
    let example = built
        .parent()
        .and_then(Path::parent)
        .unwrap()
        .join("examples/hello");
    let mut running = Command::new(example)
        .arg("127.0.0.1:0")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let stderr = running.stderr.take().unwrap();
    BufReader::new(stderr).read_line(&mut line).unwrap();
    let address = line
        .trim_end()
        .strip_prefix("http://")
        .unwrap()
        .strip_suffix("/hello")
        .unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .write_all(b"GET /hello/you?a=b HTTP/1.0\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    running.kill().unwrap();
    running.wait().unwrap();
    let page = "Hello from /hello, 127.0.0.1.\nYou asked for /you with the query \"a=b\".\n";
    assert!(
        answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with(page),
        "{answer}"
    );
}
