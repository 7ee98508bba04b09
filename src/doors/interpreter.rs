//! Chooses the application's interpreter from what a door knows.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use contract::codes::Code;
use contract::handover::{Packages, Source};
use contract::report::Failure;

use crate::cgi::meta_variables::MetaVariables;
use crate::plan::Settings;
use crate::python::discover::{self, Cause, Interpreter};
use crate::source::Found;

/// The interpreter for the application that was found. `executable` is our own, resolved.
pub fn choose(
    variables: &MetaVariables,
    settings: &Settings,
    found: &Found,
    executable: Option<&Path>,
) -> Result<Interpreter, Failure> {
    let variable = |name| variables.get(name).map(OsStr::from_bytes);
    let search = discover::Request {
        option: settings.python.as_ref().map(|python| discover::Named {
            path: &python.path,
            source: python.named_by,
        }),
        virtual_env: variable("VIRTUAL_ENV"),
        search_path: variable("PATH"),
        pyenv_version: variable("PYENV_VERSION"),
        application_dir: folder(found, settings),
        application_owner: found.owner,
        executable,
        effective_user: rustix::process::geteuid().as_raw(),
    };
    discover::find(&search).map_err(|error| not_found(&error))
}

/// The application's folder.
pub fn folder<'a>(found: &'a Found, settings: &'a Settings) -> &'a Path {
    let moved = settings.chdir.as_deref().filter(|_| is_module(found));
    moved.unwrap_or(&found.directory)
}

/// Whether APP is a dotted name, which `--chdir` moves.
pub fn is_module(found: &Found) -> bool {
    matches!(found.source, Source::Module { .. }) && found.owner.is_none()
}

/// Which packages the application sees with this interpreter.
pub fn packages(interpreter: &Interpreter) -> Packages {
    match &interpreter.virtualenv {
        None => Packages::System,
        Some(own) if own.include_system_site_packages => {
            Packages::VirtualenvAndSystem(own.prefix.clone())
        }
        Some(own) => Packages::Virtualenv(own.prefix.clone()),
    }
}

/// The interpreter and how it was chosen, for messages.
pub fn described(interpreter: &Interpreter) -> String {
    format!("{}: {}", interpreter.program.display(), interpreter.reason)
}

fn not_found(error: &discover::NotFound) -> Failure {
    let code = match error.cause {
        Cause::TooOld { .. } => Code::PYTHON_TOO_OLD,
        Cause::Unsupported { .. } => Code::PYTHON_UNSUPPORTED,
        Cause::BrokenVirtualenv { .. } => Code::PYTHON_DID_NOT_START,
        _ => Code::NO_PYTHON,
    };
    let skipped: Vec<_> = error.skipped.iter().map(ToString::to_string).collect();
    Failure::new(code, error.to_string()).with_detail(skipped.join("\n"))
}
