//! `wsgi-cgi explain`.

use std::ffi::OsString;

use contract::outcome::Outcome;

/// `arguments` stand behind `explain`.
pub fn run(_arguments: &[OsString]) -> Outcome {
    Outcome::BadUsage
}
