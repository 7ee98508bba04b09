//! A script whose client has its whole answer: what it still says, how long it may still work, and its end.

use std::io::{self, Read};
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use wsgi_cgi_process::wait::Waiting;

use super::child::{Child, in_background};
use super::incoming::Incoming;
use super::log::ScriptLines;
use super::site::Site;
use crate::wait;

/// Most scripts end by then. For these no thread is started.
const MOMENT: Duration = Duration::from_millis(50);
/// Read at once.
const PIECE: usize = 8 << 10;

/// A script that may still work. It keeps its slot.
pub struct Afterwards {
    pub child: Child,
    pub site: Arc<dyn Site>,
    pub number: u64,
    pub lines: ScriptLines,
    /// When it is ended.
    pub deadline: Option<Instant>,
    pub output: Output,
}

/// What a script has written so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// All of it.
    Ended,
    /// The answer, and this many bytes more, if they count: a HEAD's may write a body.
    Open(Option<u64>),
}

/// What is waited for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Event {
    Output,
    Errors,
    /// The end of the process.
    End,
    Client,
}

/// What ended the wait for a script.
enum Ended {
    Script,
    Deadline,
    /// The client wants something, or the moment is over.
    Wait,
}

impl Afterwards {
    /// Waits a moment for its end, unless the client sends something; then a thread does, which is given back.
    pub fn leave(mut self, incoming: &Incoming) -> Option<JoinHandle<()>> {
        let patience = match incoming.buffered() {
            [] => MOMENT,
            // The next request is here already.
            _ => Duration::ZERO,
        };
        match self.wait(Some(incoming.socket()), Some(Instant::now() + patience)) {
            Ok(Ended::Script) => None,
            Ok(Ended::Wait) => in_background(self, |mut left| {
                if !matches!(left.wait(None, None), Ok(Ended::Script)) {
                    left.end();
                }
            }),
            Ok(Ended::Deadline) | Err(_) => {
                self.end();
                None
            }
        }
    }

    fn wait(
        &mut self,
        client: Option<BorrowedFd<'_>>,
        until: Option<Instant>,
    ) -> io::Result<Ended> {
        let mut errors_end = false;
        loop {
            let has_ended = self.child.process().has_ended();
            if has_ended && self.child.ends_response() && !wait::is_readable(&self.child.stdout) {
                self.output_ends();
            }
            if has_ended && self.output == Output::Ended {
                self.take_last_lines(errors_end);
                return Ok(Ended::Script);
            }
            let deadline = [self.deadline, until].into_iter().flatten().min();
            let mut waiting = Waiting::until(deadline);
            if self.output != Output::Ended {
                waiting = waiting.readable(Event::Output, &self.child.stdout);
            }
            if !has_ended && (self.output == Output::Ended || self.child.ends_response()) {
                waiting = waiting.process(Event::End, self.child.process());
            }
            if !errors_end {
                waiting = waiting.readable(Event::Errors, &self.child.stderr);
            }
            if let Some(client) = &client {
                waiting = waiting.on(Event::Client, client, PollFlags::IN | PollFlags::RDHUP);
            }
            let happened = waiting.wait()?;
            let has = |event| happened.iter().any(|(happened, _)| *happened == event);
            if has(Event::Errors) {
                errors_end = !self.read_lines();
            }
            if has(Event::Output) {
                self.read_output()?;
            }
            let now = Instant::now();
            let is_over = |limit: Option<Instant>| limit.is_some_and(|limit| limit <= now);
            if is_over(self.deadline) {
                return Ok(Ended::Deadline);
            }
            if has(Event::Client) || is_over(until) {
                return Ok(Ended::Wait);
            }
        }
    }

    fn output_ends(&mut self) {
        if let Output::Open(Some(excess @ 1..)) = self.output {
            self.say(&format!(
                "the body is {excess} bytes longer than its Content-Length: they were cut"
            ));
        }
        self.output = Output::Ended;
    }

    fn read_output(&mut self) -> io::Result<()> {
        match self.child.stdout.read(&mut [0; PIECE]) {
            Ok(0) => self.output_ends(),
            Ok(count) => {
                if let Output::Open(Some(excess)) = &mut self.output {
                    *excess += count as u64;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Gives whether there may be more.
    fn read_lines(&mut self) -> bool {
        let mut piece = [0; PIECE];
        match self.child.stderr.read(&mut piece) {
            Ok(count) if count > 0 => {
                let bytes = piece.get(..count).unwrap_or_default();
                self.lines.add(bytes, &*self.site);
                true
            }
            Err(error) => error.kind() == io::ErrorKind::Interrupted,
            Ok(_) => false,
        }
    }

    /// What was written before its end is there by now.
    fn take_last_lines(&mut self, mut errors_end: bool) {
        let now = Some(Instant::now());
        while !errors_end && matches!(wait::readable(&self.child.stderr, now), Ok(true)) {
            errors_end = !self.read_lines();
        }
        self.lines.finish(&*self.site);
    }

    fn end(mut self) {
        self.say("the script still worked when its time was over: it is ended");
        self.child.is_late();
        self.take_last_lines(false);
        self.child.end();
    }

    fn say(&self, text: &str) {
        self.site.host_says(self.number, text);
    }
}
