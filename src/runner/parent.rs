//! The parent of a request: without Python, it outlives whatever happens to the child, and ends first.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use contract::codes::Code;
use contract::handover::Ending;
use contract::outcome::Outcome;
use contract::progress::{Progress, State};
use contract::report::Failure;
use nix::sys::signal::Signal as Number;
use nix::sys::signalfd::SignalFd;
use rustix::event::{PollFd, PollFlags};
use rustix::process::{
    Pid, Signal, WaitOptions, WaitStatus, kill_process, kill_process_group, pidfd_send_signal,
    waitpid,
};
use wsgi_cgi_gateway::host::signal_group;
use wsgi_cgi_process::Exit;

use crate::runner::Request;
use crate::runner::drain::drain;
use crate::runner::warm::Handed;
use crate::wait;

/// A child that was told to end has this long; web servers kill us after three seconds.
const GRACE: Duration = Duration::from_secs(2);

/// As long as the engine gives late work: what is left after the last promised byte.
const LATE_GRACE: Duration = Duration::from_secs(60);

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

/// The front's side of a request that is running: it waits, passes signals on, and tells how it ended.
pub struct Parent {
    child: Process,
    control: UnixStream,
    signals: SignalFd,
    progress: Progress,
    /// The signal that this process was told to end by.
    told_to_end: Option<i32>,
}

/// Who runs the application.
enum Process {
    /// A child of this process.
    Child(Pid),
    /// A zygote's.
    Worker(Worker),
}

/// A process that a zygote has forked and waits for.
pub struct Worker {
    pid: Pid,
    process: OwnedFd,
    status: OwnedFd,
}

/// Why waiting is over.
enum End {
    Reported(Ending),
    /// None where nobody could say how.
    Died(Option<Exit>),
    TimedOut,
}

impl Worker {
    /// By its number, its pidfd, and the pipe that will tell how it ended.
    pub fn new(pid: Pid, process: OwnedFd, status: OwnedFd) -> Self {
        Self {
            pid,
            process,
            status,
        }
    }

    /// The process, to be waited for.
    pub fn process(&self) -> BorrowedFd<'_> {
        self.process.as_fd()
    }

    /// Its number, and that of its group.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// How it ended, as its zygote says; None if that is not there to say it, or does not by the deadline.
    pub fn death(&self, deadline: Instant) -> Option<Exit> {
        wait::readable(&self.status, Some(deadline)).ok()?;
        let mut bytes = [0; 2];
        let count = rustix::io::read(&self.status, &mut bytes).ok()?;
        Exit::from_bytes(bytes.get(..count)?)
    }

    /// Signals it, and what it has started.
    pub fn signal(&self, signal: Signal) {
        signal_group(self.pid, &self.process, signal);
    }
}

impl Process {
    /// How it ended; None if it has not, which is waited for if `patience` is given.
    fn death(&self, patience: Option<Duration>) -> io::Result<Option<Option<Exit>>> {
        match self {
            Self::Child(pid) => {
                let options = match patience {
                    Some(_) => WaitOptions::empty(),
                    None => WaitOptions::NOHANG,
                };
                let ended = waitpid(Some(*pid), options)?;
                Ok(ended.map(|(_, status)| Some(death(status))))
            }
            Self::Worker(worker) => {
                Ok(patience.map(|patience| worker.death(Instant::now() + patience)))
            }
        }
    }

    fn signal_group(&self, signal: Signal) {
        match self {
            // By hand the child is in our own group, and the terminal has told it as well.
            Self::Child(pid) => {
                let _ = kill_process_group(*pid, signal).or_else(|_| kill_process(*pid, signal));
            }
            Self::Worker(worker) => worker.signal(signal),
        }
    }

    fn signal(&self, signal: Signal) {
        match self {
            Self::Child(pid) => drop(kill_process(*pid, signal)),
            Self::Worker(worker) => drop(pidfd_send_signal(&worker.process, signal)),
        }
    }
}

/// What waiting for a process told.
pub fn death(status: WaitStatus) -> Exit {
    let byte = |number: i32| u8::try_from(number).unwrap_or(u8::MAX);
    match status.terminating_signal() {
        Some(number) => Exit::Signalled(byte(number)),
        None => Exit::Exited(byte(status.exit_status().unwrap_or_default())),
    }
}

impl Parent {
    /// For a child that has just been started.
    pub fn of_child(
        child: Pid,
        control: UnixStream,
        signals: SignalFd,
        progress: Progress,
    ) -> Self {
        Self::of(Process::Child(child), control, signals, progress)
    }

    /// For a worker that has accepted the request.
    pub fn of_worker(handed: Handed, signals: SignalFd) -> Self {
        let Handed {
            control,
            progress,
            worker,
        } = handed;
        Self::of(Process::Worker(worker), control, signals, progress)
    }

    fn of(child: Process, control: UnixStream, signals: SignalFd, progress: Progress) -> Self {
        Self {
            child,
            control,
            signals,
            progress,
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

    fn wait(&mut self, deadline: Option<Instant>) -> io::Result<End> {
        let mut deadline = deadline;
        loop {
            let control = self.control.as_fd();
            let signals = self.signals.as_fd();
            let mut polled = [
                PollFd::new(&control, PollFlags::IN),
                PollFd::new(&signals, PollFlags::IN),
            ];
            if !wait::ready(&mut polled, deadline)? {
                return self.end_by_force();
            }
            let (reported, signalled) = (
                !polled[0].revents().is_empty(),
                !polled[1].revents().is_empty(),
            );
            // First what the child has to say: it may have died right afterwards.
            if reported && let Ok(ending) = Ending::read(&mut &self.control) {
                return Ok(End::Reported(ending));
            }
            if signalled && let Some(grace) = self.pass_on()? {
                let end = Instant::now() + grace;
                deadline = Some(deadline.map_or(end, |deadline| deadline.min(end)));
            }
            if (reported || signalled)
                && let Some(death) = self.child.death(reported.then_some(GRACE))?
            {
                return Ok(End::Died(death));
            }
        }
    }

    /// Reads the signals that have come; gives how long the child still has, if it was told to end.
    fn pass_on(&mut self) -> io::Result<Option<Duration>> {
        let mut grace = None;
        while let Some(info) = self.signals.read_signal()? {
            let number = i32::try_from(info.ssi_signo).unwrap_or(0);
            if number == Number::SIGCHLD as i32 {
                continue;
            }
            if number == Number::SIGTERM as i32
                && self.told_to_end.is_none()
                && self.progress.state() == State::Completing
            {
                // Lighttpd has the last byte that was promised, and says good-bye; once, and for good.
                self.told_to_end = Some(number);
                grace = Some(LATE_GRACE);
                continue;
            }
            if let Some(signal) = Signal::from_named_raw(number) {
                self.told_to_end = Some(number);
                grace = Some(GRACE);
                self.child.signal_group(signal);
            }
        }
        Ok(grace)
    }

    /// The time is over: the engine's fault handler shows the Python stack, then nothing is left.
    fn end_by_force(&mut self) -> io::Result<End> {
        if self.told_to_end.is_none() {
            self.child.signal(Signal::ABORT);
            // Its end closes the control socket.
            let _ = wait::readable(&self.control, Some(Instant::now() + GRACE));
        }
        self.child.signal_group(Signal::KILL);
        let death = self.child.death(Some(GRACE))?;
        Ok(match self.told_to_end {
            Some(_) => End::Died(death.flatten()),
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
            End::Died(death) => {
                // Whatever it had started is nobody's any more; a worker's zygote sees to that.
                self.child.signal_group(Signal::KILL);
                died(death, progress, &request.job.interpreter)
            }
        };
        let outcome = match self.told_to_end {
            Some(number) => Outcome::Killed(u8::try_from(number).unwrap_or(0)),
            None => failure.code.entry().outcome,
        };
        ended(outcome, Some(failure), None)
    }
}

/// What is told of a process that ended without a report.
pub fn died(death: Option<Exit>, progress: State, interpreter: &str) -> Failure {
    let exit = match death {
        Some(Exit::Signalled(number)) => {
            let name = Number::try_from(i32::from(number)).map_or("unknown", Number::as_str);
            return Failure::new(Code::CRASHED, name);
        }
        Some(Exit::Exited(status)) => format!("exit status {status}"),
        Some(Exit::Unknown) | None => "how is not known: its zygote is gone".to_owned(),
    };
    match progress {
        State::Offered | State::Withdrawn | State::Claimed => {
            let reason = format!("{interpreter}; it ended with {exit}");
            Failure::new(Code::PYTHON_DID_NOT_START, reason)
        }
        _ => Failure::new(Code::DIED, exit),
    }
}
