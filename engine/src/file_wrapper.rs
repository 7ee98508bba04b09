//! `wsgi.file_wrapper`: a file as a body, copied by the kernel where that is the same (PEP 3333).

use std::os::fd::RawFd;

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use rustix::fs::{FileType, fstat};

use crate::descriptors::borrow;

/// `wsgi.file_wrapper(filelike, block_size=65536)`.
#[pyclass(frozen, module = "wsgi_cgi")]
pub struct FileWrapper {
    file: Py<PyAny>,
    block_size: isize,
}

#[pymethods]
impl FileWrapper {
    #[new]
    #[pyo3(signature = (filelike, block_size=65536, /))]
    fn new(filelike: Py<PyAny>, block_size: isize) -> Self {
        Self {
            file: filelike,
            block_size,
        }
    }

    fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let block = self
            .file
            .bind(py)
            .call_method1("read", (self.block_size,))?;
        let ended = block
            .cast::<PyBytes>()
            .is_ok_and(|block| block.as_bytes().is_empty());
        Ok((!ended).then_some(block))
    }

    /// Closes the file, if it can be closed.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        if let Some(close) = self.file.bind(py).getattr_opt("close")? {
            close.call0()?;
        }
        Ok(())
    }
}

/// A regular file and the part of it that is the body.
pub struct Extent {
    /// Owned by the Python object.
    pub descriptor: RawFd,
    /// The present position.
    pub offset: u64,
    /// Bytes from there to the end.
    pub length: u64,
}

impl FileWrapper {
    /// What the kernel may copy instead of Python reading it; `None` where that might differ.
    ///
    /// Only Python's own file objects count: others (`gzip.GzipFile`) have a descriptor whose bytes
    /// are not what their `read` gives.
    pub fn extent(&self, py: Python<'_>) -> PyResult<Option<Extent>> {
        let io = py.import("io")?;
        let mut file = self.file.bind(py).clone();
        if file.get_type().name()? == "_TemporaryFileWrapper" {
            file = file.getattr("file")?;
        }
        let file_io = io.getattr("FileIO")?;
        let kind = file.get_type();
        let raw = match kind.is(&io.getattr("BufferedReader")?)
            || kind.is(&io.getattr("BufferedRandom")?)
        {
            true => file.getattr("raw")?,
            false => file.clone(),
        };
        if !raw.get_type().is(&file_io) {
            return Ok(None);
        }
        if kind.is(&io.getattr("BufferedRandom")?) {
            file.call_method0("flush")?;
        }
        let number = file.call_method0("fileno")?.extract::<RawFd>()?;
        let Ok(status) = fstat(borrow(number)) else {
            return Ok(None);
        };
        if FileType::from_raw_mode(status.st_mode) != FileType::RegularFile {
            return Ok(None);
        }
        // Where reading has got to, not the descriptor's own position: that is ahead by a buffer.
        let offset = file.call_method0("tell")?.extract::<u64>()?;
        let size = u64::try_from(status.st_size).unwrap_or(0);
        Ok(Some(Extent {
            descriptor: number,
            offset,
            length: size.saturating_sub(offset),
        }))
    }
}
