//! A process that is read to its end, or ended at a deadline.

use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use rustix::process::{Pid, geteuid};
use wsgi_cgi_process::Process;

use super::user::User;
use crate::cgi::meta_variables::OTHER_USER;
use crate::wait;

/// Of an output, no more is kept.
const MOST: usize = 16 << 20;

/// What is left of a process.
pub struct Done {
    /// Its standard output.
    pub output: Vec<u8>,
    /// Its standard error.
    pub errors: Vec<u8>,
    /// It was ended at the deadline.
    pub is_late: bool,
}

/// A process without a terminal, of this user if we are root; [`kind`] has to be set in its environment.
pub fn command(program: &Path, user: Option<&User>) -> Command {
    let (id, groups) = match user.filter(|_| geteuid().is_root()) {
        Some(user) => {
            let groups: Vec<_> = user.groups.iter().map(u32::to_string).collect();
            (user.uid.to_string(), groups.join(","))
        }
        None => Default::default(),
    };
    let mut command = Command::new("/proc/self/exe");
    command.args([id, groups]).arg(program);
    command
}

/// The value of SERVE_CHILD for it.
pub fn kind(kind: &str) -> String {
    format!("{OTHER_USER}{kind}")
}

/// Of this process's environment, what another user's may know: our own settings. Root's may hold secrets.
pub fn shared_environment() -> impl Iterator<Item = (OsString, OsString)> {
    env::vars_os().filter(|(name, _)| {
        let name = name.as_encoded_bytes();
        let names = ["PATH", "LANG", "TZ", "VIRTUAL_ENV", "PYENV_VERSION"];
        names.iter().any(|known| known.as_bytes() == name)
            || name.starts_with(b"LC_")
            || name.starts_with(b"WSGI_CGI_")
    })
}

/// Runs it; its standard input has been set.
pub fn run(mut command: Command, deadline: Instant) -> io::Result<Done> {
    // A file: who keeps it open afterwards keeps nobody waiting.
    let mut errors = tempfile::tempfile()?;
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(errors.try_clone()?)
        .spawn()?;
    let output = read(&mut child, deadline);
    let is_late = !ends(&mut child, deadline);
    if is_late {
        // What it started is tied to it.
        child.kill()?;
        child.wait()?;
    }
    Ok(Done {
        output: output?,
        errors: whole(&mut errors)?,
        is_late,
    })
}

fn read(child: &mut Child, deadline: Instant) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let Some(mut output) = child.stdout.take() else {
        return Ok(bytes);
    };
    let mut piece = vec![0; 64 << 10];
    while bytes.len() < MOST && wait::readable(&output, Some(deadline))? {
        match output.read(&mut piece)? {
            0 => break,
            count => bytes.extend_from_slice(piece.get(..count).unwrap_or_default()),
        }
    }
    Ok(bytes)
}

fn ends(child: &mut Child, deadline: Instant) -> bool {
    let process = Process::child(Pid::from_child(child));
    matches!(process.ends_by(Some(deadline)), Ok(true)) && child.wait().is_ok()
}

fn whole(file: &mut File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let length = file.metadata()?.len();
    // What the engine tells stands at the end.
    file.seek(SeekFrom::Start(length.saturating_sub(MOST as u64)))?;
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}
