//! Hears of what an application does while it is imported (PEP 578): files and folders that it reads; threads,
//! sockets, databases and temporary files that it makes.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString, PyTuple};

use super::watch;

/// A hook cannot be taken away; after the import it does nothing.
static IS_LISTENING: AtomicBool = AtomicBool::new(false);

/// Where threads, sockets, databases and temporary files were made.
static MADE: Mutex<Vec<Made>> = Mutex::new(Vec::new());

/// Something that two forks may not both have.
#[derive(Clone, Debug)]
pub struct Made {
    /// The event's name in PEP 578.
    pub event: String,
    /// The application's line, or the nearest to it.
    pub place: String,
}

/// Whether the files that are read are noted, to be watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notes {
    Files,
    Nothing,
}

/// The events of processes that are started.
pub const PROCESSES: [&str; 4] = ["subprocess.Popen", "os.fork", "os.posix_spawn", "os.system"];

/// From here on, it is heard.
pub fn begin(py: Python<'_>, notes: Notes) -> PyResult<()> {
    if notes == Notes::Files {
        watch::begin();
    }
    IS_LISTENING.store(true, Ordering::Relaxed);
    let hook = wrap_pyfunction!(hear, py)?;
    py.import("sys")?.call_method1("addaudithook", (hook,))?;
    if !is_told_of_threads(py) {
        let original = py.import("_thread")?.getattr(START)?;
        let starter = Bound::new(py, ThreadStarter(original.unbind()))?;
        replace_starter(py, starter.as_any())?;
    }
    Ok(())
}

/// The function that starts threads, in `_thread`.
const START: &str = "start_new_thread";

/// From Python 3.12 on there is an event for it.
fn is_told_of_threads(py: Python<'_>) -> bool {
    py.version_info() >= (3, 12)
}

/// Stands in for `_thread.start_new_thread` while the application is imported.
#[pyclass(frozen, module = "wsgi_cgi")]
struct ThreadStarter(Py<PyAny>);

#[pymethods]
impl ThreadStarter {
    #[pyo3(signature = (*arguments))]
    fn __call__<'py>(&self, arguments: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyAny>> {
        let py = arguments.py();
        remember(py, "_thread.start_new_thread");
        self.0.bind(py).call1(arguments)
    }
}

/// In both modules that have it.
fn replace_starter(py: Python<'_>, starter: &Bound<'_, PyAny>) -> PyResult<()> {
    py.import("_thread")?.setattr(START, starter)?;
    let modules = py.import("sys")?.getattr("modules")?;
    if modules.contains("threading")? {
        py.import("threading")?
            .setattr(format!("_{START}"), starter)?;
    }
    Ok(())
}

/// From here on, it is not; gives what was noted.
pub fn finish(py: Python<'_>) -> PyResult<(Option<watch::Noted>, Vec<Made>)> {
    let starter = py.import("_thread")?.getattr(START)?;
    if let Ok(ours) = starter.cast::<ThreadStarter>() {
        replace_starter(py, ours.get().0.bind(py))?;
    }
    IS_LISTENING.store(false, Ordering::Relaxed);
    let made = std::mem::take(&mut *MADE.lock().unwrap_or_else(PoisonError::into_inner));
    Ok((watch::finish(), made))
}

#[pyfunction]
#[pyo3(signature = (event, arguments))]
fn hear(event: &Bound<'_, PyString>, arguments: &Bound<'_, PyAny>) {
    if !IS_LISTENING.load(Ordering::Relaxed) {
        return;
    }
    let Ok(arguments) = arguments.cast::<PyTuple>() else {
        return;
    };
    let argument = |index| arguments.get_item(index).ok();
    match &*event.to_string_lossy() {
        "open" if is_read(argument(2)) => {
            if let Some(path) = path(argument(0)) {
                watch::note_file(&path);
            }
        }
        "os.listdir" | "os.scandir" => {
            let path = match argument(0) {
                Some(folder) if folder.is_none() => Some(PathBuf::from(".")),
                folder => path(folder),
            };
            if let Some(path) = path {
                watch::note_folder(&path);
            }
        }
        // An extension module.
        "import" => {
            if let Some(path) = path(argument(1)) {
                watch::note_file(&path);
            }
        }
        name @ ("_thread.start_new_thread"
        | "_thread.start_joinable_thread"
        | "socket.__new__"
        | "sqlite3.connect"
        | "tempfile.mkdtemp"
        | "tempfile.mkstemp") => remember(event.py(), name),
        name if PROCESSES.contains(&name) => remember(event.py(), name),
        _ => {}
    }
}

fn remember(py: Python<'_>, event: &str) {
    let made = Made {
        event: event.to_owned(),
        place: place(py).unwrap_or_default(),
    };
    MADE.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(made);
}

/// `O_RDONLY`: what is written changes anyway.
fn is_read(flags: Option<Bound<'_, PyAny>>) -> bool {
    let flags = flags.and_then(|flags| flags.extract::<i64>().ok());
    flags.is_none_or(|flags| flags & 3 == 0)
}

fn path(argument: Option<Bound<'_, PyAny>>) -> Option<PathBuf> {
    let argument = argument?;
    if let Ok(bytes) = argument.cast::<PyBytes>() {
        let path = std::ffi::OsStr::from_bytes(bytes.as_bytes());
        return Some(PathBuf::from(path));
    }
    argument.extract().ok()
}

/// The innermost line that is not of a library, or the outermost of all.
pub fn place(py: Python<'_>) -> PyResult<String> {
    let mut frame = py.import("sys")?.call_method1("_getframe", (0,))?;
    let mut found = String::new();
    while !frame.is_none() {
        let code = frame.getattr("f_code")?;
        let file = code.getattr("co_filename")?.extract::<PathBuf>()?;
        if file.is_absolute() {
            found = format!(
                "{}, line {}",
                file.display(),
                frame.getattr("f_lineno")?.extract::<u32>()?
            );
            if !is_library(&file) {
                break;
            }
        }
        frame = frame.getattr("f_back")?;
    }
    Ok(found)
}

fn is_library(file: &Path) -> bool {
    file.components().any(|part| {
        let name = part.as_os_str().as_bytes();
        name.ends_with(b"-packages") || name.starts_with(b"python3.")
    })
}
