//! `wsgi-cgi init`.

use std::ffi::OsString;

use contract::outcome::Outcome;

/// `arguments` stand behind `init`.
pub fn run(_arguments: &[OsString]) -> Outcome {
    Outcome::BadUsage
}
