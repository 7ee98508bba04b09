//! What `wsgi-cgi check` sees of an application while it is imported and called.

use std::ffi::CString;
use std::time::Instant;

use contract::codes::Code;
use contract::handover::Job;
use contract::report::Failure;
use pyo3::prelude::*;

use crate::application;
use crate::failure::from_exception;
use crate::warm::{audit, safety};

const OBSERVER: &str = include_str!("checking.py");

/// The application that the job names, inside an observer that tells on stderr what it saw.
pub fn load<'py>(py: Python<'py>, job: &Job) -> Result<Bound<'py, PyAny>, Failure> {
    let raised = |error: PyErr| from_exception(py, &error, Code::RAISED, job.detail);
    let observer = observer(py).map_err(raised)?;
    audit::begin(py, audit::Notes::Nothing).map_err(raised)?;
    let own = safety::open_descriptors();
    observer.call_method0("begin").map_err(raised)?;
    let began = Instant::now();
    let application = application::load(py, job)?;
    let seconds = began.elapsed().as_secs_f64();
    let (_, made) = audit::finish(py).map_err(raised)?;
    let objections = safety::objections(py, &own, &made);
    let mut children: Vec<_> = made
        .into_iter()
        .filter(|made| audit::PROCESSES.contains(&made.event.as_str()))
        .map(|made| made.place)
        .collect();
    children.dedup();
    observer
        .call_method1("wrap", (application, seconds, objections, children))
        .map_err(raised)
}

fn observer(py: Python<'_>) -> PyResult<Bound<'_, PyModule>> {
    // Without a path: no line of it is taken for the application's.
    let observer = PyModule::from_code(
        py,
        &CString::new(OBSERVER)?,
        c"checking.py",
        c"_wsgi_cgi_checking",
    )?;
    observer.add_function(wrap_pyfunction!(place, &observer)?)?;
    Ok(observer)
}

/// The line of the application that is running.
#[pyfunction]
fn place(py: Python<'_>) -> PyResult<String> {
    audit::place(py)
}
