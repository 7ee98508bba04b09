//! The first process of a container: it takes in the processes whose parents have ended, and must wait for them.

use std::io;

use contract::outcome::Outcome;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process, wait, waitpid};
use wsgi_cgi_process::signals::{self, ENDING, Number, Signals};

use super::fork::{Side, fork};
use crate::wait as waiting;

/// Runs `work` in this process; or, if this is process 1, in a child, so that this one can wait for everybody.
pub fn run(work: impl FnOnce() -> Outcome) -> Outcome {
    if !rustix::process::getpid().is_init() {
        return work();
    }
    // The child decides which of them it ignores.
    let Ok(signals) = Signals::block(ENDING.into_iter().chain([Number::SIGCHLD])) else {
        return work();
    };
    match fork() {
        Ok(Side::Parent(child)) => attend(child, &signals).unwrap_or(Outcome::ApplicationFailed),
        Ok(Side::Child) | Err(_) => {
            drop(signals);
            signals::unblock();
            work()
        }
    }
}

/// Passes signals on to the child, and waits for it and for all that nobody else waits for.
fn attend(child: Pid, signals: &Signals) -> io::Result<Outcome> {
    loop {
        waiting::readable(signals, None)?;
        while let Some(number) = signals.read()? {
            match Signal::from_named_raw(number as i32) {
                // It is reaped below only: its number is its own.
                Some(signal) if number != Number::SIGCHLD => drop(kill_process(child, signal)),
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
