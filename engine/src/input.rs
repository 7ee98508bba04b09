//! The request's body as bytes: bounded by CONTENT_LENGTH, read ahead when the response must wait.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;

use contract::handover::BodyLength;
use memchr::memchr;
use rustix::event::{PollFd, PollFlags};
use rustix::fs::{FileType, fstat};
use rustix::io::Errno;
use wsgi_cgi_process::wait::ready_unless_interrupted;

use crate::descriptors::null;

/// One read from the descriptor. A pipe holds as much.
const CHUNK: usize = 64 * 1024;

/// What is read ahead stays in memory up to here; more goes to a file.
const MEMORY_LIMIT: usize = 1 << 20;

/// The body, from a descriptor that may lead further than the body does.
pub struct Input {
    descriptor: OwnedFd,
    /// Bytes that the descriptor still owes; `None` where only its end tells.
    owed: Option<u64>,
    /// Bytes taken from the descriptor so far.
    consumed: u64,
    /// Read, but not yet given out: `buffer[position..]`, then the spool's.
    buffer: Vec<u8>,
    position: usize,
    spool: Option<Spool>,
    /// The descriptor ended before the body did.
    ended_early: bool,
    /// Somebody may be blocked until we read: the descriptor is a pipe or a socket.
    has_writer: bool,
}

/// Read ahead beyond the memory limit: an unlinked file.
struct Spool {
    file: File,
    read: u64,
    written: u64,
}

impl Input {
    /// The body on `descriptor`, which ends as `length` says.
    pub fn new(descriptor: OwnedFd, length: BodyLength) -> io::Result<Self> {
        let kind = FileType::from_raw_mode(fstat(&descriptor)?.st_mode);
        Ok(Self {
            descriptor,
            owed: match length {
                BodyLength::Empty => Some(0),
                BodyLength::Exactly(length) => Some(length),
                BodyLength::UntilEnd => None,
            },
            consumed: 0,
            buffer: Vec::new(),
            position: 0,
            spool: None,
            ended_early: false,
            has_writer: matches!(kind, FileType::Fifo | FileType::Socket),
        })
    }

    /// Lets go of the descriptor: the body ends here.
    pub fn release(&mut self) -> io::Result<()> {
        self.descriptor = null()?;
        self.owed = Some(0);
        Ok(())
    }

    /// Bytes taken from the descriptor so far.
    pub fn consumed(&self) -> u64 {
        self.consumed
    }

    /// Whether the descriptor ended before CONTENT_LENGTH bytes had come.
    pub fn ended_early(&self) -> bool {
        self.ended_early
    }

    /// Whether the server may still be writing the body, and wait for us to read it.
    pub fn is_awaited(&self) -> bool {
        self.has_writer && self.owed != Some(0)
    }

    /// The descriptor, to wait for.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }

    /// Appends up to `limit` bytes to `out`, by at most one read from the descriptor.
    ///
    /// Gives 0 only at the end of the body. Fails with EINTR when a signal came: call again.
    pub fn read_some(&mut self, out: &mut Vec<u8>, limit: usize) -> io::Result<usize> {
        let ready = self.fill()?;
        let count = ready.len().min(limit);
        out.extend_from_slice(&ready[..count]);
        self.position += count;
        Ok(count)
    }

    /// Appends until `out` holds `size` bytes or the body ends.
    pub fn read_until_size(&mut self, out: &mut Vec<u8>, size: usize) -> io::Result<()> {
        while out.len() < size && self.read_some(out, size - out.len())? > 0 {}
        Ok(())
    }

    /// Appends until `out` ends with a line feed, holds `size` bytes, or the body ends.
    pub fn read_until_line(&mut self, out: &mut Vec<u8>, size: usize) -> io::Result<()> {
        while out.len() < size {
            let limit = size - out.len();
            let ready = self.fill()?;
            let ready = &ready[..ready.len().min(limit)];
            if ready.is_empty() {
                break;
            }
            let line = memchr(b'\n', ready).map(|position| position + 1);
            let count = line.unwrap_or(ready.len());
            out.extend_from_slice(&ready[..count]);
            self.position += count;
            if line.is_some() {
                break;
            }
        }
        Ok(())
    }

    /// Takes what has arrived off the descriptor and keeps it for later.
    ///
    /// Called when the response cannot be written: the server sends the whole body before it reads
    /// any of the response (Apache, fcgiwrap), so both would wait for ever.
    pub fn read_ahead(&mut self) -> io::Result<()> {
        let chunk = self.receive()?;
        let in_memory = self.buffer.len() - self.position;
        match &mut self.spool {
            None if in_memory + chunk.len() <= MEMORY_LIMIT => {
                self.buffer.drain(..self.position);
                self.position = 0;
                self.buffer.extend(chunk);
            }
            None => {
                let mut spool = Spool {
                    file: tempfile::tempfile().map_err(no_room)?,
                    read: 0,
                    written: 0,
                };
                spool.append(&chunk)?;
                self.spool = Some(spool);
            }
            Some(spool) => spool.append(&chunk)?,
        }
        Ok(())
    }

    /// What can be given out at once: empty only at the end of the body.
    fn fill(&mut self) -> io::Result<&[u8]> {
        if self.position == self.buffer.len() {
            self.buffer.clear();
            self.position = 0;
            match &mut self.spool {
                Some(spool) if spool.read < spool.written => {
                    self.buffer = spool.take(CHUNK)?;
                }
                _ => {
                    self.spool = None;
                    self.buffer = self.receive()?;
                }
            }
        }
        Ok(&self.buffer[self.position..])
    }

    /// One read from the descriptor, never beyond the body.
    fn receive(&mut self) -> io::Result<Vec<u8>> {
        let owed = self.owed.unwrap_or(u64::MAX);
        let size = usize::try_from(owed).unwrap_or(CHUNK).min(CHUNK);
        if size == 0 {
            return Ok(Vec::new());
        }
        // The buffer that has just run empty is used again.
        let mut chunk = match self.buffer.is_empty() {
            true => std::mem::take(&mut self.buffer),
            false => Vec::new(),
        };
        chunk.resize(size, 0);
        let count = loop {
            match rustix::io::read(&self.descriptor, &mut chunk) {
                // Some servers give descriptors that do not block.
                Err(Errno::AGAIN) => wait(&self.descriptor, PollFlags::IN)?,
                // The client is gone: the body ends here.
                Err(Errno::CONNRESET) => break 0,
                result => break result?,
            }
        };
        chunk.truncate(count);
        self.consumed += count as u64;
        if count == 0 {
            self.ended_early = self.owed.is_some();
            self.owed = Some(0);
        } else if let Some(owed) = &mut self.owed {
            *owed -= count as u64;
        }
        Ok(chunk)
    }
}

impl Spool {
    fn append(&mut self, chunk: &[u8]) -> io::Result<()> {
        let written = self.file.write_all_at(chunk, self.written);
        written.map_err(no_room)?;
        self.written += chunk.len() as u64;
        Ok(())
    }

    fn take(&mut self, limit: usize) -> io::Result<Vec<u8>> {
        let size = usize::try_from(self.written - self.read)
            .unwrap_or(limit)
            .min(limit);
        let mut chunk = vec![0; size];
        self.file.read_exact_at(&mut chunk, self.read)?;
        self.read += size as u64;
        Ok(chunk)
    }
}

/// The application has done nothing wrong: it writes before it has read the body.
fn no_room(error: io::Error) -> io::Error {
    let folder = std::env::temp_dir();
    let text = format!(
        "the request's body cannot be kept in the folder {} while the response is written: {error}; set TMPDIR to a \
         folder with room",
        folder.display()
    );
    io::Error::new(error.kind(), text)
}

/// Waits until `descriptor` is ready. Fails with EINTR when a signal came.
pub fn wait(descriptor: &impl AsFd, flags: PollFlags) -> io::Result<()> {
    ready_unless_interrupted(&mut [PollFd::new(descriptor, flags)], None).map(drop)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn input(bytes: &[u8], length: BodyLength) -> (Input, io::PipeWriter) {
        let (reader, mut writer) = io::pipe().unwrap();
        writer.write_all(bytes).unwrap();
        (Input::new(reader.into(), length).unwrap(), writer)
    }

    #[test]
    fn it_ends_at_its_length_whatever_is_behind_it() {
        let (mut input, _open) = input(b"one\ntwo\nGET / HTTP/1.1", BodyLength::Exactly(8));
        let mut out = Vec::new();
        input.read_until_line(&mut out, usize::MAX).unwrap();
        assert_eq!(out, b"one\n");
        input.read_until_size(&mut out, usize::MAX).unwrap();
        assert_eq!(out, b"one\ntwo\n");
        assert!(!input.ended_early() && !input.is_awaited());
    }

    #[test]
    fn a_body_that_ends_early_is_noticed() {
        let (mut input, writer) = input(b"abc", BodyLength::Exactly(8));
        drop(writer);
        let mut out = Vec::new();
        input.read_until_size(&mut out, usize::MAX).unwrap();
        assert_eq!(out, b"abc");
        assert!(input.ended_early());
    }

    #[test]
    fn what_was_read_ahead_comes_in_order_from_memory_and_file() {
        let (mut input, mut writer) = input(b"", BodyLength::UntilEnd);
        let body: Vec<u8> = (0..3 * MEMORY_LIMIT).map(|n| (n % 251) as u8).collect();
        for chunk in body.chunks(CHUNK) {
            writer.write_all(chunk).unwrap();
            input.read_ahead().unwrap();
        }
        assert!(input.spool.is_some());
        writer.write_all(b"end").unwrap();
        drop(writer);
        let mut out = Vec::new();
        input.read_until_size(&mut out, usize::MAX).unwrap();
        assert_eq!(out.len(), body.len() + 3);
        assert!(out.starts_with(&body) && out.ends_with(b"end"));
    }
}
