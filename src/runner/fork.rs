//! The forks of the front: before any Python is loaded, with a single thread.
#![allow(unsafe_code)]

use std::fs;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use nix::unistd::ForkResult;
use rustix::process::Pid;

/// A thread that has been joined is gone within this time.
const MOMENT: Duration = Duration::from_millis(200);

/// Where the process continues.
pub enum Side {
    /// In the child.
    Child,
    /// In the parent, with the child's process id.
    Parent(Pid),
}

/// Splits the process. It fails where there is a second thread: that could hold a lock which the child would wait for.
pub fn fork() -> io::Result<Side> {
    let deadline = Instant::now() + MOMENT;
    while has_threads() {
        if Instant::now() > deadline {
            return Err(io::Error::other("cannot fork: another thread runs"));
        }
        thread::yield_now();
    }
    // SAFETY: this is the only thread, so the child may do whatever the parent could.
    match unsafe { nix::unistd::fork() }? {
        ForkResult::Child => Ok(Side::Child),
        ForkResult::Parent { child } => {
            let child = Pid::from_raw(child.as_raw());
            Ok(Side::Parent(child.ok_or(io::ErrorKind::InvalidData)?))
        }
    }
}

/// Whether there are others than this one, as far as /proc says so.
fn has_threads() -> bool {
    fs::read_dir("/proc/self/task").is_ok_and(|threads| threads.count() > 1)
}

/// Ends a child at once: nothing of its parent's is run or flushed.
pub fn leave(status: u8) -> ! {
    // SAFETY: `_exit` runs nothing of this process.
    unsafe { nix::libc::_exit(status.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_with_threads_is_not_split() {
        // The test runner's own threads are enough.
        thread::scope(|scope| {
            let (end, ends) = std::sync::mpsc::channel::<()>();
            scope.spawn(move || ends.recv());
            let error = fork().err().map(|error| error.to_string());
            assert_eq!(error.as_deref(), Some("cannot fork: another thread runs"));
            drop(end);
        });
    }
}
