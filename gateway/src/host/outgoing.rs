//! Bytes on their way to a client: what it does not take at once is kept, so that a slow reader holds no child.

use std::fs::File;
use std::io::{self, Write};
use std::mem;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::SendFlags;

use crate::wait;

/// Kept in memory; what is more goes to a file.
const MEMORY: usize = 256 << 10;
/// Kept in all; then whoever writes has to wait.
const SPOOL: u64 = 1 << 30;

/// What was pushed and has not been sent.
#[derive(Default)]
pub struct Outgoing {
    memory: Vec<u8>,
    sent: usize,
    spool: Option<Spool>,
    /// The first byte has been sent by itself.
    is_probed: bool,
}

struct Spool {
    file: File,
    read: u64,
    written: u64,
}

impl Outgoing {
    /// Adds bytes behind the others.
    pub fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        let bytes = match bytes {
            [_, rest @ ..] if mem::take(&mut self.is_probed) => rest,
            bytes => bytes,
        };
        if self.spool.is_none() && self.memory.len() - self.sent + bytes.len() <= MEMORY {
            if self.sent == self.memory.len() {
                self.memory.clear();
                self.sent = 0;
            }
            self.memory.extend_from_slice(bytes);
            return Ok(());
        }
        let spool = match &mut self.spool {
            Some(spool) => spool,
            none => none.insert(Spool {
                file: tempfile::tempfile()?,
                read: 0,
                written: 0,
            }),
        };
        spool.file.write_all(bytes)?;
        spool.written += bytes.len() as u64;
        Ok(())
    }

    /// Whether everything has been sent.
    pub fn is_empty(&self) -> bool {
        self.sent == self.memory.len() && self.spool.is_none()
    }

    /// Whether no more should be pushed for now.
    pub fn is_full(&self) -> bool {
        let spooled = |spool: &Spool| spool.written - spool.read;
        self.spool
            .as_ref()
            .is_some_and(|spool| spooled(spool) >= SPOOL)
    }

    /// Sends what the client takes without waiting; gives whether it took anything.
    pub fn send_some(&mut self, client: BorrowedFd<'_>) -> io::Result<bool> {
        let mut progress = false;
        while !self.is_empty() {
            self.refill()?;
            let rest = self.memory.get(self.sent..).unwrap_or_default();
            match rustix::net::send(client, rest, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Ok(count) => {
                    self.sent += count;
                    progress = true;
                }
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(progress)
    }

    /// Sends the first byte of what will be pushed; gives whether that is underway.
    pub fn probe(&mut self, client: BorrowedFd<'_>, first: u8) -> io::Result<bool> {
        if !self.is_probed {
            let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
            self.is_probed = match rustix::net::send(client, &[first], flags) {
                Ok(count) => count == 1,
                Err(Errno::AGAIN | Errno::INTR) => false,
                Err(error) => return Err(error.into()),
            };
        }
        Ok(self.is_probed)
    }

    /// Sends everything; the client may pause for `patience`.
    pub fn send_all(&mut self, client: BorrowedFd<'_>, patience: Duration) -> io::Result<()> {
        loop {
            self.send_some(client)?;
            if self.is_empty() {
                return Ok(());
            }
            if !wait::writable(client, Some(Instant::now() + patience))? {
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
    }

    /// Takes the next piece of the file into memory.
    fn refill(&mut self) -> io::Result<()> {
        let Some(spool) = &mut self.spool else {
            return Ok(());
        };
        if self.sent < self.memory.len() {
            return Ok(());
        }
        self.sent = 0;
        self.memory.resize(MEMORY / 4, 0);
        let count = spool.file.read_at(&mut self.memory, spool.read)?;
        self.memory.truncate(count);
        spool.read += count as u64;
        if spool.read >= spool.written || count == 0 {
            self.spool = None;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;
    use std::thread;

    use super::*;

    #[test]
    fn everything_arrives_in_order_however_slowly_it_is_read() {
        let (client, mut reader) = UnixStream::pair().unwrap();
        let pieces: Vec<Vec<u8>> = (0..200u8).map(|byte| vec![byte; 10_000]).collect();
        let mut outgoing = Outgoing::default();
        for piece in &pieces {
            outgoing.push(piece).unwrap();
            outgoing.send_some(client.as_fd()).unwrap();
        }
        assert!(outgoing.spool.is_some());
        let received = thread::spawn(move || {
            let mut received = Vec::new();
            reader.read_to_end(&mut received).unwrap();
            received
        });
        outgoing
            .send_all(client.as_fd(), Duration::from_secs(20))
            .unwrap();
        assert!(outgoing.is_empty() && outgoing.spool.is_none());
        drop(client);
        assert!(received.join().unwrap() == pieces.concat());
    }
}
