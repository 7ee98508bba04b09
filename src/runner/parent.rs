//! The parent of a request: without Python, it outlives whatever happens to the child, and ends first.

use std::io;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use contract::codes::Code;
use contract::handover::Ending;
use contract::outcome::Outcome;
use contract::progress::{Progress, State};
use contract::report::Failure;
use rustix::process::Signal;
use wsgi_cgi_process::signals::{Number, Signals};
use wsgi_cgi_process::time_limits::{APPLICATION_GRACE, LATE_WORK};
use wsgi_cgi_process::wait::Waiting;
use wsgi_cgi_process::{Exit, Process};

use crate::runner::Request;
use crate::runner::drain::drain;
use crate::wait;

/// A report is written at once. Whatever else an application writes to that socket may be half a message.
pub const REPORT_LIMIT: Duration = Duration::from_secs(1);

/// How a request ended, and what the parent has still to tell about it.
pub struct Ended {
    /// For the exit status.
    pub outcome: Outcome,
    /// Not told by the engine, which is dead.
    pub failure: Option<Failure>,
    /// Told by the engine, if the application is to blame.
    pub told: Option<Failure>,
    /// Whether the response may have begun.
    pub progress: State,
    /// Whether this process was told to end meanwhile.
    pub was_told_to_end: bool,
}

/// A process that has a request, or is about to.
pub struct Handed {
    /// Its end of the handover.
    pub control: UnixStream,
    /// How far it got.
    pub progress: Progress,
    /// A child of this process, or a zygote's.
    pub process: Process,
}

/// The front's side of a request that is running: it waits, passes signals on, and tells how it ended.
pub struct Parent {
    process: Process,
    /// None when it has ended without a report: an application may close descriptors that are not its own.
    control: Option<UnixStream>,
    signals: Signals,
    progress: Progress,
    /// The signal that this process was told to end by.
    told_to_end: Option<Number>,
}

/// What is waited for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ready {
    Report,
    Signal,
    End,
}

/// Why waiting is over.
enum End {
    Reported(Ending),
    Died(Exit),
    TimedOut,
}

impl Parent {
    /// For a child that has just been started, or a worker that has accepted the request.
    pub fn of(handed: Handed, signals: Signals) -> Self {
        // Without it, the report is read as it comes.
        let _ = handed.control.set_read_timeout(Some(REPORT_LIMIT));
        Self {
            process: handed.process,
            control: Some(handed.control),
            signals,
            progress: handed.progress,
            told_to_end: None,
        }
    }

    /// Waits for the end, at most until `deadline`, and takes what is left of the body.
    pub fn wait_and_conclude(
        mut self,
        deadline: Option<Instant>,
        request: &Request,
    ) -> io::Result<Ended> {
        let end = self.wait(deadline)?;
        Ok(self.conclude(end, request))
    }

    fn wait(&mut self, mut deadline: Option<Instant>) -> io::Result<End> {
        loop {
            let happened = Waiting::until(deadline)
                .readable_if_any(Ready::Report, self.control.as_ref())
                .readable(Ready::Signal, &self.signals)
                .process(Ready::End, &self.process)
                .wait()?;
            if happened.is_empty() {
                return self.end_by_force();
            }
            let is = |ready| happened.iter().any(|(name, _)| *name == ready);
            // First what the child has to say: it may have died right afterwards.
            if (is(Ready::Report) || is(Ready::End))
                && let Some(ending) = self.report()
            {
                return Ok(End::Reported(ending));
            }
            if let Some(grace) = self.pass_on()? {
                let end = Instant::now() + grace;
                deadline = Some(deadline.map_or(end, |deadline| deadline.min(end)));
            }
            if is(Ready::End) {
                let limit = Instant::now() + APPLICATION_GRACE;
                let exit = self.process.exit_by(limit)?;
                return Ok(End::Died(exit.unwrap_or(Exit::Unknown)));
            }
        }
    }

    /// The report, if there is one. When the socket has ended without, only the process tells of its end.
    fn report(&mut self) -> Option<Ending> {
        let control = self.control.as_ref()?;
        if !wait::is_readable(control) {
            return None;
        }
        let ending = Ending::read(&mut &*control).ok();
        if ending.is_none() {
            self.control = None;
        }
        ending
    }

    /// Reads the signals that have come; gives how long the child still has, if it was told to end.
    fn pass_on(&mut self) -> io::Result<Option<Duration>> {
        let mut grace = None;
        while let Some(number) = self.signals.read()? {
            if number == Number::SIGTERM
                && self.told_to_end.is_none()
                && self.progress.state() == State::Completing
            {
                // Lighttpd has the last byte that was promised, and says good-bye; once, and for good.
                self.told_to_end = Some(number);
                grace = Some(LATE_WORK);
                continue;
            }
            if let Some(signal) = Signal::from_named_raw(number as i32) {
                self.told_to_end = Some(number);
                grace = Some(APPLICATION_GRACE);
                // By hand the child is in our own group, and the terminal has told it as well.
                self.process.signal_group(signal);
            }
        }
        Ok(grace)
    }

    /// The time is over: the engine's fault handler shows the Python stack, then nothing is left.
    fn end_by_force(&mut self) -> io::Result<End> {
        let limit = || Instant::now() + APPLICATION_GRACE;
        if self.told_to_end.is_none() {
            self.process.signal(Signal::ABORT);
            self.process.ends_by(Some(limit()))?;
        }
        self.process.signal_group(Signal::KILL);
        let exit = self.process.exit_by(limit())?;
        Ok(match self.told_to_end {
            Some(_) => End::Died(exit.unwrap_or(Exit::Unknown)),
            None => End::TimedOut,
        })
    }

    fn conclude(&mut self, end: End, request: &Request) -> Ended {
        let progress = self.progress.state();
        let body = request.job.body;
        let was_told_to_end = self.told_to_end.is_some();
        let ended = |outcome, failure, told| Ended {
            outcome,
            failure,
            told,
            progress,
            was_told_to_end,
        };
        let failure = match end {
            End::Reported(ending) => {
                drain(body, ending.body_consumed);
                return ended(ending.outcome, None, ending.failure);
            }
            End::TimedOut => {
                let limit = request.timeout.unwrap_or_default().as_secs_f64();
                Failure::new(Code::TIMED_OUT, format!("{limit} seconds"))
            }
            End::Died(exit) => died(exit, progress, &request.job.interpreter),
        };
        // Whatever it had started is nobody's any more; a worker's zygote sees to that.
        self.process.kill_group_and_reap();
        let outcome = match self.told_to_end {
            Some(number) => Outcome::Killed(u8::try_from(number as i32).unwrap_or(0)),
            None => failure.code.entry().outcome,
        };
        ended(outcome, Some(failure), None)
    }

    /// Ends a child that cannot get its request.
    pub fn give_up(mut self) {
        self.process.signal(Signal::KILL);
        let _ = self
            .process
            .ends_by(Some(Instant::now() + APPLICATION_GRACE));
        self.process.kill_group_and_reap();
    }
}

/// What is told of a process that ended without a report.
pub fn died(exit: Exit, progress: State, interpreter: &str) -> Failure {
    let exit = match exit {
        Exit::Signalled(number) => {
            let name = Number::try_from(i32::from(number)).map_or("unknown", Number::as_str);
            return Failure::new(Code::CRASHED, name);
        }
        Exit::Exited(status) => format!("exit status {status}"),
        Exit::Unknown => {
            "an unknown exit status: its preloading process (zygote) is gone or does not answer"
                .to_owned()
        }
    };
    match progress {
        State::Offered | State::Withdrawn | State::Claimed => {
            let reason = format!("{interpreter}; it ended with {exit}");
            Failure::new(Code::PYTHON_DID_NOT_START, reason)
        }
        _ => Failure::new(Code::DIED, exit),
    }
}
