//! The environ: a plain `dict` made from the job's bytes (PEP 3333, "environ Variables").

use contract::handover::{self, BodyLength, Job, Runs};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};

use crate::errors::Errors;
use crate::file_wrapper::FileWrapper;
use crate::input_stream::InputStream;
use crate::invocation;

/// All variables of the job, each byte one character, and the `wsgi.*` keys.
pub fn build<'py>(
    py: Python<'py>,
    job: &Job,
    input: InputStream,
    errors: &Bound<'py, Errors>,
) -> PyResult<Bound<'py, PyDict>> {
    let environ = PyDict::new(py);
    for (name, value) in &job.environment {
        environ.set_item(text(py, name)?, text(py, value)?)?;
    }
    environ.set_item("wsgi.version", (1, 0))?;
    environ.set_item("wsgi.url_scheme", url_scheme(job))?;
    environ.set_item("wsgi.input", Bound::new(py, input)?)?;
    environ.set_item("wsgi.errors", errors)?;
    environ.set_item("wsgi.multithread", false)?;
    environ.set_item("wsgi.multiprocess", true)?;
    environ.set_item("wsgi.run_once", job.runs == Runs::Once)?;
    environ.set_item("wsgi.file_wrapper", py.get_type::<FileWrapper>())?;
    if job.body == BodyLength::UntilEnd {
        environ.set_item("wsgi.input_terminated", true)?;
    }
    if let Some(invocation) = &job.invocation {
        invocation::add(py, &environ, invocation)?;
    }
    Ok(environ)
}

/// Bytes as PEP 3333's "bytes-as-unicode": latin-1.
pub fn text<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyString>> {
    match std::str::from_utf8(bytes) {
        Ok(ascii) if bytes.is_ascii() => Ok(PyString::new(py, ascii)),
        _ => Ok(PyBytes::new(py, bytes)
            .call_method1("decode", ("latin-1",))?
            .cast_into::<PyString>()?),
    }
}

/// The job's variable of this name.
pub fn variable<'a>(job: &'a Job, name: &str) -> Option<&'a [u8]> {
    handover::variable(&job.environment, name)
}

fn url_scheme(job: &Job) -> &'static str {
    let https = variable(job, "HTTPS")
        .unwrap_or_default()
        .to_ascii_lowercase();
    let scheme = variable(job, "REQUEST_SCHEME").unwrap_or_default();
    match https.as_slice() {
        b"on" | b"1" | b"true" | b"yes" => "https",
        _ if scheme.eq_ignore_ascii_case(b"https") => "https",
        _ => "http",
    }
}
