//! One response on its way to a client: framed as its head says, never longer, and closed if it is shorter.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::sockopt;

use super::outgoing::Outgoing;
use super::pace::Pace;
use crate::http::head::{RequestHead, Version};
use crate::http::response_head::{self, Connection, Framing};
use crate::http::{Fields, chunked};
use crate::wait;

/// The answer to one request.
pub struct Reply {
    method: String,
    version: Version,
    connection: Connection,
    framing: Framing,
    outgoing: Outgoing,
    left: u64,
    is_ended: bool,
    /// The socket is reset when it is closed.
    is_armed: bool,
    /// What was sent, for the log; None before the head.
    pub status: Option<u16>,
    /// How much of a body was sent.
    pub(super) bytes: u64,
    /// How much of the body did not fit its length.
    excess: u64,
}

impl Reply {
    /// For a request; `connection` is what both sides would agree to.
    pub(super) fn to(head: &RequestHead, connection: Connection) -> Self {
        Self::with(head.method.clone(), head.version, connection)
    }

    /// For something that is no request, of which only its first bytes are known: the connection ends with it.
    pub(super) fn to_nobody(begun: &[u8]) -> Self {
        // Even so, who asked by HEAD takes a body for the next answer.
        let method = match begun.trim_ascii_start().starts_with(b"HEAD ") {
            true => "HEAD",
            false => "",
        };
        Self::with(method.to_owned(), Version::Http11, Connection::Close)
    }

    fn with(method: String, version: Version, connection: Connection) -> Self {
        Self {
            method,
            version,
            connection,
            framing: Framing::None,
            outgoing: Outgoing::default(),
            left: 0,
            is_ended: false,
            is_armed: false,
            status: None,
            bytes: 0,
            excess: 0,
        }
    }

    /// Whether the connection may carry another request after this answer.
    pub(super) fn connection(&self) -> Connection {
        self.connection
    }

    /// No other request follows; to be said before the head.
    pub(super) fn close_afterwards(&mut self) {
        self.connection = Connection::Close;
    }

    /// The request's body has been read: what follows it is the next request.
    pub(super) fn body_is_read(&mut self, agreed: Connection) {
        self.connection = agreed;
    }

    /// Whether the client waits for a body at all.
    pub fn is_head(&self) -> bool {
        self.method == "HEAD"
    }

    /// Writes the head; then comes the body, and [`Self::end`]. `length` is the body's, where it is known.
    pub fn begin(
        &mut self,
        status: u16,
        reason: Option<&str>,
        fields: &Fields,
        length: Option<u64>,
    ) -> io::Result<()> {
        if self.status.is_some() {
            return Err(io::Error::other("an answer has begun already"));
        }
        self.status = Some(status);
        self.framing = response_head::framing(status, &self.method, self.version, length);
        match self.framing {
            Framing::Length(length) => self.left = length,
            Framing::Close => self.connection = Connection::Close,
            Framing::None | Framing::Chunked => {}
        }
        let reason = reason.unwrap_or_else(|| response_head::reason(status));
        let head = response_head::encode(status, reason, fields, self.framing, self.connection);
        self.outgoing.push(&head);
        Ok(())
    }

    /// Writes a piece of the body.
    pub fn body(&mut self, piece: &[u8]) -> io::Result<()> {
        let piece = match self.framing {
            Framing::None => return Ok(()),
            Framing::Length(_) => {
                let fits = usize::try_from(self.left).unwrap_or(usize::MAX);
                let (piece, excess) = piece.split_at(fits.min(piece.len()));
                self.left -= piece.len() as u64;
                self.excess += excess.len() as u64;
                piece
            }
            Framing::Chunked | Framing::Close => piece,
        };
        if piece.is_empty() {
            return Ok(());
        }
        self.bytes += piece.len() as u64;
        if self.framing != Framing::Chunked {
            self.outgoing.push(piece);
            return Ok(());
        }
        self.outgoing.push(chunked::start(piece.len()).as_bytes());
        self.outgoing.push(piece);
        self.outgoing.push(b"\r\n");
        Ok(())
    }

    /// Whether the end of the body shows by itself, so that it can still be cut for the client to see.
    pub(super) fn is_open(&self) -> bool {
        match self.framing {
            Framing::Chunked | Framing::Close => true,
            Framing::Length(_) => self.left > 0,
            Framing::None => false,
        }
    }

    /// Whether the client has all that it will get.
    pub(super) fn is_sent(&self) -> bool {
        self.status.is_some() && !self.is_open() && !self.is_pending()
    }

    /// How much of the body did not fit its length, where it has one.
    pub(super) fn excess(&self) -> Option<u64> {
        matches!(self.framing, Framing::Length(_)).then_some(self.excess)
    }

    /// To be called behind the body's last piece; gives how much is missing of the length that was promised.
    pub fn end(&mut self) -> io::Result<u64> {
        self.is_ended = true;
        if self.framing == Framing::Chunked {
            self.outgoing.push(chunked::END);
        }
        if self.left > 0 {
            self.connection = Connection::Close;
        }
        Ok(self.left)
    }

    /// The rest of the body does not exist: the connection ends, and the client sees that it is not whole.
    pub(super) fn cut(&mut self) {
        self.connection = Connection::Close;
    }

    /// Whether the client would take the end of the connection for the end of an answer that is not whole: then the
    /// socket is closed at once, which resets it.
    pub(super) fn needs_reset(&self) -> bool {
        self.framing == Framing::Close && !self.is_ended
    }

    /// A whole response, untouched (NPH, RFC 3875 section 5).
    pub(super) fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.close_afterwards();
        self.framing = Framing::Close;
        if self.status.is_none() {
            let digits = bytes.get(9..12).and_then(|code| str::from_utf8(code).ok());
            self.status = Some(digits.and_then(|code| code.parse().ok()).unwrap_or(200));
        }
        self.bytes += bytes.len() as u64;
        self.outgoing.push(bytes);
        Ok(())
    }

    /// A whole small response.
    pub fn page(&mut self, status: u16, fields: &Fields, body: &[u8]) -> io::Result<()> {
        let mut fields = fields.clone();
        fields.push("Content-Length", body.len().to_string());
        self.begin(status, None, &fields, Some(body.len() as u64))?;
        self.body(body)
    }

    /// Sends what the client takes; gives whether it took anything.
    pub(super) fn send_some(&mut self, client: BorrowedFd<'_>) -> io::Result<bool> {
        self.arm(client);
        self.outgoing.send_some(client)
    }

    /// Sends all of it.
    pub(super) fn send_all(&mut self, client: BorrowedFd<'_>) -> io::Result<()> {
        self.arm(client);
        self.outgoing.send_all(client)?;
        if self.is_armed && self.is_ended {
            sockopt::set_socket_linger(client, None)?;
            self.is_armed = false;
        }
        Ok(())
    }

    /// An answer whose end is that of the connection must not look whole before it is, whatever ends the connection.
    fn arm(&mut self, client: BorrowedFd<'_>) {
        if !self.is_armed && self.framing == Framing::Close && !self.outgoing.is_empty() {
            self.is_armed = sockopt::set_socket_linger(client, Some(Duration::ZERO)).is_ok();
        }
    }

    /// Finds out whether a client that has ended its own side still reads: a socket that is closed answers a byte by
    /// a reset. Gives whether there was one to send: before its head, each answer begins with the same.
    pub(super) fn probe(&mut self, client: BorrowedFd<'_>) -> io::Result<bool> {
        match self.status {
            None => self.outgoing.probe(client, response_head::FIRST),
            Some(_) => Ok(false),
        }
    }

    /// Whether something waits for the client.
    pub(super) fn is_pending(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// When the client will have taken too long for what waits for it.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.outgoing.deadline()
    }

    /// Since when the client has taken nothing, if something waits for it.
    pub(super) fn waits_since(&self) -> Option<Instant> {
        self.outgoing.waits_since()
    }

    /// How long the client has been waited for in all.
    pub(super) fn waited(&self, now: Instant) -> Duration {
        self.outgoing.waited(now)
    }

    /// Whether nothing more should be written for now.
    pub(super) fn is_full(&self) -> bool {
        self.outgoing.is_full()
    }

    /// Lets the kernel copy a part of a file as the body that [`Self::begin`] announced.
    pub fn copy(
        &mut self,
        client: BorrowedFd<'_>,
        file: &File,
        mut offset: u64,
        length: u64,
    ) -> io::Result<()> {
        if self.framing == Framing::None {
            return Ok(());
        }
        self.send_all(client)?;
        let end = offset + length;
        let flags = rustix::fs::fcntl_getfl(client)?;
        rustix::fs::fcntl_setfl(client, flags | rustix::fs::OFlags::NONBLOCK)?;
        let copied = copy_file(client, file, &mut offset, end);
        rustix::fs::fcntl_setfl(client, flags)?;
        let sent = length - (end - offset);
        self.bytes += sent;
        self.left -= sent.min(self.left);
        copied
    }
}

/// Stops at the end of a file that was cut meanwhile.
fn copy_file(client: BorrowedFd<'_>, file: &File, offset: &mut u64, end: u64) -> io::Result<()> {
    let mut pace = Pace::default();
    while *offset < end {
        let count = usize::try_from(end - *offset)
            .unwrap_or(usize::MAX)
            .min(1 << 20);
        match rustix::fs::sendfile(client, file.as_fd(), Some(&mut *offset), count) {
            Ok(0) => break,
            Ok(count) => pace.moved(count, Instant::now()),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                pace.wait(Instant::now());
                if !wait::writable(client, pace.deadline())? {
                    return Err(io::ErrorKind::TimedOut.into());
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
