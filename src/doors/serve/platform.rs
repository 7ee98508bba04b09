//! Where to listen when nobody says: what platforms that start containers tell by PORT.

use std::env;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use contract::codes::Code;
use contract::report::Failure;

use crate::plan::Bind;

const DEFAULT_PORT: u16 = 8000;

/// Set by platforms whose proxy comes from outside the container: Cloud Run and Knative, Heroku.
const PLATFORMS: [&str; 2] = ["K_SERVICE", "DYNO"];

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
