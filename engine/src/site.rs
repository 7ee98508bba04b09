//! What the application can notice of Python's `site` module, without its cost.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use contract::codes::Code;
use contract::files;
use contract::handover::Packages;
use contract::report::{Failure, tell_line};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString};

use crate::warm::watch;

/// Runs the import lines of a `.pth` file as `site` does: some of them ask the calling frame for
/// `sitedir` (setuptools' namespace packages).
const RUN_PTH_LINE: &std::ffi::CStr = c"def addpackage(line, sitedir):\n    exec(line)\n";

/// The line of setuptools' distutils-precedence.pth, which most virtualenvs before Python 3.12 have.
/// It costs a hello application a quarter of its time, and each import a call.
const SETUPTOOLS_LINE: &str = "import os; var = 'SETUPTOOLS_USE_DISTUTILS'; enabled = os.environ.get(var, 'local') == 'local'; enabled and __import__('_distutils_hack').add_shim();";

/// More than any `.pth` file has, in bytes.
const LIMIT: u64 = 16 << 20;

/// Adds the site directories to `sys.path`, processes their `.pth` files, sets `sys.prefix`.
pub fn add_packages(py: Python<'_>, packages: &Packages) -> PyResult<()> {
    let sys = py.import("sys")?;
    let directories = match packages {
        Packages::System => system_directories(py)?,
        Packages::Virtualenv(prefix) => virtualenv_directories(&sys, prefix)?,
        Packages::VirtualenvAndSystem(prefix) => {
            // Debian's `site` looks at sys.prefix: ask it before that is the virtualenv's.
            let system = system_directories(py)?;
            let own = virtualenv_directories(&sys, prefix)?;
            own.into_iter().chain(system).collect()
        }
    };
    let path = sys.getattr("path")?.cast_into::<PyList>()?;
    for directory in directories {
        add_directory(&path, &directory)?;
    }
    add_builtins(py)
}

/// Imports `sitecustomize` where a site directory or `--path` has one.
///
/// The interpreter's own (Debian's installs a crash reporter) only runs with `--site`.
pub fn run_customization(py: Python<'_>) -> PyResult<()> {
    let sys = py.import("sys")?;
    let library = sys.getattr("platlibdir")?.extract::<String>()?;
    let standard = format!("/{library}/python");
    for directory in sys.getattr("path")?.cast::<PyList>()?.iter() {
        let directory = directory.extract::<PathBuf>()?;
        // The standard library's folders: /usr/lib/python3.11 and /usr/lib/python3.11/lib-dynload.
        let text = directory.to_string_lossy();
        let packages = text.ends_with("-packages");
        if text.contains(&standard) && !packages {
            continue;
        }
        if directory.join("sitecustomize.py").exists() || directory.join("sitecustomize").is_dir() {
            if let Err(error) = py.import("sitecustomize") {
                // As `site` does: say so, and go on.
                tell(&format!("error in sitecustomize: {error}"));
            }
            break;
        }
    }
    Ok(())
}

fn virtualenv_directories(sys: &Bound<'_, PyModule>, prefix: &Path) -> PyResult<Vec<PathBuf>> {
    sys.setattr("prefix", prefix.as_os_str())?;
    sys.setattr("exec_prefix", prefix.as_os_str())?;
    let version = sys.py().version_info();
    let below = format!("python{}.{}/site-packages", version.major, version.minor);
    let platform = sys.getattr("platlibdir")?.extract::<String>()?;
    let mut directories = vec![prefix.join("lib").join(&below)];
    if platform != "lib" {
        directories.insert(0, prefix.join(platform).join(&below));
    }
    Ok(directories)
}

/// Importing `site` under `-S` runs nothing: it only lends its knowledge of this interpreter's layout.
fn system_directories(py: Python<'_>) -> PyResult<Vec<PathBuf>> {
    let site = py.import("site")?;
    let mut directories = Vec::new();
    if user_site_is_enabled(py)? {
        let user = site
            .call_method0("getusersitepackages")?
            .extract::<PathBuf>()?;
        // `site` trusts HOME; a folder of somebody else's is no place to import from.
        let owner = fs::metadata(&user).ok().map(|status| status.uid());
        if owner == Some(rustix::process::geteuid().as_raw()) {
            directories.push(user);
        }
    }
    directories.extend(
        site.call_method0("getsitepackages")?
            .extract::<Vec<PathBuf>>()?,
    );
    Ok(directories)
}

fn user_site_is_enabled(py: Python<'_>) -> PyResult<bool> {
    use rustix::process::{getegid, geteuid, getgid, getuid};
    let variables = py
        .import("posix")?
        .getattr("environ")?
        .cast_into::<PyDict>()?;
    let refused = variables
        .get_item(pyo3::types::PyBytes::new(py, b"PYTHONNOUSERSITE"))?
        .is_some_and(|value| value.is_truthy().unwrap_or(true));
    Ok(!refused && getuid() == geteuid() && getgid() == getegid())
}

/// `site.addsitedir`: the folder, then what its `.pth` files name, in their order.
fn add_directory(path: &Bound<'_, PyList>, directory: &Path) -> PyResult<()> {
    watch::note_folder(directory);
    let Ok(entries) = fs::read_dir(directory) else {
        return Ok(());
    };
    append(path, directory)?;
    let mut names: Vec<_> = entries
        .flatten()
        .map(|entry| entry.file_name())
        .filter(|name| {
            let name = name.as_encoded_bytes();
            name.ends_with(b".pth") && !name.starts_with(b".")
        })
        .collect();
    names.sort();
    for name in names {
        let file = directory.join(name);
        if let Err(error) = add_pth_file(path, directory, &file) {
            // As `site` does: say so, and leave out the rest of this file.
            tell(&format!(
                "error in the .pth file {}: {error}",
                file.display()
            ));
        }
    }
    Ok(())
}

fn add_pth_file(path: &Bound<'_, PyList>, directory: &Path, file: &Path) -> PyResult<()> {
    watch::note_file(file);
    let text = files::read(file, LIMIT)?;
    let text = String::from_utf8_lossy(text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text));
    for line in text.lines() {
        if line.starts_with("import ") || line.starts_with("import\t") {
            run_import_line(path.py(), line, directory)?;
        } else if !line.trim().is_empty() && !line.starts_with('#') {
            let named = directory.join(line.trim_end());
            if named.exists() {
                append(path, &named)?;
            }
        }
    }
    Ok(())
}

/// Runs an import line, or sees to it that it runs when it matters.
fn run_import_line(py: Python<'_>, line: &str, directory: &Path) -> PyResult<()> {
    if line.trim_end() == SETUPTOOLS_LINE {
        let finder = Bound::new(py, DistutilsFinder(directory.to_owned()))?;
        let finders = py
            .import("sys")?
            .getattr("meta_path")?
            .cast_into::<PyList>()?;
        return finders.insert(0, finder);
    }
    run_line(py, line, directory)
}

/// Stands in for setuptools' finder until something asks for `distutils`.
#[pyclass(frozen, module = "wsgi_cgi")]
struct DistutilsFinder(PathBuf);

#[pymethods]
impl DistutilsFinder {
    #[pyo3(signature = (name, path=None, target=None))]
    fn find_spec<'py>(
        this: &Bound<'py, Self>,
        name: &str,
        path: Option<Bound<'py, PyAny>>,
        target: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        // What setuptools' own finder has something to say about.
        if !(matches!(name, "distutils" | "pip") || name.starts_with("test.")) {
            return Ok(None);
        }
        let py = this.py();
        let finders = py.import("sys")?.getattr("meta_path")?;
        finders.call_method1("remove", (this,))?;
        run_line(py, SETUPTOOLS_LINE, &this.get().0)?;
        let first = finders.get_item(0)?;
        first
            .call_method1("find_spec", (name, path, target))
            .map(Some)
    }
}

fn run_line(py: Python<'_>, line: &str, directory: &Path) -> PyResult<()> {
    let globals = PyDict::new(py);
    py.run(RUN_PTH_LINE, Some(&globals), None)?;
    if let Some(addpackage) = globals.get_item("addpackage")? {
        addpackage.call1((line, directory.as_os_str()))?;
    }
    Ok(())
}

fn append(path: &Bound<'_, PyList>, directory: &Path) -> PyResult<()> {
    let entry = directory.as_os_str().into_pyobject(path.py())?;
    if !path.contains(&entry)? {
        path.append(entry)?;
    }
    Ok(())
}

/// `exit`, `quit` and `help`: `site` adds them, and applications call them.
fn add_builtins(py: Python<'_>) -> PyResult<()> {
    let builtins = py.import("builtins")?;
    let own = py.import("_sitebuiltins")?;
    for name in ["quit", "exit"] {
        let arguments = (PyString::new(py, name), "Ctrl-D (i.e. EOF)");
        builtins.setattr(name, own.getattr("Quitter")?.call1(arguments)?)?;
    }
    builtins.setattr("help", own.getattr("_Helper")?.call0()?)
}

fn tell(reason: &str) {
    let failure = Failure::new(Code::START_FILE_FAILED, reason);
    tell_line(&format!("{failure}\n"), None);
}
