//! What a zygote's forks do not share with it: blocked signals, its actions for signals, and its lock.

use std::mem::ManuallyDrop;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use contract::descriptors::adopt;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use rustix::io::{DupFlags, dup3};
use wsgi_cgi_process::signals::{ENDING, Number, Signals, allow};

use crate::descriptors::null;

/// The zygote forks a spare just now; any other fork is the application's.
static IS_SPARE: AtomicBool = AtomicBool::new(false);

/// The number of the descriptor that no fork of the application may keep; -1 if there is none.
static PRIVATE: AtomicI32 = AtomicI32::new(-1);

/// Keeps `private` from the processes that the application forks. To be called before the application is imported:
/// of all functions that Python calls in a child, this one is the first.
pub fn prepare(py: Python<'_>, private: RawFd) -> PyResult<()> {
    PRIVATE.store(private, Ordering::Relaxed);
    let options = PyDict::new(py);
    options.set_item("after_in_child", wrap_pyfunction!(begin_child, py)?)?;
    let posix = py.import("posix")?;
    posix
        .call_method("register_at_fork", (), Some(&options))
        .map(drop)
}

/// Forks a spare; gives its number, or 0 in the spare.
pub fn fork(py: Python<'_>) -> PyResult<i32> {
    let posix = py.import("posix")?;
    IS_SPARE.store(true, Ordering::Relaxed);
    let forked = posix.call_method0("fork").and_then(|pid| pid.extract());
    IS_SPARE.store(false, Ordering::Relaxed);
    forked
}

#[pyfunction]
fn begin_child() {
    let private = PRIVATE.swap(-1, Ordering::Relaxed);
    if IS_SPARE.swap(false, Ordering::Relaxed) {
        // Threads that the application starts after a fork must not inherit a mask of ours.
        return allow(ENDING);
    }
    if let (Some(private), Ok(nothing)) = (adopt(private), null()) {
        // It has an owner, who will close it.
        let mut private = ManuallyDrop::new(private);
        let _ = dup3(nothing, &mut private, DupFlags::CLOEXEC);
    }
}

/// What the application has made of signals.
pub struct Actions {
    mask: Py<PyAny>,
    /// What it does on a signal, by the signal's number.
    actions: Vec<(i32, Py<PyAny>)>,
}

impl Actions {
    /// Sets the default actions for a zygote and its spares, whatever the application has made of them: the ending
    /// signals end a spare at any moment, and children stay until they are waited for. A zygote reads the ending
    /// signals.
    pub fn take(py: Python<'_>) -> PyResult<(Self, Signals)> {
        let signal = py.import("_signal")?;
        let nothing = (signal.getattr("SIG_BLOCK")?, PyList::empty(py));
        let mask = signal.call_method1("pthread_sigmask", nothing)?.unbind();
        let signals = Signals::block(ENDING)?;
        // One that came before still has its handler.
        py.check_signals()?;
        let default = signal.getattr("SIG_DFL")?;
        let mut actions = Vec::new();
        for number in ENDING.into_iter().chain([Number::SIGCHLD]) {
            let number = number as i32;
            let action = signal.call_method1("getsignal", (number,))?;
            // None is a handler of a native library, which Python could not set again.
            if !action.is_none() {
                signal.call_method1("signal", (number, &default))?;
                actions.push((number, action.unbind()));
            }
        }
        Ok((Self { mask, actions }, signals))
    }

    /// Sets the application's again.
    pub fn give_back(&self, py: Python<'_>) -> PyResult<()> {
        let signal = py.import("_signal")?;
        for (number, action) in &self.actions {
            signal.call_method1("signal", (number, action))?;
        }
        let mask = (signal.getattr("SIG_SETMASK")?, &self.mask);
        signal.call_method1("pthread_sigmask", mask).map(drop)
    }
}
