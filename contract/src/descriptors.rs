//! Takes and closes descriptors by number; the only place in this crate where unsafe is allowed.
#![allow(unsafe_code)]

use std::fs;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use rustix::io::{Errno, FdFlags, fcntl_getfd, fcntl_setfd};

/// Owns an inherited descriptor by its number, and keeps it from programs started later.
///
/// `None` if no such descriptor is open.
pub fn adopt(number: RawFd) -> Option<OwnedFd> {
    if number < 0 {
        return None;
    }
    // SAFETY: the number was handed to this process by the one that started it, for this purpose only: nothing else in
    // the process closes it meanwhile. Where it is not open, the next call says so.
    let descriptor = unsafe { BorrowedFd::borrow_raw(number) };
    let flags = fcntl_getfd(descriptor).ok()?;
    fcntl_setfd(descriptor, flags | FdFlags::CLOEXEC).ok()?;
    // SAFETY: as above: it is open, and nobody else owns it.
    Some(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Closes every descriptor from 3 up: servers leak theirs (fcgiwrap its FastCGI connection).
///
/// To be called once, at the very start, before this process has opened any but those in `kept`.
pub fn close_inherited(kept: &[OwnedFd]) {
    let is_kept = |number: &RawFd| kept.iter().any(|kept| kept.as_raw_fd() == *number);
    let Ok(entries) = fs::read_dir("/proc/self/fd") else {
        // Without /proc: those that a server is likely to leak.
        (3..256).filter(|number| !is_kept(number)).for_each(close);
        return;
    };
    let numbers: Vec<RawFd> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|number| *number > 2 && !is_kept(number))
        .collect();
    // The folder's own descriptor is among the numbers, and closed by now.
    numbers.into_iter().for_each(close);
}

fn close(number: RawFd) {
    // SAFETY: nothing in this process owns a descriptor from 3 up yet (see above); asking first
    // keeps a number that is not open from being closed.
    let open = unsafe { BorrowedFd::borrow_raw(number) };
    if fcntl_getfd(open) != Err(Errno::BADF) {
        // SAFETY: as above: it is open and nobody owns it.
        drop(unsafe { OwnedFd::from_raw_fd(number) });
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::IntoRawFd;

    use super::*;

    #[test]
    fn a_number_that_is_not_open_is_nobodys() {
        assert!(adopt(-1).is_none());
        assert!(adopt(RawFd::MAX).is_none());
        let number = fs::File::open("/dev/null").unwrap().into_raw_fd();
        let adopted = adopt(number).unwrap();
        assert_eq!(fcntl_getfd(&adopted), Ok(FdFlags::CLOEXEC));
    }
}
