//! A spare: forked and waiting; it takes one request, becomes its worker, and ends with it.

use std::fs::File;
use std::io::{self, PipeReader, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use contract::passing;
use contract::progress::{Reached, State};
use contract::warm::{Answer, Offer, Start};
use pyo3::prelude::*;
use rustix::event::PollFlags;
use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout, socket_peercred};
use rustix::net::{SocketFlags, accept_with};
use rustix::process::{
    Pid, PidfdFlags, Signal, fchdir, geteuid, getpid, getppid, pidfd_open,
    set_parent_process_death_signal, setpgid, umask,
};
use rustix::stdio;
use wsgi_cgi_process::wait::{Waiting, is_readable};

use super::life::CHANGED;
use super::memory::{Learner, Touched};
use super::{ExitHandlers, Imported};
use crate::{request, startup, timing};

/// Its value means nothing.
const GREETING: u8 = b'w';

/// A client sends its offer at once.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a spare has of its zygote.
pub struct Spare<'a> {
    pub start: &'a Start,
    pub zygote: Pid,
    pub listener: OwnedFd,
    /// Tells the zygote that a request was taken.
    pub taken: &'a OwnedFd,
    /// The memory that requests touch, if this spare is to touch it ahead.
    pub touched: Option<&'a Touched>,
    /// Will tell the client how this process ended.
    pub status: PipeReader,
}

/// A request that this process has.
pub struct Taken<'a> {
    control: UnixStream,
    progress: Reached,
    streams: Streams,
    offer: Offer,
    learner: Option<Learner<'a>>,
}

/// What came with it.
struct Streams {
    /// Body, response and complaints.
    streams: [OwnedFd; 3],
    /// The working folder.
    folder: OwnedFd,
}

impl<'a> Spare<'a> {
    /// Waits for a request; gives none when the zygote takes no more, or this process cannot serve one.
    pub fn take(self, py: Python<'_>, imported: &Imported<'_>) -> Option<Taken<'a>> {
        setpgid(None, None).ok()?;
        self.tie_to_zygote().ok()?;
        prepare(py, imported.exit_handlers).ok()?;
        // Not while a request waits.
        let touched = self.touched.filter(|_| !is_readable(&self.listener));
        let mut learner = touched.and_then(Touched::touch);
        loop {
            match accept_with(&self.listener, SocketFlags::CLOEXEC) {
                // A client that goes away, or says what nobody understands, is nobody's request.
                Ok(socket) => {
                    if let Ok(Some(taken)) = self.consider(socket.into(), imported) {
                        let learner = learner.take();
                        return Some(Taken { learner, ..taken });
                    }
                    // It may have been untied for a request that it does not serve after all.
                    self.tie_to_zygote().ok()?;
                }
                Err(Errno::INTR) => py.check_signals().ok()?,
                Err(_) => return None,
            }
        }
    }

    /// No spare outlives its zygote.
    fn tie_to_zygote(&self) -> io::Result<()> {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        match getppid() == Some(self.zygote) {
            true => Ok(()),
            false => Err(io::Error::other("the zygote is gone")),
        }
    }

    /// Tells the zygote. A full pipe tells it as much as one more number would.
    fn tell(&self, number: u32) {
        let _ = rustix::io::write(self.taken, &number.to_ne_bytes());
    }

    /// Reads an offer, and accepts it if it is for us, nothing has changed, and nobody has withdrawn it.
    fn consider(
        &self,
        socket: UnixStream,
        imported: &Imported<'_>,
    ) -> io::Result<Option<Taken<'a>>> {
        if socket_peercred(&socket)?.uid != geteuid() {
            return Ok(None);
        }
        set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE))?;
        // The client sends its descriptors when there is somebody to take them.
        (&socket).write_all(&[GREETING])?;
        // It has begun: what changes from here on is for the next request.
        let change = imported.change();
        let (passed, mut message) = passing::receive(&socket, Offer::USUAL)?;
        let [stdin, stdout, stderr, progress, folder] = <[OwnedFd; 5]>::try_from(passed)
            .map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
        let offer = Offer::read(&mut message)?;
        drop(message);
        let objection = match offer.identity == self.start.identity {
            false => Some("it is for another application".to_owned()),
            true => change,
        };
        if let Some(reason) = objection {
            self.tell(CHANGED);
            passing::send(&socket, &[], &Answer::Declined(reason).encode())?;
            return Ok(None);
        }
        let own = pidfd_open(getpid(), PidfdFlags::empty())?;
        let pid = std::process::id();
        // From here on the zygote's death is not ours.
        set_parent_process_death_signal(None)?;
        let passed = [own.as_fd(), self.status.as_fd()];
        passing::send(&socket, &passed, &Answer::Accepted(pid).encode())?;
        let progress = Reached::new(progress);
        if !progress.claim() {
            // The client has withdrawn it.
            return Ok(None);
        }
        self.tell(pid);
        Ok(Some(Taken {
            control: socket,
            progress,
            streams: Streams {
                streams: [stdin, stdout, stderr],
                folder,
            },
            offer,
            learner: None,
        }))
    }
}

/// Becomes the worker of a request.
pub fn serve(py: Python<'_>, taken: Taken<'_>, imported: &Imported<'_>) -> PyResult<()> {
    let entered = timing::now();
    let Taken {
        control,
        progress,
        streams,
        offer,
        learner,
    } = taken;
    tie_to_client(py, &control)?;
    take_over(streams, offer.umask)?;
    contract::limits::apply(&offer.limits);
    progress.tell(State::Running)?;
    let prepare = || startup::environment(py, &offer.job);
    let control = Control {
        file: File::from(OwnedFd::from(control)),
        py,
        learner,
    };
    let application = Some(&imported.application);
    request::run(
        py,
        entered,
        &offer.job,
        control,
        progress,
        application,
        prepare,
    )
}

/// Makes this process's descriptors, folder and mask those of the request.
fn take_over(taken: Streams, mask: u32) -> io::Result<()> {
    let [stdin, stdout, stderr] = taken.streams;
    stdio::dup2_stdin(stdin)?;
    stdio::dup2_stdout(stdout)?;
    stdio::dup2_stderr(stderr)?;
    fchdir(taken.folder)?;
    umask(Mode::from_raw_mode(mask));
    Ok(())
}

/// The kernel ends this process when its client is gone (fcntl(2), F_SETSIG).
fn tie_to_client(py: Python<'_>, control: &UnixStream) -> PyResult<()> {
    set_signal(py, control.as_fd(), true)?;
    let now = Waiting::until(Some(Instant::now()));
    match now.on((), control, PollFlags::empty()).wait()?.is_empty() {
        true => Ok(()),
        false => Err(io::Error::from(io::ErrorKind::BrokenPipe).into()),
    }
}

fn set_signal(py: Python<'_>, control: BorrowedFd<'_>, is_on: bool) -> PyResult<()> {
    let fcntl = py.import("fcntl")?;
    let call = |command: &str, argument: i64| {
        let command = fcntl.getattr(command)?;
        fcntl
            .call_method1("fcntl", (control.as_raw_fd(), command, argument))?
            .extract::<i64>()
    };
    if is_on {
        call("F_SETOWN", getpid().as_raw_nonzero().get().into())?;
        call("F_SETSIG", Signal::KILL.as_raw().into())?;
    }
    let flag: i64 = fcntl.getattr("FASYNC")?.extract()?;
    let flags = call("F_GETFL", 0)?;
    let flags = if is_on { flags | flag } else { flags & !flag };
    call("F_SETFL", flags).map(drop)
}

/// The way to the client: its end is the plan as soon as it was told how the request ended.
struct Control<'a, 'py> {
    file: File,
    py: Python<'py>,
    learner: Option<Learner<'a>>,
}

impl Write for Control<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        set_signal(self.py, self.file.as_fd(), false).map_err(io::Error::other)?;
        let count = self.file.write(bytes)?;
        // The request is over, and nobody waits.
        if let Some(learner) = self.learner.take() {
            learner.tell();
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Only the logs are closed at the end of this process.
const FORGET_EXIT_HANDLERS: &std::ffi::CStr = c"
import atexit, sys
atexit._clear()
if 'logging' in sys.modules:
    atexit.register(sys.modules['logging'].shutdown)
if 'weakref' in sys.modules:
    finalize = sys.modules['weakref'].finalize
    for each in list(finalize._registry):
        each.atexit = False
    finalize._registered_with_atexit = False
";

/// What a fork needs beside Python's own hooks: its own exit handlers, other seeds for numpy and torch.
fn prepare(py: Python<'_>, exit_handlers: ExitHandlers) -> PyResult<()> {
    if exit_handlers == ExitHandlers::OfZygote {
        py.run(FORGET_EXIT_HANDLERS, None, None)?;
    }
    let modules = py.import("sys")?.getattr("modules")?;
    for (module, function) in [("numpy.random", "seed"), ("torch.random", "seed")] {
        if modules.contains(module)? {
            modules.get_item(module)?.call_method0(function)?;
        }
    }
    Ok(())
}
