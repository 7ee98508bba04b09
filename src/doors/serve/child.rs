//! A script that runs: how it is started, ended, and waited for, with all that it has started.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{self, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use contract::handover::Ending;
use contract::outcome::Outcome;
use contract::report::Failure;
use contract::warm::Death;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open, pidfd_send_signal};

use super::slots::Slot;
use crate::gateway::Variables;
use crate::plan::Warm;
use crate::runner::parent::{self, Progress, signal_group};
use crate::runner::warm::Handed;
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
    /// Whether a zygote's worker may run it.
    pub warm: Warm,
}

/// Who answers for what a child does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Author {
    /// This program: it answers for its application, and keeps the time limit itself.
    Ourselves,
    /// Somebody else.
    Other,
}

/// The process groups that are running, to be ended with the listener; a zygote's by their descriptors.
#[derive(Clone, Default)]
pub struct Children(Arc<Mutex<HashMap<Pid, Option<OwnedFd>>>>);

/// One of them.
pub struct Child {
    process: Process,
    group: Pid,
    children: Children,
    /// Kept until the process is gone.
    _slot: Slot,
    /// Its response.
    pub stdout: File,
    /// Its complaints.
    pub stderr: File,
}

enum Process {
    /// A child of this process.
    Own(process::Child),
    /// A zygote's; and how it ended, when that is known.
    Worker(Handed, Option<Report>),
}

/// How a worker ended.
#[derive(Clone, Copy)]
enum Report {
    /// By its own word.
    Ended(Outcome),
    /// By its zygote's, if that could say it.
    Died(Option<Death>),
}

impl Children {
    /// Starts a script in a process group of its own, with these variables and nothing else.
    pub fn spawn(
        &self,
        script: &Script,
        environment: &[(OsString, OsString)],
        variables: &Variables,
        stdin: OwnedFd,
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
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let group = Pid::from_child(&process);
        let (Some(stdout), Some(stderr)) = (process.stdout.take(), process.stderr.take()) else {
            return Err(io::Error::other("the child has no pipes"));
        };
        self.lock().insert(group, None);
        Ok(Child {
            process: Process::Own(process),
            group,
            children: self.clone(),
            _slot: slot,
            stdout: OwnedFd::from(stdout).into(),
            stderr: OwnedFd::from(stderr).into(),
        })
    }

    /// Takes up a zygote's worker, which has these as its output.
    pub fn adopt(
        &self,
        handed: Handed,
        [stdout, stderr]: [OwnedFd; 2],
        slot: Slot,
    ) -> io::Result<Child> {
        let group = handed.worker.pid();
        let process = handed.worker.process().try_clone_to_owned()?;
        self.lock().insert(group, Some(process));
        Ok(Child {
            process: Process::Worker(handed, None),
            group,
            children: self.clone(),
            _slot: slot,
            stdout: stdout.into(),
            stderr: stderr.into(),
        })
    }

    /// Tells every one of them to end, or ends it.
    pub fn signal_all(&self, signal: Signal) {
        for (group, process) in self.lock().iter() {
            match process {
                None => drop(kill_process_group(*group, signal)),
                Some(process) => signal_group(*group, process, signal),
            }
        }
    }

    /// Whether none is left.
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Pid, Option<OwnedFd>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Child {
    /// How it ended, if it does so now that its response is over; None if it has work left. The kernel closes
    /// a process's descriptors a moment before it can be waited for.
    pub fn status(&mut self) -> Option<ExitStatus> {
        for _ in 0..3 {
            if let Some(status) = self.status_now() {
                return Some(status);
            }
            thread::yield_now();
        }
        self.ends_until(Instant::now() + MOMENT);
        self.status_now()
    }

    fn status_now(&mut self) -> Option<ExitStatus> {
        let exited = |code: u8| ExitStatus::from_raw(i32::from(code) << 8);
        if let Process::Own(process) = &mut self.process {
            return process.try_wait().ok().flatten();
        }
        match self.report()? {
            // As the program itself would end.
            Report::Ended(outcome) => Some(exited(outcome.exit_status())),
            Report::Died(Some(Death::Exited(code))) => Some(exited(code)),
            Report::Died(Some(Death::Signalled(number))) => {
                Some(ExitStatus::from_raw(number.into()))
            }
            Report::Died(None) => None,
        }
    }

    /// How a worker ended, if it has.
    fn report(&mut self) -> Option<Report> {
        let has_ended = self.ends_until(Instant::now());
        let Process::Worker(handed, report) = &mut self.process else {
            return None;
        };
        if report.is_none() {
            let now = Some(Instant::now());
            // Its own word comes first: it may have ended right afterwards.
            let told = matches!(wait::readable(&handed.control, now), Ok(true))
                .then(|| Ending::read(&mut handed.control).ok())
                .flatten();
            *report = match told {
                Some(ending) => Some(Report::Ended(ending.outcome)),
                None if has_ended => {
                    let death = handed.worker.death(Instant::now() + MOMENT);
                    Some(Report::Died(death))
                }
                None => None,
            };
        }
        *report
    }

    /// Why there is no response from a worker, for which nobody else can answer.
    pub fn failure(&mut self) -> Option<Failure> {
        match self.report()? {
            Report::Ended(_) => None,
            Report::Died(death) => Some(parent::died(death, Progress::Running, "its zygote")),
        }
    }

    fn ends_until(&self, deadline: Instant) -> bool {
        let ends =
            |process: BorrowedFd<'_>| matches!(wait::readable(process, Some(deadline)), Ok(true));
        match &self.process {
            Process::Own(_) => pidfd_open(self.group, PidfdFlags::empty())
                .is_ok_and(|process| ends(process.as_fd())),
            Process::Worker(handed, _) => ends(handed.worker.process()),
        }
    }

    /// Waits for its end.
    fn wait(&mut self) {
        match &mut self.process {
            Process::Own(process) => drop(process.wait()),
            Process::Worker(handed, _) => drop(wait::readable(handed.worker.process(), None)),
        }
    }

    /// Lets go of a child whose response is over: it may still have work of its own.
    pub fn leave(mut self) {
        if self.status().is_none() {
            self.in_background(Self::wait);
        }
    }

    /// Lets a worker that is late show where it is, on stderr, and end (faulthandler). Any other child is a process
    /// that has its own limit, and does so itself.
    pub fn show_stack(&self) {
        if let Process::Worker(handed, _) = &self.process
            && pidfd_send_signal(handed.worker.process(), Signal::ABORT).is_ok()
        {
            self.ends_until(Instant::now() + GRACE);
        }
    }

    /// Ends a child and its group: politely, then not.
    pub fn end(self) {
        self.signal(Signal::TERM);
        self.in_background(|child| {
            child.ends_until(Instant::now() + GRACE);
            // What it has started does not outlive it: the group's number is ours until the child is reaped.
            child.signal(Signal::KILL);
            child.wait();
        });
    }

    fn signal(&self, signal: Signal) {
        match &self.process {
            Process::Own(_) => drop(kill_process_group(self.group, signal)),
            Process::Worker(handed, _) => handed.worker.signal(signal),
        }
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
