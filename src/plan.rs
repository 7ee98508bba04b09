//! What was meant by a command line: plain values, nothing left to interpret.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use contract::handover::{Detail, Site, Verbosity};

/// The settings of one run, after the command line, the script's pragma and the environment.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The interpreter or virtualenv to use.
    pub python: Option<NamedPython>,
    /// The folder to change into, absolute.
    pub chdir: Option<PathBuf>,
    /// Folders to go before `sys.path`, absolute.
    pub path: Vec<PathBuf>,
    /// SCRIPT_NAME, whatever the server says.
    pub script_name: Option<OsString>,
    /// How long the answer may take.
    pub timeout: Option<Duration>,
    /// What an error page shows.
    pub detail: Detail,
    /// A second place for failures, absolute.
    pub error_log: Option<PathBuf>,
    /// How much of Python's `site` is done.
    pub site: Site,
    /// Whether choices are told.
    pub verbosity: Verbosity,
    /// Whether warm mode was asked for; this version runs every request cold.
    pub warm: Warm,
}

/// An interpreter that was named, and where.
#[derive(Clone, Debug)]
pub struct NamedPython {
    /// As it was given: a path, or a name to look up on PATH.
    pub path: PathBuf,
    /// For messages: `--python`, `WSGI_CGI_PYTHON`, or the pragma.
    pub named_by: &'static str,
}

/// Whether a preloaded process may answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Warm {
    /// Not asked for.
    Off,
    /// Asked for.
    Wanted,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            python: None,
            chdir: None,
            path: Vec::new(),
            script_name: None,
            timeout: None,
            detail: Detail::Hidden,
            error_log: None,
            site: Site::Engine,
            verbosity: Verbosity::Quiet,
            warm: Warm::Off,
        }
    }
}
