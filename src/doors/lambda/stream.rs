//! A response that is sent to the platform as it is made.

use std::io;

use contract::codes::Code;
use contract::report::Failure;

use super::function::Sink;
use super::report::Report;
use super::response::{SEPARATOR, prelude};
use super::runtime_api::{Api, Streamed};
use super::worker::{Ended, Wanted, cut, is_whole};
use crate::cgi::response::{CgiResponse, parse};

/// One response, as far as it has come.
pub struct Stream<'a> {
    id: &'a str,
    state: State<'a>,
    /// The head, as long as it is not whole; then nothing is added.
    begun: Vec<u8>,
}

enum State<'a> {
    Head(&'a mut Api),
    Body(Streamed<'a>),
    /// Between the two, and nowhere else.
    Changing,
}

impl<'a> Stream<'a> {
    /// The response to the event with this id.
    pub fn new(api: &'a mut Api, id: &'a str) -> Self {
        Self {
            id,
            state: State::Head(api),
            begun: Vec::new(),
        }
    }

    /// Sends a piece of what the application writes, head and all.
    pub fn add(&mut self, piece: &[u8]) -> io::Result<Wanted> {
        if let State::Body(streamed) = &mut self.state {
            streamed.send(&[piece])?;
            return Ok(Wanted::More);
        }
        self.begun.extend_from_slice(piece);
        let parsed = parse(&self.begun, false).map_err(io::Error::other)?;
        let Some((CgiResponse::Document(head), length)) = parsed else {
            return Ok(Wanted::More);
        };
        if let State::Head(api) = std::mem::replace(&mut self.state, State::Changing) {
            let mut streamed = api.stream(self.id)?;
            let body = self.begun.get(length..).unwrap_or_default();
            // Each in a chunk of its own: there are readers that count on it.
            streamed.send(&[&prelude(&head), &SEPARATOR, body])?;
            self.state = State::Body(streamed);
        }
        Ok(Wanted::More)
    }

    /// What is to be told of the end.
    pub fn failure(&self, ended: Ended) -> Option<Failure> {
        match ended {
            Ended::Complete => None,
            Ended::Cut if is_whole(&self.begun) => None,
            Ended::Cut | Ended::Left => Some(cut()),
            Ended::Dead(failure) => Some(failure),
        }
    }

    /// Ends it, as a whole one or not. Where nothing has been sent, gives back who wants an answer.
    pub fn end(self, failure: Option<Failure>) -> io::Result<Option<(Failure, Sink<'a>)>> {
        match (self.state, failure) {
            (State::Body(streamed), None) => streamed.end().map(|()| None),
            (State::Body(streamed), Some(failure)) => {
                streamed.fail(&Report::of_failure(&failure)).map(|()| None)
            }
            (State::Head(api), failure) => {
                let nothing = || Failure::new(Code::BAD_RESPONSE, "it wrote nothing");
                let sink = Sink::Platform(api, self.id);
                Ok(Some((failure.unwrap_or_else(nothing), sink)))
            }
            (State::Changing, _) => Ok(None),
        }
    }
}
