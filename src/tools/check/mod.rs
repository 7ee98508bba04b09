//! `wsgi-cgi check`.

mod through;

use std::ffi::OsString;

use contract::outcome::Outcome;

/// `arguments` stand behind `check`.
pub fn run(arguments: &[OsString]) -> Outcome {
    through::run(arguments)
}
