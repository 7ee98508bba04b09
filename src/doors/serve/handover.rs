//! A request handed to a zygote's worker by the listener itself: nothing is executed.

use std::collections::BTreeMap;
use std::error::Error;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::process::ExitStatus;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use contract::handover::Ending;
use contract::outcome::Outcome;
use contract::progress::State;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::Signal;
use wsgi_cgi_gateway::host::{self, Child, Script, Slot};
use wsgi_cgi_process::time_limits::{APPLICATION_GRACE, ZYGOTE_REST};
use wsgi_cgi_process::{Exit, Process};

use crate::doors::cgi;
use crate::gateway::Variables;
use crate::runner::parent::{self, Handed};
use crate::runner::warm::{Seat, Streams, offer, open_folder};
use crate::wait;

/// Until when a zygote that has not answered is not asked again.
#[derive(Default)]
pub struct ZygoteRest(Mutex<Option<Instant>>);

/// Why a child must be started.
pub struct Cold {
    /// For a person.
    pub reason: String,
    /// The child need not ask the zygote again.
    pub was_asked: bool,
}

impl ZygoteRest {
    fn is_over(&self) -> bool {
        let until = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_none_or(|until| until <= Instant::now())
    }

    fn begin(&self) {
        let until = Instant::now() + ZYGOTE_REST;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
    }
}

/// A worker that has taken the request; or the slot again, and why a child must be started. That one will start a
/// zygote, or say what is wrong.
pub fn hand_over(
    script: &Script,
    umask: u32,
    variables: &Variables,
    stdin: BorrowedFd<'_>,
    slot: Slot,
    rest: &ZygoteRest,
) -> io::Result<Result<Child, (Slot, Cold)>> {
    let cold = |reason: &str, was_asked| Cold {
        reason: reason.to_owned(),
        was_asked,
    };
    if !rest.is_over() {
        let reason = "its zygote did not answer a moment ago";
        return Ok(Err((slot, cold(reason, true))));
    }
    // As the child would have it.
    let mut environment: BTreeMap<OsString, OsString> =
        script.environment.iter().cloned().collect();
    let text = |bytes: &Vec<u8>| OsStr::from_bytes(bytes).to_owned();
    environment.extend(
        variables
            .iter()
            .map(|(name, value)| (text(name), text(value))),
    );
    let Ok(request) = cgi::request(script.arguments.clone(), environment) else {
        return Ok(Err((slot, cold("the request cannot be prepared", false))));
    };
    if request.record.is_some() {
        // It keeps the request's body, and writes the file.
        let reason = "--record wants a process for each request";
        return Ok(Err((slot, cold(reason, false))));
    }
    let seat = Seat::of(&request, &script.directory);
    let folder = request.chdir.as_deref().unwrap_or(&script.directory);
    let folder = open_folder(folder)?;
    let (stdout, writes_stdout) = pipe_with(PipeFlags::CLOEXEC)?;
    let (stderr, writes_stderr) = pipe_with(PipeFlags::CLOEXEC)?;
    let streams = Streams {
        streams: [stdin, writes_stdout.as_fd(), writes_stderr.as_fd()],
        folder: folder.as_fd(),
        umask,
    };
    Ok(match offer(&request, &seat, &streams)? {
        Ok(handed) => {
            let outputs: [OwnedFd; 2] = [stdout, stderr];
            let worker = Worker {
                handed,
                report: None,
            };
            Ok(slot.adopt(Box::new(worker), outputs)?)
        }
        Err(no_worker) => {
            if no_worker.is_silent {
                rest.begin();
            }
            Err((slot, cold(&no_worker.reason, true)))
        }
    })
}

/// A zygote's process, and how it ended, when that is known.
struct Worker {
    handed: Handed,
    report: Option<Report>,
}

/// How a worker ended.
#[derive(Clone, Copy)]
enum Report {
    /// By its own word.
    Ended(Outcome),
    /// By its zygote's.
    Died(Exit),
}

impl host::Process for Worker {
    fn process(&self) -> &Process {
        &self.handed.process
    }

    fn status(&mut self) -> Option<ExitStatus> {
        match self.report()? {
            // As the program itself would end.
            Report::Ended(outcome) => Exit::Exited(outcome.exit_status()).status(),
            Report::Died(exit) => exit.status(),
        }
    }

    /// It shows where it is, on stderr, and ends (faulthandler). A process of our own keeps its limit itself, and does
    /// the same.
    fn is_late(&self) {
        let process = self.process();
        process.signal(Signal::ABORT);
        let _ = process.ends_by(Some(Instant::now() + APPLICATION_GRACE));
    }

    /// Nobody else can answer for it.
    fn failure(&mut self) -> Option<Box<dyn Error + Send + Sync>> {
        match self.report()? {
            Report::Ended(_) => None,
            Report::Died(exit) => {
                let failure = parent::died(exit, State::Running, "its zygote");
                Some(Box::new(failure))
            }
        }
    }
}

impl Worker {
    /// How it ended, if it has.
    fn report(&mut self) -> Option<Report> {
        let Handed {
            control, process, ..
        } = &self.handed;
        let has_ended = process.has_ended();
        if self.report.is_none() {
            // Its own word comes first: it may have ended right afterwards.
            let told = wait::is_readable(control).then(|| Ending::read(&mut &*control).ok());
            self.report = match told.flatten() {
                Some(ending) => Some(Report::Ended(ending.outcome)),
                None if has_ended => {
                    let exit = process.exit_by(Instant::now() + APPLICATION_GRACE);
                    let exit = exit.ok().flatten().unwrap_or(Exit::Unknown);
                    Some(Report::Died(exit))
                }
                None => None,
            };
        }
        self.report
    }
}
