//! How a listener begins and ends: its addresses, its signals, the requests that are running then.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::ExitStatusExt;

use rustix::process::Signal;

use super::gateway::Scripts;
use super::load::begun;
use crate::support::listener::Setup;
use crate::support::run::Run;
use crate::support::{app, until, write_program};

#[test]
fn running_requests_are_finished_and_none_is_accepted() {
    let listener = Setup::of("serve_probe.py").start();
    let folder = tempfile::tempdir().unwrap();
    let mut connection = listener.connect();
    connection.send(
        "GET",
        &format!("/wait?{}", folder.path().display()),
        &[],
        b"",
    );
    until("the application to run", || begun(folder.path()) == 1);
    listener.terminate();
    until("the address to be free", || {
        TcpStream::connect(("127.0.0.1", listener.port)).is_err()
    });
    fs::write(folder.path().join("go"), "").unwrap();
    let reply = connection.reply("GET");
    assert_eq!(reply.text(), "waited");
    assert_eq!(reply.field("Connection"), Some("close"));
    assert_eq!(listener.end().0.code(), Some(0));
}

#[test]
fn what_a_script_does_after_its_response_is_finished() {
    let script = r#"printf 'Status: 204\n\n'; exec >&- 2>&-
        until [ -e "$DOCUMENT_ROOT/go" ]; do sleep 0.01; done; echo > "$DOCUMENT_ROOT/done""#;
    let quick = r"printf 'Status: 204\n\n'";
    let scripts = Scripts::new(&[("late", script), ("quick", quick)], &[]);
    let mut connection = scripts.listener.connect();
    // The first request is over when the second is answered.
    for target in ["/late", "/quick"] {
        assert_eq!(connection.exchange("GET", target, &[], b"").status, 204);
    }
    scripts.listener.terminate();
    until("the address to be free", || {
        TcpStream::connect(("127.0.0.1", scripts.listener.port)).is_err()
    });
    fs::write(scripts.folder.path().join("go"), "").unwrap();
    assert_eq!(scripts.listener.end().0.code(), Some(0));
    assert!(scripts.folder.path().join("done").exists());
}

/// As `nohup` starts it.
#[test]
fn a_signal_that_was_ignored_stays_so_for_the_listener_alone() {
    let folder = tempfile::tempdir().unwrap();
    let script =
        "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'; grep SigIgn: /proc/self/status\n";
    write_program(&folder.path().join("ignored"), script, 0o755);
    let listener = Setup::with(folder.path())
        .started_by(&["env", "--ignore-signal=HUP"])
        .bind("127.0.0.1:0")
        .start();
    listener.signal(Signal::HUP);
    let reply = listener.connect().exchange("GET", "/ignored", &[], b"");
    let mask = reply.text();
    let mask = mask.trim().rsplit('\t').next().unwrap();
    let mask = u64::from_str_radix(mask, 16).unwrap();
    assert_eq!(mask & 1, 0, "{reply}");
    assert!(listener.ended().is_none());
    listener.terminate();
    assert_eq!(listener.end().0.code(), Some(0));
}

/// Longer than a clock counts.
#[test]
fn the_longest_limits_are_as_good_as_none() {
    let listener = Setup::of("serve_probe.py")
        .option("--timeout=1e18")
        .option("--grace=1e300")
        .start();
    let reply = listener.connect().exchange("GET", "/environ", &[], b"");
    assert_eq!(reply.status, 200, "{reply}");
    listener.terminate();
    assert_eq!(listener.end().0.code(), Some(0));
}

#[test]
fn what_does_not_end_in_time_is_ended() {
    for (options, signals) in [(&["--grace=0.2"][..], 1), (&[], 2)] {
        // Whoever runs the tests may ignore it: a shell does so for what it starts in the background.
        let setup = Setup::of("serve_probe.py")
            .started_by(&["env", "--default-signal=INT"])
            .bind("127.0.0.1:0");
        let listener = options
            .iter()
            .fold(setup, |setup, option| setup.option(option))
            .start();
        let folder = tempfile::tempdir().unwrap();
        let mut connection = listener.connect();
        connection.send(
            "GET",
            &format!("/late?{}", folder.path().display()),
            &[],
            b"",
        );
        until("the application to run", || begun(folder.path()) == 1);
        for _ in 0..signals {
            listener.signal(Signal::INT);
            until("the address to be free", || {
                TcpStream::connect(("127.0.0.1", listener.port)).is_err()
            });
        }
        assert_eq!(listener.end().0.code(), Some(0));
        let ended = folder.path().join("ended");
        until("the application to end", || ended.exists());
    }
}

#[test]
fn a_unix_socket_appears_and_goes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    // A socket file whose server is gone.
    drop(UnixListener::bind(&path).unwrap());
    let listener = Setup::of("serve_probe.py")
        .bind(format!("unix:{}", path.display()))
        .start();
    let mut stream = UnixStream::connect(&path).unwrap();
    stream.write_all(b"GET /environ HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(!answer.contains("REMOTE_ADDR"), "{answer}");
    listener.terminate();
    assert_eq!(listener.end().0.code(), Some(0));
    assert!(!path.exists());
}

#[test]
fn an_address_of_ipv6() {
    let listener = Setup::of("serve_probe.py").bind("[::1]:0").start();
    let mut stream = TcpStream::connect(("::1", listener.port)).unwrap();
    stream.write_all(b"GET /environ HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("\"REMOTE_ADDR\": \"::1\""), "{answer}");
}

/// What systemd does for a socket unit (sd_listen_fds(3)).
const PASS_SOCKET: &str = "
import os, socket, sys
listener = socket.socket()
listener.bind(('127.0.0.1', 0))
listener.listen()
os.dup2(listener.fileno(), 3)
# Where it had this number before, dup2 has changed nothing.
os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[1], sys.argv[1:])
";

#[test]
fn a_socket_that_systemd_passed_is_taken_up() {
    let listener = Setup::of("serve_probe.py")
        .started_by(&["/usr/bin/python3", "-c", PASS_SOCKET])
        .start();
    // The default address is left alone.
    assert_ne!(listener.port, 8000);
    let reply = listener.connect().exchange("GET", "/environ", &[], b"");
    assert_eq!(reply.status, 200);
    let environ: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(environ["os.environ"]["LISTEN_FDS"], serde_json::Value::Null);
}

#[test]
fn what_cannot_be_served_is_told_at_once() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("--bind={}", taken.local_addr().unwrap());
    let probe = app("serve_probe.py")
        .into_os_string()
        .into_string()
        .unwrap();
    for (arguments, told, status) in [
        (vec!["serve", "no_such_file.py"], "WC010", 3),
        (vec!["serve", &address, &probe], "WC080", 2),
        (vec!["serve", "--bind=nonsense", &probe], "--bind", 2),
        (vec!["serve", "--static=/x", &probe], "--static", 2),
        (
            vec!["serve", "--static=/x=/no/such/folder", &probe],
            "no such folder",
            2,
        ),
        (
            vec!["serve", "--max-processes=0", &probe],
            "--max-processes",
            2,
        ),
        (vec!["serve"], "APP", 2),
    ] {
        let done = Run::by_hand(&arguments).done();
        done.assert_told(told).assert_exit(status);
        assert!(done.status.signal().is_none());
    }
    let help = Run::by_hand(&["serve", "--help"]).done();
    help.assert_exit(0);
    assert!(
        String::from_utf8(help.out)
            .unwrap()
            .contains("--max-processes")
    );
}

#[test]
fn under_a_web_server_there_is_no_such_command() {
    let done = Run::with_arguments(&["serve", "app.py"]).done();
    done.assert_status("500 Internal Server Error")
        .assert_exit(3);
}

/// A container without an init: everything whose parent has ended becomes its child.
#[test]
fn as_the_first_process_it_leaves_no_zombies() {
    let mut container = vec![
        "unshare",
        "--pid",
        "--fork",
        "--kill-child=TERM",
        "--mount-proc",
    ];
    if !rustix::process::geteuid().is_root() {
        container.push("--map-root-user");
    }
    let listener = Setup::of("serve_probe.py")
        .started_by(&container)
        .bind("127.0.0.1:0")
        .start();
    let mut connection = listener.connect();
    for number in 0..20 {
        let body = number.to_string();
        assert_eq!(
            connection
                .exchange("POST", "/echo", &[], body.as_bytes())
                .text(),
            body
        );
    }
    let children = |pid: &str| {
        let path = format!("/proc/{pid}/task/{pid}/children");
        fs::read_to_string(path)
            .unwrap_or_default()
            .trim()
            .to_owned()
    };
    let init = children(&listener.pid.to_string());
    assert!(!init.is_empty() && !init.contains(' '), "{init}");
    let serving = children(&init);
    until("the interpreters to be gone", || {
        let serving = serving.split(' ').next().unwrap();
        children(&init) == serving && children(serving).is_empty()
    });
    // The first process of a container has no default actions: signals are passed on.
    let pid = rustix::process::Pid::from_raw(init.parse().unwrap()).unwrap();
    rustix::process::kill_process(pid, Signal::TERM).unwrap();
    assert_eq!(listener.end().0.code(), Some(0));
}
