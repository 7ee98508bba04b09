//! An exception taken apart for the error page: its chain, its calls, the lines around them, their variables.

use std::collections::VecDeque;

use contract::page::MASK;
use contract::secrets::is_secret;
use contract::trace::{Exception, Frame, Relation};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyMapping, PyModule};

/// Of a chain, the newest.
const EXCEPTIONS: usize = 10;
/// Of the calls of one exception, the first and the last.
const FIRST_CALLS: usize = 10;
const LAST_CALLS: usize = 40;
/// Lines before and behind the one that was running.
const AROUND: usize = 5;
/// Variables of one call, and how much of each.
const VARIABLES: usize = 50;
const VALUE_LIMIT: usize = 2000;

/// Takes an exception and those that led to it apart. What cannot be looked at is left out: the page must
/// not fail over what it shows.
pub fn of(py: Python<'_>, error: &PyErr) -> Vec<Exception> {
    let Ok(view) = View::new(py) else {
        return Vec::new();
    };
    let mut chain = Vec::new();
    let mut seen = Vec::new();
    // As one object: before Python 3.12 an error and its traceback are kept apart.
    let newest = error.clone_ref(py).into_value(py).into_bound(py);
    let mut next = Some((newest.into_any(), Relation::First));
    while let Some((exception, leads_to)) = next.take() {
        if chain.len() >= EXCEPTIONS || seen.contains(&exception.as_ptr()) {
            break;
        }
        seen.push(exception.as_ptr());
        chain.push((view.exception(&exception), leads_to));
        next = before(&exception);
    }
    // Each says how it led to the newer one; told is how the newer one follows.
    let relations: Vec<_> = chain.iter().map(|(_, leads_to)| *leads_to).collect();
    let mut exceptions: Vec<_> = chain.into_iter().map(|(exception, _)| exception).collect();
    for (exception, relation) in exceptions.iter_mut().zip(relations.into_iter().skip(1)) {
        exception.relation = relation;
    }
    exceptions.reverse();
    exceptions
}

/// The exception that led to this one, as Python tells it.
fn before<'py>(exception: &Bound<'py, PyAny>) -> Option<(Bound<'py, PyAny>, Relation)> {
    let attribute = |name: &str| {
        exception
            .getattr(name)
            .ok()
            .filter(|value| !value.is_none())
    };
    if let Some(cause) = attribute("__cause__") {
        return Some((cause, Relation::Cause));
    }
    let is_suppressed =
        attribute("__suppress_context__").is_some_and(|on| on.is_truthy().unwrap_or(false));
    match is_suppressed {
        true => None,
        false => attribute("__context__").map(|context| (context, Relation::Context)),
    }
}

/// What helps to look at Python objects.
struct View<'py> {
    linecache: Bound<'py, PyModule>,
    reprlib: Bound<'py, PyAny>,
}

impl<'py> View<'py> {
    fn new(py: Python<'py>) -> PyResult<Self> {
        let linecache = py.import("linecache")?;
        // The file on disk is what the author looks at.
        linecache.call_method0("checkcache")?;
        let reprlib = py.import("reprlib")?.getattr("Repr")?.call0()?;
        for (name, limit) in [
            ("maxstring", 200),
            ("maxother", 200),
            ("maxlong", 80),
            ("maxlist", 20),
            ("maxtuple", 20),
            ("maxdict", 20),
            ("maxset", 20),
        ] {
            reprlib.setattr(name, limit)?;
        }
        Ok(Self { linecache, reprlib })
    }

    fn exception(&self, exception: &Bound<'py, PyAny>) -> Exception {
        let mut frames = self.frames(exception).unwrap_or_default();
        frames.extend(self.place_of_syntax_error(exception));
        Exception {
            relation: Relation::First,
            text: one_line(exception),
            frames,
        }
    }

    fn frames(&self, exception: &Bound<'py, PyAny>) -> PyResult<Vec<Frame>> {
        let mut first = Vec::new();
        let mut last = VecDeque::new();
        let mut left_out = 0;
        let mut traceback = exception.getattr("__traceback__")?;
        while !traceback.is_none() {
            if !is_import_machinery(&traceback) {
                if first.len() < FIRST_CALLS {
                    first.push(traceback.clone());
                } else {
                    last.push_back(traceback.clone());
                }
                if last.len() > LAST_CALLS {
                    last.pop_front();
                    left_out += 1;
                }
            }
            traceback = traceback.getattr("tb_next")?;
        }
        let count = first.len();
        let mut frames = Vec::new();
        for traceback in first.iter().chain(&last) {
            let mut frame = self.frame(traceback)?;
            if frames.len() == count {
                frame.left_out = left_out;
            }
            frames.push(frame);
        }
        Ok(frames)
    }

    fn frame(&self, traceback: &Bound<'py, PyAny>) -> PyResult<Frame> {
        let frame = traceback.getattr("tb_frame")?;
        let code = frame.getattr("f_code")?;
        let file = code.getattr("co_filename")?.to_string();
        let line = traceback.getattr("tb_lineno")?.extract().unwrap_or(0);
        let function = code
            .getattr("co_qualname")
            .or_else(|_| code.getattr("co_name"))?
            .to_string();
        Ok(Frame {
            source: self.source(&file, line),
            locals: self.locals(&frame).unwrap_or_default(),
            file,
            line,
            function,
            left_out: 0,
        })
    }

    /// A syntax error has no call: the file was never run.
    fn place_of_syntax_error(&self, exception: &Bound<'py, PyAny>) -> Option<Frame> {
        if !exception.is_instance_of::<pyo3::exceptions::PySyntaxError>() {
            return None;
        }
        let file: String = exception.getattr("filename").ok()?.extract().ok()?;
        let line = exception.getattr("lineno").ok()?.extract().ok()?;
        Some(Frame {
            source: self.source(&file, line),
            file,
            line,
            ..Frame::default()
        })
    }

    fn source(&self, file: &str, line: u32) -> Vec<(u32, String)> {
        let lines = self.linecache.call_method1("getlines", (file,));
        let lines: Vec<String> = lines.and_then(|lines| lines.extract()).unwrap_or_default();
        let at = (line as usize).saturating_sub(1);
        let first = at.saturating_sub(AROUND);
        let around = lines
            .iter()
            .enumerate()
            .skip(first)
            .take(at - first + AROUND + 1);
        around
            .map(|(index, text)| (index as u32 + 1, text.trim_end().to_owned()))
            .collect()
    }

    fn locals(&self, frame: &Bound<'py, PyAny>) -> PyResult<Vec<(String, String)>> {
        let locals = PyDict::new(frame.py());
        locals.update(frame.getattr("f_locals")?.cast::<PyMapping>()?)?;
        let mut variables = Vec::new();
        for (name, value) in locals {
            let name = name.to_string();
            // What every module has, and what it imported, says nothing.
            let is_noise = name.starts_with("__") || value.is_instance_of::<PyModule>();
            if !is_noise {
                variables.push((name, self.value(&value)));
            }
            if variables.len() >= VARIABLES {
                break;
            }
        }
        Ok(variables)
    }

    fn value(&self, value: &Bound<'py, PyAny>) -> String {
        let masked = value.cast_exact::<PyDict>().ok().and_then(masked);
        let shown = masked.as_ref().unwrap_or(value);
        let repr = self.reprlib.call_method1("repr", (shown,));
        match repr.and_then(|text| text.extract::<String>()) {
            Ok(text) if text.chars().count() > VALUE_LIMIT => {
                let mut short: String = text.chars().take(VALUE_LIMIT).collect();
                short.push('…');
                short
            }
            Ok(text) => text,
            Err(_) => format!("<repr failed: {}>", crate::start_response::kind(value)),
        }
    }
}

/// A copy of a dict without what its keys call a secret: an environ has the deployment's variables.
fn masked<'py>(dict: &Bound<'py, PyDict>) -> Option<Bound<'py, PyAny>> {
    let copy = dict.copy().ok()?;
    for key in dict.keys() {
        if key.extract::<String>().is_ok_and(|key| is_secret(&key)) {
            copy.set_item(key, MASK).ok()?;
        }
    }
    Some(copy.into_any())
}

/// Whether a traceback's first call is Python's own import: no part of the application.
pub fn is_import_machinery(traceback: &Bound<'_, PyAny>) -> bool {
    let file = traceback
        .getattr("tb_frame")
        .and_then(|frame| frame.getattr("f_code"))
        .and_then(|code| code.getattr("co_filename"));
    file.is_ok_and(|file| file.to_string().starts_with("<frozen importlib"))
}

/// `ValueError: the first line of its text`.
pub fn one_line(exception: &Bound<'_, PyAny>) -> String {
    let name = crate::start_response::kind(exception);
    let text = exception
        .str()
        .map(|text| text.to_string_lossy().into_owned());
    match text.unwrap_or_default().lines().next() {
        None | Some("") => name,
        Some(line) => format!("{name}: {line}"),
    }
}
