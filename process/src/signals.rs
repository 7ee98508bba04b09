//! Signals that are read from a descriptor, in the same wait as everything else (signalfd(2)).

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};

pub use nix::sys::signal::Signal as Number;

/// Those that tell a process to end.
pub const ENDING: [Number; 4] = [
    Number::SIGTERM,
    Number::SIGINT,
    Number::SIGHUP,
    Number::SIGQUIT,
];

/// Signals of this process that are blocked, and wait in a descriptor to be read.
///
/// A child inherits the mask: it calls [`unblock`] first thing.
#[derive(Debug)]
pub struct Signals(SignalFd);

impl Signals {
    /// Blocks these signals, in this thread and in those that it starts later.
    pub fn block(numbers: impl IntoIterator<Item = Number>) -> io::Result<Self> {
        let set: SigSet = numbers.into_iter().collect();
        // The descriptor first: where it cannot be had, nothing stays blocked.
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        let descriptor = SignalFd::with_flags(&set, flags)?;
        sigprocmask(SigmaskHow::SIG_BLOCK, Some(&set), None)?;
        Ok(Self(descriptor))
    }

    /// The next signal that has come, if there is one.
    pub fn read(&self) -> io::Result<Option<Number>> {
        loop {
            match self.0.read_signal()? {
                None => return Ok(None),
                Some(info) => {
                    let number = i32::try_from(info.ssi_signo).unwrap_or(0);
                    // The set has only named ones.
                    if let Ok(number) = Number::try_from(number) {
                        return Ok(Some(number));
                    }
                }
            }
        }
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Blocks these no more, in this thread.
pub fn allow(numbers: impl IntoIterator<Item = Number>) {
    let set: SigSet = numbers.into_iter().collect();
    let _ = sigprocmask(SigmaskHow::SIG_UNBLOCK, Some(&set), None);
}

/// Blocks nothing any more.
pub fn unblock() {
    let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None);
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::wait;

    #[test]
    fn a_signal_waits_in_its_descriptor() {
        // In a thread of its own: the mask is the thread's, and `raise` signals this thread alone.
        std::thread::spawn(|| {
            let signals = Signals::block([Number::SIGURG]).unwrap();
            assert_eq!(signals.read().unwrap(), None);
            nix::sys::signal::raise(Number::SIGURG).unwrap();
            let soon = Some(Instant::now() + Duration::from_secs(20));
            assert!(wait::readable(&signals, soon).unwrap());
            assert_eq!(signals.read().unwrap(), Some(Number::SIGURG));
            assert_eq!(signals.read().unwrap(), None);
        })
        .join()
        .unwrap();
    }
}
