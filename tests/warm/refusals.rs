//! What must not be forked is not, and is named.

use super::{Site, is_warm, telling};
use crate::support::PROGRAM;
use crate::support::listener::Setup;
use crate::support::run::Run;

/// Runs the words behind it where these system calls fail with this error number (seccomp(2)).
const FORBID: &str = r#"
import ctypes, os, struct, sys
calls, error, program = sys.argv[1].split(","), int(sys.argv[2]), sys.argv[3:]
numbers = {"x86_64": dict(memfd_create=319, pidfd_open=434, clone3=435, accept4=288),
           "aarch64": dict(memfd_create=279, pidfd_open=434, clone3=435, accept4=242)}[os.uname().machine]
rules = [(0x20, 0, 0, 0)]
for call in calls:
    rules += [(0x15, 0, 1, numbers[call]), (0x06, 0, 0, 0x50000 | error)]
rules.append((0x06, 0, 0, 0x7FFF0000))
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *rule) for rule in rules))
filter = ctypes.create_string_buffer(struct.pack("HP", len(rules), ctypes.addressof(code)))
prctl = ctypes.CDLL(None, use_errno=True).prctl
prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4
for arguments in [(38, 1, 0, 0, 0), (22, 2, ctypes.addressof(filter), 0, 0)]:
    if prctl(*arguments):
        sys.exit("seccomp: " + os.strerror(ctypes.get_errno()))
os.execv(program[0], program)
"#;

const EVERY_CALL: &str = "memfd_create,pidfd_open,clone3,accept4";

/// How a sandbox refuses, and what it is called.
const REFUSALS: [(&str, &str); 2] = [("1", "EPERM"), ("38", "ENOSYS")];

/// Fails in the ways that its path says.
const FAILS: &str = "\
import os, time
def application(environ, start_response):
    if environ['PATH_INFO'] == '/crash': os.abort()
    if environ['PATH_INFO'] == '/sleep': time.sleep(60)
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return [b'fine']
";

fn forbidding(run: Run, calls: &str, error: &str) -> Run {
    run.before(&["-c", FORBID, calls, error, PROGRAM])
        .program("/usr/bin/python3")
}

#[test]
fn a_system_call_that_is_forbidden_is_named() {
    for (error, name) in REFUSALS {
        for call in ["memfd_create", "pidfd_open", "accept4"] {
            let site = Site::with(&telling("'fine'"));
            let done = forbidding(site.request(), call, error).done();
            done.assert_status("200 OK").assert_body("fine");
            done.assert_told(&format!("{call} is not permitted here ({name})"));
            assert!(!is_warm(&done) && site.zygotes().is_empty(), "{done}");
        }
    }
}

#[test]
fn cold_requests_need_none_of_the_forbidden_calls() {
    let site = Site::with(FAILS);
    for (error, _) in REFUSALS {
        for (path, status) in [
            ("/", "200 OK"),
            ("/crash", "500 Internal Server Error"),
            ("/sleep", "504 Gateway Timeout"),
        ] {
            let request = site
                .request()
                .request("GET", path)
                .variable("WSGI_CGI_TIMEOUT", "2");
            forbidding(request, EVERY_CALL, error)
                .done()
                .assert_status(status);
        }
    }
    // A listener that cannot accept says so: Rust's library accepts by accept4 alone.
    let serve = site.command(&["serve", "--bind=127.0.0.1:0", "app.py"]);
    let done = forbidding(serve, "accept4", "38").done();
    done.assert_exit(2)
        .assert_told("accept4 is not permitted here (ENOSYS)");
    let calls = "memfd_create,pidfd_open,clone3";
    let listener = Setup::with(site.path("app.py"))
        .started_by(&["/usr/bin/python3", "-c", FORBID, calls, "38"])
        .bind("127.0.0.1:0")
        .option("--timeout=2")
        .start();
    for (path, status) in [("/", 200), ("/crash", 500), ("/sleep", 504), ("/", 200)] {
        let reply = listener.connect().exchange("GET", path, &[], b"");
        assert_eq!(reply.status, status, "{path}: {reply}");
    }
}

#[test]
fn threads_sockets_and_databases_are_named_with_their_line() {
    let application = telling("'cold'");
    for (made, named) in [
        (
            "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), name='ticker', daemon=True).start()",
            vec!["'ticker'", "app.py, line 2"],
        ),
        (
            "import socket\nkept = socket.socket()",
            vec!["a socket is open", "app.py, line 2"],
        ),
        (
            "import sqlite3\nkept = sqlite3.connect('data.db')\nkept.execute('create table if not exists t (x)')",
            vec!["data.db", "app.py, line 2"],
        ),
        (
            "import helper",
            vec!["a socket is open", "helper.py, line 1"],
        ),
        ("import os\nkept = os.pipe()", vec!["pipe:"]),
    ] {
        let site = Site::with(&format!("{made}\n{application}"));
        site.write("helper.py", "import socket; kept = socket.socket()\n");
        let starts = site.command(&["warm", "start", "app.py"]).done();
        starts.assert_exit(1);
        for text in named {
            starts.assert_told(text);
        }
        let done = site.get();
        assert!(!is_warm(&done));
        assert_eq!(done.response().text(), "cold");
    }
}

#[test]
fn an_import_that_fails_runs_cold_and_is_told() {
    let site = Site::with("import no_such_package\n");
    let done = site.command(&["warm", "start", "app.py"]).done();
    done.assert_exit(1)
        .assert_told("WC031")
        .assert_told("no_such_package");
    site.get().assert_status("500 Internal Server Error");
    // It is not tried again at each request, and status says why.
    assert!(site.status().contains("no_such_package"));
    let again = site.get();
    again
        .assert_told("for the next request: ")
        .assert_told("no_such_package");
    // As soon as it is mended, it can be.
    site.write("app.py", &telling("'mended'"));
    site.start();
    assert_eq!(site.warm(), "mended");
}

#[test]
fn a_log_that_is_appended_to_is_no_obstacle() {
    let site = Site::with(&format!(
        "import logging\nlogging.basicConfig(filename='app.log')\n{}",
        telling("'warm'")
    ));
    site.start();
    assert_eq!(site.warm(), "warm");
}
