//! Standard error that nobody reads: the answer comes, and the time limit holds.

use std::io::{PipeReader, Read, Write, pipe};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Stdio;
use std::thread;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::response::Response;
use crate::support::run::{Run, Watch};
use crate::support::until;

/// Fails, hangs, or writes 2 MB to standard error in one of three ways.
const LOGS: &str = "
import logging, os, sys, time
def application(environ, start_response):
    manner = environ['PATH_INFO']
    if manner == '/raises':
        raise ValueError('x' * 10000)
    if manner == '/sleeps':
        time.sleep(600)
    if manner == '/logs':
        for number in range(200):
            environ['wsgi.errors'].write('%09999d\\n' % number)
    if manner == '/prints':
        for number in range(200):
            print('%09999d' % number, file=sys.stderr)
    if manner == '/writes':
        os.write(2, b'x' * 2000000)
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return [b'answered']
";

/// Each manner, and the status of its answer.
const ANSWERS: [(&str, &str); 5] = [
    ("/raises", "500"),
    ("/sleeps", "504"),
    ("/logs", "200"),
    ("/prints", "504"),
    ("/writes", "504"),
];

fn application() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("app.py");
    std::fs::write(&file, LOGS).unwrap();
    (folder, file)
}

/// A pipe that is full, and its other end.
fn full_pipe() -> (PipeReader, OwnedFd) {
    let (reader, writer) = pipe().unwrap();
    let writer = fill(writer.into());
    rustix::io::ioctl_fionbio(&writer, false).unwrap();
    (reader, writer)
}

/// The same with a socket.
fn full_socket() -> (UnixStream, OwnedFd) {
    let (reader, writer) = UnixStream::pair().unwrap();
    let writer = fill(writer.into());
    rustix::io::ioctl_fionbio(&writer, false).unwrap();
    (reader, writer)
}

fn fill(descriptor: OwnedFd) -> OwnedFd {
    rustix::io::ioctl_fionbio(&descriptor, true).unwrap();
    for size in [4096, 1] {
        while rustix::io::write(&descriptor, &vec![b'.'; size]).is_ok() {}
    }
    descriptor
}

#[track_caller]
fn assert_answers(run: &Run, status: &str, stderr: OwnedFd) {
    let mut command = run.command();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(stderr)
        .spawn()
        .unwrap();
    drop(command);
    let _watch = Watch::over(&child);
    let mut out = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut out).unwrap();
    child.wait().unwrap();
    let response = Response::parse(&out).unwrap();
    let found = response.field("Status").unwrap_or_default();
    assert!(found.starts_with(status), "{found}, not {status}");
}

#[test]
fn a_full_stderr_keeps_no_answer() {
    let (_folder, file) = application();
    for (path, status) in ANSWERS {
        let run = Run::with_arguments(&[&file])
            .option("--timeout=4")
            .request("GET", path);
        let (_reader, full) = full_pipe();
        assert_answers(&run, status, full);
        let (_reader, full) = full_socket();
        assert_answers(&run, status, full);
    }
}

/// The error log has all of it, and says why.
#[test]
fn what_stderr_does_not_take_stands_in_the_error_log() {
    let (folder, file) = application();
    let log = folder.path().join("errors.log");
    let mut option = std::ffi::OsString::from("--error-log=");
    option.push(&log);
    let run = Run::with_arguments(&[&file])
        .option(&option)
        .request("GET", "/logs");
    let (_reader, full) = full_pipe();
    assert_answers(&run, "200", full);
    let text = std::fs::read_to_string(&log).unwrap();
    assert_eq!(text.matches("nobody reads stderr").count(), 1);
    // A zygote has lines of its own there.
    let whole = text.lines().filter(|line| line.len() == 9999);
    assert_eq!(whole.count(), 200);
    // An error log that nobody reads is no better.
    let pipe = folder.path().join("pipe.log");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    let mut option = std::ffi::OsString::from("--error-log=");
    option.push(&pipe);
    let done = Run::with_arguments(&[&file])
        .option(&option)
        .request("GET", "/raises")
        .done();
    done.assert_status("500 Internal Server Error")
        .assert_told("WC072")
        .assert_told("WC040");
}

/// A server that reads late misses some lines, and learns how many.
#[test]
fn who_reads_late_is_told_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("app.py");
    let text = "
import os, time
def application(environ, start_response):
    log = environ['wsgi.errors'].write
    [log('lost %d\\n' % number) for number in range(3)]
    open('lost', 'w').close()
    while os.path.exists('lost'):
        time.sleep(0.01)
    log('read\\n')
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return [b'answered']
";
    std::fs::write(&file, text).unwrap();
    let run = Run::with_arguments(&[&file]).directory(folder.path());
    let (mut reader, full) = full_pipe();
    let mut read = Vec::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            let lost = folder.path().join("lost");
            until("the lost lines", || lost.exists());
            let mut chunk = [0; 1 << 16];
            let count = reader.read(&mut chunk).unwrap();
            read.extend_from_slice(&chunk[..count]);
            std::fs::remove_file(lost).unwrap();
            reader.read_to_end(&mut read).unwrap();
        });
        assert_answers(&run, "200", full);
    });
    let text = String::from_utf8_lossy(&read);
    let rest = text.trim_start_matches('.');
    assert!(
        rest.starts_with("\nwsgi-cgi: 3 messages") && rest.ends_with("\nread\n"),
        "{rest:?}"
    );
}

/// A listener reads what its scripts write, and drops what nobody reads of it.
#[test]
fn listeners_answer_though_nobody_reads_their_stderr() {
    let (folder, file) = application();
    let socket = folder.path().join("socket");
    let mut bind = std::ffi::OsString::from("--bind=unix:");
    bind.push(&socket);
    let options = ["--timeout=4".as_ref(), file.as_os_str()];
    let serve = [&["serve".as_ref(), bind.as_os_str()], &options[..]].concat();
    let (_reader, full) = full_pipe();
    let mut command = Run::by_hand(&serve).command();
    let mut listener = command.stdin(Stdio::null()).stderr(full).spawn().unwrap();
    drop(command);
    until("the listener", || UnixStream::connect(&socket).is_ok());
    for (path, status) in ANSWERS {
        // What the application prints goes to the listener.
        let status = if path == "/sleeps" || path == "/raises" {
            status
        } else {
            "200"
        };
        assert_reply(UnixStream::connect(&socket).unwrap(), path, status);

        let (client, inetd) = UnixStream::pair().unwrap();
        let (_reader, full) = full_pipe();
        let words = [&["inetd".as_ref()], &options[..]].concat();
        let mut command = Run::by_hand(&words).command();
        command.stdin(OwnedFd::from(inetd.try_clone().unwrap()));
        let mut child = command
            .stdout(OwnedFd::from(inetd))
            .stderr(full)
            .spawn()
            .unwrap();
        drop(command);
        let _watch = Watch::over(&child);
        assert_reply(client, path, status);
        child.wait().unwrap();
    }
    kill_process(Pid::from_child(&listener), Signal::TERM).unwrap();
    listener.wait().unwrap();
}

#[track_caller]
fn assert_reply(mut client: UnixStream, path: &str, status: &str) {
    write!(client, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").unwrap();
    let mut reply = String::new();
    client.read_to_string(&mut reply).unwrap();
    assert_eq!(reply.split(' ').nth(1), Some(status), "{path}: {reply}");
}
