//! What a client sends: a buffer before its socket, and the careful end of a connection.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown};

use super::places::{Phase, Place};
use crate::http::head::{HeadReader, RequestHead};
use crate::http::{Refusal, limits};
use crate::wait;

/// Read at once.
const PIECE: usize = 16 << 10;
/// How much an unread request may still send, and for how long, after it has been answered.
const LINGER_SIZE: usize = 128 << 20;
const LINGER_TIME: Duration = Duration::from_secs(10);
/// For a client that has nothing left to send.
const GOOD_BYE: Duration = Duration::from_secs(1);

/// One connection, as far as it is read.
pub struct Incoming {
    socket: Arc<OwnedFd>,
    place: Option<Place>,
    buffer: Vec<u8>,
}

/// What waiting for a client brought.
pub enum Received {
    /// There is more in the buffer.
    More,
    /// It sends no more.
    End,
    /// Nothing came until the deadline.
    TooLate,
}

/// What came instead of a request.
pub enum NoRequest {
    /// Nothing: the connection is over.
    Closed,
    /// Something that is none.
    Refused(Refusal),
}

/// Whether a connection is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Its first request.
    First,
    /// A later one, which is waited for this long.
    Next(Duration),
}

impl Incoming {
    /// For a socket that was accepted; a listener has a limited number of places for them.
    pub fn new(socket: Arc<OwnedFd>, place: Option<Place>) -> Self {
        Self {
            socket,
            place,
            buffer: Vec::new(),
        }
    }

    /// The client's socket.
    pub fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Says what the connection is at; gives false if its place was given to another.
    pub fn enter(&self, phase: Phase) -> bool {
        self.place.as_ref().is_none_or(|place| place.enter(phase))
    }

    /// What has come and has not been consumed.
    pub fn buffered(&self) -> &[u8] {
        &self.buffer
    }

    /// Forgets the first `count` bytes.
    pub fn consume(&mut self, count: usize) {
        self.buffer.drain(..count.min(self.buffer.len()));
        if self.buffer.is_empty() && self.buffer.capacity() > limits::HEAD {
            self.buffer = Vec::new();
        }
    }

    /// Waits for more bytes.
    pub fn receive(&mut self, deadline: Option<Instant>) -> io::Result<Received> {
        let length = self.buffer.len();
        self.buffer.resize(length + PIECE, 0);
        let result = self.receive_behind(length, deadline);
        let count = match result {
            Ok(Some(count)) => count,
            _ => 0,
        };
        self.buffer.truncate(length + count);
        Ok(match result? {
            Some(0) => Received::End,
            Some(_) => Received::More,
            None => Received::TooLate,
        })
    }

    fn receive_behind(
        &mut self,
        length: usize,
        deadline: Option<Instant>,
    ) -> io::Result<Option<usize>> {
        let free = self.buffer.get_mut(length..).unwrap_or_default();
        loop {
            match rustix::net::recv(&*self.socket, &mut *free, RecvFlags::DONTWAIT) {
                Ok((count, _)) => return Ok(Some(count)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    if !wait::readable(&*self.socket, deadline)? {
                        return Ok(None);
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Reads the next request's head.
    pub fn read_head(&mut self, turn: Turn) -> Result<RequestHead, NoRequest> {
        let mut reader = HeadReader::default();
        let patience = match turn {
            Turn::Next(idle) if self.buffer.is_empty() => idle,
            _ => limits::HEAD_TIME,
        };
        let mut deadline = Instant::now().checked_add(patience);
        loop {
            if let Some((head, length)) = reader.read(&self.buffer).map_err(NoRequest::Refused)? {
                self.consume(length);
                return Ok(head);
            }
            let was_empty = self.buffer.is_empty();
            match self.receive(deadline) {
                Ok(Received::More) if was_empty => {
                    deadline = Instant::now().checked_add(limits::HEAD_TIME);
                }
                Ok(Received::More) => {}
                Ok(Received::TooLate) if !was_empty => {
                    let reason = "the request's head did not come in time";
                    return Err(NoRequest::Refused(Refusal::new(408, reason)));
                }
                Ok(Received::End) if !was_empty => {
                    return Err(NoRequest::Refused(Refusal::bad(
                        "the request ends within its head",
                    )));
                }
                _ => return Err(NoRequest::Closed),
            }
        }
    }

    /// `100 Continue`: the body is about to be read (RFC 9110 section 10.1.1).
    pub fn send_continue(&self) -> io::Result<()> {
        let line = b"HTTP/1.1 100 Continue\r\n\r\n";
        rustix::net::send(
            &*self.socket,
            line,
            SendFlags::DONTWAIT | SendFlags::NOSIGNAL,
        )?;
        Ok(())
    }

    /// Ends the connection so that the last answer arrives: a socket that is closed with unread bytes in it
    /// is reset, and the client loses what it has not read yet (RFC 9112 section 9.6).
    pub fn close(mut self, rest: Rest) {
        self.enter(Phase::Idle);
        if rustix::net::shutdown(&*self.socket, Shutdown::Write).is_err() {
            return;
        }
        let patience = match rest {
            Rest::Expected => LINGER_TIME,
            Rest::None => GOOD_BYE,
        };
        let deadline = Some(Instant::now() + patience);
        let mut size = 0;
        while size < LINGER_SIZE {
            self.buffer.clear();
            match self.receive(deadline) {
                Ok(Received::More) => size += self.buffer.len(),
                _ => return,
            }
        }
    }
}

/// Whether a client may still be sending when it gets its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// The request was not read to its end.
    Expected,
    /// It was.
    None,
}
