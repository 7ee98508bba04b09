//! `wsgi-cgi config`.

use std::ffi::OsString;

use contract::outcome::Outcome;

/// `arguments` stand behind `config`.
pub fn run(_arguments: &[OsString]) -> Outcome {
    Outcome::BadUsage
}
