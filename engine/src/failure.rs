//! Python exceptions as failures, and failures as Python exceptions.

use contract::codes::Code;
use contract::handover::Detail;
use contract::report::Failure;
use pyo3::create_exception;
use pyo3::exceptions::{PyException, PySystemExit};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString, PyTraceback};

use crate::frames;

create_exception!(
    wsgi_cgi,
    Error,
    PyException,
    "What the application gave cannot be made a response."
);

/// The exception that tells the application what it did wrong.
pub fn raise(failure: &Failure) -> PyErr {
    Error::new_err(failure.to_string())
}

/// The failure that `error` means. `otherwise` is its code unless the exception says more; `detail` is what
/// its page will show.
pub fn from_exception(py: Python<'_>, error: &PyErr, otherwise: Code, detail: Detail) -> Failure {
    let mut failure = told(py, error, otherwise);
    if detail == Detail::Shown {
        failure.trace = frames::of(py, error);
    }
    failure
}

fn told(py: Python<'_>, error: &PyErr, otherwise: Code) -> Failure {
    if let Some(failure) = own(py, error) {
        return failure;
    }
    let detail = traceback(py, error);
    let reason = match error.is_instance_of::<PySystemExit>(py) {
        true => format!("sys.exit({})", argument(error.value(py))),
        false => frames::one_line(error.value(py)),
    };
    Failure::new(otherwise, reason).with_detail(detail)
}

/// The failure that [`raise`] made `error` of, with the lines of the application that led to it.
fn own(py: Python<'_>, error: &PyErr) -> Option<Failure> {
    if !error.is_instance_of::<Error>(py) {
        return None;
    }
    let text = error.value(py).to_string();
    let code = Code::all().find(|code| text.starts_with(code.entry().code))?;
    let reason = text.split_once(": ").map_or("", |(_, reason)| reason);
    let failure = Failure::new(code, reason);
    Some(match error.traceback(py) {
        Some(_) => failure.with_detail(traceback(py, error)),
        None => failure,
    })
}

fn argument(exit: &Bound<'_, PyAny>) -> String {
    match exit.getattr("code") {
        Ok(code) if !code.is_none() => code.repr().map(|repr| repr.to_string()).unwrap_or_default(),
        _ => String::new(),
    }
}

/// The whole traceback as Python prints it, from the application's first frame on.
pub fn traceback(py: Python<'_>, error: &PyErr) -> String {
    let formatted = || -> PyResult<String> {
        let frames = without_import_machinery(error.traceback(py))?;
        let arguments = (error.get_type(py), error.value(py), frames);
        let lines = py
            .import("traceback")?
            .call_method1("format_exception", arguments)?;
        let joined = PyString::new(py, "").call_method1("join", (lines.cast::<PyList>()?,))?;
        Ok(joined.cast::<PyString>()?.to_string_lossy().into_owned())
    };
    formatted().unwrap_or_else(|_| frames::one_line(error.value(py)))
}

/// The frames of Python's own import are no part of the application.
fn without_import_machinery<'py>(
    mut traceback: Option<Bound<'py, PyTraceback>>,
) -> PyResult<Option<Bound<'py, PyTraceback>>> {
    while let Some(frame) = &traceback
        && frames::is_import_machinery(frame)
    {
        let next = frame.getattr("tb_next")?;
        traceback = next.cast_into::<PyTraceback>().ok();
    }
    Ok(traceback)
}
