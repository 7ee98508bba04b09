//! The processes that an import has started: they belong to the zygote, and end with it.

use std::fs;
use std::time::Instant;

use rustix::process::{Pid, PidfdFlags, Signal, getpid, pidfd_open, set_child_subreaper};
use wsgi_cgi_process::Process;
use wsgi_cgi_process::time_limits::APPLICATION_GRACE;

/// From here on, those whose parent ends become children of this process.
pub fn take_in() {
    let _ = set_child_subreaper(Some(getpid()));
}

/// From here on, they do not: workers leave theirs to the system, as any process does.
pub fn leave_alone() {
    let _ = set_child_subreaper(None);
}

/// Ends all descendants of this process: asks them to, and kills those that stay.
pub fn end() {
    take_in();
    for signal in [Signal::TERM, Signal::KILL] {
        let deadline = Instant::now() + APPLICATION_GRACE;
        // Another round each time that one has ended: its children are ours by then.
        loop {
            let running = descendants();
            let Some(first) = running.first() else {
                return;
            };
            running.iter().for_each(|process| process.signal(signal));
            if !matches!(first.ends_by(Some(deadline)), Ok(true)) {
                break;
            }
        }
    }
}

/// Those that run.
fn descendants() -> Vec<Process> {
    let mut found = Vec::new();
    let mut parents = vec![getpid()];
    while let Some(parent) = parents.pop() {
        for pid in children(parent) {
            let Ok(descriptor) = pidfd_open(pid, PidfdFlags::empty()) else {
                continue;
            };
            let process = Process::other(pid, descriptor, None);
            // If it still is its child, the descriptor is not that of another process with the same number.
            if !process.has_ended() && children(parent).contains(&pid) {
                parents.push(pid);
                found.push(process);
            }
        }
    }
    found
}

/// The children of all threads of a process (proc_tid_children(5)).
fn children(parent: Pid) -> Vec<Pid> {
    let tasks = fs::read_dir(format!("/proc/{}/task", parent.as_raw_nonzero()));
    let lists = tasks
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    let numbers = lists.collect::<Vec<_>>().join(" ");
    let numbers = numbers.split_whitespace();
    numbers
        .filter_map(|number| Pid::from_raw(number.parse().ok()?))
        .collect()
}
