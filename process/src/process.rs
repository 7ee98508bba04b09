//! One process: whether it has ended, how, and how to end it. A signal never reaches a number that was reaped.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Instant;

use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitIdStatus, kill_process, kill_process_group,
    pidfd_open, pidfd_send_signal, waitid,
};

use crate::wait::{self, Waiting};

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// With this exit status.
    Exited(u8),
    /// By this signal.
    Signalled(u8),
    /// Nobody can say: the system reaps children itself where SIGCHLD is ignored.
    Unknown,
}

/// A process that this one may signal: its own child, or a child of somebody else.
#[derive(Debug)]
pub struct Process {
    pid: Pid,
    /// None where the system refuses pidfd_open(2); only a child can be known without.
    descriptor: Option<OwnedFd>,
    parent: Parent,
    /// Set when it was reaped: from then on its number may be another process's.
    exit: Option<Exit>,
}

#[derive(Debug)]
enum Parent {
    ThisProcess,
    /// A pipe from it, on which it will tell how its child ended.
    AnotherProcess(Option<OwnedFd>),
}

impl Exit {
    /// As the standard library has it; None where it is not known.
    pub fn status(self) -> Option<ExitStatus> {
        match self {
            Self::Exited(status) => Some(ExitStatus::from_raw(i32::from(status) << 8)),
            Self::Signalled(number) => Some(ExitStatus::from_raw(number.into())),
            Self::Unknown => None,
        }
    }

    fn of(status: &WaitIdStatus) -> Self {
        let byte = |number: i32| u8::try_from(number).unwrap_or(u8::MAX);
        match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => Self::Exited(byte(code)),
            (None, Some(signal)) => Self::Signalled(byte(signal)),
            (None, None) => Self::Unknown,
        }
    }

    /// For a pipe between processes.
    pub fn to_bytes(self) -> [u8; 2] {
        match self {
            Self::Exited(status) => [0, status],
            Self::Signalled(number) => [1, number],
            Self::Unknown => [2, 0],
        }
    }

    /// What [`Exit::to_bytes`] gave; `None` for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0, status] => Some(Self::Exited(*status)),
            [1, number] => Some(Self::Signalled(*number)),
            [2, 0] => Some(Self::Unknown),
            _ => None,
        }
    }
}

impl Process {
    /// A child of this process that nobody has reaped yet, and that nobody else will reap.
    pub fn child(pid: Pid) -> Self {
        Self {
            pid,
            // The number is the child's as long as it is not reaped, even if it has ended.
            descriptor: pidfd_open(pid, PidfdFlags::empty()).ok(),
            parent: Parent::ThisProcess,
            exit: None,
        }
    }

    /// Somebody else's child, by its number, its pidfd, and the pipe on which its parent will write how it ended
    /// ([`Exit::to_bytes`]), if there is one.
    pub fn other(pid: Pid, descriptor: OwnedFd, status: Option<OwnedFd>) -> Self {
        Self {
            pid,
            descriptor: Some(descriptor),
            parent: Parent::AnotherProcess(status),
            exit: None,
        }
    }

    /// Its number, which is the number of its group if it leads one.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// Its pidfd, if there is one.
    pub fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.descriptor.as_ref().map(AsFd::as_fd)
    }

    /// Whether it has ended. It need not be reaped yet.
    pub fn has_ended(&self) -> bool {
        match self.parent {
            Parent::ThisProcess => self.exit().is_some(),
            Parent::AnotherProcess(_) => self.descriptor.as_ref().is_none_or(wait::is_readable),
        }
    }

    /// Waits until it has ended; gives false when the deadline passed before.
    pub fn ends_by(&self, deadline: Option<Instant>) -> io::Result<bool> {
        let ended = Waiting::until(deadline).process((), self).wait()?;
        Ok(!ended.is_empty())
    }

    /// How it ended, once it has; None if it has not by the deadline. It is not reaped yet. Somebody else's parent tells
    /// it once, a moment after the end; `Unknown` if that one is gone.
    pub fn exit_by(&self, deadline: Instant) -> io::Result<Option<Exit>> {
        if !self.ends_by(Some(deadline))? {
            return Ok(None);
        }
        match &self.parent {
            Parent::ThisProcess => Ok(self.exit()),
            Parent::AnotherProcess(status) => {
                let mut bytes = [0; 2];
                let count = match status {
                    Some(status) if wait::readable(status, Some(deadline))? => {
                        rustix::io::read(status, &mut bytes)?
                    }
                    _ => 0,
                };
                let told = Exit::from_bytes(bytes.get(..count).unwrap_or_default());
                Ok(told.or(Some(Exit::Unknown)))
            }
        }
    }

    /// Signals the process alone. Does nothing if it has ended.
    pub fn signal(&self, signal: Signal) {
        match &self.descriptor {
            // The descriptor never means another process.
            Some(descriptor) => drop(pidfd_send_signal(descriptor, signal)),
            // A child that was not reaped still owns its number.
            None if self.exit.is_none() => drop(kill_process(self.pid, signal)),
            None => {}
        }
    }

    /// Signals its process group; the process alone, if it does not lead one. A child that has ended still owns its
    /// group's number until it is reaped, so what it has started is reached as well.
    pub fn signal_group(&self, signal: Signal) {
        let owns_number = match self.parent {
            // Where the system reaps it, its number is free.
            Parent::ThisProcess => self.exit.is_none() && self.exit() != Some(Exit::Unknown),
            // Its parent reaps it some time after its end: until its end, the number is its own.
            Parent::AnotherProcess(_) => !self.has_ended(),
        };
        if owns_number && kill_process_group(self.pid, signal).is_err() {
            self.signal(signal);
        }
    }

    /// How this child ended, if it has. It keeps its number until it is reaped. Of somebody else's child, only its
    /// parent can say that: None.
    pub fn exit(&self) -> Option<Exit> {
        match self.parent {
            Parent::ThisProcess => self.exit.or_else(|| self.look(WaitIdOptions::NOWAIT)),
            Parent::AnotherProcess(_) => None,
        }
    }

    /// The same, and reaps it. From then on no signal leaves for its number.
    pub fn reap(&mut self) -> Option<Exit> {
        if self.exit.is_none() && matches!(self.parent, Parent::ThisProcess) {
            self.exit = self.look(WaitIdOptions::empty());
        }
        self.exit
    }

    /// Kills what this child has started and left behind in its group, and reaps it; in that order, because its number
    /// is free afterwards. Gives None if it has not ended.
    pub fn kill_group_and_reap(&mut self) -> Option<Exit> {
        if self.has_ended() {
            self.signal_group(Signal::KILL);
        }
        self.reap()
    }

    fn look(&self, option: WaitIdOptions) -> Option<Exit> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | option;
        loop {
            // By its number: P_PIDFD is younger than pidfd_open, and the number is the child's until it is reaped.
            match waitid(WaitId::Pid(self.pid), options) {
                Err(Errno::INTR) => {}
                Ok(status) => return status.as_ref().map(Exit::of),
                // Its exit status is lost: SIGCHLD is ignored, or somebody else has waited for it.
                Err(_) => return Some(Exit::Unknown),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::process::CommandExt;
    use std::process::{Child, Command, Stdio};
    use std::time::Duration;

    use super::*;

    fn start(script: &str) -> (Child, Process) {
        let child = Command::new("/bin/sh")
            .args(["-c", script])
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let process = Process::child(Pid::from_child(&child));
        (child, process)
    }

    fn soon() -> Option<Instant> {
        Some(Instant::now() + Duration::from_secs(20))
    }

    fn without_descriptor(process: Process) -> Process {
        Process {
            descriptor: None,
            ..process
        }
    }

    #[test]
    fn a_child_tells_its_exit_status_or_signal_once_and_for_all() {
        for is_known_by_descriptor in [true, false] {
            for (script, expected) in [
                ("exit 7", Exit::Exited(7)),
                ("kill -SEGV $$", Exit::Signalled(11)),
            ] {
                let (_child, mut process) = start(script);
                if !is_known_by_descriptor {
                    process = without_descriptor(process);
                }
                assert_eq!(process.exit_by(soon().unwrap()).unwrap(), Some(expected));
                assert!(process.has_ended());
                assert_eq!(process.reap(), Some(expected));
                assert_eq!(process.reap(), Some(expected));
                assert!(process.has_ended());
                // Its number may be anybody's.
                process.signal(Signal::KILL);
                process.signal_group(Signal::KILL);
            }
        }
    }

    #[test]
    fn a_child_that_runs_is_neither_ended_nor_reaped() {
        for is_known_by_descriptor in [true, false] {
            let (mut child, mut process) = start("read line; exit 3");
            if !is_known_by_descriptor {
                process = without_descriptor(process);
            }
            assert!(!process.has_ended());
            assert_eq!(process.kill_group_and_reap(), None);
            assert!(!process.ends_by(Some(Instant::now())).unwrap());
            child.stdin.take().unwrap().write_all(b"\n").unwrap();
            assert!(process.ends_by(soon()).unwrap());
            assert_eq!(process.kill_group_and_reap(), Some(Exit::Exited(3)));
        }
    }

    #[test]
    fn a_child_that_has_ended_takes_its_group_with_it_before_it_is_reaped() {
        let (mut child, mut process) = start("sleep 600 & echo; exit 4");
        assert!(process.ends_by(soon()).unwrap());
        assert_eq!(process.kill_group_and_reap(), Some(Exit::Exited(4)));
        // The end of its output: nobody of the group holds it any more.
        let mut output = Vec::new();
        child
            .stdout
            .take()
            .unwrap()
            .read_to_end(&mut output)
            .unwrap();
        assert_eq!(output, b"\n");
    }

    #[test]
    fn how_a_child_ended_that_somebody_else_has_reaped_is_unknown() {
        let (mut child, mut process) = start("exit 5");
        child.wait().unwrap();
        assert!(process.has_ended());
        // Its number may be anybody's.
        process.signal_group(Signal::KILL);
        assert_eq!(process.reap(), Some(Exit::Unknown));
    }

    #[test]
    fn how_somebody_elses_child_ended_is_its_parents_word() {
        for (word, expected) in [
            (Exit::Signalled(11).to_bytes().to_vec(), Exit::Signalled(11)),
            // Its parent is gone.
            (Vec::new(), Exit::Unknown),
        ] {
            let (mut child, process) = start("read line");
            let (status, mut tells) = io::pipe().unwrap();
            let descriptor = process.descriptor.unwrap();
            let process = Process::other(process.pid, descriptor, Some(status.into()));
            assert_eq!(process.exit_by(Instant::now()).unwrap(), None);
            drop(child.stdin.take());
            assert!(process.ends_by(soon()).unwrap());
            // It is somebody else's to know and to reap.
            assert_eq!(process.exit(), None);
            tells.write_all(&word).unwrap();
            drop(tells);
            assert_eq!(process.exit_by(soon().unwrap()).unwrap(), Some(expected));
            child.wait().unwrap();
        }
    }

    #[test]
    fn an_exit_survives_the_way_between_processes() {
        for exit in [Exit::Exited(1), Exit::Signalled(9), Exit::Unknown] {
            assert_eq!(Exit::from_bytes(&exit.to_bytes()), Some(exit));
            let status = exit.status();
            let signal = status.and_then(|status| status.signal());
            assert_eq!(signal, (exit == Exit::Signalled(9)).then_some(9));
            let code = status.and_then(|status| status.code());
            assert_eq!(code, (exit == Exit::Exited(1)).then_some(1));
        }
        assert_eq!(Exit::from_bytes(&[]), None);
    }
}
