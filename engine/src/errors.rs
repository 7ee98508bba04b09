//! `wsgi.errors`: text to stderr and to the error log.

use std::path::PathBuf;
use std::sync::Mutex;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use crate::input_stream::lock;

/// `wsgi.errors` (PEP 3333): whole lines leave in one write each, the rest with `flush`.
#[pyclass(frozen, name = "Errors", module = "wsgi_cgi")]
pub struct Errors {
    log: Option<PathBuf>,
    pending: Mutex<Vec<u8>>,
    /// The last that was written.
    kept: Mutex<Vec<u8>>,
}

/// So much of it, in bytes.
const KEPT: usize = 16 << 10;

impl Errors {
    /// Writes to stderr, and to `log` as well.
    pub fn new(log: Option<PathBuf>) -> Self {
        Self {
            log,
            pending: Mutex::default(),
            kept: Mutex::default(),
        }
    }

    /// The last that was written.
    pub fn last_words(&self) -> String {
        let kept = self.kept.try_lock();
        kept.map_or_else(
            |_| String::new(),
            |kept| String::from_utf8_lossy(&kept).into_owned(),
        )
    }

    fn emit(&self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        contract::report::write(bytes, bytes, self.log.as_deref());
        if let Ok(mut kept) = self.kept.try_lock() {
            kept.extend_from_slice(bytes);
            let old = kept.len().saturating_sub(KEPT);
            kept.drain(..old);
        }
    }
}

#[pymethods]
impl Errors {
    /// Takes `text`, a `str`; gives the number of its characters.
    #[pyo3(signature = (text, /))]
    fn write(&self, text: &Bound<'_, PyString>) -> PyResult<usize> {
        let encoded = text.call_method1("encode", ("utf-8", "backslashreplace"))?;
        let mut pending = lock(&self.pending)?;
        pending.extend_from_slice(encoded.cast::<PyBytes>()?.as_bytes());
        if let Some(end) = memchr::memrchr(b'\n', &pending) {
            let rest = pending.split_off(end + 1);
            self.emit(&pending);
            *pending = rest;
        }
        text.len()
    }

    #[pyo3(signature = (lines, /))]
    fn writelines(&self, lines: &Bound<'_, PyAny>) -> PyResult<()> {
        for line in lines.try_iter()? {
            self.write(line?.cast::<PyString>()?)?;
        }
        Ok(())
    }

    /// Writes a line that has not ended yet.
    pub fn flush(&self) -> PyResult<()> {
        let pending = std::mem::take(&mut *lock(&self.pending)?);
        self.emit(&pending);
        Ok(())
    }

    fn writable(&self) -> bool {
        true
    }

    fn isatty(&self) -> bool {
        false
    }

    #[getter]
    fn encoding(&self) -> &'static str {
        "utf-8"
    }
}
