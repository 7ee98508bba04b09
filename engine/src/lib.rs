//! The engine: everything that touches a Python object; imported by the interpreter as `_wsgi_cgi`.

use std::os::fd::RawFd;

use pyo3::exceptions::PySystemExit;
use pyo3::prelude::*;

mod application;
mod checking;
mod descriptors;
mod ending;
mod environ;
mod errors;
mod failure;
mod file_wrapper;
mod frames;
mod head;
mod input;
mod input_stream;
mod invocation;
mod loader;
mod pump;
mod rehearsal;
mod request;
mod response;
mod site;
mod start_response;
mod startup;
mod telling;
mod termination;
mod timing;
mod warm;

/// Serves the one request whose job can be read from descriptor `job`, reports its end on `control`, then ends the
/// process.
///
/// `progress` is an eventfd that tells the front how far the request got.
#[pyfunction]
fn serve(py: Python<'_>, job: RawFd, control: RawFd, progress: RawFd) -> PyResult<()> {
    request::serve(py, job, control, progress).or_else(|error| leave(py, error))
}

/// Imports the application that is described on descriptor `control`, and forks a worker for each request
/// until there is a reason to end. `lock` is held as long as this process is the one for its application.
#[pyfunction]
fn zygote(py: Python<'_>, control: RawFd, lock: RawFd) -> PyResult<()> {
    warm::live(py, control, lock).or_else(|error| leave(py, error))
}

/// Ends a process that cannot answer. Python would write the error as well, but wait for whoever reads stderr.
fn leave(py: Python<'_>, error: PyErr) -> PyResult<()> {
    if error.is_instance_of::<PySystemExit>(py) {
        return Err(error);
    }
    contract::stderr::write(failure::traceback(py, &error).as_bytes());
    py.import("os")?.call_method1("_exit", (1,)).map(drop)
}

#[pymodule]
fn _wsgi_cgi(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(serve, module)?)?;
    module.add_function(wrap_pyfunction!(zygote, module)?)
}
