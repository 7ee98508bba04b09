//! Limits of this process, and of all that it starts (setrlimit(2)).

use std::io;

use rustix::process::{Resource, Rlimit, setrlimit};

use crate::plan::Limits;

/// Sets those that are given, for good.
pub fn set(limits: Limits) -> io::Result<()> {
    let set = |resource, limit: Option<u64>| match limit {
        None => Ok(()),
        Some(_) => setrlimit(
            resource,
            Rlimit {
                current: limit,
                maximum: limit,
            },
        ),
    };
    set(Resource::As, limits.memory)?;
    set(Resource::Cpu, limits.cpu)?;
    Ok(())
}
