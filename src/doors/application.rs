//! The application that APP names, with the settings that stand in its file.

use std::path::Path;

use contract::handover::Source;
use contract::report::Failure;

use crate::cli::{self, Typed};
use crate::plan::Settings;
use crate::pragma;
use crate::source::{self, Found};

/// Applies the pragma of the file that was found, then what was typed, to `settings`, which hold the
/// environment's. Relative paths count from `here`.
pub fn configure(
    found: Result<Found, Failure>,
    typed: Typed,
    settings: &mut Settings,
    here: &Path,
) -> Result<Found, Failure> {
    if let Ok(Found {
        source: Source::File(file),
        directory,
        ..
    }) = &found
    {
        let words = pragma::read(file).map_err(|error| source::unreadable(file, &error))?;
        cli::apply_pragma(&words, settings, directory)?;
    }
    // What was typed counts for the answer to what was not found, too.
    typed.apply(settings, here);
    found
}
