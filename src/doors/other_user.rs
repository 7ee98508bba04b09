//! A process of `check` that is to be somebody else's: it becomes that user's here, then the program.

use std::convert::Infallible;
use std::env;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use contract::codes::Code;
use contract::outcome::Outcome;
use contract::report::{self, Failure};
use rustix::process::{Gid, Uid};
use rustix::thread::{set_thread_gid, set_thread_groups, set_thread_uid};

use crate::cgi::meta_variables::SERVE_CHILD;

/// The arguments are the user's id, its groups, the program, and the program's own. Returns only if that fails.
pub fn run(arguments: &[OsString], kind: &OsStr) -> Outcome {
    let failure = match become_program(arguments, kind) {
        Ok(never) => match never {},
        Err(error) => {
            let program = arguments.get(2).cloned().unwrap_or_default();
            Failure::new(
                Code::CANNOT_START,
                format!("{}: {error}", program.display()),
            )
        }
    };
    report::tell(&failure, "", None);
    failure.code.entry().outcome
}

fn become_program(arguments: &[OsString], kind: &OsStr) -> io::Result<Infallible> {
    let [user, groups, program, rest @ ..] = arguments else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let number = |text: &str| text.parse::<u32>().map_err(io::Error::other);
    let user = number(&user.to_string_lossy())?;
    let groups = groups.to_string_lossy();
    let groups = groups
        .split(',')
        .map(number)
        .collect::<Result<Vec<_>, _>>()?;
    let groups: Vec<_> = groups.into_iter().map(Gid::from_raw).collect();
    // Nothing else runs in this process: its thread is all of it.
    set_thread_groups(&groups)?;
    if let Some(first) = groups.first() {
        set_thread_gid(*first)?;
    }
    set_thread_uid(Uid::from_raw(user))?;
    // Whether this user may be here, too.
    env::set_current_dir(env::current_dir()?)?;
    let mut command = Command::new(program);
    command.args(rest);
    match kind.is_empty() {
        true => command.env_remove(SERVE_CHILD),
        false => command.env(SERVE_CHILD, kind),
    };
    Err(command.exec())
}
