//! `wsgi.input`: the file-like object that the application reads the body from (PEP 3333).

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PySlice};

use crate::input::Input;

/// `wsgi.input`. Also has what `io.BufferedReader` and `io.TextIOWrapper` ask of what they wrap.
#[pyclass(frozen, name = "Input", module = "wsgi_cgi")]
pub struct InputStream(pub Arc<Mutex<Input>>);

#[pymethods]
impl InputStream {
    /// Up to `size` bytes, fewer only at the end; all that is left without `size`.
    #[pyo3(signature = (size=None, /))]
    fn read<'py>(&self, py: Python<'py>, size: Option<isize>) -> PyResult<Bound<'py, PyBytes>> {
        self.collect(py, size, Input::read_until_size)
    }

    /// What has arrived, up to `size` bytes: at least one, but for the end.
    #[pyo3(signature = (size=None, /))]
    fn read1<'py>(&self, py: Python<'py>, size: Option<isize>) -> PyResult<Bound<'py, PyBytes>> {
        self.collect(py, size, |input, out, size| {
            input.read_some(out, size).map(drop)
        })
    }

    /// One line with its line feed, or up to `size` bytes of it; empty at the end.
    #[pyo3(signature = (size=None, /))]
    fn readline<'py>(&self, py: Python<'py>, size: Option<isize>) -> PyResult<Bound<'py, PyBytes>> {
        self.collect(py, size, Input::read_until_line)
    }

    /// The lines that are left; with `hint`, lines until that many bytes are reached.
    #[pyo3(signature = (hint=None, /))]
    fn readlines<'py>(&self, py: Python<'py>, hint: Option<isize>) -> PyResult<Bound<'py, PyList>> {
        let lines = PyList::empty(py);
        // As the io module: no hint and 0 mean all.
        let hint = hint
            .filter(|hint| *hint > 0)
            .map_or(usize::MAX, isize::unsigned_abs);
        let mut total = 0;
        while total < hint {
            let line = self.readline(py, None)?;
            if line.as_bytes().is_empty() {
                break;
            }
            total += line.as_bytes().len();
            lines.append(line)?;
        }
        Ok(lines)
    }

    /// Reads into a writable buffer; gives the number of bytes.
    fn readinto(&self, py: Python<'_>, buffer: &Bound<'_, PyAny>) -> PyResult<usize> {
        // The limited API of Python 3.9 has no buffers: a memoryview's slice does the copy.
        let view = py
            .import("builtins")?
            .getattr("memoryview")?
            .call1((buffer,))?;
        let view = view.call_method1("cast", ("B",))?;
        let data = self.read1(py, Some(isize::try_from(view.len()?)?))?;
        let count = data.as_bytes().len();
        view.set_item(PySlice::new(py, 0, isize::try_from(count)?, 1), data)?;
        Ok(count)
    }

    fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let line = self.readline(py, None)?;
        Ok((!line.as_bytes().is_empty()).then_some(line))
    }

    fn readable(&self) -> bool {
        true
    }

    fn writable(&self) -> bool {
        false
    }

    fn seekable(&self) -> bool {
        false
    }

    fn isatty(&self) -> bool {
        false
    }

    fn flush(&self) {}

    /// Does nothing: the body is the gateway's. (A wrapper closes what it wraps when it goes.)
    fn close(&self) {}

    #[getter]
    fn closed(&self) -> bool {
        false
    }
}

impl InputStream {
    fn collect<'py>(
        &self,
        py: Python<'py>,
        size: Option<isize>,
        step: impl Fn(&mut Input, &mut Vec<u8>, usize) -> io::Result<()> + Send + Sync,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let size = size
            .and_then(|size| usize::try_from(size).ok())
            .unwrap_or(usize::MAX);
        let mut guard = lock(&self.0)?;
        let input = &mut *guard;
        let mut out = Vec::new();
        uninterrupted(py, || step(input, &mut out, size))?;
        Ok(PyBytes::new(py, &out))
    }
}

/// The input, if no other thread is using it.
pub fn lock<T>(shared: &Mutex<T>) -> PyResult<MutexGuard<'_, T>> {
    // Waiting here with the interpreter lock held could deadlock with the thread that is reading.
    shared
        .try_lock()
        .map_err(|_| PyRuntimeError::new_err("used by two threads at the same time"))
}

/// Runs `operation` without the interpreter lock, again after each signal's handlers have run.
///
/// `operation` keeps its progress: a second call goes on where the first was interrupted.
pub fn uninterrupted<T: Send>(
    py: Python<'_>,
    mut operation: impl FnMut() -> io::Result<T> + Send,
) -> PyResult<T> {
    loop {
        match py.detach(&mut operation) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => py.check_signals()?,
            result => return Ok(result?),
        }
    }
}
