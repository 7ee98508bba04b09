//! How a zygote comes, and goes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::thread;

use rustix::process::{Pid, Signal, kill_process};

use super::{Site, by_worker, is_warm, telling, until_gone};
use crate::support::{output, until};

/// A virtualenv with numpy and pandas.
pub fn virtualenv() -> &'static Path {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("numpy");
        if !folder.join("complete").exists() {
            let _ = fs::remove_dir_all(&folder);
            output(Command::new("python3").args(["-m", "venv"]).arg(&folder));
            output(Command::new(folder.join("bin/pip")).args([
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "numpy",
                "pandas",
            ]));
            fs::write(folder.join("complete"), "").unwrap();
        }
        folder
    })
}

#[test]
fn the_first_request_runs_cold_and_the_next_ones_are_warm() {
    let site = Site::with(&telling("os.getppid()"));
    let done = site.get();
    assert!(!is_warm(&done), "{done}");
    done.assert_told("a zygote is started");
    until("a zygote", || !site.zygotes().is_empty());
    let zygote = site.zygotes()[0];
    for _ in 0..3 {
        assert_eq!(site.warm(), zygote.to_string());
    }
    let status = site.status();
    assert!(
        status.contains("app.py") && status.contains("requests     3"),
        "{status}"
    );
}

/// There a line tells how long it takes, by a thread: a fork must not meet it.
#[test]
fn a_person_at_a_terminal_starts_one() {
    let site = Site::with(&format!("import time\ntime.sleep(1.5)\n{}", telling("1")));
    let words = format!("{} warm start app.py", crate::support::PROGRAM);
    let run = site.command(&["-qec", &words, "/dev/null"]);
    let done = run.program("script").variable("TERM", "xterm").done();
    done.assert_exit(0);
    let shown = String::from_utf8_lossy(&done.out).into_owned();
    assert!(shown.contains("importing the application"), "{shown}");
    assert!(shown.contains("imported in"), "{shown}");
    assert_eq!(site.zygotes().len(), 1);
}

/// The web server sees the end of its request, and the zygote has nothing of it.
#[test]
fn a_zygote_holds_nothing_of_its_client() {
    let site = Site::with(&telling("1"));
    let mut command = site.request().command();
    let output = command.stdin(Stdio::piped()).output().unwrap();
    assert!(output.status.success());
    until("a zygote", || !site.zygotes().is_empty());
    let zygote = site.zygotes()[0];
    let process = PathBuf::from(format!("/proc/{zygote}"));
    for number in 0..3 {
        let target = fs::read_link(process.join("fd").join(number.to_string())).unwrap();
        assert_eq!(target, Path::new("/dev/null"));
    }
    let stat = fs::read_to_string(process.join("stat")).unwrap();
    let fields: Vec<_> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    // No terminal can become its own: it is in a session of its own, and does not lead it.
    assert_ne!(fields[3], zygote.to_string());
    assert_eq!(fields[4], "0");
}

#[test]
fn two_hundred_first_requests_start_one_zygote() {
    let site = Site::with(&telling("'answered'"));
    thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| {
                for _ in 0..10 {
                    assert_eq!(site.get().response().text(), "answered");
                }
            });
        }
    });
    until("a zygote", || !site.zygotes().is_empty());
    assert_eq!(site.zygotes().len(), 1);
    assert_eq!(site.warm(), "answered");
}

#[test]
fn it_ends_when_nobody_asks_when_it_is_told_and_when_the_application_goes() {
    let site = Site::with(&telling("1"));
    let idle = site.request().option("--warm-idle=0.2");
    site.start_for(&idle);
    let zygote = site.zygotes()[0];
    until_gone(zygote);
    assert!(!is_warm(&idle.done()));

    site.start();
    let zygote = site.zygotes();
    let told = site.command(&["warm", "stop", "app.py"]).done();
    told.assert_exit(0);
    until_gone(zygote[0]);

    site.start();
    let zygote = site.zygotes()[0];
    fs::remove_file(site.path("app.py")).unwrap();
    until_gone(zygote);
    assert!(site.zygotes().is_empty());
    let left = fs::read_dir(site.path("run")).unwrap().flatten().next();
    let left = left.map_or(0, |folder| fs::read_dir(folder.path()).unwrap().count());
    assert_eq!(left, 0, "its folder stays");
}

#[test]
fn a_rehearsal_is_one_request_before_the_first() {
    let site = Site::with(
        "seen = []\ndef application(environ, start_response):\n    \
         seen.append(environ['PATH_INFO'] + '?' + environ['QUERY_STRING'])\n    \
         start_response('200 OK', [])\n    return [' '.join(seen).encode()]\n",
    );
    let request = site.request().option("--warm-rehearse=/warm?up=1");
    site.start_for(&request);
    for _ in 0..2 {
        let done = by_worker(&request);
        assert_eq!(done.response().text(), "/warm?up=1 /?");
    }
}

/// What the rehearsal has closed does not keep a worker from hearing SIGTERM.
#[test]
fn a_rehearsed_worker_hears_sigterm() {
    let site = Site::with(
        "import os, time\n\
         def application(environ, start_response):\n    \
             start_response('200 OK', [])\n    \
             if environ['QUERY_STRING']:\n        \
                 try:\n            \
                     open('begun', 'w').close(); [time.sleep(0.01) for _ in range(6000)]\n        \
                 finally:\n            \
                     open('ended', 'w').close()\n    \
             return [b'']\n",
    );
    let request = site.request().option("--warm-rehearse=/");
    site.start_for(&request);
    let mut command = request.variable("QUERY_STRING", "wait").command();
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    until("the application", || site.path("begun").exists());
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    child.wait().unwrap();
    assert!(site.path("ended").exists());
}

/// Its log tells each start, end and refusal, with the reason.
#[test]
fn the_error_log_tells_of_its_life() {
    let site = Site::with(&telling("1"));
    let log = site.path("error.log");
    let request = site.request().variable("WSGI_CGI_ERROR_LOG", &log);
    site.start_for(&request);
    site.write("app.py", &telling("2"));
    let told = |text: &str| {
        until(text, || {
            fs::read_to_string(&log).unwrap_or_default().contains(text)
        });
    };
    told("app.py was imported in");
    told("app.py is let go: ");
    told("app.py has changed");
    let text = format!("import socket\nkept = socket.socket()\n{}", telling("3"));
    site.write("app.py", &text);
    request
        .clone()
        .without("GATEWAY_INTERFACE")
        .before(&["warm", "start"])
        .done();
    told("WC071 the application is not kept warm: a socket is open");
}
