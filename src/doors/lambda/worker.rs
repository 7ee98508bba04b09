//! A worker's response, read to its end, or to the end of its time.

use std::io::{self, PipeReader, Read};
use std::os::fd::AsFd;
use std::thread;
use std::time::{Duration, Instant};

use contract::codes::Code;
use contract::handover::Ending;
use contract::outcome::Outcome;
use contract::progress::State;
use contract::report::Failure;
use rustix::event::{PollFd, PollFlags};
use rustix::process::{Signal, pidfd_send_signal};

use crate::cgi::response::{CgiResponse, parse};
use crate::runner::parent::died;
use crate::runner::warm::resident::Taken;
use crate::wait;

/// For a stack on stderr, and for a word that follows a response.
const MOMENT: Duration = Duration::from_millis(200);

/// Read at once; on the stack, which costs less than the heap at each event.
const PIECE: usize = 16 << 10;

/// How long an answer is waited for without sleeping.
const SOON: Duration = Duration::from_micros(300);

/// How a worker's request ended.
pub enum Ended {
    /// The response is whole.
    Complete,
    /// It is not: the engine has told why.
    Cut,
    /// The worker is dead, or was too slow; nobody has told why.
    Dead(Failure),
    /// Nobody wants the rest.
    Left,
}

/// Whether more is wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    More,
    Nothing,
}

/// A whole response, or why there is none.
pub enum Collected {
    /// Head and body.
    Whole(Vec<u8>),
    /// It is longer than it may be.
    TooLarge,
    /// The worker is dead, was too slow, or has cut it.
    Failed(Failure),
}

/// Reads the whole response, of at most `limit` bytes.
pub fn collect(
    taken: &Taken<'_>,
    stdout: PipeReader,
    deadline: Option<Instant>,
    limit: usize,
    told: &mut Option<Failure>,
) -> io::Result<Collected> {
    let mut answer = Vec::new();
    let ended = read(taken, stdout, deadline, told, |piece| {
        answer.extend_from_slice(piece);
        Ok(match answer.len() > limit {
            true => Wanted::Nothing,
            false => Wanted::More,
        })
    })?;
    Ok(match ended {
        Ended::Complete => Collected::Whole(answer),
        // The engine has told why, and written a page instead.
        Ended::Cut if is_whole(&answer) => Collected::Whole(answer),
        Ended::Cut => Collected::Failed(cut()),
        Ended::Dead(failure) => Collected::Failed(failure),
        Ended::Left => Collected::TooLarge,
    })
}

/// What is told of a response whose end is missing.
pub fn cut() -> Failure {
    Failure::new(Code::INEXPRESSIBLE, "it ended before it was whole")
}

/// Whether this response has the length that it promises: the page of a failure has.
pub fn is_whole(answer: &[u8]) -> bool {
    let Ok(Some((CgiResponse::Document(head), length))) = parse(answer, true) else {
        return false;
    };
    head.content_length == Some((answer.len() - length) as u64)
}

/// Reads the response from `stdout` piece by piece, until its process says how the request ended; `told` gets what
/// it has told of a failure.
pub fn read(
    taken: &Taken<'_>,
    stdout: PipeReader,
    deadline: Option<Instant>,
    told: &mut Option<Failure>,
    mut take: impl FnMut(&[u8]) -> io::Result<Wanted>,
) -> io::Result<Ended> {
    let mut piece = [0; PIECE];
    let mut wanted = Wanted::More;
    let mut read_piece = |output: &mut Option<PipeReader>| {
        let Some(stdout) = output else { return Ok(()) };
        match stdout.read(&mut piece) {
            Ok(0) => *output = None,
            Ok(count) => {
                let taking = take(piece.get(..count).unwrap_or_default());
                // Nobody reads what it would still write.
                wanted = taking.inspect_err(|_| taken.signal(Signal::TERM))?;
                if wanted == Wanted::Nothing {
                    *output = None;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        Ok(())
    };
    let mut output = Some(stdout);
    let ended = loop {
        match wait_for(taken, output.as_ref(), deadline)? {
            Some(Ready::Output) => read_piece(&mut output)?,
            Some(Ready::Word) => break word(taken, told),
            None => return Ok(Ended::Dead(end_late(taken))),
        }
    };
    // What was written before that word is there by now.
    while output.is_some()
        && let Some(Ready::Output) = poll(taken, output.as_ref(), Some(Instant::now()))?
    {
        read_piece(&mut output)?;
    }
    Ok(match ended {
        Ended::Complete | Ended::Cut if wanted == Wanted::Nothing => Ended::Left,
        ended => ended,
    })
}

/// What the process says of its request, or why it says nothing.
fn word(taken: &Taken<'_>, told: &mut Option<Failure>) -> Ended {
    match Ending::read(&mut taken.control()) {
        Ok(ending) => {
            *told = ending.failure;
            match ending.outcome {
                Outcome::Complete => Ended::Complete,
                _ => Ended::Cut,
            }
        }
        Err(_) => {
            let death = taken.death(Instant::now() + MOMENT);
            Ended::Dead(died(death, State::Running, "its process"))
        }
    }
}

/// What there is to read.
enum Ready {
    Output,
    Word,
}

/// Waits for output, and for the word. The one process that serves all events answers many of them in less time than
/// it would take to fall asleep and to wake up.
fn wait_for(
    taken: &Taken<'_>,
    output: Option<&PipeReader>,
    deadline: Option<Instant>,
) -> io::Result<Option<Ready>> {
    if matches!(taken, Taken::Same(_)) {
        let until = Instant::now() + SOON;
        while Instant::now() < until {
            let ready = poll(taken, output, Some(Instant::now()))?;
            if ready.is_some() {
                return Ok(ready);
            }
            thread::yield_now();
        }
    }
    poll(taken, output, deadline)
}

fn poll(
    taken: &Taken<'_>,
    output: Option<&PipeReader>,
    deadline: Option<Instant>,
) -> io::Result<Option<Ready>> {
    let word = taken.control().as_fd();
    let mut polled = vec![PollFd::new(&word, PollFlags::IN)];
    polled.extend(output.map(|output| PollFd::new(output, PollFlags::IN)));
    if !wait::ready(&mut polled, deadline)? {
        return Ok(None);
    }
    let has_output = polled
        .get(1)
        .is_some_and(|output| !output.revents().is_empty());
    Ok(Some(if has_output {
        Ready::Output
    } else {
        Ready::Word
    }))
}

/// Lets it show where it is (faulthandler), and ends it.
fn end_late(taken: &Taken<'_>) -> Failure {
    let _ = pidfd_send_signal(taken.process(), Signal::ABORT);
    let _ = wait::readable(taken.process(), Some(Instant::now() + MOMENT));
    taken.signal(Signal::KILL);
    Failure::new(Code::TIMED_OUT, "")
}
