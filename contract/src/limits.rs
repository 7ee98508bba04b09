//! The resource limits of a process, which a worker takes over from its client (getrlimit(2)).

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Those that a process may set for itself, in the order of a message.
const RESOURCES: [Resource; 8] = [
    Resource::As,
    Resource::Core,
    Resource::Cpu,
    Resource::Data,
    Resource::Fsize,
    Resource::Nofile,
    Resource::Nproc,
    Resource::Stack,
];

/// Soft and hard limit; `None` is no limit.
pub type Limit = (Option<u64>, Option<u64>);

/// This process's own.
pub fn current() -> Vec<Limit> {
    let limit = |resource| {
        let limit = getrlimit(resource);
        (limit.current, limit.maximum)
    };
    RESOURCES.into_iter().map(limit).collect()
}

/// Address space and processor time, of those that [`current`] gave.
pub fn lower(limits: &mut [Limit], memory: Option<u64>, cpu: Option<Limit>) {
    if let (Some(limit), Some(wanted)) = (limits.first_mut(), memory) {
        *limit = (Some(wanted), Some(wanted));
    }
    if let (Some(limit), Some(wanted)) = (limits.get_mut(2), cpu) {
        *limit = wanted;
    }
}

/// Makes them this process's own, as far as it may.
pub fn apply(limits: &[Limit]) {
    for (resource, (soft, hard)) in RESOURCES.into_iter().zip(limits) {
        let own = getrlimit(resource);
        let least = |one: Option<u64>, other: Option<u64>| match (one, other) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (limit, None) | (None, limit) => limit,
        };
        // Only a privileged process may raise what is above it.
        let maximum = least(*hard, own.maximum);
        let current = least(*soft, maximum);
        if (own.current, own.maximum) != (current, maximum) {
            let _ = setrlimit(resource, Rlimit { current, maximum });
        }
    }
}
