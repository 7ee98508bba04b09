//! One request that nobody sent, answered before the first fork: what an application puts off until its first
//! request is done, and the pages that it writes are written.

use std::cell::{Cell, RefCell};
use std::sync::{Arc, Mutex};

use contract::handover::{BodyLength, Job};
use contract::progress::{Progress, Reached};
use pyo3::prelude::*;

use crate::descriptors::null;
use crate::input::Input;
use crate::request::Exchange;
use crate::response::{Method, Response};
use crate::{termination, timing};

/// Answers `GET path` into nothing. What the application says of it goes where a zygote's errors go.
pub fn run(py: Python<'_>, job: &Job, path: &[u8], application: &Bound<'_, PyAny>) -> PyResult<()> {
    let mut job = job.clone();
    let (path, query) = match path.iter().position(|byte| *byte == b'?') {
        Some(end) => (&path[..end], &path[end + 1..]),
        None => (path, &b""[..]),
    };
    let variables: [(&str, &[u8]); 9] = [
        ("REQUEST_METHOD", b"GET"),
        ("SCRIPT_NAME", b""),
        ("PATH_INFO", path),
        ("QUERY_STRING", query),
        ("SERVER_NAME", b"localhost"),
        ("SERVER_PORT", b"80"),
        ("SERVER_PROTOCOL", b"HTTP/1.1"),
        ("HTTP_HOST", b"localhost"),
        ("REMOTE_ADDR", b"127.0.0.1"),
    ];
    let named = |(name, value): (&str, &[u8])| (name.as_bytes().to_vec(), value.to_vec());
    job.environment.extend(variables.into_iter().map(named));
    job.body = BodyLength::Empty;
    job.invocation = None;
    let input = Arc::new(Mutex::new(Input::new(null()?, job.body)?));
    let counter = Progress::claimed()?.counter().try_clone_to_owned()?;
    let progress = Reached::new(counter);
    let response = Response::new(null()?, input.clone(), progress, job.form, Method::Other)?;
    let exchange = Exchange {
        py,
        entered: timing::now(),
        job: &job,
        application: Some(application),
        input,
        response: Arc::new(Mutex::new(response)),
        told: RefCell::default(),
        imported: Cell::default(),
    };
    let outcome = exchange.run();
    termination::set_open();
    outcome.map(drop)
}
