//! HTTP/1.1 as bytes and values (RFC 9110, 9112): nothing here reads or writes.

pub mod chunked;
pub mod conditional;
pub mod fields;
pub mod head;
pub mod limits;
pub mod response_head;
pub mod target;

pub use fields::Fields;

use std::fmt;

/// What stands in the field Server and in SERVER_SOFTWARE.
pub const SERVER: &str = concat!("wsgi-cgi/", env!("CARGO_PKG_VERSION"));

/// A request that is not answered by the application: the status, and why, for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status to answer with.
    pub status: u16,
    /// What was wrong, in one line.
    pub reason: String,
}

impl Refusal {
    /// A refusal with this status.
    pub fn new(status: u16, reason: impl Into<String>) -> Self {
        Self {
            status,
            reason: reason.into(),
        }
    }

    /// 400: the request breaks the grammar.
    pub fn bad(reason: impl Into<String>) -> Self {
        Self::new(400, reason)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.status, self.reason)
    }
}

impl std::error::Error for Refusal {}
