//! RFC 3875 as bytes and values: what a web server says of a request, and what is believed of it.

#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing)]

pub mod arguments;
pub mod meta_variables;
mod mount;
pub mod request_uri;
pub mod script;
pub mod script_name;

pub use wsgi_cgi_gateway::cgi::response;

/// What is behind the last slash of a path, or all of a path without one.
fn last_segment(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or(path)
}

/// What is before the first such byte, or all where there is none.
fn before(bytes: &[u8], end: u8) -> &[u8] {
    bytes.split(|byte| *byte == end).next().unwrap_or(bytes)
}
