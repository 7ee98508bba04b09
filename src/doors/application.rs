//! The application that APP names, with the settings that stand in its file.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use contract::handover::{ByteCode, Source};
use contract::report::Failure;

use crate::cgi::meta_variables::MetaVariables;
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

/// A script that the server runs, or a file below its document root, lies among files that it hands out.
pub fn byte_code(variables: &MetaVariables, source: &Source) -> ByteCode {
    let Source::File(file) = source else {
        return ByteCode::Kept;
    };
    let path = |name| variables.get(name).map(OsStr::from_bytes).map(Path::new);
    let is_script = path("SCRIPT_FILENAME") == Some(file);
    let is_served = path("DOCUMENT_ROOT").is_some_and(|root| file.starts_with(root));
    // `serve` never sends the text of a file.
    let software = variables.get("SERVER_SOFTWARE").unwrap_or_default();
    let is_handed_out = !software.starts_with(b"wsgi-cgi/");
    match is_handed_out && (is_script || is_served) {
        true => ByteCode::NotKept,
        false => ByteCode::Kept,
    }
}
