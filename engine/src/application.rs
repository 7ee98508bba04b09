//! Imports the application's module and finds the WSGI callable in it.

use contract::codes::Code;
use contract::handover::{Detail, Job, Source};
use contract::report::Failure;
use pyo3::exceptions::{PyImportError, PyModuleNotFoundError, PySyntaxError, PySystemExit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple, PyType};

use crate::failure::from_exception;
use crate::loader::import_file;

/// Objects that are surely the application, whatever their name: module and class.
const FRAMEWORKS: [(&str, &str); 11] = [
    ("flask.app", "Flask"),
    ("django.core.handlers.wsgi", "WSGIHandler"),
    ("pyramid.router", "Router"),
    ("bottle", "Bottle"),
    ("falcon.app", "App"),
    ("falcon.api", "API"),
    ("cherrypy._cptree", "Tree"),
    ("cherrypy._cptree", "Application"),
    ("web.application", "application"),
    ("paste.urlmap", "URLMap"),
    ("morepath.app", "App"),
];

/// A function whose code has this flag is a coroutine: `inspect.CO_COROUTINE`.
const CO_COROUTINE: u32 = 0x80;

/// The WSGI application that the job names.
pub fn load<'py>(py: Python<'py>, job: &Job) -> Result<Bound<'py, PyAny>, Failure> {
    let module = import(py, job).map_err(|error| import_failure(py, &error, job))?;
    match &job.callable {
        Some(expression) => named(&module, expression, job.detail),
        None => unnamed(&module, job.detail),
    }
}

fn import<'py>(py: Python<'py>, job: &Job) -> PyResult<Bound<'py, PyAny>> {
    match &job.source {
        Source::File(file) => import_file(py, file, job.byte_code),
        Source::Module { name, directory } => {
            let path = py.import("sys")?.getattr("path")?.cast_into::<PyList>()?;
            path.insert(0, directory.as_os_str())?;
            let importlib = py.import("importlib")?;
            importlib.call_method1("import_module", (name,))
        }
    }
}

fn import_failure(py: Python<'_>, error: &PyErr, job: &Job) -> Failure {
    let missing = error
        .is_instance_of::<PyModuleNotFoundError>(py)
        .then(|| {
            error
                .value(py)
                .getattr("name")
                .and_then(|name| name.extract::<String>())
                .ok()
        })
        .flatten();
    let code = match (&missing, &job.source) {
        (Some(missing), Source::Module { name, .. }) if is_it_or_around(missing, name) => {
            Code::NO_MODULE
        }
        (Some(_), _) => Code::PACKAGE_MISSING,
        _ if error.is_instance_of::<PySyntaxError>(py) => Code::SYNTAX_ERROR,
        _ if error.is_instance_of::<PySystemExit>(py) => Code::EXIT_AT_IMPORT,
        _ => Code::IMPORT_FAILED,
    };
    let mut failure = from_exception(py, error, code, job.detail);
    if code == Code::NO_MODULE {
        failure.detail = search_path(py);
    }
    if error.is_instance_of::<PyImportError>(py) || code == Code::SYNTAX_ERROR {
        failure
            .detail
            .push_str(&format!("interpreter: {}\n", job.interpreter));
    }
    failure
}

/// Whether `missing` is the module `name` itself or a package around it.
fn is_it_or_around(missing: &str, name: &str) -> bool {
    name.strip_prefix(missing)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn search_path(py: Python<'_>) -> String {
    let path = || py.import("sys")?.getattr("path")?.extract::<Vec<String>>();
    let lines = path()
        .unwrap_or_default()
        .into_iter()
        .map(|entry| format!("  {entry}\n"));
    format!("looked in:\n{}", lines.collect::<String>())
}

/// `name`, `object.attribute` or `factory()`.
fn named<'py>(
    module: &Bound<'py, PyAny>,
    expression: &str,
    detail: Detail,
) -> Result<Bound<'py, PyAny>, Failure> {
    let (name, is_factory) = match expression.strip_suffix("()") {
        Some(name) => (name, true),
        None => (expression, false),
    };
    let mut object = module.clone();
    for part in name.split('.') {
        object = object.getattr(part).map_err(|_| {
            Failure::new(
                Code::NO_CALLABLE,
                format!("{name:?} is not in {}", what_is_there(module)),
            )
        })?;
    }
    match is_factory {
        true => made_by(&object, name, detail),
        false => checked(object, name, detail),
    }
}

fn unnamed<'py>(module: &Bound<'py, PyAny>, detail: Detail) -> Result<Bound<'py, PyAny>, Failure> {
    for name in ["application", "app"] {
        if let Ok(object) = module.getattr(name)
            && (object.is_callable() || is_web_py(&object))
        {
            return checked(object, name, detail);
        }
    }
    let known = known_objects(module).unwrap_or_default();
    if let [(name, object)] = known.as_slice() {
        return checked(object.clone(), name, detail);
    }
    for name in ["create_app", "make_app"] {
        if let Ok(factory) = module.getattr(name)
            && factory.is_callable()
        {
            return made_by(&factory, name, detail);
        }
    }
    let reason = format!(
        "neither `application` nor `app` is in {}",
        what_is_there(module)
    );
    Err(Failure::new(Code::NO_CALLABLE, reason))
}

fn made_by<'py>(
    factory: &Bound<'py, PyAny>,
    name: &str,
    detail: Detail,
) -> Result<Bound<'py, PyAny>, Failure> {
    let made = factory
        .call0()
        .map_err(|error| from_exception(factory.py(), &error, Code::FACTORY_FAILED, detail))?;
    checked(made, &format!("{name}()"), detail)
}

fn checked<'py>(
    object: Bound<'py, PyAny>,
    name: &str,
    detail: Detail,
) -> Result<Bound<'py, PyAny>, Failure> {
    if is_web_py(&object) {
        let made = object.call_method0("wsgifunc");
        return made
            .map_err(|error| from_exception(object.py(), &error, Code::FACTORY_FAILED, detail));
    }
    let kind = crate::start_response::kind(&object);
    if !object.is_callable() {
        return Err(Failure::new(
            Code::NOT_CALLABLE,
            format!("{name} is of type {kind}"),
        ));
    }
    if is_coroutine(&object) {
        return Err(Failure::new(
            Code::ASGI,
            format!("{name} is of type {kind}"),
        ));
    }
    Ok(object)
}

/// web.py's application object is not callable itself.
fn is_web_py(object: &Bound<'_, PyAny>) -> bool {
    !object.is_callable() && object.hasattr("wsgifunc").unwrap_or(false)
}

/// Whether calling `object` makes a coroutine: then it speaks ASGI.
fn is_coroutine(object: &Bound<'_, PyAny>) -> bool {
    let flags = |function: &Bound<'_, PyAny>| {
        let code = function.getattr("__code__")?;
        code.getattr("co_flags")?.extract::<u32>()
    };
    let call = || flags(&object.get_type().getattr("__call__")?);
    flags(object)
        .or_else(|_| call())
        .is_ok_and(|flags| flags & CO_COROUTINE != 0)
}

/// The module's objects of a known framework, each once.
fn known_objects<'py>(module: &Bound<'py, PyAny>) -> PyResult<Vec<(String, Bound<'py, PyAny>)>> {
    let mut found: Vec<(String, Bound<'py, PyAny>)> = Vec::new();
    for (name, object) in module.getattr("__dict__")?.cast_into::<PyDict>()?.iter() {
        let seen = found.iter().any(|(_, known)| known.is(&object));
        if !seen && is_known(&object)? {
            found.push((name.extract()?, object));
        }
    }
    Ok(found)
}

fn is_known(object: &Bound<'_, PyAny>) -> PyResult<bool> {
    for class in object
        .get_type()
        .getattr("__mro__")?
        .cast_into::<PyTuple>()?
        .iter()
    {
        let class = class.cast_into::<PyType>()?;
        let (module, name) = (class.module()?, class.name()?);
        if FRAMEWORKS.contains(&(&module.to_string_lossy(), &name.to_string_lossy())) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// `FILE, which has: first, second`: the callables that were written in the module.
fn what_is_there(module: &Bound<'_, PyAny>) -> String {
    let text = |object: &Bound<'_, PyAny>, name| {
        object
            .getattr(name)
            .and_then(|text| text.extract::<String>())
            .ok()
    };
    let own = text(module, "__name__");
    let mut names = Vec::new();
    if let Ok(all) = module
        .getattr("__dict__")
        .and_then(|all| Ok(all.cast_into::<PyDict>()?))
    {
        for (name, object) in all.iter() {
            let name = name.extract::<String>().unwrap_or_default();
            if !name.starts_with('_') && object.is_callable() && text(&object, "__module__") == own
            {
                names.push(name);
            }
        }
    }
    let place = text(module, "__file__").or(own).unwrap_or_default();
    match names.is_empty() {
        true => format!("{place}, which has no callable of its own"),
        false => format!("{place}, which has: {}", names.join(", ")),
    }
}
