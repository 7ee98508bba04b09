//! The listener: HTTP/1.1 in front of a CGI process for each request.

mod error_page;
mod framing;
mod rules;
mod variables;
