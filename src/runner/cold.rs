//! The cold runner: a child boots the interpreter; the parent, without Python, ends first.

use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::time::Instant;

use contract::handover::BodyLength;
use contract::progress::Progress;
use rustix::process::Pid;
use wsgi_cgi_process::Process;

use crate::python::boot::{self, EngineFile, Entry, FILLED};
use crate::runner::drain::drain;
use crate::runner::fork::{Side, fork, leave};
use crate::runner::parent::{Ended, Handed, Parent};
use crate::runner::{Request, settle, signals};

/// Serves the request on descriptors 0, 1 and 2.
///
/// On return the body is drained and, if it is whole, the response is written; the process should
/// end at once: the child watches it, and lets go of the descriptors afterwards.
pub fn serve(request: Request) -> io::Result<Ended> {
    let deadline = request.timeout.map(|limit| Instant::now() + limit);
    let mut engine = EngineFile::new().map_err(boot::flat)?;
    let (control, childs_control) = UnixStream::pair()?;
    // Not through the socket: an interpreter that is slow to read it would keep this process from its deadline.
    let job = boot::message(&request.job.encode())?;
    let progress = Progress::claimed()?;
    let parent = rustix::process::getpid();
    let signals = signals::listen()?;
    match fork()? {
        Side::Child => {
            drop((control, signals));
            let entry = Entry::Serve {
                job,
                control: childs_control,
                progress: progress.counter().try_clone_to_owned()?,
            };
            let error = child(&request, parent, engine, entry);
            let text = format!("{}: {error:#}\n", request.interpreter.program.display());
            contract::report::tell_line(&text, request.job.error_log.as_deref());
            leave(1);
        }
        Side::Parent(child) => {
            drop((job, childs_control));
            let filled = engine.fill();
            if filled.is_ok() {
                // A child that died already is told about below.
                let _ = (&control).write_all(&[FILLED]);
            }
            let handed = Handed {
                control,
                progress,
                process: Process::child(child),
            };
            let parent = Parent::of(handed, signals);
            let ended = match filled {
                Ok(()) => parent.wait_and_conclude(deadline, &request),
                Err(error) => {
                    parent.give_up();
                    Err(error)
                }
            };
            engine.remove();
            ended
        }
    }
}

/// Becomes the interpreter; returns only if that fails.
fn child(request: &Request, parent: Pid, engine: EngineFile, entry: Entry) -> anyhow::Error {
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
            entry,
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
