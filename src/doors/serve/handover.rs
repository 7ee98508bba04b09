//! A request handed to a zygote's worker by the listener itself: nothing is executed.

use std::collections::BTreeMap;
use std::error::Error;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use contract::handover::Ending;
use contract::outcome::Outcome;
use contract::progress::State;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Signal, pidfd_send_signal};
use wsgi_cgi_gateway::host::{Child, Process, Script, Slot};
use wsgi_cgi_process::Exit;

use crate::doors::cgi;
use crate::gateway::Variables;
use crate::runner::parent;
use crate::runner::warm::{Handed, Seat, Streams, offer, open_folder};
use crate::wait;

/// How long a worker that shows where it is may take.
const GRACE: Duration = Duration::from_secs(3);
/// Between the end of a worker and its zygote's word on it.
const MOMENT: Duration = Duration::from_millis(50);

/// A worker that has taken the request; or the slot again, and why a child must be started. That one will start a
/// zygote, or say what is wrong.
pub fn hand_over(
    script: &Script,
    umask: u32,
    variables: &Variables,
    stdin: BorrowedFd<'_>,
    slot: Slot,
) -> io::Result<Result<Child, (Slot, String)>> {
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
        return Ok(Err((slot, "the request cannot be prepared".to_owned())));
    };
    if request.record.is_some() {
        // It keeps the request's body, and writes the file.
        return Ok(Err((
            slot,
            "--record wants a process for each request".to_owned(),
        )));
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
        Err(reason) => Err((slot, reason)),
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
    /// By its zygote's, if that could say it.
    Died(Option<Exit>),
}

impl Process for Worker {
    fn pid(&self) -> Pid {
        self.handed.worker.pid()
    }

    fn descriptor(&self) -> BorrowedFd<'_> {
        self.handed.worker.process()
    }

    fn status(&mut self) -> Option<ExitStatus> {
        let exited = |code: u8| ExitStatus::from_raw(i32::from(code) << 8);
        match self.report()? {
            // As the program itself would end.
            Report::Ended(outcome) => Some(exited(outcome.exit_status())),
            Report::Died(Some(Exit::Exited(code))) => Some(exited(code)),
            Report::Died(Some(Exit::Signalled(number))) => {
                Some(ExitStatus::from_raw(number.into()))
            }
            Report::Died(Some(Exit::Unknown) | None) => None,
        }
    }

    /// It shows where it is, on stderr, and ends (faulthandler). A process of our own keeps its limit itself, and does
    /// the same.
    fn is_late(&self) {
        if pidfd_send_signal(self.descriptor(), Signal::ABORT).is_ok() {
            self.ends_until(Instant::now() + GRACE);
        }
    }

    /// Nobody else can answer for it.
    fn failure(&mut self) -> Option<Box<dyn Error + Send + Sync>> {
        match self.report()? {
            Report::Ended(_) => None,
            Report::Died(death) => {
                let failure = parent::died(death, State::Running, "its zygote");
                Some(Box::new(failure))
            }
        }
    }
}

impl Worker {
    /// How it ended, if it has.
    fn report(&mut self) -> Option<Report> {
        let has_ended = self.ends_until(Instant::now());
        if self.report.is_none() {
            let now = Some(Instant::now());
            let control = &mut self.handed.control;
            // Its own word comes first: it may have ended right afterwards.
            let told = matches!(wait::readable(&*control, now), Ok(true))
                .then(|| Ending::read(control).ok())
                .flatten();
            self.report = match told {
                Some(ending) => Some(Report::Ended(ending.outcome)),
                None if has_ended => {
                    let death = self.handed.worker.death(Instant::now() + MOMENT);
                    Some(Report::Died(death))
                }
                None => None,
            };
        }
        self.report
    }

    fn ends_until(&self, deadline: Instant) -> bool {
        matches!(wait::readable(self.descriptor(), Some(deadline)), Ok(true))
    }
}
