//! A script that runs: how it is started, ended, and waited for, with all that it has started.

use std::collections::HashMap;
use std::error::Error;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use wsgi_cgi_process as process;
use wsgi_cgi_process::time_limits::SCRIPT_GRACE;

use super::script::{Author, Script};
use super::slots::Slot;
use crate::cgi::Variables;
use crate::wait;

/// Between the end of a response and the end of its process.
const MOMENT: Duration = Duration::from_millis(50);
/// The stack of a thread that waits for a script; a page of it is used.
const STACK: usize = 256 << 10;

/// A process that was started elsewhere, and answers one request. It leads a process group.
pub trait Process: Send {
    /// The process itself.
    fn process(&self) -> &process::Process;

    /// How it ended; None if it has not, or nobody knows.
    fn status(&mut self) -> Option<ExitStatus>;

    /// It has taken too long: what is to be done before it is told to end.
    fn is_late(&self) {}

    /// Why it gave no response, where it can say so better than its response.
    fn failure(&mut self) -> Option<Box<dyn Error + Send + Sync>> {
        None
    }
}

/// The process groups that are running, to be ended with the listener; those that others started by their descriptors.
/// Each leaves before it is reaped: its number is its own as long as it is here.
#[derive(Default)]
pub(super) struct Children(Mutex<HashMap<Pid, Option<OwnedFd>>>);

/// A script that runs.
pub struct Child {
    running: Running,
    author: Author,
    group: Pid,
    /// Kept until the process is gone.
    slot: Slot,
    /// Its response.
    pub(super) stdout: File,
    /// Its complaints.
    pub(super) stderr: File,
}

enum Running {
    /// A child of this process.
    Own(process::Process),
    /// Somebody else's.
    Other(Box<dyn Process>),
}

impl Slot {
    /// Starts a script in a process group of its own, with its variables and these, and nothing else.
    pub fn spawn(self, script: &Script, variables: &Variables, body: OwnedFd) -> io::Result<Child> {
        let text = |(name, value): &(Vec<u8>, Vec<u8>)| {
            (
                OsStr::from_bytes(name).to_owned(),
                OsStr::from_bytes(value).to_owned(),
            )
        };
        let mut started = Command::new(&script.program)
            .args(&script.arguments)
            .env_clear()
            .envs(script.environment.iter().map(|(name, value)| (name, value)))
            .envs(variables.iter().map(text))
            .current_dir(&script.directory)
            .process_group(0)
            .stdin(body)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let group = Pid::from_child(&started);
        let process = process::Process::child(group);
        let (Some(stdout), Some(stderr)) = (started.stdout.take(), started.stderr.take()) else {
            return Err(io::Error::other("the child has no pipes"));
        };
        self.children().lock().insert(group, None);
        Ok(Child {
            running: Running::Own(process),
            author: script.author,
            group,
            slot: self,
            stdout: OwnedFd::from(stdout).into(),
            stderr: OwnedFd::from(stderr).into(),
        })
    }

    /// Takes up a process that was started elsewhere, and writes its response and its complaints into these pipes.
    pub fn adopt(
        self,
        process: Box<dyn Process>,
        [stdout, stderr]: [OwnedFd; 2],
    ) -> io::Result<Child> {
        let group = process.process().pid();
        let descriptor = process.process().descriptor();
        let descriptor = descriptor
            .ok_or(io::ErrorKind::Unsupported)?
            .try_clone_to_owned()?;
        self.children().lock().insert(group, Some(descriptor));
        Ok(Child {
            running: Running::Other(process),
            author: Author::Ourselves,
            group,
            slot: self,
            stdout: stdout.into(),
            stderr: stderr.into(),
        })
    }
}

impl Children {
    /// Tells every one of them to end, or ends it.
    pub(super) fn signal_all(&self, signal: Signal) {
        for (group, process) in self.lock().iter() {
            // Somebody else's is reaped by its parent, some time after its end.
            if process
                .as_ref()
                .is_none_or(|process| !wait::is_readable(process))
            {
                let _ = kill_process_group(*group, signal);
            }
        }
    }

    /// Whether none is left.
    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Pid, Option<OwnedFd>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Child {
    /// Whether this process started it.
    pub(super) fn is_own(&self) -> bool {
        matches!(self.running, Running::Own(_))
    }

    /// Whether its place should rather be another client's.
    pub(super) fn is_above_share(&self) -> bool {
        self.slot.is_above_share()
    }

    /// How it ended, if it does so now that its response is over; None if it has work left. The kernel closes
    /// a process's descriptors a moment before it can be waited for.
    pub(super) fn status(&mut self) -> Option<ExitStatus> {
        for _ in 0..3 {
            if let Some(status) = self.status_now() {
                return Some(status);
            }
            thread::yield_now();
        }
        self.ends_until(Instant::now() + MOMENT);
        self.status_now()
    }

    /// How it ended, if it has.
    pub(super) fn status_now(&mut self) -> Option<ExitStatus> {
        match &mut self.running {
            Running::Own(process) => process.exit().and_then(process::Exit::status),
            Running::Other(process) => process.status(),
        }
    }

    /// Why there is no response from somebody else's process.
    pub(super) fn failure(&mut self) -> Option<Box<dyn Error + Send + Sync>> {
        match &mut self.running {
            Running::Own(_) => None,
            Running::Other(process) => process.failure(),
        }
    }

    fn ends_until(&self, deadline: Instant) -> bool {
        matches!(self.process().ends_by(Some(deadline)), Ok(true))
    }

    /// The process that the listener waits for.
    pub(super) fn process(&self) -> &process::Process {
        match &self.running {
            Running::Own(process) => process,
            Running::Other(process) => process.process(),
        }
    }

    /// Whether its response ends with its process. What it has started may keep the output open.
    pub(super) fn ends_response(&self) -> bool {
        self.author == Author::Ourselves
    }

    /// Waits for its end.
    fn wait(&mut self) {
        let _ = self.process().ends_by(None);
    }

    /// It has taken too long. A child of this process is simply ended.
    pub(super) fn is_late(&self) {
        if let Running::Other(process) = &self.running {
            process.is_late();
        }
    }

    /// Ends a child and its group: politely, then not.
    pub(super) fn end(self) {
        self.signal(Signal::TERM);
        in_background(self, |mut child| {
            child.ends_until(Instant::now() + SCRIPT_GRACE);
            // What it has started does not outlive it: the group's number is ours until the child is reaped.
            child.signal(Signal::KILL);
            child.wait();
        });
    }

    fn signal(&self, signal: Signal) {
        self.process().signal_group(signal);
    }
}

/// Waiting for a process must not keep a connection from its next request. Without a thread it is done here and now.
pub(super) fn in_background<T: Send + 'static>(
    subject: T,
    work: impl FnOnce(T) + Send + 'static,
) -> Option<JoinHandle<()>> {
    let task = Arc::new(Mutex::new(Some((subject, work))));
    let run = move || {
        let taken = task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((subject, work)) = taken {
            work(subject);
        }
    };
    let spawned = thread::Builder::new().stack_size(STACK).spawn(run.clone());
    if spawned.is_err() {
        run();
    }
    spawned.ok()
}

impl Drop for Child {
    fn drop(&mut self) {
        if thread::panicking() {
            // Nobody else will end it.
            self.signal(Signal::KILL);
            self.wait();
        }
        self.slot.children().lock().remove(&self.group);
        // Last of all: from here on its number may be another process's.
        if let Running::Own(process) = &mut self.running {
            process.reap();
        }
    }
}
