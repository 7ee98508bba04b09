//! Imports the application's file under its own name, never showing byte code of an older text.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use contract::files;
use contract::handover::ByteCode;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};

use crate::warm::watch;

/// Byte code that is checked by a hash of its source (PEP 552).
const CHECKED_HASH: [u8; 4] = 3u32.to_le_bytes();

/// More than any source or byte code has, in bytes.
const LIMIT: u64 = 256 << 20;

/// Imports `file` as the module that it is: with its packages, if `__init__.py` lies beside it.
pub fn import_file<'py>(
    py: Python<'py>,
    file: &Path,
    byte_code: ByteCode,
) -> PyResult<Bound<'py, PyAny>> {
    let place = Place::of(file);
    let sys = py.import("sys")?;
    let path = sys.getattr("path")?.cast_into::<PyList>()?;
    if place.package.is_some() {
        // Neighbours are imported by their plain names, too, in many a flat folder.
        path.insert(0, place.directory.as_os_str())?;
    }
    path.insert(0, place.root.as_os_str())?;

    let modules = sys.getattr("modules")?.cast_into::<PyDict>()?;
    let mut name = place.name.clone();
    if let Some(package) = &place.package {
        py.import("importlib")?
            .call_method1("import_module", (package,))?;
    }
    if let Some(loaded) = modules.get_item(&name)? {
        let origin = loaded.getattr_opt("__file__")?;
        if origin.is_some_and(|origin| {
            origin
                .extract::<PathBuf>()
                .is_ok_and(|origin| origin == file)
        }) {
            return Ok(loaded);
        }
        // A module of Python's own has that name already (io, types): leave it alone.
        name.insert_str(0, "application_");
    }
    execute(py, &modules, &name, file, byte_code)
}

fn execute<'py>(
    py: Python<'py>,
    modules: &Bound<'py, PyDict>,
    name: &str,
    file: &Path,
    byte_code: ByteCode,
) -> PyResult<Bound<'py, PyAny>> {
    let importer = py.import("_frozen_importlib_external")?;
    let loader = importer
        .getattr("SourceFileLoader")?
        .call1((name, file.as_os_str()))?;
    let options = PyDict::new(py);
    options.set_item("loader", &loader)?;
    let spec = importer
        .getattr("spec_from_file_location")?
        .call((name, file.as_os_str()), Some(&options))?;
    let module = py
        .import("_frozen_importlib")?
        .call_method1("module_from_spec", (spec,))?;
    let code = compile(py, &importer, &loader, file, byte_code)?;
    modules.set_item(name, &module)?;
    let run = py.import("builtins")?.getattr("exec")?;
    if let Err(error) = run.call1((code, module.getattr("__dict__")?)) {
        modules.del_item(name)?;
        return Err(error);
    }
    if let Some((package, own)) = name.rsplit_once('.')
        && let Some(package) = modules.get_item(package)?
    {
        package.setattr(own, &module)?;
    }
    Ok(module)
}

/// The code of `file`: from byte code whose source hash is right, else compiled and kept.
///
/// Python's own check is by second and size: of two edits within a second the first could stay.
fn compile<'py>(
    py: Python<'py>,
    importer: &Bound<'py, PyModule>,
    loader: &Bound<'py, PyAny>,
    file: &Path,
    byte_code: ByteCode,
) -> PyResult<Bound<'py, PyAny>> {
    watch::note_file(file);
    let source = files::read(file, LIMIT)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", file.display())))?;
    let source = PyBytes::new(py, &source);
    let magic = importer.getattr("MAGIC_NUMBER")?.extract::<[u8; 4]>()?;
    let key = u32::from_le_bytes(magic);
    let hash = py
        .import("_imp")?
        .call_method1("source_hash", (key, &source))?;
    let header = [magic.as_slice(), &CHECKED_HASH, hash.extract::<&[u8]>()?].concat();

    let cache = importer.call_method1("cache_from_source", (file.as_os_str(),))?;
    let cache = cache.extract::<PathBuf>()?;
    let marshal = py.import("marshal")?;
    if let Some(code) = files::read(&cache, LIMIT)
        .ok()
        .as_deref()
        .and_then(|bytes| bytes.strip_prefix(header.as_slice()))
        && let Ok(code) = marshal.call_method1("loads", (PyBytes::new(py, code),))
    {
        return Ok(code);
    }
    let code = loader.call_method1("source_to_code", (source, file.as_os_str()))?;
    let may_keep = byte_code == ByteCode::Kept && file.extension() == Some("py".as_ref());
    if may_keep
        && !py
            .import("sys")?
            .getattr("dont_write_bytecode")?
            .is_truthy()?
    {
        let body = marshal.call_method1("dumps", (&code,))?;
        let bytes = PyBytes::new(py, &[&header, body.extract::<&[u8]>()?].concat());
        let options = PyDict::new(py);
        options.set_item(
            "_mode",
            fs::metadata(file)?.permissions().mode() & 0o666 | 0o200,
        )?;
        // Atomic, and silent where the folder cannot be written to.
        loader
            .getattr("set_data")?
            .call((cache.as_os_str(), bytes), Some(&options))?;
    }
    Ok(code)
}

/// Where a file stands among modules.
struct Place {
    /// The file's folder.
    directory: PathBuf,
    /// The folder that holds the outermost package, or the file itself; first on `sys.path`.
    root: PathBuf,
    /// The dotted name of the package around the file.
    package: Option<String>,
    /// The dotted name of the module.
    name: String,
}

impl Place {
    fn of(file: &Path) -> Self {
        let directory = file.parent().unwrap_or(Path::new("/")).to_owned();
        let own = module_name(file);
        let mut packages = Vec::new();
        let mut root = directory.clone();
        // Only a file that can be imported by its name is part of a package.
        let importable = file.extension() == Some("py".as_ref());
        while importable
            && root.join("__init__.py").is_file()
            && let (Some(above), Some(name)) = (
                root.parent(),
                root.file_name().and_then(|name| name.to_str()),
            )
        {
            packages.insert(0, name.to_owned());
            root = above.to_owned();
        }
        let package = (!packages.is_empty()).then(|| packages.join("."));
        Self {
            name: package
                .iter()
                .cloned()
                .chain([own])
                .collect::<Vec<_>>()
                .join("."),
            directory,
            root,
            package,
        }
    }
}

/// The file's stem as an identifier: `my-app.cgi` is `my_app`.
fn module_name(file: &Path) -> String {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let name: String = stem
        .chars()
        .map(|char| if char.is_alphanumeric() { char } else { '_' })
        .collect();
    match name.starts_with(|first: char| first.is_numeric()) || name == "__main__" {
        true => format!("application_{name}"),
        false => name,
    }
}
