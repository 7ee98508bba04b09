//! Who has started the listener: where to listen when nobody says, and whether a developer sits at its terminal.

use std::env;
use std::io::{self, IsTerminal};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use contract::codes::Code;
use contract::report::Failure;
use rustix::process::{Pid, getpid, getppid};

use crate::plan::Bind;

const DEFAULT_PORT: u16 = 8000;

/// Set by platforms whose proxy comes from outside the container: Cloud Run and Knative, Heroku.
const PLATFORMS: [&str; 2] = ["K_SERVICE", "DYNO"];

/// Set by what starts services and containers. INVOCATION_ID and JOURNAL_STREAM are not among them: the shells of a
/// desktop's terminal inherit both from the unit that the terminal is.
const SERVICES: [&str; 5] = [
    "NOTIFY_SOCKET",
    "LISTEN_FDS",
    "KUBERNETES_SERVICE_HOST",
    "PORT",
    "container",
];

/// Docker and Podman put these into each container.
const CONTAINER_FILES: [&str; 2] = ["/.dockerenv", "/run/.containerenv"];

/// Whether a developer sees what is said here: stderr is a terminal, and the process is neither a service nor in a
/// container.
pub fn is_developers_terminal() -> bool {
    let is_set = |name: &&str| env::var_os(name).is_some();
    let mut names = SERVICES.iter().chain(&PLATFORMS);
    io::stderr().is_terminal()
        && !names.any(is_set)
        && !CONTAINER_FILES.iter().any(|file| Path::new(file).exists())
        && !is_started_by_manager()
}

/// Whether this is a service whose stderr systemd has made a terminal, or the first process of a container.
fn is_started_by_manager() -> bool {
    // Of the user's own systemd.
    let manager = env::var("MANAGERPID")
        .ok()
        .and_then(|text| text.parse().ok());
    let parent = Pid::as_raw(getppid());
    getpid().is_init() || parent == Pid::as_raw(Some(Pid::INIT)) || Some(parent) == manager
}

/// The address, and what there is to say about it.
pub fn address() -> Result<(Bind, Option<String>), Failure> {
    let set = |name: &&str| env::var_os(name).is_some();
    let Some(port) = env::var_os("PORT").filter(|port| !port.is_empty()) else {
        return Ok((at(Ipv4Addr::LOCALHOST, DEFAULT_PORT), None));
    };
    let Some(number) = port.to_str().and_then(|port| port.parse().ok()) else {
        let reason = format!("PORT={}: not a port", port.display());
        return Err(Failure::new(Code::BAD_SETTING, reason));
    };
    Ok(match PLATFORMS.iter().find(|name| set(name)) {
        Some(platform) => (
            at(Ipv4Addr::UNSPECIFIED, number),
            Some(format!(
                "PORT and {platform} are set: listening on all interfaces (another address by --bind)"
            )),
        ),
        None => (at(Ipv4Addr::LOCALHOST, number), None),
    })
}

fn at(address: Ipv4Addr, port: u16) -> Bind {
    Bind::Address(SocketAddr::new(IpAddr::V4(address), port))
}
