//! The ways in: each builds a request, runs it, and delivers the response.

pub mod application;
pub mod cgi;
pub mod complaints;
pub mod interpreter;
pub mod lambda;
pub mod limited;
pub mod other_user;
pub mod request;
pub mod self_test;
pub mod serve;
mod template;
pub mod watchdog;

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process;

use contract::codes::Code;
use contract::outcome::Outcome;
use contract::report::{self, Failure};

use crate::cgi::meta_variables::{LIMITED_SCRIPT, OTHER_USER, SERVE_CHILD};
use crate::cgi::script::same_file;
use crate::cli::Refusal;
use crate::python::discover::SEARCH_PATH;

/// What a child of this program is to become first.
pub enum Becomes {
    /// A script of somebody else.
    Script,
    /// A process without a terminal, perhaps somebody else's, and then this kind of child.
    OtherUser(OsString),
}

/// Whether a file is this program's own. A server whose script it is has started this program by its own address: the
/// arguments are a query's words, and no child of ours is started so, whatever has been inherited.
///
/// Where `/proc` is not mounted, any file counts that shell or server may have found by the name that this program was
/// started with; where that leads nowhere, every file does, and nothing is believed.
pub fn is_own_file(file: &Path) -> bool {
    let own = Path::new("/proc/self/exe");
    if own.exists() {
        return same_file(file, own);
    }
    let name = env::args_os().next().unwrap_or_default();
    let places: Vec<_> = match name.as_bytes().contains(&b'/') {
        true => vec![PathBuf::new()],
        false => {
            let search_path = env::var_os("PATH").unwrap_or_else(|| SEARCH_PATH.into());
            [PathBuf::from(".")]
                .into_iter()
                .chain(env::split_paths(&search_path))
                .collect()
        }
    };
    let mut found = places
        .iter()
        .map(|place| place.join(&name))
        .filter(|file| file.exists())
        .peekable();
    found.peek().is_none() || found.any(|own| same_file(file, &own))
}

/// What this process is to become, if it is such a child.
pub fn becomes() -> Option<Becomes> {
    let kind = env::var_os(SERVE_CHILD)?;
    if env::var_os("SCRIPT_FILENAME").is_some_and(|file| is_own_file(Path::new(&file))) {
        return None;
    }
    if kind == LIMITED_SCRIPT {
        return Some(Becomes::Script);
    }
    let kind = kind.as_bytes().strip_prefix(OTHER_USER.as_bytes())?;
    Some(Becomes::OtherUser(OsStr::from_bytes(kind).to_owned()))
}

/// The working folder, from which relative paths count.
pub fn here() -> Result<PathBuf, Failure> {
    env::current_dir().map_err(|error| Failure::new(Code::NO_DIRECTORY, error.to_string()))
}

/// Ends a command that does nothing: with the help that was asked for, or for a reason that is told.
pub fn refuse(refusal: Refusal) -> Outcome {
    match refusal {
        Refusal::Answered(text) => {
            // A reader that has gone away has seen enough.
            let _ = io::stdout().write_all(text.as_bytes());
            Outcome::Complete
        }
        Refusal::Wrong(failure) => {
            report::tell(&failure, "", None);
            failure.code.entry().outcome
        }
    }
}

/// The sockets that systemd passed to this process, from descriptor 3 on (sd_listen_fds(3)).
pub fn inherited_sockets() -> Vec<OwnedFd> {
    let number = |name| {
        env::var(name)
            .ok()
            .and_then(|text| text.parse::<u32>().ok())
    };
    match (number("LISTEN_PID"), number("LISTEN_FDS")) {
        (Some(pid), Some(count)) if pid == process::id() && count < 1000 => (3..)
            .take(count as usize)
            .filter_map(contract::descriptors::adopt)
            .collect(),
        _ => Vec::new(),
    }
}
