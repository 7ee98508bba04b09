//! What went wrong between the runtime API and us.

use std::error::Error;
use std::{fmt, io};

/// The API failed: not the system, and not the application. It stands in an [`io::Error`].
#[derive(Debug)]
pub struct Failed {
    /// Whether the API is well, and has refused only what was said of one event.
    pub is_refusal: bool,
    reason: String,
}

impl Failed {
    /// What an error tells of the API, if anything.
    pub fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }

    pub(super) fn error(is_refusal: bool, reason: String) -> io::Error {
        io::Error::other(Self { is_refusal, reason })
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl Error for Failed {}

/// Whatever went wrong between the API and us is the API's failure.
pub(super) fn of_api<T>(path: &str, done: io::Result<T>) -> io::Result<T> {
    done.map_err(|error| match Failed::of(&error) {
        Some(_) => error,
        None => Failed::error(false, format!("{path}: {error}")),
    })
}
