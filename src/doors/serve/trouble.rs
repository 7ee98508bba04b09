//! Why a request has no answer from a script, and what is said of it.

use std::io;

use contract::codes::Code;
use contract::report::Failure;
use rustix::io::Errno;

use super::child::Script;
use crate::http::{Fields, Refusal};

/// When to come again, in seconds.
const RETRY_AFTER: &str = "5";

/// Why there is no answer from a script.
pub enum Trouble {
    /// The request is refused; its body may be unread.
    Refused(Refusal, Fields),
    /// The script or the system failed.
    Failed(Failure, Fields),
    /// Nobody waits for an answer.
    ClientGone,
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Self {
        let mut fields = Fields::default();
        if refusal.status == 503 {
            fields.push("Retry-After", RETRY_AFTER);
        }
        Self::Refused(refusal, fields)
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Failed(
            Failure::new(Code::SYSTEM, error.to_string()),
            Fields::default(),
        )
    }
}

/// Out of processes, memory or descriptors: a state that passes, not a fault.
pub fn cannot_start(script: &Script, error: &io::Error) -> Trouble {
    let passes = [Errno::AGAIN, Errno::NOMEM, Errno::MFILE, Errno::NFILE];
    let reason = format!("{}: {error}", script.program.display());
    match error.raw_os_error() {
        Some(number) if passes.iter().any(|errno| errno.raw_os_error() == number) => {
            busy(Code::CANNOT_START_NOW, &reason)
        }
        _ => Trouble::Failed(Failure::new(Code::CANNOT_START, reason), Fields::default()),
    }
}

/// A state that passes: the client is told when to come again.
pub fn busy(code: Code, reason: &str) -> Trouble {
    let mut fields = Fields::default();
    fields.push("Retry-After", RETRY_AFTER);
    Trouble::Failed(Failure::new(code, reason), fields)
}
