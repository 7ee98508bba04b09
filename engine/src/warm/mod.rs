//! The zygote: imports the application once, keeps spares, replaces those that took a request, and ends as soon
//! as there is a reason to.

pub mod audit;
mod children;
mod forks;
mod life;
mod memory;
mod orders;
pub mod safety;
mod same_process;
mod spare;
mod started;
pub mod watch;

use std::collections::HashSet;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use contract::codes::Code;
use contract::descriptors::adopt;
use contract::report::{self, Failure};
use contract::warm::{Init, LOCK, Mode, ORDERS, REASON, REQUESTS, Start};
use pyo3::prelude::*;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with,
};
use rustix::process::{Signal, getpid, kill_process};
use wsgi_cgi_process::time_limits::{IMPORT, REASON_LIFE};

use self::audit::{Made, Notes};
use self::life::Zygote;
use self::watch::Noted;
use crate::{application, ending, invocation, rehearsal, startup};

/// Between the traceback of an import that hangs, and its end.
const MOMENT: Duration = Duration::from_secs(1);

/// Until it is tried again where a file has changed: one that changes itself must not be tried at each request.
const SOON: Duration = Duration::from_secs(2);

/// Requests that wait for a spare.
const BACKLOG: i32 = 1024;

/// What was imported.
pub struct Imported<'py> {
    /// The WSGI callable.
    pub application: Bound<'py, PyAny>,
    /// What it was made of; None where a change means nothing.
    pub noted: Option<Noted>,
    /// When the import began.
    pub began: Instant,
    /// How long it took.
    pub took: Duration,
    /// Who runs what it has registered for the end of the process.
    pub exit_handlers: ExitHandlers,
}

impl Imported<'_> {
    /// What has changed since, if anything counts.
    pub fn change(&self) -> Option<String> {
        self.noted.as_ref().and_then(Noted::change)
    }
}

/// Who runs the exit handlers that an import has registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitHandlers {
    /// Each process, as it would cold: they may send what the request has left to be sent.
    OfAll,
    /// The zygote alone: the import has made temporary files, which they may remove.
    OfZygote,
}

/// Reads what to be from `control`. `other` is the lock, held as long as it takes requests, or the socket of the
/// process that it is attached to. Ends the process.
pub fn live(py: Python<'_>, control: RawFd, other: RawFd) -> PyResult<()> {
    let not_ours = || io::Error::other("the descriptors of the handover are not open");
    let mut control = File::from(adopt(control).ok_or_else(not_ours)?);
    let other = adopt(other).ok_or_else(not_ours)?;
    let start = Start::read(&mut control)?;
    drop(control);
    let zygote = getpid();
    forks::prepare(py, other.as_raw_fd())?;
    let lived = match start.mode {
        Mode::Daemon => live_alone(py, &start, other),
        Mode::Attached | Mode::SameProcess => live_attached(py, &start, other.into()),
    };
    // Its forks end elsewhere, unless something fails. One that serves itself has imported for its requests.
    if getpid() == zygote && start.mode != Mode::SameProcess {
        started::end();
    }
    lived?;
    py.import("os")?.call_method1("_exit", (0,)).map(drop)
}

fn live_alone(py: Python<'_>, start: &Start, lock: OwnedFd) -> PyResult<()> {
    let reason = start.folder.join(REASON);
    // What was written up to now is settled when it is read.
    thread::sleep(watch::STEP);
    let failed = |error: io::Error| NotNow::Refused(format!("cannot start: {error}"));
    let prepared = fs::write(&reason, "it is being imported\n")
        .map_err(failed)
        .and_then(|()| prepare(py, start))
        .and_then(|imported| Ok((zygote(py, start, &imported)?, imported)));
    let why = match prepared {
        Ok((zygote, imported)) => {
            let _ = fs::remove_file(&reason);
            return zygote.run(py, &imported, lock);
        }
        Err(why) => why,
    };
    let age = match why {
        NotNow::Changed(_) => REASON_LIFE.saturating_sub(SOON),
        NotNow::Refused(_) | NotNow::Failed(_) => Duration::ZERO,
    };
    let why = why.to_string();
    let _ = File::create(&reason).and_then(|mut file| {
        file.write_all(why.as_bytes())?;
        // What is over soon is written as if some time had passed.
        file.set_modified(SystemTime::now() - age)
    });
    let failure = Failure::new(Code::NOT_WARMED, why);
    report::tell_line(&format!("{failure}\n"), start.job.error_log.as_deref());
    Ok(())
}

fn live_attached(py: Python<'_>, start: &Start, mut client: UnixStream) -> PyResult<()> {
    let prepared = prepare(py, start).and_then(|imported| match start.mode {
        Mode::SameProcess => Ok((None, imported)),
        _ => Ok((Some(zygote(py, start, &imported)?), imported)),
    });
    let init = match &prepared {
        Ok(_) => Init::Ready,
        Err(NotNow::Failed(failure)) => Init::Failed {
            code: failure.code.entry().code.to_owned(),
            reason: failure.reason.clone(),
            detail: failure.detail.clone(),
        },
        Err(why) => Init::NotForkable(why.to_string()),
    };
    client.write_all(&init.encode())?;
    match prepared {
        Ok((Some(zygote), imported)) => zygote.run(py, &imported, client.into()),
        Ok((None, imported)) => same_process::run(py, &imported, &client),
        Err(_) => Ok(()),
    }
}

/// Why there is no zygote.
enum NotNow {
    /// A file has changed meanwhile: a request may soon try again.
    Changed(String),
    /// It would be the same again.
    Refused(String),
    /// The application cannot be imported.
    Failed(Failure),
}

impl fmt::Display for NotNow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed(reason) | Self::Refused(reason) => f.write_str(reason),
            Self::Failed(failure) => write!(f, "{failure}\n{}", failure.detail),
        }
    }
}

/// Imports the application; or says why it cannot be kept.
fn prepare<'py>(py: Python<'py>, start: &Start) -> Result<Imported<'py>, NotNow> {
    let began = Instant::now();
    // An attached one is watched by its client, or by the platform.
    let watchdog = match start.mode {
        Mode::Daemon => Some(
            Watchdog::set(py, &start.folder.join(REASON))
                .map_err(|error| NotNow::Refused(format!("cannot start: {error}")))?,
        ),
        Mode::Attached | Mode::SameProcess => None,
    };
    let mut own: HashSet<RawFd> = safety::open_descriptors();
    let zygote = getpid();
    started::take_in();
    let imported = import(py, start);
    if getpid() != zygote {
        leave_fork(py, imported.is_ok());
    }
    if let Some(watchdog) = watchdog {
        watchdog.clear(py);
    }
    let (application, noted, made) = imported?;
    let took = began.elapsed();
    own.extend(
        noted
            .iter()
            .flat_map(Noted::inotify)
            .map(AsRawFd::as_raw_fd),
    );
    if start.mode != Mode::SameProcess {
        let objections = safety::objections(py, &own, &made);
        if !objections.is_empty() {
            return Err(NotNow::Refused(objections.join("\n")));
        }
    }
    started::leave_alone();
    let has_temporary_files = made.iter().any(|made| made.event.starts_with("tempfile."));
    Ok(Imported {
        application,
        noted,
        began,
        took,
        exit_handlers: match has_temporary_files {
            true => ExitHandlers::OfZygote,
            false => ExitHandlers::OfAll,
        },
    })
}

/// Binds the sockets, if nothing has changed since the import.
fn zygote<'a>(
    py: Python<'_>,
    start: &'a Start,
    imported: &Imported<'_>,
) -> Result<Zygote<'a>, NotNow> {
    if let Some(change) = imported.change() {
        return Err(NotNow::Changed(change));
    }
    Zygote::new(py, start, imported.began, |name| {
        appear(&start.folder, name)
    })
    .map_err(|error| NotNow::Refused(format!("cannot take requests: {error}")))
}

type Import<'py> = (Bound<'py, PyAny>, Option<Noted>, Vec<Made>);

fn import<'py>(py: Python<'py>, start: &Start) -> Result<Import<'py>, NotNow> {
    let raised = |error: PyErr| NotNow::Refused(error.to_string());
    // For the end of an import that hangs, for the workers, and for what they are tied by.
    for module in ["fcntl", "faulthandler", "atexit"] {
        py.import(module).map_err(raised)?;
    }
    let notes = match start.mode {
        Mode::Daemon => Some(Notes::Files),
        // It was deployed as it is.
        Mode::Attached => Some(Notes::Nothing),
        // What its import does stays with it.
        Mode::SameProcess => None,
    };
    let is_heard = notes.is_some();
    if let Some(notes) = notes {
        audit::begin(py, notes).map_err(raised)?;
    }
    startup::prepare(py, &start.job).map_err(raised)?;
    let application = application::load(py, &start.job).map_err(NotNow::Failed)?;
    if start.job.invocation.is_some() {
        invocation::prepare(py).map_err(raised)?;
    }
    if let Some(path) = &start.rehearse {
        rehearsal::run(py, &start.job, path, &application).map_err(raised)?;
    }
    let (noted, made) = match is_heard {
        true => audit::finish(py).map_err(raised)?,
        false => (None, Vec::new()),
    };
    if start.mode == Mode::Daemon && noted.is_none() {
        return Err(NotNow::Refused("nothing was noted".to_owned()));
    }
    let gc = py.import("gc").map_err(raised)?;
    gc.call_method0("freeze").map_err(raised)?;
    if is_heard {
        memory::use_huge_pages();
    }
    Ok((application, noted, made))
}

/// A socket under its public name, when it takes requests and not before.
fn appear(folder: &Path, name: &str) -> io::Result<OwnedFd> {
    let hidden = folder.join(format!("{name}.new"));
    match fs::remove_file(&hidden) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let socket = socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )?;
    bind(&socket, &SocketAddrUnix::new(&hidden)?)?;
    listen(&socket, BACKLOG)?;
    fs::rename(&hidden, folder.join(name))?;
    Ok(socket)
}

/// Nobody connects any more. The lock's file goes while it is locked: who waited for it sees that.
fn disappear(folder: &Path) {
    for name in [REQUESTS, ORDERS, LOCK] {
        let _ = fs::remove_file(folder.join(name));
    }
    let _ = fs::remove_dir(folder);
}

/// A process that the application has forked while it was imported, and that comes back from there, is no zygote.
fn leave_fork(py: Python<'_>, has_imported: bool) {
    ending::flush(py);
    let status = i32::from(!has_imported);
    let left = py
        .import("os")
        .and_then(|os| os.call_method1("_exit", (status,)));
    if left.is_err() {
        end_at_once();
    }
}

fn end_at_once() {
    let _ = kill_process(getpid(), Signal::KILL);
}

/// Ends an import that hangs, and what it has started, after it wrote where it hangs to the reason (faulthandler).
struct Watchdog {
    reason: Py<PyAny>,
    is_over: Sender<()>,
    thread: JoinHandle<()>,
}

impl Watchdog {
    fn set(py: Python<'_>, reason: &Path) -> PyResult<Self> {
        let file = py.import("io")?.call_method1("open", (reason, "a"))?;
        let options = pyo3::types::PyDict::new(py);
        options.set_item("file", &file)?;
        py.import("faulthandler")?.call_method(
            "dump_traceback_later",
            (IMPORT.as_secs(),),
            Some(&options),
        )?;
        let (is_over, waits) = channel();
        let thread = thread::Builder::new().spawn(move || {
            if waits.recv_timeout(IMPORT + MOMENT) == Err(RecvTimeoutError::Timeout) {
                started::end();
                end_at_once();
            }
        })?;
        Ok(Self {
            reason: file.unbind(),
            is_over,
            thread,
        })
    }

    fn clear(self, py: Python<'_>) {
        // Whatever fails here shows as a thread or a file that is left.
        let cancel = |py: Python<'_>| -> PyResult<()> {
            py.import("faulthandler")?
                .call_method0("cancel_dump_traceback_later")?;
            self.reason.bind(py).call_method0("close")?;
            Ok(())
        };
        drop(self.is_over);
        let _ = self.thread.join();
        if let Err(error) = cancel(py) {
            report::tell_line(&format!("{error}\n"), None);
        }
    }
}
