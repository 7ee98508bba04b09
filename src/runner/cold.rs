//! The cold runner: a child boots the interpreter; the parent, without Python, ends first.

use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::Instant;

use contract::handover::BodyLength;
use contract::progress::Progress;
use rustix::process::Pid;

use crate::python::boot::{self, EngineFile, Entry};
use crate::runner::drain::drain;
use crate::runner::fork::{Side, fork, leave};
use crate::runner::parent::{Ended, Parent};
use crate::runner::{Request, settle, signals};

/// Serves the request on descriptors 0, 1 and 2.
///
/// On return the body is drained and, if it is whole, the response is written; the process should
/// end at once: the child watches it, and lets go of the descriptors afterwards.
pub fn serve(request: Request) -> io::Result<Ended> {
    let (control, childs_control) = UnixStream::pair()?;
    let progress = Progress::claimed()?;
    let parent = rustix::process::getpid();
    let deadline = request.timeout.map(|limit| Instant::now() + limit);
    let signals = signals::listen()?;
    let mut engine = EngineFile::new().map_err(io::Error::other)?;
    match fork()? {
        Side::Child => {
            drop((control, signals));
            let error = child(&request, parent, engine, childs_control.into(), &progress);
            let text = format!("{}: {error:#}\n", request.interpreter.program.display());
            contract::report::tell_line(&text, request.job.error_log.as_deref());
            leave(1);
        }
        Side::Parent(child) => {
            drop(childs_control);
            engine.fill()?;
            // A child that died already is told about below.
            let _ = (&control).write_all(&request.job.encode());
            let ended = Parent::of_child(child, control, signals, progress)
                .wait_and_conclude(deadline, &request);
            engine.remove();
            ended
        }
    }
}

/// Becomes the interpreter; returns only if that fails.
fn child(
    request: &Request,
    parent: Pid,
    engine: EngineFile,
    control: OwnedFd,
    progress: &Progress,
) -> anyhow::Error {
    let prepared = || -> anyhow::Result<()> {
        // By hand, a process of another group may not read the terminal.
        if !rustix::termios::isatty(rustix::stdio::stdin()) {
            rustix::process::setpgid(None, None)?;
        }
        // Not before: the parent has to answer for a child that reached a limit.
        settle(request, request.limits, parent)?;
        boot::start(
            &request.interpreter,
            &request.job.environment,
            engine,
            Entry::Serve,
            control,
            progress.counter().try_clone_to_owned()?,
        )
    };
    match prepared() {
        Ok(()) => anyhow::anyhow!("the interpreter ended"),
        Err(error) => error,
    }
}

/// Drains the body of a request whose engine died or never ran: how much was read is not known.
pub fn drain_after_death(body: BodyLength) {
    drain(body, 0);
}
