//! Bytes on their way to a client: what it does not take at once is kept, so that a slow reader holds no child.

use std::fs::File;
use std::io;
use std::mem;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::fs::fstatvfs;
use rustix::io::Errno;
use rustix::net::SendFlags;

use super::pace::Pace;
use crate::wait;

/// Kept in memory; what is more goes to a file.
const MEMORY: usize = 256 << 10;
/// Kept in one file; then whoever writes has to wait until all of it has been sent.
const FILE: u64 = 256 << 20;
/// Kept in all files, but never more than is free besides: that is for the bodies of requests.
const FILES: u64 = 1 << 30;

/// The length of all files: they are in one folder, whoever hosts.
static KEPT: AtomicU64 = AtomicU64::new(0);

/// What was pushed and has not been sent: `memory`, then `spool`, then `rest`.
#[derive(Default)]
pub struct Outgoing {
    memory: Vec<u8>,
    sent: usize,
    spool: Option<Spool>,
    /// What found no room.
    rest: Vec<u8>,
    /// The first byte has been sent by itself.
    is_probed: bool,
    pace: Pace,
}

struct Spool {
    file: File,
    read: u64,
    written: u64,
}

impl Outgoing {
    /// Adds bytes behind the others.
    pub fn push(&mut self, bytes: &[u8]) {
        let bytes = match bytes {
            [_, rest @ ..] if mem::take(&mut self.is_probed) => rest,
            bytes => bytes,
        };
        let is_behind = self.spool.is_some() || !self.rest.is_empty();
        if !is_behind && self.memory.len() - self.sent + bytes.len() <= MEMORY {
            if self.sent == self.memory.len() {
                self.memory.clear();
                self.sent = 0;
            }
            self.memory.extend_from_slice(bytes);
        } else if !self.rest.is_empty() || self.spool(bytes).is_err() {
            self.rest.extend_from_slice(bytes);
        }
    }

    fn spool(&mut self, bytes: &[u8]) -> io::Result<()> {
        let spool = match &mut self.spool {
            Some(spool) => spool,
            none => none.insert(Spool::new()?),
        };
        match spool.has_room() {
            true => spool.write(bytes),
            false => Err(io::ErrorKind::StorageFull.into()),
        }
    }

    /// Whether everything has been sent.
    pub fn is_empty(&self) -> bool {
        self.sent == self.memory.len() && self.spool.is_none() && self.rest.is_empty()
    }

    /// Whether no more should be pushed for now.
    pub fn is_full(&self) -> bool {
        !self.rest.is_empty() || self.spool.as_ref().is_some_and(|spool| !spool.has_room())
    }

    /// When the client will have taken too long, if anything waits for it.
    pub fn deadline(&self) -> Option<Instant> {
        self.pace.deadline()
    }

    /// Since when the client has taken nothing, if anything waits for it.
    pub fn waits_since(&self) -> Option<Instant> {
        self.pace.waits_since()
    }

    /// How long the client has been waited for in all.
    pub fn waited(&self, now: Instant) -> Duration {
        self.pace.waited(now)
    }

    /// Sends what the client takes without waiting; gives whether it took anything.
    pub fn send_some(&mut self, client: BorrowedFd<'_>) -> io::Result<bool> {
        let mut taken = 0;
        while !self.is_empty() {
            self.refill()?;
            let rest = self.memory.get(self.sent..).unwrap_or_default();
            match rustix::net::send(client, rest, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Ok(count) => {
                    self.sent += count;
                    taken += count;
                }
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let now = Instant::now();
        if taken > 0 {
            self.pace.moved(taken, now);
        }
        if !self.is_empty() {
            self.pace.wait(now);
        }
        Ok(taken > 0)
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

    /// Sends everything.
    pub fn send_all(&mut self, client: BorrowedFd<'_>) -> io::Result<()> {
        loop {
            self.send_some(client)?;
            if self.is_empty() {
                return Ok(());
            }
            if !wait::writable(client, self.deadline())? {
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
    }

    /// Takes the next piece into memory.
    fn refill(&mut self) -> io::Result<()> {
        if self.sent < self.memory.len() {
            return Ok(());
        }
        self.sent = 0;
        self.memory.clear();
        if let Some(spool) = &mut self.spool {
            spool.read_into(&mut self.memory)?;
            if spool.read == spool.written {
                self.spool = None;
            }
        }
        if self.memory.is_empty() {
            self.memory = mem::take(&mut self.rest);
        }
        Ok(())
    }
}

impl Spool {
    fn new() -> io::Result<Self> {
        Ok(Self {
            file: tempfile::tempfile()?,
            read: 0,
            written: 0,
        })
    }

    fn has_room(&self) -> bool {
        let kept = KEPT.load(Ordering::Relaxed);
        let free = fstatvfs(&self.file).map_or(u64::MAX, |found| {
            found.f_bavail.saturating_mul(found.f_frsize)
        });
        self.written < FILE && kept < FILES.min(free)
    }

    /// All of it, or nothing that counts.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, self.written)?;
        self.written += bytes.len() as u64;
        KEPT.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    fn read_into(&mut self, memory: &mut Vec<u8>) -> io::Result<()> {
        let left = usize::try_from(self.written - self.read).unwrap_or(usize::MAX);
        memory.resize(left.min(MEMORY / 4), 0);
        self.file.read_exact_at(memory, self.read)?;
        self.read += memory.len() as u64;
        Ok(())
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        KEPT.fetch_sub(self.written, Ordering::Relaxed);
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
            outgoing.push(piece);
            outgoing.send_some(client.as_fd()).unwrap();
        }
        assert!(outgoing.spool.is_some());
        let received = thread::spawn(move || {
            let mut received = Vec::new();
            reader.read_to_end(&mut received).unwrap();
            received
        });
        outgoing.send_all(client.as_fd()).unwrap();
        assert!(outgoing.is_empty() && outgoing.spool.is_none());
        drop(client);
        assert!(received.join().unwrap() == pieces.concat());
    }

    #[test]
    fn what_finds_no_room_is_kept_in_order_and_nothing_more_is_wanted() {
        let (client, mut reader) = UnixStream::pair().unwrap();
        let mut outgoing = Outgoing::default();
        outgoing.push(&[1; MEMORY]);
        outgoing.push(&[2; 100_000]);
        assert!(!outgoing.is_full());
        // A full disk: writing fails from here on.
        if let Some(spool) = &mut outgoing.spool {
            spool.file = File::open("/proc/self/exe").unwrap();
            spool.read = spool.written;
        }
        outgoing.push(&[3; 1000]);
        outgoing.push(&[4; 1000]);
        assert!(outgoing.is_full());
        let received = thread::spawn(move || {
            let mut received = Vec::new();
            reader.read_to_end(&mut received).unwrap();
            received
        });
        outgoing.send_all(client.as_fd()).unwrap();
        assert!(!outgoing.is_full());
        drop(client);
        let expected = [vec![1; MEMORY], vec![3; 1000], vec![4; 1000]].concat();
        assert!(received.join().unwrap() == expected);
    }
}
