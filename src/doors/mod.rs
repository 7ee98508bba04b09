//! The ways in: each builds a request, runs it, and delivers the response.

pub mod cgi;
mod interpreter;
