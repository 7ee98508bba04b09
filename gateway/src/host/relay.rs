//! From a child's output to a client, in one loop: response, stderr, the client's leaving, and the deadlines.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};

use super::Host;
use super::child::Child;
use super::log::ScriptLines;
use super::reply::Reply;
use super::script_answer::{Ended, ScriptAnswer};
use crate::wait;

/// Read from a child at once; on the stack, which costs less than the heap at each request.
const PIECE: usize = 32 << 10;

/// How long a client may take nothing while its script can write no more and another request waits for the place.
const HELD: Duration = Duration::from_secs(10);
/// How long such a client may be waited for in all, however it reads, where its address has more places than that of the
/// other request would have with this one.
const HELD_ABOVE_SHARE: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_secs(1);

/// One child's exchange.
pub struct Relay<'a> {
    pub child: &'a mut Child,
    pub answer: ScriptAnswer<'a>,
    pub reply: &'a mut Reply,
    pub client: BorrowedFd<'a>,
    pub host: &'a Host,
    pub lines: &'a mut ScriptLines,
    /// When the child is ended.
    pub deadline: Option<Instant>,
}

/// What a round of waiting brought.
enum Round {
    Goes,
    OutputEnds,
    Over(Ended),
}

struct Waiting {
    /// The client has ended its side.
    has_ended: bool,
    /// Since when it has, or takes nothing; None if it still reads.
    left: Option<Instant>,
    errors_end: bool,
}

impl Relay<'_> {
    /// Passes the response on, until the client has all of it, or to the end of the script's output.
    pub fn run(mut self) -> io::Result<Ended> {
        let mut waiting = Waiting {
            has_ended: self.host.limits.half_closed.is_none(),
            left: None,
            errors_end: false,
        };
        let mut piece = [0; PIECE];
        loop {
            match self.round(&mut waiting, &mut piece)? {
                // The connection is free, whatever the script still does.
                Round::Goes if self.reply.is_sent() => return Ok(Ended::Delivered),
                Round::Goes => {}
                Round::OutputEnds => break,
                Round::Over(ended) => {
                    self.take_last_lines(&mut waiting, &mut piece);
                    return Ok(ended);
                }
            }
        }
        self.take_last_lines(&mut waiting, &mut piece);
        let status = match self.reply.is_open() || self.reply.status.is_none() {
            true => self.child.status(),
            // The response is whole, however its script ends.
            false => None,
        };
        let ended = self.answer.finish(self.reply, status, self.lines)?;
        // Now, and not after the child has been waited for. A client that is gone shows later.
        let _ = self.reply.send_some(self.client);
        Ok(ended)
    }

    fn round(&mut self, waiting: &mut Waiting, piece: &mut [u8]) -> io::Result<Round> {
        let (output, errors, client, end) = self.wait(waiting)?;
        let now = Instant::now();
        if client.intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL) {
            return Ok(Round::Over(Ended::ClientGone));
        }
        if client.contains(PollFlags::RDHUP) && !waiting.has_ended {
            waiting.has_ended = true;
            match self.reply.probe(self.client) {
                Ok(true) => {}
                Ok(false) => waiting.left = Some(now),
                Err(_) => return Ok(Round::Over(Ended::ClientGone)),
            }
        }
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            self.child.is_late();
            return Ok(Round::Over(Ended::TimedOut));
        }
        let is_late = |since: Option<Instant>, limit| {
            since.is_some_and(|since| now.saturating_duration_since(since) >= limit)
        };
        let half_closed = self.host.limits.half_closed;
        if half_closed.is_some_and(|limit| is_late(waiting.left, limit))
            || self
                .reply
                .deadline()
                .is_some_and(|deadline| deadline <= now)
            || (self.is_held()
                && match self.child.is_above_share() {
                    true => self.reply.waited(now) >= HELD_ABOVE_SHARE,
                    false => is_late(self.reply.waits_since(), HELD),
                })
        {
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
                    if self.host.is_stopping() {
                        self.reply.close_afterwards();
                    }
                    if let Some(ended) = self
                        .answer
                        .feed(self.reply, piece.get(..count).unwrap_or_default())?
                    {
                        round = Round::Over(ended);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        // Not even now: it may have written before it ended.
        if !end.is_empty() && output.is_empty() && !wait::is_readable(&self.child.stdout) {
            round = Round::OutputEnds;
        }
        if self.reply.is_pending() {
            match self.reply.send_some(self.client) {
                Err(_) => return Ok(Round::Over(Ended::ClientGone)),
                // If it is gone, its reset says so now.
                Ok(true) => waiting.left = None,
                Ok(false) => {}
            }
        }
        Ok(round)
    }

    /// Whether the script waits for a client, and another request for the script's place.
    fn is_held(&self) -> bool {
        self.reply.is_full() && self.host.slots.is_wanted()
    }

    fn wait(&self, waiting: &Waiting) -> io::Result<(PollFlags, PollFlags, PollFlags, PollFlags)> {
        let output = self.child.stdout.as_fd();
        let errors = self.child.stderr.as_fd();
        let mut interest = PollFlags::empty();
        if !waiting.has_ended {
            interest |= PollFlags::RDHUP;
        }
        if self.reply.is_pending() {
            interest |= PollFlags::OUT;
        }
        let mut polled = Vec::with_capacity(3);
        polled.push(PollFd::new(&self.client, interest));
        let reads_output = !self.reply.is_full();
        if reads_output {
            polled.push(PollFd::new(&output, PollFlags::IN));
        }
        if !waiting.errors_end {
            polled.push(PollFd::new(&errors, PollFlags::IN));
        }
        let end = self.child.process().descriptor();
        let end = end.filter(|_| reads_output && self.child.ends_response());
        polled.extend(end.as_ref().map(|end| PollFd::new(end, PollFlags::IN)));
        let deadline = [
            self.deadline,
            waiting
                .left
                .zip(self.host.limits.half_closed)
                .and_then(|(since, limit)| since.checked_add(limit)),
            self.reply.deadline(),
        ];
        // Whether the place is wanted is looked at now and then.
        let look = (!reads_output).then(|| Instant::now() + LOOK);
        wait::ready(
            &mut polled,
            deadline.into_iter().chain([look]).flatten().min(),
        )?;
        let mut found = polled.iter().map(PollFd::revents);
        let mut next = |is_there| match is_there {
            true => found.next().unwrap_or(PollFlags::empty()),
            false => PollFlags::empty(),
        };
        let client = next(true);
        let output = next(reads_output);
        let errors = next(!waiting.errors_end);
        Ok((output, errors, client, next(end.is_some())))
    }

    fn read_lines(&mut self, waiting: &mut Waiting, piece: &mut [u8]) {
        match self.child.stderr.read(piece) {
            Ok(count) if count > 0 => {
                let bytes = piece.get(..count).unwrap_or_default();
                self.lines.add(bytes, &*self.host.site);
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
        self.lines.finish(&*self.host.site);
    }
}
