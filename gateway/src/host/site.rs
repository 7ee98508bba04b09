//! What a listener hosts, as far as hosts differ: which script answers, how it is started, and what is told.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use super::child::{Child, Script};
use super::log::Entry;
use super::reply::Reply;
use super::slots::Slot;
use super::trouble::{Failure, Trouble};
use crate::cgi::response::Head;
use crate::cgi::{Address, Endpoints, Place, Variables};
use crate::http::head::RequestHead;
use crate::http::response_head::reason;
use crate::http::{Fields, Refusal};

/// A request that is being answered.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Which one, counted from 1: its name in a log.
    pub number: u64,
    /// Request line and fields.
    pub head: &'a RequestHead,
    /// Both ends of its connection.
    pub endpoints: &'a Endpoints,
    /// When its head was there.
    pub started: Instant,
    /// Whether the listener is about to end.
    pub is_stopping: bool,
}

/// Makes another body of a document's, and of the last lines that its script wrote to stderr.
pub type Finish = fn(&[u8], &[&str]) -> Vec<u8>;

/// What is behind the addresses of a [`Host`](super::Host). [`Program`](super::Program) is the plain one.
///
/// One thread runs for each connection: all of this is called from many at once.
pub trait Site: Send + Sync {
    /// The script for an address, and its place in it; None where the answer is in `reply` already. It is asked before
    /// the body is read, and again for the path of a local redirect, with a head as if the client had asked for that
    /// (RFC 3875 section 6.2.2). `client` is the connection, for what is sent
    /// there past the reply's buffer by [`Reply::copy`].
    fn find(
        &self,
        request: &Request<'_>,
        address: &Address,
        client: BorrowedFd<'_>,
        reply: &mut Reply,
    ) -> Result<Option<(Script, Place)>, Trouble>;

    /// Starts a script with these variables and this body: by [`Slot::spawn`], or elsewhere and by [`Slot::adopt`].
    fn start(
        &self,
        request: &Request<'_>,
        script: &Script,
        variables: &Variables,
        body: OwnedFd,
        slot: Slot,
    ) -> io::Result<Child>;

    /// Tells a line that a script wrote to stderr, without its line end and without control characters.
    fn script_says(&self, number: u64, line: &str);

    /// Tells what the host has to say of a request, in one line.
    fn host_says(&self, number: u64, line: &str);

    /// Tells that a request is over.
    fn is_over(&self, _entry: &Entry<'_>) {}

    /// Adds fields to the head of a script's document. `spawn` is how long starting the script took.
    fn add_fields(&self, _request: &Request<'_>, _spawn: Duration, _fields: &mut Fields) {}

    /// Whether a document is held back until its script has ended, and what is then made of it.
    fn holds(&self, _head: &Head) -> Option<Finish> {
        None
    }

    /// Tells of a request that is refused, and answers it with these fields among others.
    fn refuse(
        &self,
        number: u64,
        refusal: &Refusal,
        fields: Fields,
        reply: &mut Reply,
    ) -> io::Result<()> {
        self.host_says(number, &refusal.reason);
        plain_page(refusal.status, &refusal.reason, fields, reply)
    }

    /// Tells of a failure, and answers with these fields among others, unless an answer has begun. The client gets none
    /// of what the script said.
    fn fail(
        &self,
        request: &Request<'_>,
        failure: &Failure,
        fields: Fields,
        reply: &mut Reply,
    ) -> io::Result<()> {
        self.host_says(request.number, &failure.to_string());
        match reply.status {
            Some(_) => Ok(()),
            None => plain_page(
                failure.cause.status(),
                "The page could not be made.",
                fields,
                reply,
            ),
        }
    }
}

fn plain_page(status: u16, text: &str, mut fields: Fields, reply: &mut Reply) -> io::Result<()> {
    fields.push("Content-Type", "text/plain; charset=utf-8");
    let page = format!("{status} {}\n{text}\n", reason(status));
    reply.page(status, &fields, page.as_bytes())
}
