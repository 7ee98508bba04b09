//! `start_response` and the `write` callable that it gives (PEP 3333).

use std::sync::{Arc, Mutex};

use contract::codes::Code;
use contract::report::Failure;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString, PyTuple};

use crate::failure::raise;
use crate::head::Head;
use crate::input_stream::{lock, uninterrupted};
use crate::response::Response;

/// `start_response(status, headers, exc_info=None)`.
#[pyclass(frozen, module = "wsgi_cgi")]
pub struct StartResponse(pub Arc<Mutex<Response>>);

#[pymethods]
impl StartResponse {
    #[pyo3(signature = (status, headers, exc_info=None, /))]
    fn __call__(
        &self,
        status: &Bound<'_, PyAny>,
        headers: &Bound<'_, PyAny>,
        exc_info: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Write> {
        let mut response = lock(&self.0)?;
        match exc_info {
            Some(exc_info) if response.has_left() => {
                // Too late to replace the head: the application's error goes on.
                return Err(PyErr::from_value(exc_info.get_item(1)?));
            }
            None if !response.is_silent() => {
                return Err(raise(&Failure::new(Code::START_RESPONSE_TWICE, "")));
            }
            _ => {}
        }
        let head = head(status, headers).map_err(|failure| raise(&failure))?;
        if head.is_swallowed_by_apache() {
            let warning = Failure::new(Code::SWALLOWED, "");
            contract::report::tell_line(&format!("warning: {warning}\n"), None);
        }
        response.set_head(head);
        Ok(Write(self.0.clone()))
    }
}

/// `write(data)`: for applications that cannot yield.
#[pyclass(frozen, module = "wsgi_cgi")]
pub struct Write(Arc<Mutex<Response>>);

#[pymethods]
impl Write {
    #[pyo3(signature = (data, /))]
    fn __call__(&self, py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<()> {
        write(py, &self.0, data)
    }
}

/// Writes one block of the body, which must be bytes.
pub fn write(py: Python<'_>, response: &Mutex<Response>, block: &Bound<'_, PyAny>) -> PyResult<()> {
    let Ok(block) = block.cast::<PyBytes>() else {
        let kind = kind(block);
        return Err(raise(&Failure::new(
            Code::NOT_BYTES,
            format!("a block is of type {kind}"),
        )));
    };
    let mut bytes = block.as_bytes();
    let mut response = lock(response)?;
    if response.is_silent() && !bytes.is_empty() {
        return Err(raise(&Failure::new(Code::NO_START_RESPONSE, "")));
    }
    let response = &mut *response;
    uninterrupted(py, || response.write(&mut bytes))
}

/// The name of an object's type, for messages.
pub fn kind(object: &Bound<'_, PyAny>) -> String {
    object
        .get_type()
        .name()
        .map(|name| name.to_string())
        .unwrap_or_default()
}

fn head(status: &Bound<'_, PyAny>, headers: &Bound<'_, PyAny>) -> Result<Head, Failure> {
    let status = text(status).map_err(|reason| Failure::new(Code::BAD_STATUS, reason))?;
    let bad = |reason: String| Failure::new(Code::BAD_HEADER, reason);
    let list = headers.cast::<PyList>().map_err(|_| {
        bad(format!(
            "the headers are of type {}, not a list",
            kind(headers)
        ))
    })?;
    let fields: Result<Vec<_>, Failure> = list
        .iter()
        .map(|field| {
            let pair = field.cast::<PyTuple>().ok().filter(|pair| pair.len() == 2);
            let Some((name, value)) =
                pair.and_then(|pair| Some((pair.get_item(0).ok()?, pair.get_item(1).ok()?)))
            else {
                return Err(bad(format!(
                    "{} is not a (name, value) tuple",
                    repr(&field)
                )));
            };
            let name = text(&name).map_err(|reason| bad(format!("a name: {reason}")))?;
            let value = text(&value).map_err(|reason| bad(format!("{name}: {reason}")))?;
            Ok((name, value))
        })
        .collect();
    Head::new(status, fields?)
}

fn text(object: &Bound<'_, PyAny>) -> Result<String, String> {
    let text = object
        .cast::<PyString>()
        .map_err(|_| format!("{} is of type {}, not str", repr(object), kind(object)))?;
    text.extract()
        .map_err(|_| format!("{} is not latin-1", repr(object)))
}

fn repr(object: &Bound<'_, PyAny>) -> String {
    object
        .repr()
        .map(|repr| repr.to_string_lossy().into_owned())
        .unwrap_or_default()
}
