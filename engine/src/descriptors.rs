//! Puts the request's descriptors where only the engine reaches them, and lets go of them at the end.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};

use rustix::fs::{FileType, Mode, OFlags, fstat, open};
use rustix::io::fcntl_dupfd_cloexec;
use rustix::stdio;

/// The request's own descriptors.
pub struct Descriptors {
    /// The request's body.
    pub body: OwnedFd,
    /// The response; no other descriptor of this process leads there.
    pub response: OwnedFd,
}

/// Takes 0 and 1 away from the application: 0 becomes `/dev/null`, 1 becomes stderr.
///
/// So neither a `print`, a C library nor a subprocess can corrupt the response or eat the body.
pub fn take_over() -> io::Result<Descriptors> {
    let body = fcntl_dupfd_cloexec(stdio::stdin(), 3)?;
    let response = fcntl_dupfd_cloexec(stdio::stdout(), 3)?;
    stdio::dup2_stdin(null()?)?;
    stdio::dup2_stdout(stdio::stderr())?;
    Ok(Descriptors { body, response })
}

/// Lets go of 1 and 2, for late work: it writes to `log`.
///
/// Without one, what the web server waits for, a pipe or a socket, is replaced by nothing; a log file
/// or a terminal stays.
pub fn let_go_of_stderr(log: Option<OwnedFd>) -> io::Result<()> {
    let target = match log {
        Some(log) => log,
        None => match FileType::from_raw_mode(fstat(stdio::stderr())?.st_mode) {
            FileType::Fifo | FileType::Socket => null()?,
            _ => return Ok(()),
        },
    };
    stdio::dup2_stdout(target.as_fd())?;
    stdio::dup2_stderr(target)?;
    Ok(())
}

/// A descriptor that leads nowhere.
pub fn null() -> io::Result<OwnedFd> {
    Ok(open(
        "/dev/null",
        OFlags::RDWR | OFlags::CLOEXEC,
        Mode::empty(),
    )?)
}

/// The descriptor of a Python file object, for the time of one call.
#[allow(unsafe_code)]
pub fn borrow<'a>(number: RawFd) -> BorrowedFd<'a> {
    // SAFETY: the number came from `fileno()` of a file object that the caller keeps alive; should
    // another thread close it, the kernel reports an error or copies from what replaced it, as it
    // does for Python's own `os.sendfile`.
    unsafe { BorrowedFd::borrow_raw(number) }
}
