//! Takes the unread rest of a request's body, so that ending does not destroy the response.

use std::io;
use std::time::Instant;

use contract::handover::BodyLength;
use rustix::fs::{FileType, fstat};
use rustix::io::Errno;
use rustix::net::{RecvFlags, Shutdown, recv, shutdown};
use rustix::stdio::stdin;
use wsgi_cgi_process::time_limits::DRAIN_PATIENCE;

use crate::wait;

/// More than this of an unread body is left: a server that wants to send it all must wait.
const CAP: u64 = 64 << 20;

/// Drains descriptor 0. `consumed` bytes of the body were read already, if that is known.
///
/// A socket (mod_cgid: one with stdout) would be reset by unread input, and the response lost with
/// it. A pipe must be read on, because fcgiwrap gives up when it cannot write the whole body. Never
/// to end of file: uWSGI keeps the pipe open.
pub fn drain(length: BodyLength, consumed: u64) {
    let left = match length {
        BodyLength::Empty => 0,
        BodyLength::Exactly(length) => length.saturating_sub(consumed),
        BodyLength::UntilEnd => CAP,
    };
    let Ok(status) = fstat(stdin()) else { return };
    // Whatever fails here, there is nothing better to do than to end.
    let _ = match FileType::from_raw_mode(status.st_mode) {
        FileType::Socket => drain_socket(),
        FileType::Fifo => drain_pipe(left.min(CAP)),
        _ => Ok(()),
    };
}

/// No more is taken in; what had arrived is thrown away.
fn drain_socket() -> io::Result<()> {
    shutdown(stdin(), Shutdown::Read)?;
    let mut buffer = vec![0; 16 * 1024];
    loop {
        match recv(stdin(), &mut buffer[..], RecvFlags::DONTWAIT) {
            Ok((0, _)) | Err(Errno::AGAIN) => return Ok(()),
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn drain_pipe(mut left: u64) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    while left > 0 {
        if !wait::readable(stdin(), Some(Instant::now() + DRAIN_PATIENCE))? {
            break;
        }
        let step = usize::try_from(left)
            .unwrap_or(buffer.len())
            .min(buffer.len());
        match rustix::io::read(stdin(), &mut buffer[..step]) {
            Ok(0) => break,
            Ok(count) => left -= count as u64,
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
