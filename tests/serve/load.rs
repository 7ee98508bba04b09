//! Many clients, slow clients, greedy and endless applications: each harms only itself.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::thread;

use super::gateway::Scripts;
use crate::support::http::Connection;
use crate::support::listener::{Listener, Setup};
use crate::support::wire::{Pace, Then, exchange, readable};
use crate::support::{output, until};

/// The children that have begun, by the files that they left.
pub fn begun(folder: &Path) -> usize {
    let names = fs::read_dir(folder).unwrap().flatten();
    names
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("begun-"))
        .count()
}

fn waiting(listener: &Listener, folder: &Path) -> Connection {
    let mut connection = listener.connect();
    connection.send("GET", &format!("/wait?{}", folder.display()), &[], b"");
    connection
}

/// A full disk is a state that passes, too.
#[test]
fn a_body_that_cannot_be_kept_is_refused_for_a_while() {
    let listener = Setup::of("serve_probe.py")
        .variable("TMPDIR", "/no/such/folder")
        .start();
    let mut connection = listener.connect();
    let reply = connection.exchange("POST", "/", &[], &[b'x'; 100_000]);
    assert_eq!(
        (reply.status, reply.field("Retry-After")),
        (503, Some("5")),
        "{reply}"
    );
}

#[test]
fn requests_beyond_the_limit_wait_and_those_beyond_the_queue_are_refused() {
    let listener = Setup::of("serve_probe.py")
        .option("--max-processes=1")
        .option("--max-queue=2")
        .start();
    let folder = tempfile::tempdir().unwrap();
    let mut first = waiting(&listener, folder.path());
    until("the first one to run", || begun(folder.path()) == 1);
    // Two of these find a place in the queue, whichever they are.
    let mut others: Vec<_> = (0..5)
        .map(|number| {
            let mut connection = listener.connect();
            connection.send("POST", "/echo", &[], format!("{number}").as_bytes());
            connection
        })
        .collect();
    until("three of them to be refused", || {
        others.iter().filter(|other| other.has_reply()).count() == 3
    });
    let is_refused: Vec<bool> = others.iter().map(Connection::has_reply).collect();
    assert_eq!(begun(folder.path()), 1);
    fs::write(folder.path().join("go"), "").unwrap();
    assert_eq!(first.reply("GET").text(), "waited");
    for (number, is_refused) in is_refused.into_iter().enumerate() {
        let reply = others[number].reply("POST");
        if is_refused {
            assert_eq!(reply.status, 503, "{reply}");
            assert!(reply.field("Retry-After").is_some(), "{reply}");
            assert!(reply.text().contains("WC084"), "{reply}");
        } else {
            assert_eq!(reply.text(), number.to_string());
        }
    }
}

#[test]
fn there_are_never_more_children_than_allowed() {
    let listener = Setup::of("serve_probe.py")
        .option("--max-processes=3")
        .start();
    let folder = tempfile::tempdir().unwrap();
    let mut connections: Vec<_> = (0..12).map(|_| waiting(&listener, folder.path())).collect();
    until("three of them to run", || begun(folder.path()) == 3);
    fs::write(folder.path().join("go"), "").unwrap();
    for connection in &mut connections {
        assert_eq!(connection.reply("GET").text(), "waited");
    }
    assert_eq!(begun(folder.path()), 12);
}

#[test]
fn slow_clients_hold_only_their_own_connections() {
    let listener = Setup::of("serve_probe.py")
        .option("--max-processes=1")
        .start();
    let mut slow = Vec::new();
    for request in [
        "GET / HTTP/1.1\r\nHo",
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nsome of it",
        "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    ] {
        for _ in 0..20 {
            let mut stream = TcpStream::connect(("127.0.0.1", listener.port)).unwrap();
            stream.write_all(request.as_bytes()).unwrap();
            slow.push(stream);
        }
    }
    // Ten of them ask for a large answer and do not read it.
    for _ in 0..10 {
        let mut connection = listener.connect();
        connection.send("GET", "/big?20971520", &[], b"");
        assert_eq!(
            connection.exchange_on_another("GET", "/environ", &listener),
            200
        );
        slow.push(connection.into_stream());
    }
    drop(slow);
}

impl Connection {
    fn exchange_on_another(&self, method: &str, target: &str, listener: &Listener) -> u16 {
        listener.connect().exchange(method, target, &[], b"").status
    }
}

#[test]
fn an_application_that_takes_too_long_is_ended() {
    let listener = Setup::of("serve_probe.py").option("--timeout=0.5").start();
    let reply = listener.connect().exchange("GET", "/late", &[], b"");
    assert_eq!(reply.status, 504, "{reply}");
    assert!(reply.text().contains("WC054"), "{reply}");
}

#[test]
fn a_script_that_takes_too_long_is_ended_with_all_that_it_started() {
    let script = r#"trap '' TERM; sleep 1000 & echo $! > "$DOCUMENT_ROOT/pids"; echo $$ >> "$DOCUMENT_ROOT/pids"; sleep 1000"#;
    let scripts = Scripts::new(&[("hangs", script)], &["--timeout=0.5"]);
    let reply = scripts.get("/hangs");
    assert_eq!(reply.status, 504, "{reply}");
    let pids = fs::read_to_string(scripts.folder.path().join("pids")).unwrap();
    assert_eq!(pids.lines().count(), 2);
    for pid in pids.lines() {
        until("its processes to end", || is_gone(pid));
    }
}

/// Whether the process is no more, or only waits to be reaped by somebody else.
pub fn is_gone(pid: &str) -> bool {
    match fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => stat
            .rsplit(')')
            .next()
            .is_some_and(|rest| rest.starts_with(" Z")),
        Err(_) => true,
    }
}

#[test]
fn limits_end_a_greedy_application_and_no_other() {
    let listener = Setup::of("serve_probe.py")
        .option("--max-memory=400M")
        .option("--max-cpu=1")
        .option("--debug")
        .start();
    thread::scope(|scope| {
        let busy = scope.spawn(|| listener.connect().exchange("GET", "/busy", &[], b""));
        let greedy = listener.connect().exchange("GET", "/greedy", &[], b"");
        assert_eq!(greedy.status, 500, "{greedy}");
        assert!(greedy.text().contains("MemoryError"), "{greedy}");
        assert_eq!(
            listener
                .connect()
                .exchange("POST", "/echo", &[], b"x")
                .text(),
            "x"
        );
        let busy = busy.join().unwrap();
        assert_eq!(busy.status, 500, "{busy}");
        assert!(busy.text().contains("WC053"), "{busy}");
    });
}

#[test]
fn running_out_of_descriptors_is_a_state_that_passes() {
    let listener = Setup::of("serve_probe.py").limit_descriptors(24).start();
    let mut idle: Vec<TcpStream> = Vec::new();
    for _ in 0..40 {
        idle.push(TcpStream::connect(("127.0.0.1", listener.port)).unwrap());
    }
    // Those that found no room, and those that gave theirs up, are closed.
    for stream in &mut idle {
        stream.set_nonblocking(true).unwrap();
    }
    until("some of them to be closed", || {
        let is_closed = |stream: &mut TcpStream| !matches!(stream.read(&mut [0; 12]), Err(error) if error.kind() == ErrorKind::WouldBlock);
        idle.iter_mut().any(is_closed)
    });
    drop(idle);
    until("room again", || {
        let mut connection = listener.connect();
        connection.exchange("GET", "/environ", &[], b"").status == 200
    });
    assert!(listener.ended().is_none());
}

/// One address holds more connections than there is room for; another is served, and keeps its own.
const CROWD: &str = r#"
import http.client, resource, socket, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (1024, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
server = ("127.0.0.1", int(sys.argv[1]))
def other():
    return http.client.HTTPConnection(*server, timeout=30, source_address=("127.0.0.2", 0))
def served(client):
    client.request("GET", "/quick")
    return client.getresponse().read() == b"quick"
kept = other()
assert served(kept)
port = kept.sock.getsockname()
crowd = []
for number in range(200):
    one = socket.create_connection(server)
    one.sendall(b"POST /quick HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nx")
    crowd.append(one)
    if number % 20 == 0:
        assert served(other()), number
        assert served(kept), number
assert kept.sock.getsockname() == port, "it had to connect again"
"#;

#[test]
fn one_client_with_all_connections_keeps_nobody_out() {
    let quick = r"printf 'Content-Type: text/plain\nContent-Length: 5\n\nquick'";
    let scripts = Scripts::new(&[("quick", quick)], &[]);
    let limited = Setup::with(scripts.folder.path())
        .limit_descriptors(80)
        .start();
    let port = limited.port.to_string();
    output(Command::new("/usr/bin/python3").args(["-c", CROWD, &port]));
}

/// One address has many requests in the queue; another is served long before they are.
const QUEUE: &str = r#"
import http.client, select, socket, sys
server = ("127.0.0.1", int(sys.argv[1]))
crowd = []
for number in range(24):
    one = socket.create_connection(server, source_address=("127.0.0.2", 0))
    one.sendall(b"GET /half-a-second HTTP/1.1\r\nHost: x\r\n\r\n")
    crowd.append(one)
# The first one has been served: by now they have come.
select.select(crowd, [], [], 30)
client = http.client.HTTPConnection(*server, timeout=30)
client.request("GET", "/half-a-second")
assert client.getresponse().read() == b"quick"
served = len(select.select(crowd, [], [], 0)[0])
assert 0 < served < 12, served
"#;

#[test]
fn one_client_with_many_requests_in_the_queue_delays_nobody_else() {
    let script = r"sleep 0.5; printf 'Content-Type: text/plain\nContent-Length: 5\n\nquick'";
    let scripts = Scripts::new(&[("half-a-second", script)], &[]);
    let listener = Setup::with(scripts.folder.path())
        .option("--max-processes=2")
        .start();
    let port = listener.port.to_string();
    output(Command::new("/usr/bin/python3").args(["-c", QUEUE, &port]));
}

/// The answer does not fit into memory, and there is no folder for files.
#[test]
fn an_answer_that_cannot_be_kept_waits_in_its_script() {
    let listener = Setup::of("serve_probe.py")
        .variable("TMPDIR", "/no/such/folder")
        .start();
    let mut slow = listener.connect();
    slow.send("GET", "/big?20971520", &[], b"");
    assert_eq!(slow.exchange_on_another("GET", "/environ", &listener), 200);
    assert_eq!(slow.reply("GET").body.len(), 20_971_520);
}

#[test]
fn no_script_inherits_a_connection() {
    let sockets =
        r#"printf 'Content-Type: text/plain\n\n'; readlink /proc/$$/fd/* | grep ^socket:"#;
    let scripts = Scripts::new(&[("sockets", sockets)], &[]);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..75 {
                    assert_eq!(scripts.get("/sockets").text(), "");
                }
            });
        }
    });
}

#[test]
fn nothing_is_left_of_ten_thousand_requests() {
    let scripts = Scripts::new(&[("tiny", r"printf 'Status: 204\n\n'")], &[]);
    let pid = scripts.listener.pid;
    let open = || fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
    let children = || fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    let is_alone = || children().trim().is_empty();
    scripts.get("/tiny");
    // A client has its answer before the script has ended.
    until("the first script to be gone", is_alone);
    let before = open();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut connection = scripts.listener.connect();
                for _ in 0..2500 {
                    assert_eq!(connection.exchange("GET", "/tiny", &[], b"").status, 204);
                }
            });
        }
    });
    until("its scripts to be gone", is_alone);
    until("its descriptors to be closed", || open() <= before);
}

#[test]
fn a_script_that_hangs_within_its_answer_is_ended_and_the_answer_cut() {
    let script = r#"echo $$ > "$DOCUMENT_ROOT/pid"; printf 'Content-Type: text/plain\n\nsome'; exec sleep 1000"#;
    let scripts = Scripts::new(
        &[("hangs", script)],
        &["--timeout=0.5", "--max-processes=1"],
    );
    for _ in 0..2 {
        let request = b"GET /hangs HTTP/1.1\r\nHost: x\r\n\r\n";
        let (_, answer) = exchange(scripts.listener.port, request, Pace::Whole, Then::Wait);
        let answer = answer.unwrap();
        assert!(answer.ends_with(b"4\r\nsome\r\n"), "{}", readable(&answer));
        let pid = fs::read_to_string(scripts.folder.path().join("pid")).unwrap();
        until("its process to end", || is_gone(pid.trim()));
    }
    scripts.listener.told("WC054");
}
