//! The only writer of the response: head with the first block, lengths kept, the body cut or cut short.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex};

use contract::codes::Code;
use contract::handover::ResponseForm;
use contract::progress::{Reached, State};
use contract::report::Failure;
use rustix::fs::sendfile;

use crate::head::Head;
use crate::input::Input;
use crate::pump::Pump;
use crate::termination;
use crate::timing::Timing;

/// The end of a file, copied by itself.
const LAST_STEP: u64 = 64 * 1024;

/// One response on its way out.
pub struct Response {
    pump: Pump,
    input: Arc<Mutex<Input>>,
    progress: Reached,
    form: ResponseForm,
    method: Method,
    phase: Phase,
    /// Encoded and not yet written.
    head: Vec<u8>,
    /// Bytes of the body that may still be written, by Content-Length.
    owed: Option<u64>,
    /// The last promised byte is on its way, or has left.
    completing: bool,
    /// A block was longer than Content-Length allowed.
    cut: bool,
    reader_gone: bool,
    /// The application's own status, if that is a server's error.
    server_error: Option<String>,
    /// Told in the head, if it is wanted.
    pub timing: Option<Timing>,
}

/// Whether the request's method wants a body.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// HEAD: the head only.
    Head,
    /// Any other.
    Other,
}

enum Phase {
    /// `start_response` was not called.
    Silent,
    /// The head is known, and may still be replaced.
    Ready(Head),
    /// The head has left; a body follows.
    Body,
    /// The head has left; there is no body (HEAD, 204, 304), or it has all been written.
    Bodiless,
}

impl Response {
    /// A response that has not begun. `progress` is told before its first byte leaves.
    pub fn new(
        descriptor: OwnedFd,
        input: Arc<Mutex<Input>>,
        progress: Reached,
        form: ResponseForm,
        method: Method,
    ) -> io::Result<Self> {
        Ok(Self {
            pump: Pump::new(descriptor)?,
            input,
            progress,
            form,
            method,
            phase: Phase::Silent,
            head: Vec::new(),
            owed: None,
            completing: false,
            cut: false,
            reader_gone: false,
            server_error: None,
            timing: None,
        })
    }

    /// Lets go of the descriptor: whatever is still written goes nowhere.
    pub fn release(&mut self) -> io::Result<()> {
        self.pump.release()
    }

    /// Whether `start_response` was called.
    pub fn is_silent(&self) -> bool {
        matches!(self.phase, Phase::Silent)
    }

    /// Whether the head has left, so that it cannot be replaced.
    pub fn has_left(&self) -> bool {
        matches!(self.phase, Phase::Body | Phase::Bodiless)
    }

    /// Whether nothing that the application may still give would be written.
    pub fn wants_no_more(&self) -> bool {
        matches!(self.phase, Phase::Bodiless)
    }

    /// Whether whoever reads the response is gone.
    pub fn reader_is_gone(&self) -> bool {
        self.reader_gone
    }

    /// The status that the application has answered with, if it says that a server failed.
    pub fn server_error(&self) -> Option<String> {
        self.server_error.clone()
    }

    /// Takes the head, which leaves with the first block that is not empty.
    pub fn set_head(&mut self, head: Head) {
        self.phase = Phase::Ready(head);
    }

    /// Declares the whole body's length where the application did not.
    pub fn declare_length(&mut self, length: u64) {
        // To HEAD, an empty body says nothing about what GET would get.
        if let Phase::Ready(head) = &mut self.phase
            && (length > 0 || self.method == Method::Other)
        {
            head.declare_length(length);
        }
    }

    /// Writes `block`; on return it is what could not be written yet (only when interrupted).
    pub fn write(&mut self, block: &mut &[u8]) -> io::Result<()> {
        if !block.is_empty() {
            self.leave()?;
        }
        self.keep_to_length(block);
        self.announce_last(block.len() as u64)?;
        if !(self.head.is_empty() && block.is_empty()) {
            let count = self.note(|this| this.pump.write_some(&this.input, &this.head, block))?;
            let from_head = count.min(self.head.len());
            self.head.drain(..from_head);
            let from_block = count - from_head;
            *block = block.get(from_block..).unwrap_or_default();
            self.count(from_block as u64);
        }
        match self.head.is_empty() && block.is_empty() {
            true => Ok(()),
            // A signal may have cut the write short: it is looked after before the next one, which may block.
            false => Err(io::ErrorKind::Interrupted.into()),
        }
    }

    /// Whether the kernel can copy a file: not while the body must be read in between.
    pub fn can_copy(&self) -> bool {
        self.input.try_lock().is_ok_and(|input| !input.is_awaited())
    }

    /// Copies up to `limit` bytes of `file` from `offset` within the kernel, as far as it goes in one
    /// call. Gives 0 at the file's end or when no more is wanted; EINVAL where the kernel cannot.
    pub fn copy_some(
        &mut self,
        file: &impl AsFd,
        offset: &mut u64,
        limit: u64,
    ) -> io::Result<usize> {
        if limit > 0 {
            self.leave()?;
        }
        self.write(&mut [].as_slice())?;
        if self.wants_no_more() {
            return Ok(0);
        }
        // The end of a long file is a step of its own: only that is the last.
        let limit = match self.owed {
            Some(owed) if owed > LAST_STEP && limit > LAST_STEP => limit.min(owed - LAST_STEP),
            Some(owed) => limit.min(owed),
            None => limit,
        };
        self.announce_last(limit)?;
        let step = usize::try_from(limit).unwrap_or(usize::MAX);
        let count =
            self.note(|this| Ok(sendfile(this.pump.descriptor(), file, Some(offset), step)?))?;
        self.count(count as u64);
        Ok(count)
    }

    /// Ends the response: an empty one leaves now, a length that was not kept is told.
    pub fn finish(&mut self) -> io::Result<Result<(), Failure>> {
        if self.is_silent() {
            return Ok(Err(Failure::new(Code::NO_START_RESPONSE, "")));
        }
        self.declare_length(0);
        self.leave()?;
        self.write(&mut [].as_slice())?;
        Ok(match self.owed {
            Some(owed) if owed > 0 && !self.wants_no_more() => Err(Failure::new(
                Code::BODY_TOO_SHORT,
                format!("{owed} bytes are missing"),
            )),
            _ if self.cut => Err(Failure::new(Code::BODY_TOO_LONG, "")),
            _ => Ok(()),
        })
    }

    /// Writes a whole response of our own, if nothing has left.
    pub fn replace(&mut self, bytes: &mut &[u8]) -> io::Result<()> {
        if !self.has_left() {
            self.announce()?;
            self.phase = Phase::Bodiless;
            self.head = bytes.to_vec();
            *bytes = &[];
        }
        self.write(&mut [].as_slice())
    }

    /// Moves the head from `Ready` to the way out.
    fn leave(&mut self) -> io::Result<()> {
        let Phase::Ready(head) = &mut self.phase else {
            return Ok(());
        };
        if let Some(timing) = &self.timing {
            head.add_timing(timing.field());
        }
        let bodiless = self.method == Method::Head || !head.allows_body();
        let owed = head.content_length();
        self.head = head.encode(self.form);
        self.server_error = head.server_error().map(str::to_owned);
        self.owed = owed;
        self.announce()?;
        self.phase = match bodiless {
            true => Phase::Bodiless,
            false => Phase::Body,
        };
        Ok(())
    }

    /// From here on, the front must not answer in our place.
    fn announce(&self) -> io::Result<()> {
        self.progress.tell(State::Answering)?;
        Ok(())
    }

    /// Tells that the server has all that it waits for once the next `count` bytes are written: from
    /// then on, SIGTERM no longer ends the application.
    fn announce_last(&mut self, count: u64) -> io::Result<()> {
        let is_last = match self.phase {
            Phase::Body => self.owed == Some(count),
            Phase::Bodiless => true,
            _ => false,
        };
        if is_last && !self.completing {
            self.completing = true;
            self.progress.tell(State::Completing)?;
            termination::set_closing();
        }
        Ok(())
    }

    fn keep_to_length(&mut self, block: &mut &[u8]) {
        if self.wants_no_more() {
            *block = &[];
        } else if let Some(allowed) = self
            .owed
            .and_then(|owed| block.get(..usize::try_from(owed).ok()?))
        {
            self.cut |= allowed.len() < block.len();
            *block = allowed;
        }
    }

    fn count(&mut self, written: u64) {
        if let Some(owed) = &mut self.owed {
            *owed -= written.min(*owed);
        }
    }

    fn note<T>(&mut self, write: impl FnOnce(&mut Self) -> io::Result<T>) -> io::Result<T> {
        let result = write(self);
        if let Err(error) = &result {
            use io::ErrorKind::{BrokenPipe, ConnectionReset};
            self.reader_gone |= matches!(error.kind(), BrokenPipe | ConnectionReset);
        }
        result
    }
}
