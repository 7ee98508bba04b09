//! Standard error, which a web server may read late or never: a message that it does not take in time is dropped.
//!
//! A closed or full stderr must not keep the answer from the visitor.

use std::io;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::fs::{FileType, fstat};
use rustix::io::{Errno, write as write_some};
use rustix::net::{SendFlags, send};
use wsgi_cgi_process::time_limits::LOG_WRITE;
use wsgi_cgi_process::wait;

/// Linux promises that a pipe which is ready takes this much without blocking (PIPE_BUF).
const PIPE_STEP: usize = 4096;

/// How many messages were dropped since the last one that was written.
static DROPPED: AtomicU64 = AtomicU64::new(0);

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It was written, or nobody can read it any more.
    Whole,
    /// It is the first that was dropped.
    NotInTime,
    /// It was dropped, as the one before it.
    NotAgain,
}

/// Writes a message to standard error; one at a time.
pub fn write(message: &[u8]) -> Written {
    let _others_wait = io::stderr().lock();
    let dropped = DROPPED.load(Ordering::Relaxed);
    // Who has not read for so long is not waited for again.
    let patience = if dropped == 0 {
        LOG_WRITE
    } else {
        Duration::ZERO
    };
    let deadline = Instant::now() + patience;
    let note = match dropped {
        0 => String::new(),
        // The last one may have been cut in the middle of a line.
        count => {
            format!("\nwsgi-cgi: {count} messages before this line are lost: nobody read stderr\n")
        }
    };
    let text = [note.as_bytes(), message].concat();
    match write_in_time(io::stderr(), &text, deadline) {
        Err(error) if error.kind() == io::ErrorKind::TimedOut => {
            DROPPED.store(dropped + 1, Ordering::Relaxed);
            match dropped {
                0 => Written::NotInTime,
                _ => Written::NotAgain,
            }
        }
        _ => {
            DROPPED.store(0, Ordering::Relaxed);
            Written::Whole
        }
    }
}

/// Writes all of it, or fails with `TimedOut`. A pipe or a socket is never waited for beyond the deadline; what is
/// written to anything else takes as long as it takes.
pub fn write_in_time(to: impl AsFd, mut rest: &[u8], deadline: Instant) -> io::Result<()> {
    let to = to.as_fd();
    let kind = FileType::from_raw_mode(fstat(to)?.st_mode);
    let may_block = matches!(kind, FileType::Fifo | FileType::Socket);
    let mut must_wait = may_block;
    while !rest.is_empty() {
        if must_wait && !wait::writable(to, Some(deadline))? {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let written = match kind {
            FileType::Socket => send(to, rest, SendFlags::DONTWAIT | SendFlags::NOSIGNAL),
            FileType::Fifo => write_some(to, &rest[..rest.len().min(PIPE_STEP)]),
            _ => write_some(to, rest),
        };
        match written {
            Ok(count) => rest = &rest[count..],
            Err(Errno::INTR) => {}
            // Some servers give descriptors that do not block.
            Err(Errno::AGAIN) if Instant::now() < deadline => must_wait = true,
            Err(Errno::AGAIN) => return Err(io::ErrorKind::TimedOut.into()),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read, Seek, pipe};
    use std::os::unix::net::UnixStream;

    use rustix::fs::{MemfdFlags, memfd_create};

    use super::*;

    fn is_late(result: io::Result<()>) -> bool {
        matches!(result, Err(error) if error.kind() == io::ErrorKind::TimedOut)
    }

    #[test]
    fn nobody_waits_for_who_does_not_read() {
        let (mut reader, pipe) = pipe().unwrap();
        let (_socket, peer) = UnixStream::pair().unwrap();
        let soon = Instant::now() + Duration::from_millis(20);
        assert!(is_late(write_in_time(&pipe, &[b'x'; 1 << 20], soon)));
        assert!(is_late(write_in_time(&peer, &[b'x'; 8 << 20], soon)));
        let now = Instant::now();
        assert!(is_late(write_in_time(&pipe, b"more", now)));
        // A page is free again.
        reader.read_exact(&mut [0; PIPE_STEP]).unwrap();
        write_in_time(&pipe, b"more", now).unwrap();
        drop(reader);
        let closed = write_in_time(&pipe, b"more", now).unwrap_err();
        assert_eq!(closed.kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn a_file_takes_everything() {
        let memory = memfd_create("wsgi-cgi-test", MemfdFlags::CLOEXEC).unwrap();
        let mut file = File::from(memory);
        write_in_time(&file, &[b'x'; 1 << 20], Instant::now()).unwrap();
        file.rewind().unwrap();
        let mut text = Vec::new();
        file.read_to_end(&mut text).unwrap();
        assert_eq!(text.len(), 1 << 20);
    }
}
