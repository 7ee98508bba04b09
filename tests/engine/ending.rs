//! The careful ending, signals, time limits, and servers that write all before they read.

use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::response::Response;
use crate::support::run::{Run, Watch};
use crate::support::{PROGRAM, until, warm, write_program};

struct Running {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
    _watch: Watch,
}

fn start(run: &Run) -> Running {
    let mut command = run.command();
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    Running {
        input: child.stdin.take().unwrap(),
        output: child.stdout.take().unwrap(),
        _watch: Watch::over(&child),
        child,
    }
}

impl Running {
    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// The processes that run the application: whoever else has the response's pipe.
    fn workers(&self) -> Vec<PathBuf> {
        let name = |descriptor: PathBuf| fs::read_link(descriptor).unwrap_or_default();
        let own = PathBuf::from("/proc/self/fd").join(self.output.as_raw_fd().to_string());
        let pipe = name(own);
        let known = [self.child.id(), std::process::id()].map(|id| id.to_string());
        let others = fs::read_dir("/proc").unwrap().flatten().filter(|process| {
            let id = process.file_name().to_string_lossy().into_owned();
            id.parse::<u32>().is_ok() && !known.contains(&id)
        });
        let has_pipe = |process: &PathBuf| {
            let descriptors = fs::read_dir(process.join("fd")).into_iter().flatten();
            descriptors
                .flatten()
                .any(|entry| name(entry.path()) == pipe)
        };
        others
            .map(|process| process.path())
            .filter(has_pipe)
            .collect()
    }

    fn read_all(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        self.output.read_to_end(&mut out).unwrap();
        out
    }

    fn errors(&mut self) -> String {
        let mut err = String::new();
        self.child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut err)
            .unwrap();
        err
    }

    /// Waits until the application is in `time.sleep`.
    fn until_it_sleeps(&self) {
        until("the application", || {
            let calls = self
                .workers()
                .into_iter()
                .map(|worker| fs::read_to_string(worker.join("syscall")));
            // clock_nanosleep on x86-64, on others; select in older Pythons.
            calls.flatten().any(|call| {
                ["230 ", "115 ", "23 ", "270 ", "72 "]
                    .iter()
                    .any(|number| call.starts_with(number))
            })
        });
    }
}

#[test]
fn the_response_ends_when_the_known_process_is_gone_and_late_work_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let sign = folder.path().join("sign");
    let mut running = start(&Run::of("manners.py:works_late").variable("QUERY_STRING", &sign));
    let out = running.read_all();
    // End of file came: nobody holds the pipes any more, and the process has ended before.
    let status = running.child.try_wait().unwrap();
    assert!(
        status.is_some_and(|status| status.success()),
        "the process is still there"
    );
    assert_eq!(running.errors(), "");
    assert_eq!(Response::parse(&out).unwrap().body, b"done");

    fs::write(&sign, "").unwrap();
    for name in ["sign.thread", "sign.atexit"] {
        until(name, || folder.path().join(name).exists());
    }
}

/// SURVEY section 0, row 1: under mod_cgid, stdin and stdout are one socket.
#[test]
fn an_answer_to_an_unread_body_survives_on_one_socket() {
    for size in [5, 3 << 20] {
        for _ in 0..10 {
            let (server, script) = UnixStream::pair().unwrap();
            let run = Run::of("manners.py:leaves_the_body")
                .request("POST", "/")
                .variable("CONTENT_LENGTH", size.to_string());
            let mut command = run.command();
            command
                .stdin(OwnedFd::from(script.try_clone().unwrap()))
                .stdout(OwnedFd::from(script));
            let mut child = command.spawn().unwrap();
            drop(command);
            let _watch = Watch::over(&child);
            // The server cannot write it all, and goes on to the response.
            let _ = (&server).write_all(&vec![b'x'; size]);
            let _ = server.shutdown(Shutdown::Write);
            let mut out = Vec::new();
            (&server).read_to_end(&mut out).unwrap();
            assert_eq!(Response::parse(&out).unwrap().body, b"no");
            assert!(child.wait().unwrap().success());
        }
    }
}

#[test]
fn an_unread_body_on_a_pipe_is_taken_to_its_end() {
    let size = 3 << 20;
    let mut running = start(
        &Run::of("manners.py:leaves_the_body")
            .request("POST", "/")
            .variable("CONTENT_LENGTH", size.to_string()),
    );
    // fcgiwrap gives up when it cannot write the whole body.
    running.input.write_all(&vec![b'x'; size]).unwrap();
    assert_eq!(Response::parse(&running.read_all()).unwrap().body, b"no");
}

/// SURVEY section 0, row 2: Apache and fcgiwrap write the whole body before they read any output.
#[test]
fn output_before_input_never_deadlocks() {
    let size = 2 << 20;
    for name in ["echoes", "answers_before_it_reads"] {
        let run = Run::of(&format!("manners.py:{name}"))
            .request("POST", "/")
            .variable("CONTENT_LENGTH", size.to_string());
        let mut running = start(&run);
        running.input.write_all(&vec![b'x'; size]).unwrap();
        assert!(Response::parse(&running.read_all()).unwrap().body.len() >= size);
        assert!(running.child.wait().unwrap().success());
    }
}

#[test]
fn a_reader_that_goes_away_ends_the_application_quietly() {
    let mut running = start(&Run::of("manners.py:writes_for_ever"));
    let mut some = [0; 100];
    running.output.read_exact(&mut some).unwrap();
    drop(running.output);
    assert!(running.child.wait().unwrap().success());
    let mut err = String::new();
    running
        .child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut err)
        .unwrap();
    assert_eq!(err, "closed\n");
}

#[test]
fn the_time_limit_is_a_504_that_shows_where_it_was() {
    let done = Run::of("manners.py:sleeps").option("--timeout=1").done();
    done.assert_status("504 Gateway Timeout")
        .assert_told("in sleeps")
        .assert_told("WC054")
        .assert_exit(124);
    let done = Run::of("manners.py:sleeps_in_the_middle")
        .option("--timeout=1")
        .done();
    done.assert_status("200 OK")
        .assert_body("first")
        .assert_exit(124);
}

/// The socket on which the engine reports is among them.
#[test]
fn an_application_that_closes_all_descriptors_is_still_ended() {
    let folder = tempfile::tempdir().unwrap();
    let sign = folder.path().join("sign");
    let run = Run::of("manners.py:closes_everything").variable("QUERY_STRING", &sign);
    let done = run.clone().option("--timeout=1").done();
    done.assert_status("504 Gateway Timeout")
        .assert_told("in closes_everything")
        .assert_exit(124);
    assert!(sign.exists());
    fs::remove_file(&sign).unwrap();
    let mut running = start(&run);
    until("the application", || sign.exists());
    kill_process(running.pid(), Signal::TERM).unwrap();
    assert_eq!(running.child.wait().unwrap().code(), Some(143));
}

/// Its grandchild has the socket on which it would have reported.
#[test]
fn a_crash_is_seen_though_a_grandchild_lives_on() {
    let folder = tempfile::tempdir().unwrap();
    let sign = folder.path().join("sign");
    let run = Run::of("manners.py:crashes_beside_a_grandchild").variable("QUERY_STRING", &sign);
    let mut running = start(&run);
    assert_eq!(running.child.wait().unwrap().code(), Some(1));
    fs::write(&sign, "").unwrap();
    let response = Response::parse(&running.read_all()).unwrap();
    assert_eq!(response.field("Status"), Some("500 Internal Server Error"));
    let told = running.errors();
    assert!(told.contains("WC053") && told.contains("SIGSEGV"), "{told}");
}

#[test]
fn the_time_limit_includes_an_interpreter_that_is_slow_to_take_the_job() {
    if warm::is_wanted() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let python = folder.path().join("python3");
    write_program(&python, "#!/bin/sh\nexec sleep 300\n", 0o755);
    let mut run = Run::of("manners.py:hello")
        .variable("WSGI_CGI_PYTHON", &python)
        .option("--timeout=1");
    // More than a socket holds.
    for number in 0..5 {
        run = run.variable(&format!("HTTP_X_{number}"), "x".repeat(100_000));
    }
    let done = run.done();
    done.assert_status("504 Gateway Timeout").assert_exit(124);
}

#[test]
fn a_limit_for_files_below_the_engines_size_is_told() {
    if warm::is_wanted() {
        return;
    }
    for limit in ["--fsize=0", "--fsize=4096", "--fsize=500000"] {
        let run = Run::of("manners.py:hello").program("prlimit");
        let done = run.before(&[limit, "--", PROGRAM]).done();
        done.assert_status("500 Internal Server Error")
            .assert_told("RLIMIT_FSIZE")
            .assert_exit(1);
    }
}

#[test]
fn the_time_limit_leaves_no_process_behind() {
    let done = Run::of("manners.py:has_a_child")
        .option("--timeout=1")
        .done();
    done.assert_exit(124);
    let child = done.err.lines().next().unwrap().to_owned();
    until("the end of the application's child", || {
        !Path::new("/proc").join(&child).exists()
    });
}

#[test]
fn a_signal_to_the_known_process_ends_the_application() {
    for (signal, number) in [(Signal::TERM, 15), (Signal::INT, 2), (Signal::HUP, 1)] {
        let mut running = start(&Run::of("manners.py:sleeps"));
        running.until_it_sleeps();
        let workers = running.workers();
        kill_process(running.pid(), signal).unwrap();
        let out = running.read_all();
        let status = running.child.wait().unwrap();
        assert_eq!(status.code(), Some(128 + number), "{}", running.errors());
        let response = Response::parse(&out).unwrap();
        assert_eq!(response.field("Status"), Some("500 Internal Server Error"));
        assert!(!workers.is_empty() && workers.iter().all(|worker| !worker.exists()));
    }
}

#[test]
fn sigterm_lets_the_application_tidy_up() {
    let mut running = start(&Run::of("manners.py:tidies_up"));
    running.until_it_sleeps();
    kill_process(running.pid(), Signal::TERM).unwrap();
    running.read_all();
    assert_eq!(running.child.wait().unwrap().code(), Some(143));
    let told = running.errors();
    assert!(
        told.starts_with("tidied up\nclosed\n") && told.contains("SIGTERM"),
        "{told}"
    );
}

/// Lighttpd says good-bye by SIGTERM when it has the last byte; whoever says it again means it.
#[test]
fn a_second_sigterm_ends_what_hangs_after_the_last_byte() {
    let folder = tempfile::tempdir().unwrap();
    let sign = folder.path().join("sign");
    let mut running = start(&Run::of("manners.py:hangs_in_close").variable("QUERY_STRING", &sign));
    until("close()", || sign.exists());
    let mut status = None;
    until("the end", || {
        let _ = kill_process(running.pid(), Signal::TERM);
        status = running.child.try_wait().unwrap();
        status.is_some()
    });
    assert_eq!(status.unwrap().code(), Some(143));
    assert_eq!(Response::parse(&running.read_all()).unwrap().body, b"whole");
}

#[test]
fn a_person_who_interrupts_gets_the_prompt_and_no_page() {
    let application = crate::support::app("manners.py:sleeps");
    let mut running = start(&Run::by_hand(&[application]));
    running.until_it_sleeps();
    kill_process(running.pid(), Signal::INT).unwrap();
    assert_eq!(running.read_all(), b"");
    assert_eq!(running.child.wait().unwrap().code(), Some(130));
}

/// The signal comes while a write blocks, in the middle of a block or between two.
#[test]
fn sigterm_is_heard_by_an_application_that_nobody_reads() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..20 {
        let sign = folder.path().join(number.to_string());
        let run = Run::of("served.py")
            .request("GET", "/forever")
            .variable("QUERY_STRING", &sign);
        let mut running = start(&run);
        let mut piece = vec![0; 1000 * (number + 1)];
        running.output.read_exact(&mut piece).unwrap();
        kill_process(running.pid(), Signal::TERM).unwrap();
        running.child.wait().unwrap();
        assert!(sign.exists(), "close() was not called, try {number}");
    }
}

#[test]
fn the_application_dies_with_the_known_process() {
    let mut running = start(&Run::of("manners.py:sleeps"));
    running.until_it_sleeps();
    let workers = running.workers();
    kill_process(running.pid(), Signal::KILL).unwrap();
    assert_eq!(running.child.wait().unwrap().signal(), Some(9));
    for worker in workers {
        // A zombie until init reaps it.
        until("the application's end", || {
            fs::read(worker.join("cmdline"))
                .unwrap_or_default()
                .is_empty()
        });
    }
}

#[test]
fn no_temporary_file_remains() {
    let folder = tempfile::tempdir().unwrap();
    let size = 2 << 20;
    let run = Run::of("manners.py:answers_before_it_reads").variable("TMPDIR", folder.path());
    let run = run
        .request("POST", "/")
        .variable("CONTENT_LENGTH", size.to_string());
    let mut running = start(&run);
    running.input.write_all(&vec![b'x'; size]).unwrap();
    running.read_all();
    running.child.wait().unwrap();
    // A zygote's own folder stays as long as it does.
    let left = fs::read_dir(folder.path()).unwrap().flatten();
    let files = left.filter(|entry| !entry.path().is_dir());
    assert_eq!(files.count(), 0);
}

/// It says so, and does not blame the application.
#[test]
fn a_body_that_finds_no_room_names_the_folder() {
    let size = 4 << 20;
    let run = Run::of("manners.py:answers_before_it_reads").variable("TMPDIR", "/no/such/folder");
    let run = run
        .request("POST", "/")
        .variable("CONTENT_LENGTH", size.to_string());
    let mut running = start(&run);
    // Whoever gives up the request reads no more of it.
    let _ = running.input.write_all(&vec![b'x'; size]);
    running.read_all();
    let told = running.errors();
    assert!(
        told.contains("cannot be kept in the folder /no/such/folder"),
        "{told}"
    );
}
