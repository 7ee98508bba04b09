//! `wsgi-cgi check`.

use std::ffi::OsString;

use contract::outcome::Outcome;

/// `arguments` stand behind `check`.
pub fn run(_arguments: &[OsString]) -> Outcome {
    Outcome::BadUsage
}
