//! A response that is sent to the runtime API as it is made.

use std::io::{self, Write};

use base64::prelude::{BASE64_STANDARD, Engine};

use super::failed::of_api;
use super::{Api, ERROR_TYPE, accepted, field_value};
use crate::doors::lambda::report::Report;
use crate::http::chunked;

/// A response that is being sent.
pub struct Streamed<'a> {
    pub(super) api: &'a mut Api,
    pub(super) path: String,
}

impl Streamed<'_> {
    /// The next pieces, each in a chunk of its own.
    pub fn send(&mut self, pieces: &[&[u8]]) -> io::Result<()> {
        let mut chunks = Vec::new();
        for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
            chunks.extend([chunked::start(piece.len()).as_bytes(), piece, b"\r\n"].concat());
        }
        let sent = self
            .api
            .connect()
            .and_then(|connection| connection.write_all(&chunks));
        of_api(&self.path, sent)
    }

    /// The response is whole.
    pub fn end(self) -> io::Result<()> {
        self.finish(b"")
    }

    /// The rest of it does not exist.
    pub fn fail(self, report: &Report) -> io::Result<()> {
        let body = BASE64_STANDARD.encode(report.json().to_string());
        let trailers = format!(
            "{ERROR_TYPE}: {}\r\nLambda-Runtime-Function-Error-Body: {body}\r\n",
            field_value(&report.kind)
        );
        self.finish(trailers.as_bytes())
    }

    fn finish(self, trailers: &[u8]) -> io::Result<()> {
        let Self { api, path } = self;
        let end = [b"0\r\n", trailers, b"\r\n"].concat();
        let sent = api
            .connect()
            .and_then(|connection| connection.write_all(&end));
        let answered = sent.and_then(|()| api.answer());
        api.disconnect();
        of_api(&path, answered.and_then(|reply| accepted(&path, &reply)))
    }
}
