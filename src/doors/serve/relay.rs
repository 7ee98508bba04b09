//! From a child's output to a client, in one loop: response, stderr, the client's leaving, and the deadlines.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};

use super::access_log::ScriptLines;
use super::child::{Author, Child, Script};
use super::failure_page::with_lines;
use super::reply::Reply;
use super::site::Site;
use crate::cgi::response::{self, CgiResponse, Head};
use crate::http::{Fields, limits};
use crate::wait;

/// Read from a child at once: what a pipe holds.
const PIECE: usize = 64 << 10;
/// A client that ended its side may still be reading: it gets what comes within this time.
const HALF_CLOSED: Duration = Duration::from_secs(1);
/// An error page is kept until its request's last lines are known.
const PAGE_LIMIT: usize = 4 << 20;

/// What came of it.
pub enum Ended {
    /// The answer was given, whole or cut.
    Answered,
    /// The answer is that of another path (RFC 3875 section 6.2.2).
    LocalRedirect(Vec<u8>),
    /// Nothing was answered: what the child wrote is no response.
    Invalid(String),
    /// Nothing was answered in time.
    TimedOut,
    /// Nobody waits for an answer.
    ClientGone,
}

/// One child's exchange.
pub struct Relay<'a> {
    pub child: &'a mut Child,
    pub script: &'a Script,
    pub reply: &'a mut Reply,
    pub client: BorrowedFd<'a>,
    pub site: &'a Site,
    pub lines: &'a mut ScriptLines,
    /// When the child is ended.
    pub deadline: Option<Instant>,
    /// Goes into the response's head.
    pub timing: Option<Timing>,
}

/// For Server-Timing.
#[derive(Clone, Copy)]
pub struct Timing {
    /// When the request was there.
    pub started: Instant,
    /// How long starting the child took.
    pub spawn: Duration,
}

enum State {
    Head(Vec<u8>),
    Body,
    /// A page that waits for the last lines.
    Page(Head, Vec<u8>),
    Raw,
}

/// What a round of waiting brought.
enum Round {
    Goes,
    OutputEnds,
    Over(Ended),
}

struct Waiting {
    /// The client has ended its side.
    left: Option<Instant>,
    /// Since when the client takes nothing.
    stalled: Option<Instant>,
    errors_end: bool,
}

impl Relay<'_> {
    /// Passes the response on, to its end.
    pub fn run(mut self) -> io::Result<Ended> {
        let mut state = match self.script.is_nph {
            true => State::Raw,
            false => State::Head(Vec::new()),
        };
        let mut waiting = Waiting {
            left: None,
            stalled: None,
            errors_end: false,
        };
        let mut piece = vec![0; PIECE];
        loop {
            match self.round(&mut state, &mut waiting, &mut piece)? {
                Round::Goes => {}
                Round::OutputEnds => break,
                Round::Over(ended) => return Ok(ended),
            }
        }
        self.take_last_lines(&mut waiting, &mut piece);
        self.finish(state)
    }

    fn round(
        &mut self,
        state: &mut State,
        waiting: &mut Waiting,
        piece: &mut [u8],
    ) -> io::Result<Round> {
        let (output, errors, client) = self.wait(waiting)?;
        let now = Instant::now();
        if client.intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL) {
            return Ok(Round::Over(Ended::ClientGone));
        }
        if client.contains(PollFlags::RDHUP) {
            waiting.left.get_or_insert(now);
        }
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            self.reply.cut();
            return Ok(Round::Over(match self.reply.status {
                None => Ended::TimedOut,
                Some(_) => Ended::Answered,
            }));
        }
        let is_late =
            |since: Option<Instant>, limit| since.is_some_and(|since| since + limit <= now);
        if is_late(waiting.left, HALF_CLOSED) || is_late(waiting.stalled, limits::BODY_TIME) {
            return Ok(Round::Over(Ended::ClientGone));
        }
        if !errors.is_empty() {
            self.read_lines(waiting, piece);
        }
        let mut round = Round::Goes;
        if !output.is_empty() {
            match self.child.stdout.read(piece) {
                Ok(0) => round = Round::OutputEnds,
                Ok(count) => {
                    if let Some(ended) = self.feed(state, piece.get(..count).unwrap_or_default())? {
                        round = Round::Over(ended);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if self.reply.is_pending() {
            match self.reply.send_some(self.client) {
                Err(_) => return Ok(Round::Over(Ended::ClientGone)),
                Ok(true) => {
                    waiting.stalled = None;
                    // It takes what it gets: it has only ended its own side.
                    waiting.left = waiting.left.map(|_| now);
                }
                Ok(false) => {
                    waiting.stalled.get_or_insert(now);
                }
            }
        }
        Ok(round)
    }

    fn wait(&self, waiting: &Waiting) -> io::Result<(PollFlags, PollFlags, PollFlags)> {
        let output = self.child.stdout.as_fd();
        let errors = self.child.stderr.as_fd();
        let mut interest = PollFlags::empty();
        if waiting.left.is_none() {
            interest |= PollFlags::RDHUP;
        }
        if self.reply.is_pending() {
            interest |= PollFlags::OUT;
        }
        let mut polled = vec![PollFd::new(&self.client, interest)];
        let reads_output = !self.reply.is_full();
        if reads_output {
            polled.push(PollFd::new(&output, PollFlags::IN));
        }
        if !waiting.errors_end {
            polled.push(PollFd::new(&errors, PollFlags::IN));
        }
        let deadline = [
            self.deadline,
            waiting.left.map(|since| since + HALF_CLOSED),
            waiting.stalled.map(|since| since + limits::BODY_TIME),
        ];
        wait::ready(&mut polled, deadline.into_iter().flatten().min())?;
        let mut found = polled.iter().map(PollFd::revents);
        let client = found.next().unwrap_or(PollFlags::empty());
        let mut next = |is_there| match is_there {
            true => found.next().unwrap_or(PollFlags::empty()),
            false => PollFlags::empty(),
        };
        let output = next(reads_output);
        Ok((output, next(!waiting.errors_end), client))
    }

    fn read_lines(&mut self, waiting: &mut Waiting, piece: &mut [u8]) {
        match self.child.stderr.read(piece) {
            Ok(count) if count > 0 => {
                let bytes = piece.get(..count).unwrap_or_default();
                self.lines.add(bytes, &self.site.log);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            _ => waiting.errors_end = true,
        }
    }

    /// What was written before the response ended is there by now.
    fn take_last_lines(&mut self, waiting: &mut Waiting, piece: &mut [u8]) {
        let now = Some(Instant::now());
        while !waiting.errors_end && matches!(wait::readable(&self.child.stderr, now), Ok(true)) {
            self.read_lines(waiting, piece);
        }
        self.lines.finish(&self.site.log);
    }

    fn feed(&mut self, state: &mut State, bytes: &[u8]) -> io::Result<Option<Ended>> {
        match state {
            State::Body => self.reply.body(bytes)?,
            State::Raw => self.reply.raw(bytes)?,
            State::Page(_, page) => {
                if page.len() < PAGE_LIMIT {
                    page.extend_from_slice(bytes);
                }
            }
            State::Head(begun) => {
                begun.extend_from_slice(bytes);
                match response::parse(begun, false) {
                    Ok(None) => {}
                    Ok(Some((CgiResponse::LocalRedirect(path), _))) => {
                        return Ok(Some(Ended::LocalRedirect(path)));
                    }
                    Ok(Some((CgiResponse::Document(head), length))) => {
                        let rest = begun.split_off(length);
                        *state = self.begin(head)?;
                        return self.feed(state, &rest);
                    }
                    Err(reason) => return Ok(Some(Ended::Invalid(reason))),
                }
            }
        }
        Ok(None)
    }

    fn begin(&mut self, head: Head) -> io::Result<State> {
        let is_failure = head
            .fields
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("X-CGI-Failure"));
        if is_failure && !self.reply.is_head() {
            return Ok(State::Page(head, Vec::new()));
        }
        self.send_head(&head, head.content_length)?;
        Ok(State::Body)
    }

    fn send_head(&mut self, head: &Head, length: Option<u64>) -> io::Result<()> {
        if self.site.stopping.load(Ordering::Relaxed) {
            self.reply.close_afterwards();
        }
        let mut fields = Fields::default();
        for (name, value) in &head.fields {
            // RFC 3875 section 6.3.5: what begins so is between script and server.
            let is_internal = name
                .get(..6)
                .is_some_and(|start| start.eq_ignore_ascii_case("X-CGI-"));
            if !is_internal {
                fields.push(name.clone(), value.clone());
            }
        }
        if let Some(timing) = self.timing {
            let milliseconds = |time: Duration| time.as_secs_f64() * 1000.0;
            let value = format!(
                "spawn;dur={:.1}, total;dur={:.1}",
                milliseconds(timing.spawn),
                milliseconds(timing.started.elapsed())
            );
            fields.push("Server-Timing", value);
        }
        self.reply
            .begin(head.status, head.reason.as_deref(), &fields, length)
    }

    /// The output has ended.
    fn finish(mut self, state: State) -> io::Result<Ended> {
        let status = match self.reply.is_open() || self.reply.status.is_none() {
            true => self.child.status(),
            // The response is whole, however its script ends.
            false => None,
        };
        match state {
            State::Head(begun) => {
                return match response::parse(&begun, true) {
                    Ok(Some((CgiResponse::LocalRedirect(path), _))) => {
                        Ok(Ended::LocalRedirect(path))
                    }
                    Err(reason) => Ok(Ended::Invalid(with_status(reason, status))),
                    // It would have been taken when it came.
                    Ok(_) => Ok(Ended::Invalid("its head is not whole".into())),
                };
            }
            State::Page(head, page) => {
                let page = with_lines(page, self.lines.last());
                self.send_head(&head, Some(page.len() as u64))?;
                self.reply.body(&page)?;
            }
            State::Raw if self.reply.status.is_none() => {
                return Ok(Ended::Invalid(with_status(
                    "it wrote nothing".into(),
                    status,
                )));
            }
            State::Body | State::Raw => {}
        }
        self.end_body(status)?;
        // Now, and not after the child has been waited for. A client that is gone shows later.
        let _ = self.reply.send_some(self.client);
        Ok(Ended::Answered)
    }

    fn end_body(&mut self, status: Option<ExitStatus>) -> io::Result<()> {
        let is_cut = status.is_some_and(|status| match self.script.author {
            Author::Ourselves => !status.success(),
            // An exit status of 1 may mean anything; a signal does not.
            Author::Other => status.signal().is_some(),
        });
        if is_cut && self.reply.is_open() {
            self.reply.cut();
            self.say("the response was cut: its script failed");
            return Ok(());
        }
        match self.reply.end()? {
            0 => {}
            missing => self.say(&format!(
                "the body is {missing} bytes shorter than its Content-Length: the connection is closed"
            )),
        }
        match self.reply.excess {
            0 => {}
            excess => self.say(&format!(
                "the body is {excess} bytes longer than its Content-Length: they were cut"
            )),
        }
        Ok(())
    }

    fn say(&self, text: &str) {
        self.site
            .log
            .line(self.lines.number(), &format!("wsgi-cgi: {text}"));
    }
}

fn with_status(reason: String, status: Option<ExitStatus>) -> String {
    match status {
        Some(status) if !status.success() => format!("{reason} ({status})"),
        _ => reason,
    }
}
