//! A request's body, read whole before a child is started: a slow client holds no process, and the
//! application gets a true CONTENT_LENGTH.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::fd::OwnedFd;
use std::time::Instant;

use rustix::pipe::{PipeFlags, pipe_with};

use super::incoming::{Incoming, Received};
use super::pace::Pace;
use crate::http::Refusal;
use crate::http::chunked::Decoder;
use crate::http::head::{Framing, RequestHead};

/// Kept in memory, and in a pipe without waiting (its capacity, pipe(7)); what is more goes to a file.
const MEMORY: usize = 64 << 10;

/// A body that is all there.
pub enum Body {
    /// The request has none.
    None,
    /// A small one.
    Memory(Vec<u8>),
    /// A large one, with its length.
    Spool(File, u64),
}

/// Why there is no body.
pub enum Failed {
    /// The client is told.
    Refused(Refusal),
    /// The client is gone.
    Gone,
}

impl From<io::Error> for Failed {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

impl Body {
    /// Reads the body of this request; `limit` is the most that is taken, in bytes.
    pub fn read(head: &RequestHead, incoming: &mut Incoming, limit: u64) -> Result<Self, Failed> {
        match head.framing {
            Framing::Empty => return Ok(Self::None),
            Framing::Length(length) if length > limit => {
                return Err(Failed::Refused(too_large(limit)));
            }
            Framing::Length(_) | Framing::Chunked => {}
        }
        if head.expects_continue() && incoming.buffered().is_empty() {
            incoming.send_continue()?;
        }
        let mut store = Store::default();
        match head.framing {
            Framing::Length(length) => store.take(incoming, length)?,
            _ => store.decode(incoming, limit)?,
        }
        store
            .into_body()
            .map_err(|error| Failed::Refused(no_room(&error)))
    }

    /// CONTENT_LENGTH.
    pub fn length(&self) -> Option<u64> {
        match self {
            Self::None => None,
            Self::Memory(bytes) => Some(bytes.len() as u64),
            Self::Spool(_, length) => Some(*length),
        }
    }

    /// A child's standard input.
    pub fn into_descriptor(self) -> io::Result<OwnedFd> {
        match self {
            Self::None => Ok(File::open("/dev/null")?.into()),
            Self::Spool(mut file, _) => {
                file.rewind()?;
                Ok(file.into())
            }
            Self::Memory(bytes) => filled_pipe(&bytes),
        }
    }
}

fn filled_pipe(bytes: &[u8]) -> io::Result<OwnedFd> {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
    if rustix::io::write(&write, bytes) != Ok(bytes.len()) {
        // A pipe is smaller where a user has too many of them (pipe-user-pages-soft).
        let mut file = tempfile::tempfile()?;
        file.write_all(bytes)?;
        file.rewind()?;
        return Ok(file.into());
    }
    rustix::fs::fcntl_setfl(&read, rustix::fs::OFlags::empty())?;
    Ok(read)
}

fn too_large(limit: u64) -> Refusal {
    Refusal::new(413, format!("the body is larger than {limit} bytes"))
}

fn no_room(error: &io::Error) -> Refusal {
    Refusal::new(503, format!("the body cannot be kept: {error}"))
}

#[derive(Default)]
struct Store {
    memory: Vec<u8>,
    spool: Option<(File, u64)>,
    pace: Pace,
}

impl Store {
    fn take(&mut self, incoming: &mut Incoming, length: u64) -> Result<(), Failed> {
        let mut left = length;
        loop {
            let here = incoming.buffered();
            let count = usize::try_from(left).unwrap_or(usize::MAX).min(here.len());
            self.keep(here.get(..count).unwrap_or_default())?;
            incoming.consume(count);
            left -= count as u64;
            if left == 0 {
                return Ok(());
            }
            more(incoming, &mut self.pace)?;
        }
    }

    fn decode(&mut self, incoming: &mut Incoming, limit: u64) -> Result<(), Failed> {
        let mut decoder = Decoder::new();
        let mut data = Vec::new();
        loop {
            data.clear();
            let taken = decoder
                .decode(incoming.buffered(), &mut data)
                .map_err(Failed::Refused)?;
            // Before it has come: a size alone may promise more than anybody waits for.
            if decoder.announced() > limit {
                return Err(Failed::Refused(too_large(limit)));
            }
            self.keep(&data)?;
            incoming.consume(taken);
            if decoder.is_done() {
                return Ok(());
            }
            more(incoming, &mut self.pace)?;
        }
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<(), Failed> {
        self.store(bytes)
            .map_err(|error| Failed::Refused(no_room(&error)))
    }

    fn store(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Some((file, length)) = &mut self.spool {
            *length += bytes.len() as u64;
            return file.write_all(bytes);
        }
        if self.memory.len() + bytes.len() <= MEMORY {
            self.memory.extend_from_slice(bytes);
            return Ok(());
        }
        let mut file = tempfile::tempfile()?;
        file.write_all(&self.memory)?;
        file.write_all(bytes)?;
        self.spool = Some((file, (self.memory.len() + bytes.len()) as u64));
        self.memory = Vec::new();
        Ok(())
    }

    fn into_body(self) -> io::Result<Body> {
        Ok(match self.spool {
            Some((file, length)) => Body::Spool(file, length),
            None => Body::Memory(self.memory),
        })
    }
}

fn more(incoming: &mut Incoming, pace: &mut Pace) -> Result<(), Failed> {
    let before = incoming.buffered().len();
    pace.wait(Instant::now());
    match incoming.receive(pace.deadline())? {
        Received::More => {
            pace.moved(incoming.buffered().len() - before, Instant::now());
            Ok(())
        }
        Received::End => Err(Failed::Gone),
        Received::TooLate => Err(Failed::Refused(Refusal::new(
            408,
            "the body did not come in time",
        ))),
    }
}
