//! What the front and the engine of wsgi-cgi agree on: no Python, no command line, no HTTP.

pub mod codes;
pub mod descriptors;
pub mod files;
pub mod handover;
pub mod limits;
pub mod outcome;
pub mod page;
pub mod passing;
pub mod progress;
pub mod report;
pub mod secrets;
pub mod stderr;
pub mod trace;
pub mod variables;
pub mod warm;
mod wire;
