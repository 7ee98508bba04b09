//! What a listener serves, and by which rules.

use std::ffi::OsString;

use contract::handover::{Detail, Verbosity};
use wsgi_cgi_gateway::host::Script;

use super::access_log::AccessLog;
use super::folder::{Folder, Named};
use super::handover::ZygoteRest;
use super::platform;
use super::static_files::Mount;
use crate::gateway::{Address, Endpoints, Place};
use crate::http::head::{RequestHead, Version};
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
    /// To the developer: who sits at the listener's terminal asks from this machine, by a loopback address.
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
    /// For a listener that only this machine reaches. Where nothing was said, a terminal decides: behind a proxy, as a
    /// service or in a container, the world's requests come from this machine, too.
    pub fn at_loopback(self) -> Self {
        match self {
            Self::Unsaid if platform::is_developers_terminal() => Self::Local,
            said => said,
        }
    }

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

/// How the fields begin that proxies, load balancers and content delivery networks add.
const OF_PROXIES: [&str; 42] = [
    "akamai-",
    "ali-",
    "cdn-loop",
    "cf-",
    "client-ip",
    "cloudfront-",
    "do-connecting-ip",
    "fastly-",
    "fly-",
    "forwarded",
    "front-end-https",
    "incap-",
    "max-forwards",
    "proxy-",
    "tailscale-",
    "traceparent",
    "true-client-ip",
    "via",
    "x-akamai-",
    "x-amz-cf-",
    "x-amzn-",
    "x-appengine-",
    "x-arr-",
    "x-azure-",
    "x-b3-",
    "x-client-ip",
    "x-cloud-trace-context",
    "x-cluster-client-ip",
    "x-correlation-id",
    "x-envoy-",
    "x-forwarded",
    "x-host",
    "x-original-",
    "x-proxy",
    "x-real-",
    "x-request-id",
    "x-scheme",
    "x-sucuri-",
    "x-url-scheme",
    "x-varnish",
    "x-vercel-",
    "x_forwarded",
];

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
    // No browser speaks HTTP/1.0; nginx does where nobody has told it otherwise, and adds no field.
    let is_proxied = head.version == Version::Http10
        || head.fields.iter().any(|(name, _)| {
            let name = name.to_ascii_lowercase();
            OF_PROXIES.iter().any(|begin| name.starts_with(begin))
        });
    // A page of the world that sends its visitor's browser here.
    let comes_from_elsewhere = head.fields.iter().any(|(name, value)| {
        let value = String::from_utf8_lossy(value);
        match name.to_ascii_lowercase().as_str() {
            "origin" | "referer" => {
                let host = value.split_once("://").map_or("", |(_, rest)| rest);
                let host = host.split(['/', '?', '#']).next().unwrap_or_default();
                let host = String::from_utf8_lossy(split_port(host.as_bytes()).0).into_owned();
                !is_loopback(host.trim_matches(['[', ']']))
            }
            "sec-fetch-site" => value == "cross-site",
            _ => false,
        }
    });
    is_loopback(&endpoints.remote_address)
        && host.is_none_or(|host| is_loopback(&host))
        && !is_proxied
        && !comes_from_elsewhere
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::head::HeadReader;

    fn is_shown(version: &str, fields: &str, remote: &str) -> bool {
        let text = format!("GET / HTTP/{version}\r\n{fields}\r\n\r\n");
        let (head, _) = HeadReader::default()
            .read(text.as_bytes())
            .unwrap()
            .unwrap();
        let endpoints = Endpoints {
            remote_address: remote.into(),
            ..Endpoints::default()
        };
        Debug::Local.for_request(&head, &endpoints) == Some(Detail::Shown)
    }

    #[test]
    fn failures_are_shown_to_a_person_at_this_machine() {
        for (fields, remote, expected) in [
            ("Host: localhost:8000", "127.0.0.1", true),
            ("Host: [::1]:8000", "::1", true),
            ("Host: app.localhost", "127.0.0.1", true),
            (
                "Host: localhost:8000\r\nReferer: http://localhost:8000/a?b\r\nOrigin: http://[::1]:3000\r\n\
                 Sec-Fetch-Site: same-origin",
                "127.0.0.1",
                true,
            ),
            ("Host: evil.example", "127.0.0.1", false),
            ("Host: localhost", "10.0.0.1", false),
            (
                "Host: localhost\r\nX-Forwarded-For: 10.0.0.1",
                "127.0.0.1",
                false,
            ),
        ] {
            assert_eq!(
                is_shown("1.1", fields, remote),
                expected,
                "{fields} from {remote}"
            );
        }
        assert!(!is_shown("1.0", "Host: localhost", "127.0.0.1"));
        for field in [
            "Forwarded: for=x",
            "Via: 1.1 x",
            "X-Forwarded-Proto: https",
            "x-real-ip: 10.0.0.1",
            "CF-Connecting-IP: 10.0.0.1",
            "True-Client-IP: 10.0.0.1",
            "X-Original-URL: /",
            "X-Amzn-Trace-Id: Root=1",
            "X-Envoy-External-Address: 10.0.0.1",
            "X-Varnish: 1",
            "X-Request-ID: 1",
            "Tailscale-User-Login: a",
            "X_Forwarded_For: 10.0.0.1",
            "Origin: http://evil.example",
            "Origin: null",
            "Referer: https://evil.example/localhost",
            "Sec-Fetch-Site: cross-site",
        ] {
            let fields = format!("Host: localhost\r\n{field}");
            assert!(!is_shown("1.1", &fields, "127.0.0.1"), "{field}");
        }
    }
}
