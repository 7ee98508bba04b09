//! A process that serves one request after another itself (`--same-process`): what persistent servers do, and what no
//! other mode of this program does.

use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use contract::handover::Ending;
use contract::passing;
use contract::progress::{Reached, State};
use contract::warm::Offer;
use pyo3::prelude::*;
use rustix::event::{PollFd, PollFlags};
use rustix::fs::Mode;
use rustix::io::fcntl_dupfd_cloexec;
use rustix::process::{fchdir, umask};
use wsgi_cgi_process::wait::ready_unless_interrupted;

use super::Imported;
use crate::descriptors::Descriptors;
use crate::environ::variable;
use crate::{request, startup, timing};

/// A client that says that a request is coming sends it within this time: sleeping would take longer to end.
const SOON: Duration = Duration::from_micros(200);

/// A signal that comes just before a wait, or in a thread of the application, interrupts none: its handler runs so late.
const PAUSE: Duration = Duration::from_secs(1);

/// The only variables of a request in `os.environ`: guards against httpoxy look for the first, traces for the second.
const OF_REQUEST: [&str; 2] = ["REQUEST_METHOD", "_X_AMZN_TRACE_ID"];

/// Serves what comes from the client, until that is gone, or this process is told to end.
pub fn run(py: Python<'_>, imported: &Imported<'_>, client: &UnixStream) -> PyResult<()> {
    startup::collect_garbage_again(py)?;
    // The progress of the last request: by writing to it, the client tells of the next one.
    let mut sign = None;
    while is_wanted(py, client, sign.as_ref())? {
        sign = Some(serve(py, imported, client)?);
    }
    // As at the end of any process that has imported the application.
    py.import("atexit")?
        .call_method0("_run_exitfuncs")
        .map(drop)
}

fn serve(py: Python<'_>, imported: &Imported<'_>, mut client: &UnixStream) -> PyResult<OwnedFd> {
    let (passed, mut message) = passing::receive(client, Offer::USUAL)?;
    let entered = timing::now();
    let [stdin, stdout, stderr, progress, folder] = <[OwnedFd; 5]>::try_from(passed)
        .map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
    let offer = Offer::read(&mut message)?;
    let sign = fcntl_dupfd_cloexec(&progress, 3).map_err(io::Error::from)?;
    let progress = Reached::new(progress);
    progress.tell(State::Running)?;
    // 0 and 1 lead to the request in no moment; 2 is the same in all of them.
    drop(stderr);
    fchdir(folder).map_err(io::Error::from)?;
    umask(Mode::from_raw_mode(offer.umask));
    let own = Descriptors {
        body: stdin,
        response: stdout,
    };
    for name in OF_REQUEST {
        startup::set_variable(py, name, variable(&offer.job, name))?;
    }
    let application = &imported.application;
    let tell = |ending: Ending| {
        forget(&sign);
        // A client that is gone shows when the next request is waited for.
        let _ = client.write_all(&ending.encode());
    };
    request::run_one_of_many(py, entered, &offer.job, own, progress, application, tell)?;
    Ok(sign)
}

/// Waits for a request; gives false when no other will come. The application's threads run meanwhile.
fn is_wanted(py: Python<'_>, client: &UnixStream, sign: Option<&OwnedFd>) -> PyResult<bool> {
    loop {
        let waited = py.detach(|| {
            let waited = wait(client, sign, Instant::now() + PAUSE);
            if let (Ok((false, _)), Some(sign)) = (&waited, sign) {
                forget(sign);
                return spin(client);
            }
            waited
        });
        match waited {
            Ok((true, is_open)) => return Ok(is_open),
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error.into()),
            Ok((false, _)) | Err(_) => py.check_signals()?,
        }
    }
}

/// Whether the client has something to read, and whether it is still there.
fn wait(
    client: &UnixStream,
    sign: Option<&OwnedFd>,
    deadline: Instant,
) -> io::Result<(bool, bool)> {
    let client = client.as_fd();
    let mut polled = vec![PollFd::new(&client, PollFlags::IN)];
    polled.extend(sign.map(|sign| PollFd::new(sign, PollFlags::IN)));
    ready_unless_interrupted(&mut polled, Some(deadline))?;
    let found = polled[0].revents();
    Ok((!found.is_empty(), found == PollFlags::IN))
}

fn spin(client: &UnixStream) -> io::Result<(bool, bool)> {
    let until = Instant::now() + SOON;
    loop {
        let waited = wait(client, None, Instant::now())?;
        if waited.0 || Instant::now() >= until {
            return Ok(waited);
        }
        thread::yield_now();
    }
}

/// What was written to it means nothing any more.
fn forget(sign: &OwnedFd) {
    let _ = rustix::io::read(sign, &mut [0; 8]);
}
