//! A process of `check`: it leaves the terminal, becomes the user's whose it is to be, then the program.

use std::convert::Infallible;
use std::env;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use contract::codes::Code;
use contract::outcome::Outcome;
use contract::report::{self, Failure};
use rustix::process::{Gid, Signal, Uid, getppid, set_parent_process_death_signal, setsid};
use rustix::thread::{set_thread_gid, set_thread_groups, set_thread_uid};

use crate::cgi::meta_variables::SERVE_CHILD;

/// The arguments are the user's id (empty: nobody else), its groups, the program, and the program's own. Returns only
/// if that fails.
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

/// Makes this process that of a user with these groups, the user's own first. It must have no other thread.
pub fn become_user(user: u32, groups: &[u32]) -> io::Result<()> {
    let groups: Vec<_> = groups.iter().copied().map(Gid::from_raw).collect();
    set_thread_groups(&groups)?;
    if let Some(first) = groups.first() {
        set_thread_gid(*first)?;
    }
    Ok(set_thread_uid(Uid::from_raw(user))?)
}

fn become_program(arguments: &[OsString], kind: &OsStr) -> io::Result<Infallible> {
    let [user, groups, program, rest @ ..] = arguments else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let parent = getppid();
    // A process that has a terminal can type into it, and the shell of who runs `check` would read that (TIOCSTI).
    setsid()?;
    if !user.is_empty() {
        let number = |text: &str| text.parse::<u32>().map_err(io::Error::other);
        let groups = groups.to_string_lossy();
        let groups = groups.split(',').map(number);
        become_user(
            number(&user.to_string_lossy())?,
            &groups.collect::<Result<Vec<_>, _>>()?,
        )?;
        // Whether this user may be here, too.
        env::set_current_dir(env::current_dir()?)?;
    }
    // Ctrl-C reaches `check` alone, whose end is ours. A change of user forgets this.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    if getppid() != parent {
        return Err(io::Error::other("the parent process is gone"));
    }
    let mut command = Command::new(program);
    command.args(rest);
    match kind.is_empty() {
        true => command.env_remove(SERVE_CHILD),
        false => command.env(SERVE_CHILD, kind),
    };
    Err(command.exec())
}
