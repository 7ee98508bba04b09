//! Processes killed at every moment: no request is lost, doubled or hung.

use std::collections::HashMap;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::{Site, is_warm, telling};
use crate::support::response::Response;
use crate::support::run::{Run, Watch};
use crate::support::until;

/// Notes each call, by the query, in a file; in between it sleeps a little.
const NOTES_CALLS: &str = "
import os, time
def application(environ, start_response):
    number = environ['QUERY_STRING']
    log = os.open('calls', os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(log, (number + '\\n').encode())
    os.close(log)
    time.sleep(0.001)
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return [('done ' + number).encode()]
";

pub fn kill(pid: u32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(i32::try_from(pid).unwrap()) {
        // It may be gone already.
        let _ = kill_process(pid, signal);
    }
}

/// Every process that works in this folder: clients, zygotes, spares, workers.
pub fn processes(folder: &Path) -> Vec<u32> {
    let all = fs::read_dir("/proc").unwrap().flatten();
    all.filter(|entry| fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd == folder))
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

fn calls(site: &Site) -> HashMap<String, usize> {
    let mut calls = HashMap::new();
    let text = fs::read_to_string(site.path("calls")).unwrap_or_default();
    for line in text.lines() {
        *calls.entry(line.to_owned()).or_default() += 1;
    }
    calls
}

/// What became of a request.
enum Fate {
    Answered,
    Failed,
    ClientKilled,
}

fn ask(run: &Run, number: usize) -> Fate {
    let mut command = run.command();
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let watch = Watch::over(&child);
    let started = Instant::now();
    let mut out = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut out).unwrap();
    let status = child.wait().unwrap();
    drop(watch);
    if status.signal() == Some(9) {
        assert!(
            started.elapsed() < Duration::from_secs(55),
            "request {number} hung"
        );
        return Fate::ClientKilled;
    }
    let text = String::from_utf8_lossy(&out).into_owned();
    if status.code() == Some(1) && out.is_empty() {
        // Killed between its word that the response begins and the first byte: nobody may answer in its place,
        // and a web server does.
        return Fate::Failed;
    }
    let response = Response::parse(&out).unwrap_or_else(|| panic!("{number}, {status}: {text:?}"));
    match status.code() {
        Some(0) => {
            assert_eq!(response.text(), format!("done {number}"));
            Fate::Answered
        }
        // Killed between its last byte and its report: the response is whole.
        Some(1) if text.ends_with(&format!("done {number}")) => Fate::Answered,
        Some(1) => {
            assert!(text.starts_with("Status: 500 "), "{text}");
            Fate::Failed
        }
        _ => panic!("{number}: {status}\n{text}"),
    }
}

/// Two thousand requests, four at a time, while processes are killed at random.
#[test]
fn each_request_is_answered_once_or_fails_cleanly_while_processes_are_killed() {
    const REQUESTS: usize = 2000;
    // However slow the machine is, so that most requests are spared.
    const KILLS: usize = 700;
    let site = Site::with(NOTES_CALLS);
    site.start();
    let next = AtomicUsize::new(0);
    let is_over = AtomicBool::new(false);
    let kills = AtomicUsize::new(0);
    let fates: Vec<(usize, Fate)> = thread::scope(|scope| {
        scope.spawn(|| {
            let random = RandomState::new();
            loop {
                let count = kills.load(Ordering::Relaxed);
                if is_over.load(Ordering::Relaxed) || count >= KILLS {
                    return;
                }
                let found = processes(site.folder.path());
                if !found.is_empty() {
                    let index = random.hash_one(count) % found.len() as u64;
                    kill(found[usize::try_from(index).unwrap()], Signal::KILL);
                    kills.fetch_add(1, Ordering::Relaxed);
                }
                thread::sleep(Duration::from_millis(random.hash_one((count, 1)) % 40));
            }
        });
        let clients: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut fates = Vec::new();
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= REQUESTS {
                            return fates;
                        }
                        let run = site.request().variable("QUERY_STRING", number.to_string());
                        fates.push((number, ask(&run, number)));
                    }
                })
            })
            .collect();
        let ended: Vec<_> = clients.into_iter().map(|client| client.join()).collect();
        // Also where one has failed: nobody waits for the killer for ever.
        is_over.store(true, Ordering::Relaxed);
        ended.into_iter().flat_map(Result::unwrap).collect()
    });
    assert_eq!(fates.len(), REQUESTS);
    // A worker whose client was killed may be on its way out.
    thread::sleep(Duration::from_millis(200));
    let calls = calls(&site);
    let (mut answered, mut failed) = (0, 0);
    for (number, fate) in &fates {
        let count = calls.get(&number.to_string()).copied().unwrap_or(0);
        match fate {
            Fate::Answered => {
                assert_eq!(count, 1, "request {number} was answered");
                answered += 1;
            }
            Fate::Failed => {
                assert!(count <= 1, "request {number} ran {count} times");
                failed += 1;
            }
            Fate::ClientKilled => assert!(count <= 1, "request {number} ran {count} times"),
        }
    }
    let kills = kills.into_inner();
    eprintln!("{answered} answered, {failed} failed, {kills} kills");
    assert!(failed <= kills, "{failed} failed, {kills} kills");
    assert!(
        answered > REQUESTS / 2,
        "{answered} answered, {kills} kills"
    );
}

/// An application that tells its process and waits, before its response and within it.
pub const WAITS: &str = "
import os, time
def wait(sign):
    with open(sign + '.new', 'w') as file:
        file.write(str(os.getpid()))
    os.rename(sign + '.new', sign)
    while os.path.exists(sign):
        time.sleep(0.002)
def application(environ, start_response):
    wait('before')
    start_response('200 OK', [('Content-Type', 'text/plain'), ('Content-Length', '8')])
    yield b'some'
    wait('within')
    yield b'more'
";

/// A request to [`WAITS`] that has come to this sign; and the process that runs it.
pub fn waiting(site: &Site, signs: &[&str]) -> (std::process::Child, Watch, u32) {
    let mut command = site.request().command();
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let watch = Watch::over(&child);
    let mut worker = 0;
    for (number, sign) in signs.iter().enumerate() {
        let path = site.path(sign);
        until("the application", || path.exists());
        worker = fs::read_to_string(&path).unwrap().parse().unwrap();
        if number + 1 < signs.len() {
            fs::remove_file(&path).unwrap();
        }
    }
    (child, watch, worker)
}

#[test]
fn a_worker_that_is_killed_is_answered_for() {
    let site = Site::with(WAITS);
    site.start();
    let (child, _watch, worker) = waiting(&site, &["before"]);
    kill(worker, Signal::KILL);
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.starts_with("Status: 500 ") && text.contains("WC053"),
        "{text}"
    );
    fs::remove_file(site.path("before")).unwrap();

    let (child, _watch, worker) = waiting(&site, &["before", "within"]);
    kill(worker, Signal::KILL);
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    // Cut, for the server to see: nothing follows what had left.
    assert!(
        text.ends_with("\r\n\r\nsome") || text.ends_with("\n\nsome"),
        "{text:?}"
    );
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(err.contains("WC053") && err.contains("SIGKILL"), "{err}");
}

#[test]
fn a_zygote_that_is_killed_takes_its_spares_with_it_and_no_worker() {
    let site = Site::with(WAITS);
    site.start();
    let (child, _watch, worker) = waiting(&site, &["before"]);
    let zygote = site.zygotes()[0];
    kill(zygote, Signal::KILL);
    super::until_gone(zygote);
    let known = [child.id(), worker];
    until("its spares to end", || {
        let left = processes(site.folder.path());
        left.iter().all(|pid| known.contains(pid))
    });
    for sign in ["before", "within"] {
        until(sign, || site.path(sign).exists());
        fs::remove_file(site.path(sign)).unwrap();
    }
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success() && text.ends_with("somemore"),
        "{text}"
    );
    // What it has left behind is no obstacle for the next one.
    site.start();
}

/// Whoever stops a zygote stops no request; and what was withdrawn is not run when it goes on.
#[test]
fn a_zygote_that_hangs_delays_a_request_and_does_not_double_it() {
    let site = Site::with(NOTES_CALLS);
    site.start();
    let stopped = processes(site.folder.path());
    assert!(stopped.len() >= 2, "{stopped:?}");
    stopped.iter().for_each(|pid| kill(*pid, Signal::STOP));
    let done = site.request().variable("QUERY_STRING", "1").done();
    assert!(!is_warm(&done), "{done}");
    done.assert_body("done 1").assert_told("is stopped");
    stopped.iter().for_each(|pid| kill(*pid, Signal::CONT));
    until("it to go on", || {
        is_warm(&site.request().variable("QUERY_STRING", "2").done())
    });
    assert_eq!(calls(&site).get("1"), Some(&1));
}

#[test]
fn an_import_that_hangs_keeps_nobody_waiting() {
    let site = Site::with(&format!(
        "import os, time\nif 'REQUEST_METHOD' not in os.environ:\n    open('hangs', 'w').close(); time.sleep(1000)\n{}",
        telling("'fine'")
    ));
    assert!(!is_warm(&site.get()));
    until("the import to hang", || site.path("hangs").exists());
    for _ in 0..3 {
        let done = site.get();
        assert!(!is_warm(&done), "{done}");
        done.assert_body("fine");
        done.assert_told("it is being imported");
    }
    until("the others to end", || {
        processes(site.folder.path()).len() == 1
    });
    kill(processes(site.folder.path())[0], Signal::KILL);
}

#[test]
fn an_import_beyond_the_memory_limit_runs_cold() {
    let site = Site::with(&format!(
        "import os\nif 'REQUEST_METHOD' not in os.environ:\n    kept = b'x' * 500_000_000\n{}",
        telling("'fine'")
    ));
    let request = site.request().option("--max-memory=300M");
    let starts = request
        .clone()
        .without("GATEWAY_INTERFACE")
        .without("REQUEST_METHOD");
    let starts = starts.before(&["warm", "start"]).done();
    starts.assert_exit(1).assert_told("MemoryError");
    let done = request.done();
    assert!(!is_warm(&done));
    done.assert_body("fine");
}

/// Requests that come as a zygote ends for want of them.
#[test]
fn the_idle_end_loses_no_request() {
    let site = Site::with(NOTES_CALLS);
    let mut warm = 0;
    for number in 0..150 {
        let request = site
            .request()
            .option("--warm-idle=0.03")
            .variable("QUERY_STRING", number.to_string());
        if number % 15 == 0 {
            site.start_for(&request);
        }
        let done = request.done();
        done.assert_body(format!("done {number}"));
        warm += usize::from(is_warm(&done));
        thread::sleep(Duration::from_millis(number % 45));
    }
    let calls = calls(&site);
    assert!(calls.values().all(|count| *count == 1) && calls.len() == 150);
    eprintln!("{warm} of 150 were warm");
}
