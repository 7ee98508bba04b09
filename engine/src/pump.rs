//! Writes to the response's descriptor without ever deadlocking with a server that writes the body.

use std::io::{self, IoSlice};
use std::os::fd::OwnedFd;
use std::sync::Mutex;

use rustix::event::{PollFd, PollFlags};
use rustix::fs::{FileType, fstat};
use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};
use rustix::pipe::fcntl_getpipe_size;
use wsgi_cgi_process::wait::ready_unless_interrupted;

use crate::descriptors::null;
use crate::input::{Input, wait};

/// Linux promises that a pipe which is ready takes this much without blocking (PIPE_BUF).
const PIPE_STEP: usize = 4096;

/// The response's descriptor.
pub struct Pump {
    descriptor: OwnedFd,
    kind: Kind,
    /// Nothing was written yet: a pipe is empty.
    fresh: bool,
}

enum Kind {
    Pipe,
    Socket,
    /// A file or a terminal: nobody waits for us at its other end.
    Other,
}

impl Pump {
    /// For this descriptor.
    pub fn new(descriptor: OwnedFd) -> io::Result<Self> {
        let kind = match FileType::from_raw_mode(fstat(&descriptor)?.st_mode) {
            FileType::Fifo => Kind::Pipe,
            FileType::Socket => Kind::Socket,
            _ => Kind::Other,
        };
        Ok(Self {
            descriptor,
            kind,
            fresh: true,
        })
    }

    /// Lets go of the descriptor.
    pub fn release(&mut self) -> io::Result<()> {
        self.descriptor = null()?;
        Ok(())
    }

    /// The descriptor, for copies by the kernel.
    pub fn descriptor(&self) -> &OwnedFd {
        &self.descriptor
    }

    /// Writes some of `head` and `block`, in one system call; gives the number of bytes.
    ///
    /// While the server may still be sending the body, this never blocks without reading it.
    /// Fails with EINTR when a signal came: call again.
    pub fn write_some(
        &mut self,
        input: &Mutex<Input>,
        head: &[u8],
        block: &[u8],
    ) -> io::Result<usize> {
        // Another thread of the application that holds the input is reading it just now.
        let count = match input.try_lock() {
            Ok(mut input) if input.is_awaited() => {
                self.write_while_reading(&mut input, head, block)?
            }
            _ => self.write_blocking(head, block)?,
        };
        self.fresh = false;
        Ok(count)
    }

    fn write_while_reading(
        &self,
        input: &mut Input,
        head: &[u8],
        block: &[u8],
    ) -> io::Result<usize> {
        while input.is_awaited() {
            let (writable, readable) = {
                let body = input.descriptor();
                let mut polled = [
                    PollFd::new(&self.descriptor, PollFlags::OUT),
                    PollFd::new(&body, PollFlags::IN),
                ];
                ready_unless_interrupted(&mut polled, None)?;
                (
                    !polled[0].revents().is_empty(),
                    !polled[1].revents().is_empty(),
                )
            };
            if writable {
                match self.write_what_fits(head, block) {
                    Err(Errno::AGAIN) => {}
                    result => return Ok(result?),
                }
            }
            if readable {
                input.read_ahead()?;
            }
        }
        self.write_blocking(head, block)
    }

    fn write_what_fits(&self, head: &[u8], block: &[u8]) -> Result<usize, Errno> {
        match self.kind {
            Kind::Socket => {
                let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
                let parts = [IoSlice::new(head), IoSlice::new(block)];
                sendmsg(
                    &self.descriptor,
                    &parts,
                    &mut SendAncillaryBuffer::default(),
                    flags,
                )
            }
            Kind::Pipe => {
                // The head leaves whole: an empty pipe takes all that it can hold.
                let limit = match self.fresh {
                    true => fcntl_getpipe_size(&self.descriptor).unwrap_or(PIPE_STEP),
                    false => PIPE_STEP,
                };
                let head = &head[..head.len().min(limit)];
                let block = &block[..block.len().min(limit - head.len())];
                rustix::io::writev(&self.descriptor, &[IoSlice::new(head), IoSlice::new(block)])
            }
            Kind::Other => {
                rustix::io::writev(&self.descriptor, &[IoSlice::new(head), IoSlice::new(block)])
            }
        }
    }

    fn write_blocking(&self, head: &[u8], block: &[u8]) -> io::Result<usize> {
        loop {
            match rustix::io::writev(&self.descriptor, &[IoSlice::new(head), IoSlice::new(block)]) {
                // Some servers give descriptors that do not block.
                Err(Errno::AGAIN) => wait(&self.descriptor, PollFlags::OUT)?,
                result => return Ok(result?),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::thread;

    use contract::handover::BodyLength;

    use super::*;

    /// The server writes all of the body before it reads any of the response.
    fn exchange(body: (OwnedFd, impl Write + Send), response: (OwnedFd, impl Read + Send)) {
        const SIZE: usize = 2 << 20;
        let (mut to_script, mut from_script) = (body.1, response.1);
        let input = Mutex::new(Input::new(body.0, BodyLength::Exactly(SIZE as u64)).unwrap());
        let mut pump = Pump::new(response.0).unwrap();
        thread::scope(|scope| {
            scope.spawn(move || {
                to_script.write_all(&vec![7; SIZE]).unwrap();
                let mut got = vec![0; SIZE];
                from_script.read_exact(&mut got).unwrap();
                assert_eq!(got, vec![9; SIZE]);
            });
            let block = vec![9; SIZE];
            let mut rest = block.as_slice();
            while !rest.is_empty() {
                let count = pump.write_some(&input, &[], rest).unwrap();
                rest = &rest[count..];
            }
            let mut read = Vec::new();
            input
                .lock()
                .unwrap()
                .read_until_size(&mut read, usize::MAX)
                .unwrap();
            assert_eq!(read.len(), SIZE);
        });
    }

    #[test]
    fn output_before_input_does_not_deadlock_over_pipes() {
        let (body_in, body_out) = io::pipe().unwrap();
        let (response_in, response_out) = io::pipe().unwrap();
        exchange(
            (body_in.into(), body_out),
            (response_out.into(), response_in),
        );
    }

    #[test]
    fn output_before_input_does_not_deadlock_over_one_socket() {
        let (server, script) = std::os::unix::net::UnixStream::pair().unwrap();
        let response = script.try_clone().unwrap();
        exchange(
            (script.into(), server.try_clone().unwrap()),
            (response.into(), server),
        );
    }
}
