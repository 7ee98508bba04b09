//! A request's body taken into a file before the application starts, so that it can be read again after a failure.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::time::Instant;

use contract::handover::BodyLength;
use rustix::io::Errno;
use rustix::stdio::{self, stdin};

use super::drain::drain;
use crate::wait;

/// Writes the body on descriptor 0 to `file`, which then is descriptor 0; gives it back.
///
/// Nothing has been written yet, so whoever sends the body waits for nothing else. Fails with `TimedOut` after
/// `deadline`.
pub fn spool(mut file: File, length: BodyLength, deadline: Option<Instant>) -> io::Result<File> {
    let mut left = match length {
        BodyLength::Empty => 0,
        BodyLength::Exactly(length) => length,
        BodyLength::UntilEnd => u64::MAX,
    };
    let mut buffer = vec![0; 64 << 10];
    let mut consumed = 0;
    while left > 0 {
        if !wait::readable(stdin(), deadline)? {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let step = usize::try_from(left)
            .unwrap_or(buffer.len())
            .min(buffer.len());
        match rustix::io::read(stdin(), &mut buffer[..step]) {
            // The client is gone: the body ends here.
            Ok(0) | Err(Errno::CONNRESET) => break,
            Ok(count) => {
                file.write_all(&buffer[..count])?;
                left -= count as u64;
                consumed += count as u64;
            }
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(error) => return Err(error.into()),
        }
    }
    drain(length, consumed);
    file.rewind()?;
    stdio::dup2_stdin(&file)?;
    Ok(file)
}
