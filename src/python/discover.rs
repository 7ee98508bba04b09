//! Finds the application's Python interpreter without starting a process, and says why it is that one.
//!
//! This runs on every request. Each step asks the kernel as little as it can; what costs more is
//! asked only where something is wrong, to explain it.

#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing)]

mod candidate;
mod not_found;
mod places;
mod program;
mod pyenv;
mod pyvenv_cfg;
#[cfg(test)]
mod tree;
mod trust;
mod understanding;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

pub use not_found::{Cause, NotFound, Skipped};
pub use places::SEARCH_PATH;
pub use trust::Distrust;

/// What is known before the search. Everything in it comes from the deployment, never from a client.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// `--python`, from wherever it was set. Empty counts as absent.
    pub option: Option<Named<'a>>,
    /// The variable VIRTUAL_ENV. Empty counts as absent.
    pub virtual_env: Option<&'a OsStr>,
    /// The variable PATH. Web servers may set none, or an empty one.
    pub search_path: Option<&'a OsStr>,
    /// The variable PYENV_VERSION. Empty counts as absent.
    pub pyenv_version: Option<&'a OsStr>,
    /// The folder of the application, absolute.
    pub application_dir: &'a Path,
    /// The user id that owns the application's file, where there is one.
    pub application_owner: Option<u32>,
    /// Our own executable, resolved.
    pub executable: Option<&'a Path>,
    /// The user id that we act as.
    pub effective_user: u32,
}

/// An interpreter that somebody named.
#[derive(Clone, Copy, Debug)]
pub struct Named<'a> {
    /// An executable, a virtualenv or installation (a directory with `bin/python`), relative to the
    /// working directory; or the bare name of an executable on PATH.
    pub path: &'a Path,
    /// Where it was named, for people: `--python`, `WSGI_CGI_PYTHON`, `the pragma in app.py`.
    pub source: &'a str,
}

/// The interpreter to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interpreter {
    /// What `sys.executable` will be: absolute, with the virtualenv's links unresolved.
    pub program: PathBuf,
    /// The virtualenv that `program` stands in.
    pub virtualenv: Option<Virtualenv>,
    /// Major and minor version. None where no name tells it: the program finds out when it runs.
    pub version: Option<(u8, u8)>,
    /// How it was chosen, a clause: `the virtualenv /srv/app/.venv beside the application`.
    pub reason: String,
    /// What was passed over on the way, for `-v` and `check`.
    pub skipped: Vec<Skipped>,
}

/// A directory with `pyvenv.cfg`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Virtualenv {
    /// What `sys.prefix` will be.
    pub prefix: PathBuf,
    /// Whether packages of the base interpreter are seen too.
    pub include_system_site_packages: bool,
}

/// Finds the interpreter, in this order: the option, VIRTUAL_ENV, a virtualenv beside or above the
/// application, the Python beside our own executable, `python3` on PATH.
///
/// The first that is there is taken. If it cannot be used, that is an error: another one would lack
/// the application's packages, and its failure would point away from the cause.
pub fn find(request: &Request) -> Result<Interpreter, NotFound> {
    let mut skipped = Vec::new();
    let found = places::choose(request, &mut skipped).and_then(understanding::understand);
    match found {
        Ok(interpreter) => Ok(Interpreter {
            skipped,
            ..interpreter
        }),
        Err(cause) => Err(NotFound { cause, skipped }),
    }
}
