//! Makes a fresh interpreter what an application expects: environment, streams, signals, paths.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use contract::handover::{Job, Site, Source};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyList};

use crate::{site, termination};

/// Prepares the interpreter for the job; afterwards the application can be imported.
pub fn prepare(py: Python<'_>, job: &Job) -> PyResult<()> {
    let sys = py.import("sys")?;
    // Imports only create; collecting in between finds nothing and costs a fifth of their time.
    py.import("gc")?.call_method0("disable")?;
    environment(py, job)?;
    // `print` must not reach the response; stderr is written line by line.
    sys.setattr("stdout", sys.getattr("stderr")?)?;
    // A crash shows the Python stack; the front sends SIGABRT when time is over.
    py.import("faulthandler")?.call_method1("enable", (2,))?;
    termination::prepare(py)?;
    keep_settled_byte_code_only(py)?;

    match job.site {
        Site::Engine => site::add_packages(py, &job.packages)?,
        // As documented for `-S`.
        Site::Python => drop(py.import("site")?.call_method0("main")?),
    }
    let path = sys.getattr("path")?.cast_into::<PyList>()?;
    for (index, folder) in job.path.iter().enumerate() {
        path.insert(index, folder.as_os_str())?;
    }
    if job.site == Site::Engine {
        site::run_customization(py)?;
    }
    let program = match &job.source {
        Source::File(file) => file.as_os_str(),
        Source::Module { name, .. } => name.as_ref(),
    };
    sys.setattr("argv", PyList::new(py, [program])?)
}

/// Python checks byte code by its source's size and second: of two edits within a second the first could stay.
/// So none is kept of a source that was changed a moment ago.
const CACHE_BYTE_CODE: &std::ffi::CStr = c"
def _cache_bytecode(self, source_path, cache_path, data):
    if is_settled(source_path):
        return cache(self, source_path, cache_path, data)
";

fn keep_settled_byte_code_only(py: Python<'_>) -> PyResult<()> {
    let loader = py
        .import("_frozen_importlib_external")?
        .getattr("SourceFileLoader")?;
    let globals = PyDict::new(py);
    globals.set_item("cache", loader.getattr("_cache_bytecode")?)?;
    globals.set_item("is_settled", wrap_pyfunction!(is_settled, py)?)?;
    py.run(CACHE_BYTE_CODE, Some(&globals), None)?;
    if let Some(function) = globals.get_item("_cache_bytecode")? {
        loader.setattr("_cache_bytecode", function)?;
    }
    Ok(())
}

/// Whether a file was changed more than two seconds ago, and not in the future.
#[pyfunction]
fn is_settled(path: PathBuf) -> bool {
    let modified = std::fs::metadata(path).and_then(|status| status.modified());
    let age = modified.ok().and_then(|modified| modified.elapsed().ok());
    age.is_some_and(|age| age > Duration::from_secs(2))
}

/// What was imported stays: the collector need not look at it again.
pub fn collect_garbage_again(py: Python<'_>) -> PyResult<()> {
    let gc = py.import("gc")?;
    gc.call_method0("freeze")?;
    gc.call_method0("enable")?;
    Ok(())
}

/// Sets one variable of `os.environ` and of the C library's environment, or removes it.
pub fn set_variable(py: Python<'_>, name: &str, value: Option<&[u8]>) -> PyResult<()> {
    static ENVIRON: PyOnceLock<Py<PyDict>> = PyOnceLock::new();
    let environ = ENVIRON.get_or_try_init(py, || {
        let environ = py.import("posix")?.getattr("environ")?;
        Ok::<_, PyErr>(environ.cast_into::<PyDict>()?.unbind())
    })?;
    let environ = environ.bind(py);
    let name = PyBytes::new(py, name.as_bytes());
    let found = environ.get_item(&name)?;
    let found = found
        .as_ref()
        .and_then(|found| found.cast::<PyBytes>().ok());
    if found.map(|found| found.as_bytes()) == value {
        return Ok(());
    }
    let posix = py.import("posix")?;
    match value {
        Some(value) => {
            let value = PyBytes::new(py, value);
            environ.set_item(&name, &value)?;
            posix.call_method1("putenv", (name, value)).map(drop)
        }
        None => {
            environ.del_item(&name)?;
            posix.call_method1("unsetenv", (name,)).map(drop)
        }
    }
}

/// Makes `os.environ` and the C library's environment those of the job.
pub fn environment(py: Python<'_>, job: &Job) -> PyResult<()> {
    let posix = py.import("posix")?;
    // `os.environ` and `os.environb` are views of this dict, imported or not.
    let environ = posix.getattr("environ")?.cast_into::<PyDict>()?;
    let mut wanted: HashMap<&[u8], &[u8]> = HashMap::new();
    for (name, value) in &job.environment {
        wanted.insert(name, value);
    }
    // A list of its own: the dict changes meanwhile.
    for item in environ.items() {
        let (name, value) = item.extract::<(Bound<'_, PyBytes>, Bound<'_, PyBytes>)>()?;
        match wanted.get(name.as_bytes()) {
            Some(same) if *same == value.as_bytes() => {
                wanted.remove(name.as_bytes());
            }
            Some(_) => {}
            None => {
                environ.del_item(&name)?;
                posix.call_method1("unsetenv", (name,))?;
            }
        }
    }
    let putenv = posix.getattr("putenv")?;
    for (name, value) in wanted {
        let (name, value) = (PyBytes::new(py, name), PyBytes::new(py, value));
        environ.set_item(&name, &value)?;
        putenv.call1((name, value))?;
    }
    Ok(())
}
