//! Caddy 2, in front of `wsgi-cgi serve`.

use contract::report::Failure;

use super::place::Place;
use super::quote::CADDY;
use super::{File, join, steps, systemd};
use crate::plan::Bind;

/// A site, and the units of the listener behind it.
pub fn proxy(place: &Place) -> Result<Vec<File>, Failure> {
    let quote = |text: &str| CADDY.quote(text);
    let (name, mount) = (format!("{}.caddy", place.label), &place.mount);
    let units = systemd::unit(place);
    // A name alone: Caddy gets a certificate for it, and answers by https.
    let is_https = mount.name.is_some() && mount.port.is_none();
    let address = place.address();
    let address = if is_https {
        address.replacen("http:", "https:", 1)
    } else {
        address
    };
    let saved = format!("save this as /etc/caddy/{name}; in /etc/caddy/Caddyfile: import {name}");
    let unit_step = format!(
        "save the units as /etc/systemd/system/{units}.socket and {units}.service; systemctl daemon-reload"
    );
    let enable = format!("systemctl enable --now {units}.socket");
    let mut steps_to_take = vec![&*saved];
    if mount.name.is_none() && mount.port.is_none() {
        steps_to_take.push(
            "without --name, this site is the only one: remove the Caddyfile's own block :80",
        );
    }
    steps_to_take.extend([
        &unit_step,
        &enable,
        "caddy validate --config /etc/caddy/Caddyfile && systemctl reload caddy",
    ]);
    let mut lines = steps(
        &format!(
            "Caddy 2 in front of wsgi-cgi serve: {} at {address}",
            place.target.below(&place.folder)
        ),
        &steps_to_take,
    );
    lines.push(match (&mount.name, mount.port) {
        (Some(name), None) => format!("{name} {{"),
        (name, port) => {
            let port = port.map_or(80, |port| port.number);
            format!("http://{}:{port} {{", name.as_deref().unwrap_or_default())
        }
    });
    if let Some(address) = mount.port.and_then(|port| port.address) {
        lines.push(format!("    bind {address}"));
    }
    for (url, folder) in &mount.statics {
        lines.extend([
            "    # Files that Caddy sends itself.".into(),
            format!("    handle_path {url}/* {{"),
            format!("        root * {}", quote(&super::path(folder)?)?),
            "        file_server".into(),
            "    }".into(),
        ]);
    }
    match mount.url.as_str() {
        "" => lines.extend([
            "    # Every other address is the application's: SCRIPT_NAME is empty.".into(),
            "    handle {".into(),
        ]),
        url => lines.extend([
            format!(
                "    # Every address from {url} on is the application's; SCRIPT_NAME is {url}."
            ),
            format!("    @application path {url} {url}/*"),
            "    handle @application {".into(),
        ]),
    }
    let upstream = match systemd::socket_behind_proxy(place) {
        Bind::Address(address) => address.to_string(),
        Bind::Unix(path) => format!("unix/{}", super::path(&path)?),
    };
    lines.extend([
        format!("        reverse_proxy {} {{", CADDY.word(&upstream)?),
        "            # Each piece of a response goes out when the application gives it.".into(),
        "            flush_interval -1".into(),
        "        }".into(),
        "    }".into(),
    ]);
    if let Some(root) = mount
        .document_root
        .as_ref()
        .filter(|_| !mount.url.is_empty())
    {
        lines.extend([
            "    # The site's other files.".into(),
            "    handle {".into(),
            format!("        root * {}", quote(&super::path(root)?)?),
            "        file_server".into(),
            "    }".into(),
        ]);
    }
    lines.push("}".into());
    // As `caddy fmt` has it: validating complains of blanks.
    let lines = lines.iter().map(|line| {
        let depth = line.bytes().take_while(|byte| *byte == b' ').count() / 4;
        format!("{}{}", "\t".repeat(depth), line.trim_start())
    });
    let mut files = vec![File::new(&name, join(lines.collect()))];
    files.extend(systemd::behind_proxy(place, "caddy", is_https)?);
    Ok(files)
}
