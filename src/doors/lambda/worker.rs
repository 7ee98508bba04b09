//! A worker's response, read to its end, or to the end of its time.

use std::io::{self, PipeReader, Read};
use std::thread;
use std::time::{Duration, Instant};

use contract::codes::Code;
use contract::handover::Ending;
use contract::outcome::Outcome;
use contract::progress::State;
use contract::report::Failure;
use rustix::process::Signal;
use wsgi_cgi_process::Exit;
use wsgi_cgi_process::time_limits::APPLICATION_GRACE;
use wsgi_cgi_process::wait::Waiting;

use crate::cgi::response::{CgiResponse, parse};
use crate::runner::parent::died;
use crate::runner::warm::resident::Taken;
use crate::wait;

/// For a stack on stderr.
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
                wanted = taking.inspect_err(|_| taken.process().signal_group(Signal::TERM))?;
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
    // An application may close what is not its own: then only its process tells of its end.
    let mut is_open = true;
    let ended = loop {
        match wait_for(taken, output.as_ref(), is_open, deadline)? {
            Some(Ready::Output) => read_piece(&mut output)?,
            // First what it has to say: it may have died right afterwards.
            Some(ready) => match word(taken, is_open, told) {
                Some(ended) => break ended,
                None if ready == Ready::Word => is_open = false,
                None => break Ended::Dead(death(taken)?),
            },
            None => return Ok(Ended::Dead(end_late(taken))),
        }
    };
    // What was written before that word is there by now.
    while output.is_some() && output.as_ref().is_some_and(wait::is_readable) {
        read_piece(&mut output)?;
    }
    Ok(match ended {
        Ended::Complete | Ended::Cut if wanted == Wanted::Nothing => Ended::Left,
        ended => ended,
    })
}

/// What the process says of its request, if it says something.
fn word(taken: &Taken<'_>, is_open: bool, told: &mut Option<Failure>) -> Option<Ended> {
    let mut control = taken.control();
    if !is_open || !wait::is_readable(control) {
        return None;
    }
    let ending = Ending::read(&mut control).ok()?;
    *told = ending.failure;
    Some(match ending.outcome {
        Outcome::Complete => Ended::Complete,
        _ => Ended::Cut,
    })
}

/// Why it says nothing.
fn death(taken: &Taken<'_>) -> io::Result<Failure> {
    let limit = Instant::now() + APPLICATION_GRACE;
    let exit = taken.process().exit_by(limit)?;
    let exit = exit.unwrap_or(Exit::Unknown);
    Ok(died(exit, State::Running, "its process"))
}

/// What has happened; the first of them counts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ready {
    Output,
    Word,
    End,
}

/// Waits for output, for the word, and for the end. The one process that serves all events answers many of them in
/// less time than it would take to fall asleep and to wake up.
fn wait_for(
    taken: &Taken<'_>,
    output: Option<&PipeReader>,
    is_open: bool,
    deadline: Option<Instant>,
) -> io::Result<Option<Ready>> {
    let wait = |deadline| {
        let happened = Waiting::until(deadline)
            .readable_if_any(Ready::Output, output)
            .readable_if_any(Ready::Word, is_open.then(|| taken.control()))
            .process(Ready::End, taken.process())
            .wait();
        happened.map(|happened| happened.first().map(|(ready, _)| *ready))
    };
    if matches!(taken, Taken::Same(_)) {
        let until = Instant::now() + SOON;
        while Instant::now() < until {
            let ready = wait(Some(Instant::now()))?;
            if ready.is_some() {
                return Ok(ready);
            }
            thread::yield_now();
        }
    }
    wait(deadline)
}

/// Lets it show where it is (faulthandler), and ends it.
fn end_late(taken: &Taken<'_>) -> Failure {
    let process = taken.process();
    process.signal(Signal::ABORT);
    let _ = process.ends_by(Some(Instant::now() + MOMENT));
    process.signal_group(Signal::KILL);
    Failure::new(Code::TIMED_OUT, "")
}
