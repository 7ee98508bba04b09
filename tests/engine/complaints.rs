//! Hosts that make descriptor 2 the visitor's: one pipe, or one socket, is 1 and 2.

use std::fs;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Stdio;

use crate::support::response::Response;
use crate::support::run::{Run, Watch};

/// What fails, an option, how it is answered, and what the error log has of it.
const FAILURES: [(&str, &str, &str, [&str; 2]); 4] = [
    (
        "failures.py:raises",
        "--debug=false",
        "500 Internal Server Error",
        ["WC040", "a line on <stderr>"],
    ),
    (
        "manners.py:crashes",
        "--debug=false",
        "500 Internal Server Error",
        ["WC053", "Fatal Python error"],
    ),
    (
        "manners.py:sleeps",
        "--timeout=1",
        "504 Gateway Timeout",
        ["WC054", "in sleeps"],
    ),
    (
        "manners.py:hello",
        "--python=/no/such/python",
        "500 Internal Server Error",
        ["WC020", "does not exist"],
    ),
];

#[test]
fn a_visitor_reads_no_complaint_where_stdout_and_stderr_are_one() {
    let folder = tempfile::tempdir().unwrap();
    for (index, (application, option, status, told)) in FAILURES.into_iter().enumerate() {
        let run = Run::of(application).option(option);
        let log = folder.path().join(format!("{index}.log"));
        let logging = run.clone().variable("WSGI_CGI_ERROR_LOG", &log);
        for run in [run, logging] {
            for answer in [through_a_pipe(&run), through_a_socket(&run)] {
                let text = String::from_utf8_lossy(&answer).into_owned();
                let found =
                    Response::parse(&answer).unwrap_or_else(|| panic!("{application}: {text}"));
                assert_eq!(
                    found.fields[0],
                    ("Status".to_owned(), status.to_owned()),
                    "{text}"
                );
                for sign in ["Traceback", "Fatal", "wsgi-cgi: WC", "what to do"] {
                    assert!(!text.contains(sign), "{application}: {text}");
                }
            }
        }
        let text = fs::read_to_string(&log).unwrap();
        for sign in told {
            // Once for each of both, and not twice.
            assert_eq!(
                text.matches(sign).count(),
                2,
                "{sign} of {application}: {text}"
            );
        }
    }
}

/// As CivetWeb and others start it.
fn through_a_pipe(run: &Run) -> Vec<u8> {
    let (mut reads, writes) = io::pipe().unwrap();
    let mut command = run.command();
    command
        .stdin(Stdio::null())
        .stdout(writes.try_clone().unwrap())
        .stderr(writes);
    let mut child = command.spawn().unwrap();
    drop(command);
    let _watch = Watch::over(&child);
    let mut answer = Vec::new();
    reads.read_to_end(&mut answer).unwrap();
    child.wait().unwrap();
    answer
}

/// As mini_httpd does: the connection is 0, 1 and 2.
fn through_a_socket(run: &Run) -> Vec<u8> {
    let (mut client, server) = UnixStream::pair().unwrap();
    let socket = || Stdio::from(OwnedFd::from(server.try_clone().unwrap()));
    let mut command = run.command();
    command.stdin(socket()).stdout(socket()).stderr(socket());
    let mut child = command.spawn().unwrap();
    drop((command, server));
    let _watch = Watch::over(&child);
    client.flush().unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).unwrap();
    child.wait().unwrap();
    answer
}

/// A person who asks for both gets both.
#[test]
fn by_hand_both_may_go_through_one_pipe() {
    let run = Run::of("failures.py:raises").without("GATEWAY_INTERFACE");
    let text = String::from_utf8(through_a_pipe(&run)).unwrap();
    assert!(
        text.contains("Traceback") && text.contains("Status: 500"),
        "{text}"
    );
}
