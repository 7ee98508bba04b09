//! The ways in: each builds a request, runs it, and delivers the response.

pub mod application;
pub mod cgi;
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

/// What a child of this program is to become first.
pub enum Becomes {
    /// A script of somebody else.
    Script,
    /// A process without a terminal, perhaps somebody else's, and then this kind of child.
    OtherUser(OsString),
}

/// Whether a server has started this program by its own address: the arguments are a query's words, and no child of
/// ours is started so, whatever has been inherited.
pub fn is_script_itself(script_filename: &OsStr) -> bool {
    same_file(script_filename.as_ref(), Path::new("/proc/self/exe"))
}

/// What this process is to become, if it is such a child.
pub fn becomes() -> Option<Becomes> {
    let kind = env::var_os(SERVE_CHILD)?;
    if is_script_itself(&env::var_os("SCRIPT_FILENAME").unwrap_or_default()) {
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
