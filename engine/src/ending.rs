//! The careful ending: report, let the front die first, let go, and only then do late work.

use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Mutex;
use std::time::Instant;

use contract::handover::{Ending, Job};
use contract::report;
use pyo3::prelude::*;
use rustix::process::{Pid, PidfdFlags, pidfd_open, set_parent_process_death_signal};
use wsgi_cgi_process::Process;
use wsgi_cgi_process::time_limits::{FRONT_END_PATIENCE, LATE_WORK};

use crate::descriptors::let_go_of_stderr;
use crate::input::Input;
use crate::response::Response;

/// Ends the process for good. Does not return unless Python itself fails.
///
/// Apache finds a script that outlives its pipes "alive", signals it and sleeps before it goes on:
/// the process that it knows, the front, must be gone when the last pipe closes (SURVEY section 0).
pub fn end(
    py: Python<'_>,
    job: &Job,
    ending: Ending,
    mut control: impl Write,
    input: &Mutex<Input>,
    response: &Mutex<Response>,
) -> PyResult<()> {
    flush(py);
    let front = i32::try_from(job.front).ok().and_then(Pid::from_raw);
    let front = front.and_then(|pid| {
        let descriptor = pidfd_open(pid, PidfdFlags::empty()).ok()?;
        Some(Process::other(pid, descriptor, None))
    });
    // Up to here the front's end is ours; from here on it is the plan.
    set_parent_process_death_signal(None).map_err(std::io::Error::from)?;
    if control.write_all(&ending.encode()).is_ok()
        && let Some(front) = front
    {
        let deadline = Instant::now() + FRONT_END_PATIENCE;
        let _ = py.detach(|| front.ends_by(Some(deadline)));
    }
    // Without late work nobody writes to the log any more.
    let has_late_work = has_late_work(py).unwrap_or(true);
    let log = job.error_log.as_deref().filter(|_| has_late_work);
    if let_go(log, input, response) && has_late_work {
        late_work(py);
    }
    py.import("os")?.call_method1("_exit", (0,)).map(drop)
}

/// Whether every descriptor that the server waits for could be let go of.
fn let_go(log: Option<&Path>, input: &Mutex<Input>, response: &Mutex<Response>) -> bool {
    let log = log.and_then(|log| report::open(log).ok());
    let released = |result: Option<std::io::Result<()>>| matches!(result, Some(Ok(())));
    // A thread that is reading the body holds its lock: then only the process's end helps.
    released(input.try_lock().ok().map(|mut input| input.release()))
        && released(
            response
                .try_lock()
                .ok()
                .map(|mut response| response.release()),
        )
        && let_go_of_stderr(log.map(OwnedFd::from)).is_ok()
}

/// Whether there are threads to wait for, perhaps, or `atexit` handlers.
fn has_late_work(py: Python<'_>) -> PyResult<bool> {
    let threads = py
        .import("sys")?
        .getattr("modules")?
        .contains("threading")?;
    let handlers: usize = py
        .import("atexit")?
        .call_method0("_ncallbacks")?
        .extract()?;
    Ok(threads || handlers > 0)
}

/// What Python does at its end, but for taking the interpreter apart: nobody would see it.
fn late_work(py: Python<'_>) {
    let result: PyResult<()> = (|| {
        let signal = py.import("_signal")?;
        signal.call_method1(
            "signal",
            (signal.getattr("SIGALRM")?, signal.getattr("SIG_DFL")?),
        )?;
        signal.call_method1("alarm", (LATE_WORK.as_secs(),))?;
        let modules = py.import("sys")?.getattr("modules")?;
        if modules.contains("threading")? {
            py.import("threading")?.call_method0("_shutdown")?;
        }
        py.import("atexit")?.call_method0("_run_exitfuncs")?;
        Ok(())
    })();
    if let Err(error) = result {
        error.print(py);
    }
    flush(py);
}

/// What was printed is written.
pub fn flush(py: Python<'_>) {
    if let Ok(sys) = py.import("sys") {
        for name in ["stdout", "__stdout__", "stderr"] {
            // The application may have put anything there.
            let _ = sys
                .getattr(name)
                .and_then(|stream| stream.call_method0("flush"));
        }
    }
}
