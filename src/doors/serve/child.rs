//! A script that runs: how it is started, ended, and waited for, with all that it has started.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{self, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use super::body::Body;
use super::slots::Slot;
use crate::gateway::Variables;
use crate::wait;

/// How long a child that was told to end may take; our own needs up to two seconds to end its application.
const GRACE: Duration = Duration::from_secs(3);
/// Between the end of a response and the end of its process.
const MOMENT: Duration = Duration::from_millis(50);
/// The stack of a thread that only waits.
const SMALL_STACK: usize = 64 << 10;

/// What is started for a request.
#[derive(Clone, Debug)]
pub struct Script {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Where it is started (RFC 3875 section 7.2).
    pub directory: PathBuf,
    /// What is between it and the listener.
    pub environment: Vec<(&'static str, &'static str)>,
    /// Its output is a whole HTTP response (section 5).
    pub is_nph: bool,
    /// Whether it is this same program.
    pub author: Author,
}

/// Who answers for what a child does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Author {
    /// This program: it answers for its application, and keeps the time limit itself.
    Ourselves,
    /// Somebody else.
    Other,
}

/// The process groups that are running, to be ended with the listener.
#[derive(Clone, Default)]
pub struct Children(Arc<Mutex<HashSet<Pid>>>);

/// One of them.
pub struct Child {
    process: process::Child,
    group: Pid,
    children: Children,
    /// Kept until the process is gone.
    _slot: Slot,
    /// Its response.
    pub stdout: ChildStdout,
    /// Its complaints.
    pub stderr: ChildStderr,
}

impl Children {
    /// Starts a script in a process group of its own, with these variables and nothing else.
    pub fn spawn(
        &self,
        script: &Script,
        environment: &[(OsString, OsString)],
        variables: &Variables,
        body: Body,
        slot: Slot,
    ) -> io::Result<Child> {
        let own = |(name, value): &(Vec<u8>, Vec<u8>)| {
            (
                OsStr::from_bytes(name).to_owned(),
                OsStr::from_bytes(value).to_owned(),
            )
        };
        let mut process = Command::new(&script.program)
            .args(&script.arguments)
            .env_clear()
            .envs(environment.iter().cloned())
            .envs(variables.iter().map(own))
            .envs(script.environment.iter().copied())
            .current_dir(&script.directory)
            .process_group(0)
            .stdin(body.into_stdin()?)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let group = Pid::from_child(&process);
        let (Some(stdout), Some(stderr)) = (process.stdout.take(), process.stderr.take()) else {
            return Err(io::Error::other("the child has no pipes"));
        };
        self.lock().insert(group);
        Ok(Child {
            process,
            group,
            children: self.clone(),
            _slot: slot,
            stdout,
            stderr,
        })
    }

    /// Tells every one of them to end, or ends it.
    pub fn signal_all(&self, signal: Signal) {
        for group in self.lock().iter() {
            let _ = kill_process_group(*group, signal);
        }
    }

    /// Whether none is left.
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<Pid>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Child {
    /// How it ended, if it does so now that its response is over; None if it has work left. The kernel closes
    /// a process's descriptors a moment before it can be waited for.
    pub fn status(&mut self) -> Option<ExitStatus> {
        for _ in 0..3 {
            if let Ok(Some(status)) = self.process.try_wait() {
                return Some(status);
            }
            thread::yield_now();
        }
        self.ends_until(Instant::now() + MOMENT);
        self.process.try_wait().ok().flatten()
    }

    fn ends_until(&self, deadline: Instant) -> bool {
        pidfd_open(self.group, PidfdFlags::empty())
            .is_ok_and(|process| matches!(wait::readable(&process, Some(deadline)), Ok(true)))
    }

    /// Lets go of a child whose response is over: it may still have work of its own.
    pub fn leave(mut self) {
        if self.status().is_none() {
            self.in_background(|child| {
                let _ = child.process.wait();
            });
        }
    }

    /// Ends a child and its group: politely, then not.
    pub fn end(self) {
        self.signal(Signal::TERM);
        self.in_background(|child| {
            child.ends_until(Instant::now() + GRACE);
            // What it has started does not outlive it: the group's number is ours until the child is reaped.
            child.signal(Signal::KILL);
            let _ = child.process.wait();
        });
    }

    fn signal(&self, signal: Signal) {
        let _ = kill_process_group(self.group, signal);
    }

    /// Waiting for a process must not keep a connection from its next request.
    fn in_background(self, work: impl FnOnce(&mut Self) + Send + 'static) {
        let shared = Arc::new(Mutex::new(Some((self, work))));
        let task = shared.clone();
        let run = move || {
            let taken = task.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some((mut child, work)) = taken {
                work(&mut child);
            }
        };
        let spawned = thread::Builder::new()
            .stack_size(SMALL_STACK)
            .spawn(run.clone());
        if spawned.is_err() {
            run();
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.children.lock().remove(&self.group);
    }
}
