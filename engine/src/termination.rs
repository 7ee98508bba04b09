//! SIGTERM: the application's `finally` clauses and `close()` run, then the signal has its way.

use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::exceptions::PySystemExit;
use pyo3::prelude::*;

/// The signal came, and was raised as an exception.
static TOLD: AtomicBool = AtomicBool::new(false);

/// The response is being closed, which a signal must not interrupt.
static CLOSING: AtomicBool = AtomicBool::new(false);

/// Makes SIGTERM an exception in the application, and SIGINT an immediate end.
///
/// A web server sends SIGTERM when its client has gone away (Apache does so before the application
/// could notice). What does not end by the exception, the front kills.
pub fn prepare(py: Python<'_>) -> PyResult<()> {
    let signal = py.import("_signal")?;
    let set = |name: &str, action: Bound<'_, PyAny>| {
        let number = signal.getattr(name)?;
        signal.call_method1("signal", (number, action)).map(drop)
    };
    set("SIGINT", signal.getattr("SIG_DFL")?)?;
    set("SIGTERM", wrap_pyfunction!(terminate, py)?.into_any())
}

/// From here on, SIGTERM waits for the end.
pub fn set_closing() {
    CLOSING.store(true, Ordering::Relaxed);
}

/// The next response may be interrupted again: the last one was a rehearsal.
pub fn set_open() {
    CLOSING.store(false, Ordering::Relaxed);
}

/// Ends the process by SIGTERM, if that is why the application ended.
pub fn end_if_told(py: Python<'_>) -> PyResult<()> {
    if TOLD.load(Ordering::Relaxed) {
        let signal = py.import("_signal")?;
        let number = signal.getattr("SIGTERM")?;
        signal.call_method1("signal", (&number, signal.getattr("SIG_DFL")?))?;
        let posix = py.import("posix")?;
        posix.call_method1("kill", (posix.call_method0("getpid")?, number))?;
    }
    Ok(())
}

#[pyfunction]
fn terminate(_signal: i32, _frame: &Bound<'_, PyAny>) -> PyResult<()> {
    if CLOSING.load(Ordering::Relaxed) {
        return Ok(());
    }
    TOLD.store(true, Ordering::Relaxed);
    Err(PySystemExit::new_err("SIGTERM"))
}
