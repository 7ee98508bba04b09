//! The ways in: each builds a request, runs it, and delivers the response.

mod application;
pub mod cgi;
mod interpreter;
pub mod lambda;
pub mod limited;
pub mod request;
pub mod serve;
mod template;
pub mod watchdog;

use std::env;
use std::os::fd::OwnedFd;
use std::process;

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
