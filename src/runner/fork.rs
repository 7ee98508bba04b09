//! The one fork of the front: before any Python is loaded, with a single thread.
#![allow(unsafe_code)]

use std::io;

use nix::unistd::ForkResult;
use rustix::process::Pid;

/// Where the process continues.
pub enum Side {
    /// In the child.
    Child,
    /// In the parent, with the child's process id.
    Parent(Pid),
}

/// Splits the process. Nothing but the caller may have started a thread.
pub fn fork() -> io::Result<Side> {
    // SAFETY: the front has one thread (it starts none, and no library that it uses does), so the
    // child may do whatever the parent could.
    match unsafe { nix::unistd::fork() }? {
        ForkResult::Child => Ok(Side::Child),
        ForkResult::Parent { child } => {
            let child = Pid::from_raw(child.as_raw());
            Ok(Side::Parent(child.ok_or(io::ErrorKind::InvalidData)?))
        }
    }
}

/// Ends a child at once: nothing of its parent's is run or flushed.
pub fn leave(status: u8) -> ! {
    // SAFETY: `_exit` runs nothing of this process.
    unsafe { nix::libc::_exit(status.into()) }
}
