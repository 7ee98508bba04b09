//! Why a request has no answer from a script.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use rustix::io::Errno;

use crate::http::{Fields, Refusal};

/// When to come again, in seconds.
const RETRY_AFTER: &str = "5";

/// Why there is no answer from a script.
#[derive(Debug)]
pub enum Trouble {
    /// The request is refused, and what the answer's head says besides; its body may be unread.
    Refused(Refusal, Fields),
    /// The script or the system failed.
    Failed(Failure),
    /// Nobody waits for an answer.
    ClientGone,
}

/// What failed, and what the script said of it.
#[derive(Debug)]
pub struct Failure {
    /// What failed.
    pub cause: Cause,
    /// The script's last lines on stderr: often the reason.
    pub said: String,
}

/// The ways in which a script, or the system, fails a request.
#[derive(Debug)]
pub enum Cause {
    /// 503: too many requests are waiting.
    TooBusy,
    /// 503: out of processes, memory or descriptors. It passes.
    CannotStartNow(String),
    /// 500: the program cannot be started.
    CannotStart(String),
    /// 502: what the script wrote is no response.
    BadResponse(String),
    /// 504: the answer did not come within this time.
    TimedOut(Duration),
    /// 500: the system refused something else.
    System(io::Error),
    /// 500: a failure of the site's own.
    Other(Box<dyn Error + Send + Sync>),
}

impl Cause {
    /// The status to answer with.
    pub fn status(&self) -> u16 {
        match self {
            Self::TooBusy | Self::CannotStartNow(_) => 503,
            Self::BadResponse(_) => 502,
            Self::TimedOut(_) => 504,
            Self::CannotStart(_) | Self::System(_) | Self::Other(_) => 500,
        }
    }

    /// Why a program was not started.
    pub(super) fn cannot_start(program: &std::path::Path, error: &io::Error) -> Self {
        let reason = format!("{}: {error}", program.display());
        match passes(error) {
            true => Self::CannotStartNow(reason),
            false => Self::CannotStart(reason),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooBusy => write!(f, "too many requests are waiting"),
            Self::CannotStartNow(reason) => {
                write!(f, "no process can be started at present: {reason}")
            }
            Self::CannotStart(reason) => write!(f, "the script cannot be started: {reason}"),
            Self::BadResponse(reason) => {
                write!(f, "the script's answer is no CGI response: {reason}")
            }
            Self::TimedOut(limit) => write!(
                f,
                "the script took longer than {} seconds",
                limit.as_secs_f64()
            ),
            Self::System(error) => write!(f, "the system refused what a request needs: {error}"),
            Self::Other(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause.fmt(f)
    }
}

impl Error for Failure {}

impl From<Cause> for Failure {
    fn from(cause: Cause) -> Self {
        Self {
            cause,
            said: String::new(),
        }
    }
}

impl From<Cause> for Trouble {
    fn from(cause: Cause) -> Self {
        Self::Failed(cause.into())
    }
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Self {
        let fields = retry_after(refusal.status);
        Self::Refused(refusal, fields)
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        match passes(&error) {
            true => Cause::CannotStartNow(error.to_string()).into(),
            false => Cause::System(error).into(),
        }
    }
}

/// Some errors are states that pass, not faults.
fn passes(error: &io::Error) -> bool {
    let errors = [Errno::AGAIN, Errno::NOMEM, Errno::MFILE, Errno::NFILE];
    let number = error.raw_os_error();
    errors
        .iter()
        .any(|errno| Some(errno.raw_os_error()) == number)
}

/// A state that passes: the client is told when to come again.
pub(super) fn retry_after(status: u16) -> Fields {
    let mut fields = Fields::default();
    if status == 503 {
        fields.push("Retry-After", RETRY_AFTER);
    }
    fields
}
