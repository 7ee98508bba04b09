//! `serve --warm`: the listener hands requests to spares itself.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};

use super::{Site, telling};
use crate::support::listener::{Listener, Setup};
use crate::support::until;

/// A listener for the site's application; its zygotes are the site's.
fn listen(site: &Site, options: &[&str]) -> Listener {
    let setup = Setup::with(site.path("app.py"))
        .variable("TMPDIR", site.path("run"))
        .option("--warm")
        .option("--verbose");
    let setup = options
        .iter()
        .fold(setup, |setup, option| setup.option(option));
    setup.start()
}

fn get(listener: &Listener, target: &str) -> crate::support::http::Reply {
    listener.connect().exchange("GET", target, &[], b"")
}

/// The first request starts the zygote; gives its process.
fn warmed(site: &Site, listener: &Listener) -> u32 {
    get(listener, "/");
    until("a zygote", || !site.zygotes().is_empty());
    site.zygotes()[0]
}

#[test]
fn nothing_is_executed_for_a_request() {
    let site = Site::with(&telling(
        "[os.getppid(), environ['QUERY_STRING'], environ['wsgi.input'].read()]",
    ));
    let listener = listen(&site, &[]);
    let zygote = warmed(&site, &listener);
    let reply = listener.connect().exchange("POST", "/?a=1", &[], b"body");
    assert_eq!(reply.text(), format!("[{zygote}, 'a=1', b'body']"));
    // As many as may run at once, one after another and side by side. On a machine that is busy for a second with
    // something else, some of them run cold.
    let of_zygote = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut connection = listener.connect();
                for number in 0..25 {
                    let target = format!("/?{number}");
                    let text = connection.exchange("GET", &target, &[], b"").text();
                    assert!(text.ends_with(&format!(", '{number}', b'']")), "{text}");
                    let is_warm = text.starts_with(&format!("[{zygote}, "));
                    of_zygote.fetch_add(usize::from(is_warm), Relaxed);
                }
            });
        }
    });
    assert!(of_zygote.into_inner() > 100);
}

#[test]
fn a_change_shows_at_the_next_request() {
    let site = Site::with(&telling("'old'"));
    let listener = listen(&site, &[]);
    warmed(&site, &listener);
    assert_eq!(get(&listener, "/").text(), "old");
    site.write("app.py", &telling("'new'"));
    assert_eq!(get(&listener, "/").text(), "new");
}

#[test]
fn a_rehearsal_comes_before_the_first_request() {
    let site = Site::with(
        "seen = []\ndef application(environ, start_response):\n    \
         seen.append(environ['PATH_INFO'])\n    \
         start_response('200 OK', [])\n    return [' '.join(seen).encode()]\n",
    );
    let listener = listen(&site, &["--warm-rehearse=/rehearsed"]);
    warmed(&site, &listener);
    until("a worker", || {
        let text = get(&listener, "/asked").text();
        assert!(
            ["/asked", "/rehearsed /asked"].contains(&text.as_str()),
            "{text}"
        );
        text == "/rehearsed /asked"
    });
}

#[test]
fn a_worker_that_dies_or_hangs_is_answered_for() {
    let site = Site::with(
        "import os, signal, time\n\
         def application(environ, start_response):\n    \
             if environ['PATH_INFO'] == '/dies':\n        \
                 os.kill(os.getpid(), signal.SIGKILL)\n    \
             if environ['PATH_INFO'] == '/hangs':\n        \
                 time.sleep(60)\n    \
             start_response('200 OK', [])\n    \
             return [b'fine']\n",
    );
    let listener = listen(&site, &["--timeout=0.5"]);
    warmed(&site, &listener);
    let reply = get(&listener, "/dies");
    assert!(
        reply.status == 500 && reply.text().contains("WC053"),
        "{reply}"
    );
    let reply = get(&listener, "/hangs");
    assert!(
        reply.status == 504 && reply.text().contains("WC054"),
        "{reply}"
    );
    // Where it was.
    listener.told("app.py\", line 6 in application");
    assert_eq!(get(&listener, "/").text(), "fine");
}

#[test]
fn a_crash_is_answered_for_though_a_grandchild_lives_on() {
    let site = Site::with(
        "import os, signal, time\n\
         def application(environ, start_response):\n    \
             if os.fork() == 0:\n        \
                 os.setsid()\n        \
                 while not os.path.exists('over'): time.sleep(0.01)\n        \
                 os._exit(0)\n    \
             os.kill(os.getpid(), signal.SIGSEGV)\n",
    );
    let listener = listen(&site, &[]);
    // Cold, and then by a worker.
    warmed(&site, &listener);
    for _ in 0..2 {
        let reply = get(&listener, "/");
        assert!(
            reply.status == 500 && reply.text().contains("WC053"),
            "{reply}"
        );
    }
    site.write("over", "");
}

/// One request waits for it, and no other for a while; nobody asks twice.
#[test]
fn a_zygote_that_is_stopped_is_left_alone() {
    let site = Site::with(&telling("'fine'"));
    let listener = listen(&site, &["--warm-spares=1"]);
    let zygote = Pid::from_raw(warmed(&site, &listener).try_into().unwrap()).unwrap();
    kill_process(zygote, Signal::STOP).unwrap();
    let answer = || get(&listener, "/").text();
    std::thread::scope(|scope| {
        // Its last spare may still take the first.
        let asking = scope.spawn(|| [answer(), answer()]);
        let told = listener.told("is stopped");
        assert!(told.contains("runs cold: its zygote, process"), "{told}");
        // While the other runs cold.
        assert_eq!(answer(), "fine");
        listener.told("did not answer a moment ago");
        assert_eq!(asking.join().unwrap(), ["fine", "fine"]);
    });
    kill_process(zygote, Signal::CONT).unwrap();
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..20).map(|_| scope.spawn(answer)).collect();
        for one in all {
            assert_eq!(one.join().unwrap(), "fine");
        }
    });
    listener.terminate();
    let (_, text) = listener.end();
    // What a child says of itself.
    let asked_again = text
        .lines()
        .filter(|line| line.contains("runs cold: no spare"));
    assert_eq!(asked_again.count(), 0, "{text}");
}

/// Wherever it is that one is missing: for the body, the pipes, the hand-over, or the child instead.
#[test]
fn out_of_descriptors_a_request_is_to_come_again() {
    let site = Site::with(&telling("environ['wsgi.input'].read()"));
    let listener = listen(&site, &[]);
    warmed(&site, &listener);
    let mut connection = listener.connect();
    let mut post = || connection.exchange("POST", "/", &[], b"body");
    assert_eq!(post().text(), "b'body'");
    let folder = format!("/proc/{}/fd", listener.pid);
    let links = || {
        let files = fs::read_dir(&folder).unwrap().flatten();
        files.filter_map(|file| fs::read_link(file.path()).ok())
    };
    let is_pipe = |link: &PathBuf| link.as_os_str().as_bytes().starts_with(b"pipe:");
    // The last worker's are closed last.
    until("its log to be the only pipe", || {
        links().filter(is_pipe).count() == 1
    });
    let used = links().count();
    let limit = used + 12;
    let pid = Pid::from_raw(listener.pid.try_into().unwrap());
    let limits = Rlimit {
        current: Some(limit as u64),
        maximum: Some(limit as u64),
    };
    prlimit(pid, Resource::Nofile, limits).unwrap();
    let mut idle = Vec::new();
    let mut last = 0;
    while used + idle.len() < limit {
        idle.push(listener.connect());
        until("one more to be open", || {
            links().count() == used + idle.len()
        });
        let reply = post();
        assert!(matches!(reply.status, 200 | 503), "{reply}");
        last = reply.status;
    }
    assert_eq!(last, 503);
    listener.told("WC083");
    drop(idle);
    until("room again", || post().status == 200);
}
