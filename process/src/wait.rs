//! Waits for descriptors and processes, until a deadline. Nothing else in this program calls poll(2).

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::Process;

/// How often a process is looked at that has no descriptor, because the system refuses pidfd_open(2).
const STEP: Duration = Duration::from_millis(10);

/// What is waited for, each with a name; and how long.
pub struct Waiting<'a, K> {
    deadline: Option<Instant>,
    descriptors: Vec<(K, BorrowedFd<'a>, PollFlags)>,
    /// Those without a descriptor.
    processes: Vec<(K, &'a Process)>,
}

impl<'a, K: Copy> Waiting<'a, K> {
    /// Waits for nothing yet, and no longer than this.
    pub fn until(deadline: Option<Instant>) -> Self {
        Self {
            deadline,
            descriptors: Vec::new(),
            processes: Vec::new(),
        }
    }

    /// Also until this descriptor can be read, or has come to its end.
    #[must_use]
    pub fn readable(self, name: K, descriptor: &'a impl AsFd) -> Self {
        self.on(name, descriptor, PollFlags::IN)
    }

    /// The same, if there is one.
    #[must_use]
    pub fn readable_if_any(self, name: K, descriptor: Option<&'a impl AsFd>) -> Self {
        match descriptor {
            Some(descriptor) => self.readable(name, descriptor),
            None => self,
        }
    }

    /// Also until one of these happens on this descriptor (poll(2)); its end and errors are always told.
    #[must_use]
    pub fn on(mut self, name: K, descriptor: &'a impl AsFd, flags: PollFlags) -> Self {
        self.descriptors.push((name, descriptor.as_fd(), flags));
        self
    }

    /// Also until this process has ended.
    #[must_use]
    pub fn process(mut self, name: K, process: &'a Process) -> Self {
        match process.descriptor() {
            Some(descriptor) => self.descriptors.push((name, descriptor, PollFlags::IN)),
            None => self.processes.push((name, process)),
        }
        self
    }

    /// Waits; gives the names of what has happened, in the order in which they were added, and the flags of each
    /// descriptor. Nothing has happened if the deadline has passed.
    pub fn wait(self) -> io::Result<Vec<(K, PollFlags)>> {
        loop {
            let step = Instant::now() + STEP;
            let deadline = match self.processes.is_empty() {
                true => self.deadline,
                false => Some(self.deadline.map_or(step, |deadline| deadline.min(step))),
            };
            let mut polled: Vec<_> = self
                .descriptors
                .iter()
                .map(|(_, descriptor, flags)| PollFd::from_borrowed_fd(*descriptor, *flags))
                .collect();
            ready(&mut polled, deadline)?;
            let names = self.descriptors.iter().map(|(name, ..)| *name);
            let flags = polled.iter().map(PollFd::revents);
            let mut happened: Vec<_> = names
                .zip(flags)
                .filter(|(_, flags)| !flags.is_empty())
                .collect();
            let ended = self
                .processes
                .iter()
                .filter(|(_, process)| process.has_ended());
            happened.extend(ended.map(|(name, _)| (*name, PollFlags::IN)));
            if !happened.is_empty() || self.deadline.is_some_and(|end| end <= Instant::now()) {
                return Ok(happened);
            }
        }
    }
}

/// Waits until one of them is ready; gives false when the deadline passed before.
pub fn ready(polled: &mut [PollFd<'_>], deadline: Option<Instant>) -> io::Result<bool> {
    loop {
        match ready_unless_interrupted(polled, deadline) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// The same, but fails with EINTR when a signal came: in Python, its handler must run before the next wait.
pub fn ready_unless_interrupted(
    polled: &mut [PollFd<'_>],
    deadline: Option<Instant>,
) -> io::Result<bool> {
    let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
    let limit = left.and_then(|left| Timespec::try_from(left).ok());
    Ok(poll(polled, limit.as_ref())? > 0)
}

/// Waits until this descriptor can be read, or has come to its end.
pub fn readable(descriptor: impl AsFd, deadline: Option<Instant>) -> io::Result<bool> {
    let descriptor = descriptor.as_fd();
    ready(&mut [PollFd::new(&descriptor, PollFlags::IN)], deadline)
}

/// Whether this descriptor can be read now, or has come to its end.
pub fn is_readable(descriptor: impl AsFd) -> bool {
    matches!(readable(descriptor, Some(Instant::now())), Ok(true))
}

/// Waits until this descriptor can be written, or nobody reads it any more.
pub fn writable(descriptor: impl AsFd, deadline: Option<Instant>) -> io::Result<bool> {
    let descriptor = descriptor.as_fd();
    ready(&mut [PollFd::new(&descriptor, PollFlags::OUT)], deadline)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn what_has_happened_is_named_in_its_order() {
        let (reader, mut writer) = UnixStream::pair().unwrap();
        let soon = Some(Instant::now() + Duration::from_secs(20));
        writer.write_all(b"x").unwrap();
        let happened = Waiting::until(soon)
            .on('w', &reader, PollFlags::OUT)
            .readable('r', &reader)
            .readable('n', &writer)
            .wait()
            .unwrap();
        let names: Vec<_> = happened.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ['w', 'r']);
    }

    #[test]
    fn nothing_happens_when_the_deadline_has_passed() {
        let (reader, _writer) = UnixStream::pair().unwrap();
        let now = Some(Instant::now());
        let happened = Waiting::until(now).readable((), &reader).wait().unwrap();
        assert!(happened.is_empty());
    }
}
