//! What a listener serves, and by which rules.

use std::ffi::OsString;

use contract::handover::{Detail, Verbosity};
use wsgi_cgi_gateway::host::Script;

use super::access_log::AccessLog;
use super::folder::{Folder, Named};
use super::handover::ZygoteRest;
use super::static_files::Mount;
use crate::gateway::{Address, Endpoints, Place};
use crate::http::head::RequestHead;
use crate::http::target::split_port;
use crate::plan::Warm;

/// One listener's site.
pub struct Site {
    /// The application, or the scripts.
    pub content: Content,
    /// Folders of files beside it.
    pub mounts: Vec<Mount>,
    /// The path that says whether requests are taken; the application does not see it.
    pub health: Option<Vec<u8>>,
    /// What every child gets beside its meta-variables.
    pub environment: Vec<(OsString, OsString)>,
    /// Whether a zygote's worker may run a request.
    pub warm: Warm,
    /// What error pages show.
    pub debug: Debug,
    /// Whether choices are told.
    pub verbosity: Verbosity,
    /// The file mode creation mask, for workers.
    pub umask: u32,
    /// Whether the application's zygote is asked.
    pub zygote_rest: ZygoteRest,
    /// Where requests are told.
    pub log: AccessLog,
}

/// What is behind the addresses.
pub enum Content {
    /// One application for all of them.
    Application {
        /// How it is started.
        script: Script,
        /// SCRIPT_FILENAME and DOCUMENT_ROOT; its mount is the root.
        place: Place,
    },
    /// A script for each.
    Folder(Folder),
}

/// When a failure is shown to the visitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Debug {
    /// As `--debug` says; nothing is left to us.
    Fixed(Detail),
    /// To a person at this machine: every address is a loopback address.
    Local,
    /// As the script's own pragma and the environment say.
    Unsaid,
}

impl Content {
    /// The script for an address.
    pub fn find(&self, address: &Address) -> Named {
        match self {
            Self::Folder(folder) => folder.find(address),
            Self::Application { script, place } => {
                let place = Place {
                    path_info: address.path.clone(),
                    ..place.clone()
                };
                Named::Script(script.clone(), place)
            }
        }
    }
}

impl Debug {
    /// What the script is to be told for a request, if anything.
    pub fn for_request(self, head: &RequestHead, endpoints: &Endpoints) -> Option<Detail> {
        match self {
            Self::Fixed(detail) => Some(detail),
            Self::Local if is_from_here(head, endpoints) => Some(Detail::Shown),
            Self::Local => Some(Detail::Hidden),
            Self::Unsaid => None,
        }
    }
}

/// A browser on this machine, and no proxy that passes the world's requests on to us, nor a page of the world
/// whose name leads to this machine (DNS rebinding).
fn is_from_here(head: &RequestHead, endpoints: &Endpoints) -> bool {
    let is_loopback = |text: &str| match text.parse::<std::net::IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => text.eq_ignore_ascii_case("localhost") || text.ends_with(".localhost"),
    };
    let host = head.authority().map(|authority| {
        let name = String::from_utf8_lossy(split_port(authority).0).into_owned();
        name.trim_matches(['[', ']']).to_owned()
    });
    let is_proxied = head.fields.iter().any(|(name, _)| {
        let name = name.to_ascii_lowercase();
        name == "forwarded"
            || name == "via"
            || name.starts_with("x-forwarded-")
            || name == "x-real-ip"
    });
    is_loopback(&endpoints.remote_address)
        && host.is_none_or(|host| is_loopback(&host))
        && !is_proxied
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::head::HeadReader;

    #[test]
    fn failures_are_shown_to_a_person_at_this_machine() {
        for (fields, remote, expected) in [
            ("Host: localhost:8000", "127.0.0.1", true),
            ("Host: [::1]:8000", "::1", true),
            ("Host: app.localhost", "127.0.0.1", true),
            ("Host: evil.example", "127.0.0.1", false),
            ("Host: localhost", "10.0.0.1", false),
            (
                "Host: localhost\r\nX-Forwarded-For: 10.0.0.1",
                "127.0.0.1",
                false,
            ),
            ("Host: localhost\r\nForwarded: for=x", "127.0.0.1", false),
            ("Host: localhost\r\nVia: 1.1 x", "127.0.0.1", false),
        ] {
            let text = format!("GET / HTTP/1.1\r\n{fields}\r\n\r\n");
            let (head, _) = HeadReader::default()
                .read(text.as_bytes())
                .unwrap()
                .unwrap();
            let endpoints = Endpoints {
                remote_address: remote.into(),
                ..Endpoints::default()
            };
            let shown = Debug::Local.for_request(&head, &endpoints) == Some(Detail::Shown);
            assert_eq!(shown, expected, "{fields} from {remote}");
        }
    }
}
