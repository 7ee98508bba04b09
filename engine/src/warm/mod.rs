//! The zygote: imports the application once, keeps spares, replaces those that took a request, and ends as soon
//! as there is a reason to.

mod audit;
mod children;
mod life;
mod memory;
mod orders;
mod safety;
mod spare;
pub mod watch;

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use contract::descriptors::adopt;
use contract::report;
use contract::warm::{LOCK, ORDERS, REASON, REASON_LIFE, REQUESTS, Start};
use pyo3::prelude::*;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with,
};

use self::audit::Made;
use self::life::Zygote;
use self::watch::Noted;
use crate::{application, rehearsal, startup};

/// An import that takes longer hangs.
const IMPORT_LIMIT: u32 = 60;

/// Until it is tried again where a file has changed: one that changes itself must not be tried at each request.
const SOON: Duration = Duration::from_secs(2);

/// Requests that wait for a spare.
const BACKLOG: i32 = 1024;

/// What was imported.
pub struct Imported<'py> {
    /// The WSGI callable.
    pub application: Bound<'py, PyAny>,
    /// What it was made of.
    pub noted: Noted,
    /// How long it took.
    pub took: Duration,
    /// Who runs what it has registered for the end of the process.
    pub exit_handlers: ExitHandlers,
}

/// Who runs the exit handlers that an import has registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitHandlers {
    /// Each process, as it would cold: they may send what the request has left to be sent.
    OfAll,
    /// The zygote alone: the import has made temporary files, which they may remove.
    OfZygote,
}

/// Reads what to be from `control`; holds `lock` as long as it takes requests. Ends the process.
pub fn live(py: Python<'_>, control: RawFd, lock: RawFd) -> PyResult<()> {
    let not_ours = || io::Error::other("the descriptors of the handover are not open");
    let mut control = File::from(adopt(control).ok_or_else(not_ours)?);
    let lock = adopt(lock).ok_or_else(not_ours)?;
    let start = Start::read(&mut control)?;
    drop(control);
    let reason = start.folder.join(REASON);
    // What was written up to now is settled when it is read.
    thread::sleep(watch::STEP);
    match prepare(py, &start) {
        Ok((zygote, imported)) => {
            let _ = fs::remove_file(&reason);
            zygote.run(py, &imported, lock)?;
        }
        Err(why) => {
            let (why, age) = match why {
                NotNow::Changed(why) => (why, REASON_LIFE.saturating_sub(SOON)),
                NotNow::Refused(why) => (why, Duration::ZERO),
            };
            let _ = File::create(&reason).and_then(|mut file| {
                file.write_all(why.as_bytes())?;
                // What is over soon is written as if some time had passed.
                file.set_modified(SystemTime::now() - age)
            });
            report::tell_line(
                &format!("not warmed: {why}\n"),
                start.job.error_log.as_deref(),
            );
        }
    }
    py.import("os")?.call_method1("_exit", (0,)).map(drop)
}

/// Why there is no zygote.
enum NotNow {
    /// A file has changed meanwhile: a request may soon try again.
    Changed(String),
    /// It would be the same again.
    Refused(String),
}

impl From<String> for NotNow {
    fn from(reason: String) -> Self {
        Self::Refused(reason)
    }
}

/// Imports the application, and binds the sockets; or says why not.
fn prepare<'a, 'py>(
    py: Python<'py>,
    start: &'a Start,
) -> Result<(Zygote<'a>, Imported<'py>), NotNow> {
    let failed = |what: &str, error: &dyn std::fmt::Display| format!("{what}: {error}");
    let reason = start.folder.join(REASON);
    fs::write(&reason, "it is being imported\n").map_err(|error| failed("cannot start", &error))?;
    let began = Instant::now();
    let watchdog = Watchdog::set(py, &reason).map_err(|error| failed("cannot start", &error))?;
    let mut own: HashSet<RawFd> = safety::open_descriptors().collect();
    let imported = import(py, start);
    watchdog.clear(py);
    let (application, noted, made) = imported?;
    let took = began.elapsed();
    let noted = noted.ok_or("nothing was noted".to_owned())?;
    own.extend(noted.inotify().map(AsRawFd::as_raw_fd));
    let objections = safety::objections(py, &own, &made);
    if !objections.is_empty() {
        return Err(NotNow::Refused(objections.join("\n")));
    }
    if let Some(change) = noted.change() {
        return Err(NotNow::Changed(change));
    }
    let has_temporary_files = made.iter().any(|made| made.event.starts_with("tempfile."));
    let wrong = |error: io::Error| failed("cannot take requests", &error);
    let zygote = Zygote::new(start, began, |name| appear(&start.folder, name)).map_err(wrong)?;
    let imported = Imported {
        application,
        noted,
        took,
        exit_handlers: match has_temporary_files {
            true => ExitHandlers::OfZygote,
            false => ExitHandlers::OfAll,
        },
    };
    Ok((zygote, imported))
}

type Import<'py> = (Bound<'py, PyAny>, Option<Noted>, Vec<Made>);

fn import<'py>(py: Python<'py>, start: &Start) -> Result<Import<'py>, String> {
    let raised = |error: PyErr| error.to_string();
    // For the end of an import that hangs, for the workers, and for what they are tied by.
    for module in ["fcntl", "faulthandler", "atexit"] {
        py.import(module).map_err(raised)?;
    }
    audit::begin(py).map_err(raised)?;
    startup::prepare(py, &start.job).map_err(raised)?;
    let application = application::load(py, &start.job)
        .map_err(|failure| format!("{failure}\n{}", failure.detail))?;
    if let Some(path) = &start.rehearse {
        rehearsal::run(py, &start.job, path, &application).map_err(raised)?;
    }
    let (noted, made) = audit::finish(py).map_err(raised)?;
    let gc = py.import("gc").map_err(raised)?;
    gc.call_method0("freeze").map_err(raised)?;
    memory::use_huge_pages();
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

/// Ends an import that hangs, and writes where it does to the reason (faulthandler).
struct Watchdog(Py<PyAny>);

impl Watchdog {
    fn set(py: Python<'_>, reason: &Path) -> PyResult<Self> {
        let file = py.import("io")?.call_method1("open", (reason, "a"))?;
        let options = pyo3::types::PyDict::new(py);
        options.set_item("exit", true)?;
        options.set_item("file", &file)?;
        py.import("faulthandler")?.call_method(
            "dump_traceback_later",
            (IMPORT_LIMIT,),
            Some(&options),
        )?;
        Ok(Self(file.unbind()))
    }

    fn clear(self, py: Python<'_>) {
        // Whatever fails here shows as a thread or a file that is left.
        let cancel = |py: Python<'_>| -> PyResult<()> {
            py.import("faulthandler")?
                .call_method0("cancel_dump_traceback_later")?;
            self.0.bind(py).call_method0("close")?;
            Ok(())
        };
        if let Err(error) = cancel(py) {
            let _ = writeln!(io::stderr(), "{error}");
        }
    }
}
