//! The first process of a container: it takes in the processes whose parents have ended, and must wait for them.

use std::io;

use contract::outcome::Outcome;
use nix::sys::signal::Signal as Number;
use nix::sys::signalfd::SignalFd;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process, wait, waitpid};

use super::fork::{Side, fork};
use super::signals;
use crate::wait as waiting;

/// Runs `work` in this process; or, if this is process 1, in a child, so that this one can wait for everybody.
pub fn run(work: impl FnOnce() -> Outcome) -> Outcome {
    if !rustix::process::getpid().is_init() {
        return work();
    }
    match start() {
        Ok(Role::Worker) | Err(_) => work(),
        Ok(Role::Init(child, signals)) => {
            attend(child, signals).unwrap_or(Outcome::ApplicationFailed)
        }
    }
}

enum Role {
    Worker,
    Init(Pid, SignalFd),
}

fn start() -> io::Result<Role> {
    let signals = signals::listen()?;
    match fork()? {
        Side::Child => {
            drop(signals);
            signals::unblock();
            Ok(Role::Worker)
        }
        Side::Parent(child) => Ok(Role::Init(child, signals)),
    }
}

/// Passes signals on to the child, and waits for it and for all that nobody else waits for.
fn attend(child: Pid, signals: SignalFd) -> io::Result<Outcome> {
    loop {
        waiting::readable(&signals, None)?;
        while let Some(info) = signals.read_signal()? {
            let number = i32::try_from(info.ssi_signo).unwrap_or(0);
            match Signal::from_named_raw(number) {
                Some(signal) if number != Number::SIGCHLD as i32 => {
                    let _ = kill_process(child, signal);
                }
                _ => {}
            }
        }
        // Its own descendants may be many; the child first, so that it is not overlooked.
        if let Some((_, status)) = waitpid(Some(child), WaitOptions::NOHANG)? {
            return Ok(outcome(status));
        }
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            if pid == child {
                return Ok(outcome(status));
            }
        }
    }
}

fn outcome(status: WaitStatus) -> Outcome {
    let code = |code: i32| u8::try_from(code).ok();
    match (status.exit_status(), status.terminating_signal()) {
        (Some(status), _) => code(status).and_then(Outcome::from_byte),
        (None, signal) => signal.and_then(code).map(Outcome::Killed),
    }
    .unwrap_or(Outcome::ApplicationFailed)
}
