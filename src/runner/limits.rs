//! Limits of this process, and of all that it starts (setrlimit(2)).

use std::io;

use contract::limits::Limit;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::plan::Limits;

/// Between SIGXCPU, which a process may answer for, and SIGKILL; in seconds.
const LAST_MOMENT: u64 = 1;

/// Sets those that are given, for good.
pub fn set(limits: Limits) -> io::Result<()> {
    set_one(Resource::As, limits.memory, 0)?;
    set_one(Resource::Cpu, limits.cpu, LAST_MOMENT)
}

/// Those of this process, lowered to what is given: for a worker, which takes them over.
pub fn current(limits: Limits) -> Vec<Limit> {
    let mut all = contract::limits::current();
    let cpu = limits
        .cpu
        .map(|limit| (Some(limit), Some(limit.saturating_add(LAST_MOMENT))));
    contract::limits::lower(&mut all, limits.memory, cpu);
    all
}

fn set_one(resource: Resource, limit: Option<u64>, margin: u64) -> io::Result<()> {
    let Some(limit) = limit else {
        return Ok(());
    };
    let allowed = getrlimit(resource).maximum.unwrap_or(u64::MAX);
    let maximum = limit.saturating_add(margin).min(allowed);
    setrlimit(
        resource,
        Rlimit {
            current: Some(limit.min(maximum)),
            maximum: Some(maximum),
        },
    )?;
    Ok(())
}
