//! The end of a zygote, of its spares, and of what its import has started.

use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use contract::passing;
use contract::warm::{Offer, REQUESTS};
use rustix::fs::{FlockOperation, flock};
use rustix::process::Signal;

use super::faults::{WAITS, kill, processes, waiting};
use super::{Site, by_worker, is_warm, telling, until_gone};
use crate::support::until;

/// Signals that tell a process to end.
const ENDING: [Signal; 4] = [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT];

/// Ignores them all, or handles them without ending.
const STAYS: &str = "
import signal
signal.signal(signal.SIGTERM, lambda *_: None)
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGHUP, lambda *_: None)
signal.signal(signal.SIGQUIT, signal.SIG_IGN)
";

/// What a worker and its children see of signals.
const SIGNALS: &str = "
import signal, subprocess, sys, threading
def mask():
    with open('/proc/thread-self/status') as status:
        return [line.split()[1] for line in status if line.startswith('SigBlk')][0]
def application(environ, start_response):
    masks = [mask()]
    thread = threading.Thread(target=lambda: masks.append(mask()))
    thread.start()
    thread.join()
    child = 'for line in open(\"/proc/self/status\"):\\n if line[:6]==\"SigBlk\": print(line.split()[1])'
    masks.append(subprocess.run([sys.executable, '-c', child], capture_output=True, text=True).stdout.strip())
    names = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGCHLD']
    actions = [str(signal.getsignal(getattr(signal, name))).split(' at ')[0] for name in names]
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return [repr((masks, actions)).encode()]
";

/// The children of a process.
fn children(pid: u32) -> Vec<u32> {
    let path = format!("/proc/{pid}/task/{pid}/children");
    let text = fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace()
        .map(|number| number.parse().unwrap())
        .collect()
}

/// No process works in this folder any more.
#[track_caller]
fn until_nobody_is_in(folder: &Path) {
    until("the end of all processes", || {
        // Who has ended shows no folder.
        processes(folder).is_empty()
    });
}

/// While it forks and reaps, and whatever the application does on these signals.
#[test]
fn a_busy_zygote_ends_at_the_first_signal() {
    for (round, signal) in ENDING.into_iter().cycle().take(12).enumerate() {
        let first = if round % 2 == 0 { "" } else { STAYS };
        let site = Site::with(&format!("{first}{}", telling("1")));
        site.start();
        let zygote = site.zygotes()[0];
        let mut clients: Vec<_> = (0..6)
            .map(|_| {
                let mut command = site.request().command();
                command.stdin(std::process::Stdio::null());
                command.stdout(std::process::Stdio::null());
                command.stderr(std::process::Stdio::null());
                command.spawn().unwrap()
            })
            .collect();
        until("work for it", || {
            let mut left = clients.iter_mut();
            children(zygote).len() != 1 || left.all(|client| client.try_wait().unwrap().is_some())
        });
        kill(zygote, signal);
        for mut client in clients {
            client.wait().unwrap();
        }
        until_gone(zygote);
    }
}

#[test]
fn a_spare_ends_at_the_first_signal() {
    for stays in ["", STAYS] {
        let site = Site::with(&format!("{stays}{}", telling("'warm'")));
        site.start();
        let zygote = site.zygotes()[0];
        for signal in ENDING {
            let mut spare = None;
            until("a spare", || {
                spare = children(zygote).first().copied();
                spare.is_some()
            });
            kill(spare.unwrap(), signal);
            until_gone(spare.unwrap());
        }
        assert_eq!(site.warm(), "warm");
    }
}

/// It lets go of its zygote to accept a request, and learns only then that its client is gone.
#[test]
fn a_spare_whose_client_is_gone_ends_with_its_zygote() {
    let site = Site::with(&telling("'answered'"));
    site.start();
    let zygote = site.zygotes()[0];
    let mut spares = Vec::new();
    until("a spare", || {
        spares = children(zygote);
        !spares.is_empty()
    });
    let place = fs::read_dir(site.path("run")).unwrap().flatten().next();
    let seat = fs::read_dir(place.unwrap().path())
        .unwrap()
        .flatten()
        .next();
    let seat = seat.unwrap().path();
    // Between client and zygote, to learn what an offer is.
    fs::rename(seat.join(REQUESTS), seat.join("real")).unwrap();
    let listener = UnixListener::bind(seat.join(REQUESTS)).unwrap();
    let request = site.request();
    let client = thread::spawn(move || request.done());
    let (mut between, _) = listener.accept().unwrap();
    between.write_all(b"w").unwrap();
    let (passed, mut message) = passing::receive(&between, Offer::USUAL).unwrap();
    let offer = Offer::read(&mut message).unwrap();
    drop(message);

    let mut real = UnixStream::connect(seat.join("real")).unwrap();
    real.read_exact(&mut [0]).unwrap();
    real.shutdown(Shutdown::Read).unwrap();
    let descriptors: Vec<_> = passed.iter().map(AsFd::as_fd).collect();
    passing::send(&real, &descriptors, &offer.encode()).unwrap();
    until("the spare to let go", || real.write(b"x").is_err());
    kill(zygote, Signal::KILL);
    spares.into_iter().for_each(until_gone);
    drop((between, descriptors));
    drop(passed);
    client.join().unwrap().assert_body("answered");
}

/// A zygote waits for signals, and for its children, in its own way; its workers do not.
#[test]
fn a_workers_signals_are_those_of_a_cold_process() {
    for first in [
        "",
        STAYS,
        "import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN)",
        "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1, signal.SIGHUP])",
    ] {
        let site = Site::with(&format!("{first}\n{SIGNALS}"));
        let cold = site.request().without("WSGI_CGI_WARM").done();
        site.start();
        let warm = site.warm();
        assert_eq!(warm, cold.response().text());
    }
}

/// The idiom against zombies: the system reaps each child, and nobody learns how it ended.
#[test]
fn ignored_sigchld_keeps_no_zygote_from_ending() {
    let site = Site::with(&format!(
        "import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n{}",
        telling("os._exit(3) if environ['QUERY_STRING'] else 'warm'")
    ));
    site.start();
    let zygote = site.zygotes()[0];
    assert_eq!(site.warm(), "warm");
    let died = by_worker(&site.request().variable("QUERY_STRING", "die"));
    died.assert_told("exit status 3");
    until("the workers to be reaped", || {
        site.status().contains("serving 0")
    });
    site.command(&["warm", "stop", "app.py"])
        .done()
        .assert_exit(0);
    until_gone(zygote);
}

/// Of an import: a child, a grandchild that leaves the group and its parent, and one that no SIGTERM ends.
const STARTS: &str = "
import subprocess
subprocess.Popen(['sleep', '600'])
subprocess.run(['setsid', '--fork', 'sleep', '600'])
subprocess.Popen(['sh', '-c', 'trap \"\" TERM; echo > deaf; while :; do sleep 600; done'])
import os, time
while not os.path.exists('deaf'):
    time.sleep(0.01)
";

#[test]
fn what_the_import_has_started_ends_with_a_zygote_that_gives_up() {
    for refusal in [
        "import threading; threading.Thread(target=time.sleep, args=(600,), daemon=True).start()",
        "import no_such_package",
        "import multiprocessing; manager = multiprocessing.Manager()",
        "os._exit(4) if os.fork() else time.sleep(600)",
    ] {
        let is_sudden = refusal.starts_with("os._exit");
        let starts = if is_sudden { "import os, time" } else { STARTS };
        let site = Site::with(&format!("{starts}\n{refusal}\n{}", telling("1")));
        site.command(&["warm", "start", "app.py"])
            .done()
            .assert_exit(1);
        if is_sudden {
            // It had no time to end anything; but nobody else has its lock.
            let left = processes(site.folder.path());
            let run = fs::read_dir(site.path("run")).unwrap().flatten();
            let seats = run.flat_map(|place| fs::read_dir(place.path()).unwrap().flatten());
            for seat in seats {
                let lock = fs::File::open(seat.path().join("lock")).unwrap();
                flock(&lock, FlockOperation::NonBlockingLockExclusive).unwrap();
            }
            assert_eq!(left.len(), 1);
            kill(left[0], Signal::KILL);
        }
        until_nobody_is_in(site.folder.path());
    }
}

#[test]
fn what_the_import_has_started_ends_with_a_zygote_that_retires() {
    let site = Site::with(&format!("{STARTS}\n{}", telling("'warm'")));
    site.start();
    assert_eq!(site.warm(), "warm");
    site.command(&["warm", "stop", "app.py"])
        .done()
        .assert_exit(0);
    until_nobody_is_in(site.folder.path());
}

/// What has changed stays so: it must not wake a zygote again and again.
#[test]
fn a_zygote_that_waits_for_its_last_worker_sleeps() {
    let site = Site::with(WAITS);
    site.start();
    let zygote = site.zygotes()[0];
    let (mut client, _watch, _) = waiting(&site, &["before"]);
    site.write("app.py", &telling("'changed'"));
    until("it to be let go", || site.zygotes().is_empty());
    let (mut used, mut since) = (String::new(), Instant::now());
    until("it to use no processor for a second", || {
        let stat = fs::read_to_string(format!("/proc/{zygote}/stat")).unwrap();
        // Of itself, in the program and in the kernel.
        let times: Vec<_> = stat.split(' ').skip(13).take(2).collect();
        if used != times.join(" ") {
            (used, since) = (times.join(" "), Instant::now());
        }
        since.elapsed() >= Duration::from_secs(1)
    });
    for sign in ["before", "within"] {
        let path = site.path(sign);
        until("the application", || path.exists());
        fs::remove_file(path).unwrap();
    }
    client.wait().unwrap();
    until_gone(zygote);
}

/// As in any process: what a request has started is its own affair.
#[test]
fn what_a_request_has_started_outlives_the_zygote() {
    let site = Site::with(&telling(
        "os.system('setsid sleep 600 > /dev/null 2>&1 & echo')",
    ));
    site.start();
    site.warm();
    let zygote = site.zygotes()[0];
    site.command(&["warm", "stop", "app.py"])
        .done()
        .assert_exit(0);
    until_gone(zygote);
    let left = processes(site.folder.path());
    assert_eq!(left.len(), 1);
    kill(left[0], Signal::KILL);
}

/// A process that the import has forked does not become a second zygote when it comes back from there.
#[test]
fn a_fork_of_the_import_is_no_zygote() {
    let site = Site::with(&format!(
        "import os\nif os.fork() == 0:\n    raise SystemExit(0)\nos.wait()\n{}",
        telling("'warm'")
    ));
    site.start();
    let done = site.get();
    assert!(is_warm(&done), "{done}");
    assert_eq!(done.response().text(), "warm");
}
