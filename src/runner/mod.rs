//! Runs a request: its descriptors and a job in, a response on the descriptor and an outcome out.

pub mod cold;
mod drain;
pub mod fork;
pub mod init;
pub mod limits;
pub mod parent;
pub mod signals;
pub mod spool;
pub mod warm;

use std::path::PathBuf;
use std::time::Duration;

use contract::handover::Job;
use rustix::process::{Pid, Signal, chdir, getppid, set_parent_process_death_signal};
use wsgi_cgi_process::signals::unblock;

use crate::plan::{Limits, Warming};
use crate::python::discover::Interpreter;

/// What is to be run, and how.
#[derive(Clone)]
pub struct Request {
    /// For the engine.
    pub job: Job,
    /// The interpreter to boot.
    pub interpreter: Interpreter,
    /// The folder to change into.
    pub chdir: Option<PathBuf>,
    /// How long the answer may take.
    pub timeout: Option<Duration>,
    /// What the application's process may use.
    pub limits: Limits,
    /// Where it is kept if it fails.
    pub record: Option<PathBuf>,
    /// Whether a worker may serve it.
    pub warm: Warming,
}

/// Makes a child what its request wants, before it becomes the interpreter: it ends with its parent.
fn settle(request: &Request, limits: Limits, parent: Pid) -> anyhow::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    if getppid() != Some(parent) {
        anyhow::bail!("the parent process is gone");
    }
    unblock();
    limits::set(limits)?;
    if let Some(folder) = &request.chdir {
        chdir(folder)?;
    }
    Ok(())
}
