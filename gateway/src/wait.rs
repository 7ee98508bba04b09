//! Waits for descriptors, until a deadline.

use std::io;
use std::os::fd::AsFd;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// Waits until one of them is ready; gives false when the deadline passed before.
pub fn ready(polled: &mut [PollFd<'_>], deadline: Option<Instant>) -> io::Result<bool> {
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let limit = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(polled, limit.as_ref()) {
            Err(Errno::INTR) => {}
            result => return Ok(result? > 0),
        }
    }
}

/// Waits until this descriptor can be read, or has come to its end.
pub fn readable(descriptor: impl AsFd, deadline: Option<Instant>) -> io::Result<bool> {
    let descriptor = descriptor.as_fd();
    ready(&mut [PollFd::new(&descriptor, PollFlags::IN)], deadline)
}

/// Waits until this descriptor can be written, or nobody reads it any more.
pub fn writable(descriptor: impl AsFd, deadline: Option<Instant>) -> io::Result<bool> {
    let descriptor = descriptor.as_fd();
    ready(&mut [PollFd::new(&descriptor, PollFlags::OUT)], deadline)
}
