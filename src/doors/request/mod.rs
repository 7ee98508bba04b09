//! The request door: curl without a server. Each request is a CGI process of this program, as a web server would
//! start it.

mod answer;
pub mod asked;
pub mod child;
mod compare;
mod environ;
mod event;
mod form;
pub mod timing;

use std::ffi::OsString;
use std::io;
use std::time::Duration;

use contract::codes::Code;
use contract::outcome::Outcome;
use contract::report::Failure;

use self::asked::Request;
use crate::cli::{self, Refusal};
use crate::doors::{here, refuse};
use crate::plan::{RequestPlan, Work};

/// curl's exit status for an HTTP error (`-f`).
const HTTP_ERROR: u8 = 22;

/// How it ended.
pub enum Ended {
    /// As the application's process did.
    As(Outcome),
    /// With an HTTP error that is to be told.
    HttpError,
    /// Ways to run the application gave different responses.
    Different,
}

impl Ended {
    /// For the shell.
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::As(outcome) => outcome.exit_status(),
            Self::HttpError => HTTP_ERROR,
            Self::Different => 1,
        }
    }
}

/// For tables.
fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// Sends what was typed.
pub fn run(arguments: &[OsString]) -> Ended {
    let parsed = here().map_err(Refusal::from);
    let done = parsed
        .and_then(|here| cli::parse_request(arguments, &here))
        .and_then(|plan| Ok(work(&plan)?));
    done.unwrap_or_else(|refusal| Ended::As(refuse(refusal)))
}

fn work(plan: &RequestPlan) -> Result<Ended, Failure> {
    if let Work::Event(file) = &plan.work {
        return event::answer(&plan.arguments, file).map(Ended::As);
    }
    let request = Request::of(&plan.asked)?;
    let done = match &plan.work {
        Work::Answer | Work::Event(_) => answer::show(plan, &request),
        Work::Time => timing::once(plan, &request),
        Work::Repeat(number) => timing::repeat(plan, &request, *number),
        Work::Compare(modes) => compare::run(plan, &request, modes),
        Work::Environ => environ::show(plan, &request),
    };
    // Somebody who has seen enough is no failure.
    done.or_else(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Ok(Ended::As(Outcome::Complete)),
        _ => Err(Failure::new(Code::SYSTEM, error.to_string())),
    })
}
