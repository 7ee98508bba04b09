//! The processes that a zygote has forked: spares that wait, workers that serve; how each of them ends.

use std::io::{self, PipeWriter, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use contract::warm::Death;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process_group, pidfd_open, waitid,
};

/// All of them.
#[derive(Default)]
pub struct Children(Vec<Child>);

/// One of them.
pub struct Child {
    pid: Pid,
    process: OwnedFd,
    /// Its client reads here how it ended.
    status: PipeWriter,
    is_worker: bool,
}

impl Children {
    /// Takes up a child that was just forked.
    pub fn add(&mut self, pid: Pid, status: PipeWriter) -> io::Result<()> {
        let process = pidfd_open(pid, PidfdFlags::empty())?;
        self.0.push(Child {
            pid,
            process,
            status,
            is_worker: false,
        });
        Ok(())
    }

    /// One has taken a request.
    pub fn took(&mut self, pid: u32) {
        let is_it = |child: &&mut Child| child.pid.as_raw_nonzero().get().unsigned_abs() == pid;
        if let Some(child) = self.0.iter_mut().find(is_it) {
            child.is_worker = true;
        }
    }

    /// Those that wait.
    pub fn spares(&self) -> usize {
        self.0.iter().filter(|child| !child.is_worker).count()
    }

    /// Those that serve.
    pub fn workers(&self) -> usize {
        self.0.len() - self.spares()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// To be polled: each can be read when its process has ended.
    pub fn processes(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.0.iter().map(|child| child.process.as_fd())
    }

    /// The numbers of those that wait.
    pub fn spare_pids(&self) -> impl Iterator<Item = Pid> {
        let spares = self.0.iter().filter(|child| !child.is_worker);
        spares.map(|child| child.pid)
    }

    /// Waits for those that have ended, and tells their clients; gives how many had not taken a request.
    pub fn reap(&mut self) -> u32 {
        let mut spares = 0;
        self.0.retain_mut(|child| match child.death() {
            None => true,
            Some(death) => {
                // Nobody reads it where the client has gone, or where there was none.
                let _ = child.status.write_all(&death.to_bytes());
                spares += u32::from(!child.is_worker);
                false
            }
        });
        spares
    }
}

impl Child {
    /// How it ended, if it has. What it had started ends with it, unless it ended well.
    fn death(&self) -> Option<Death> {
        let wait = |options| waitid(WaitId::PidFd(self.process.as_fd()), options);
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        let status = wait(look | WaitIdOptions::NOWAIT).ok().flatten()?;
        let byte = |number: i32| u8::try_from(number).unwrap_or(u8::MAX);
        let death = match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => Death::Exited(byte(code)),
            (None, signal) => Death::Signalled(byte(signal.unwrap_or_default())),
        };
        if death != Death::Exited(0) {
            // Its number is still its own.
            let _ = kill_process_group(self.pid, Signal::KILL);
        }
        let _ = wait(look);
        Some(death)
    }
}
