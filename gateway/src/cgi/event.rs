//! A request that comes as values and not as HTTP: from a command line, a platform's event, a watchdog's variables.

use percent_encoding::{AsciiSet, CONTROLS, percent_encode};

use super::{Address, Endpoints, Place, Variables, meta_variables};
use crate::bytes::is_token;
use crate::http::Fields;
use crate::http::head::{Framing, RequestHead, Version};
use crate::http::target::{Target, is_host};

/// What a path cannot hold as it is (RFC 3986 section 3.3), and what would change its meaning.
const NOT_IN_PATHS: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// One request.
///
/// ```
/// use wsgi_cgi_gateway::cgi::event::{Event, Scheme};
///
/// let event = Event {
///     method: "GET".into(),
///     path: b"/a b".to_vec(),
///     scheme: Scheme::Https,
///     ..Event::default()
/// };
/// let variables = event.variables(None)?;
/// assert!(variables.contains(&(b"PATH_INFO".to_vec(), b"/a b".to_vec())));
/// assert!(variables.contains(&(b"REQUEST_URI".to_vec(), b"/a%20b".to_vec())));
/// assert!(variables.contains(&(b"HTTPS".to_vec(), b"on".to_vec())));
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// A token; methods are case-sensitive.
    pub method: String,
    /// Decoded: SCRIPT_NAME and PATH_INFO.
    pub path: Vec<u8>,
    /// As the client wrote it, where that is known.
    pub raw_path: Option<Vec<u8>>,
    /// As the client wrote it, without the question mark.
    pub query: Vec<u8>,
    /// In their order.
    pub fields: Fields,
    /// The part of the path that leads to the application: not in `path`.
    pub script_name: Vec<u8>,
    /// Whether the client spoke https.
    pub scheme: Scheme,
    /// `HTTP/1.1`, if nothing is said.
    pub protocol: Option<String>,
    /// REMOTE_ADDR; empty where nobody knows.
    pub remote_address: String,
    /// SERVER_PORT, where the field Host says none.
    pub server_port: Option<u16>,
    /// REMOTE_USER, where somebody has authenticated the client.
    pub remote_user: Option<String>,
}

/// How the client reached the platform.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scheme {
    /// In the clear.
    #[default]
    Http,
    /// Encrypted.
    Https,
}

impl Event {
    /// Its meta-variables; `length` is that of its body, None if it has none at all. An error names what no request
    /// may hold.
    pub fn variables(&self, length: Option<u64>) -> Result<Variables, String> {
        self.check()?;
        let raw_path = match &self.raw_path {
            Some(path) => path.clone(),
            None => encode_path(&[&self.script_name[..], &self.path[..]].concat()),
        };
        let separator: &[u8] = if self.query.is_empty() { b"" } else { b"?" };
        let address = Address {
            uri: [&raw_path[..], separator, &self.query[..]].concat(),
            path: self.path.clone(),
            query: self.query.clone(),
        };
        let head = RequestHead {
            method: self.method.clone(),
            raw_target: address.uri.clone(),
            target: Target::Origin,
            version: Version::Http11,
            fields: self.fields.clone(),
            framing: Framing::Empty,
        };
        let place = Place {
            script_name: self.script_name.clone(),
            path_info: self.path.clone(),
            script_filename: None,
            document_root: Vec::new(),
        };
        let is_https = self.scheme == Scheme::Https;
        let default_port = if is_https { 443 } else { 80 };
        let endpoints = Endpoints {
            remote_address: self.remote_address.clone(),
            server_port: self.server_port.unwrap_or(default_port).to_string(),
            ..Endpoints::default()
        };
        let mut variables = meta_variables(&head, &address, &place, &endpoints, length);
        let mut set = |name: &str, value: &[u8]| super::set(&mut variables, name.as_bytes(), value);
        let host = self.fields.get("Host").unwrap_or_default();
        if !host.is_empty() && !is_host(host) {
            // Lambda's console has one with a placeholder in it. It is the client's word, and no name of a server.
            set("SERVER_NAME", b"localhost");
            set("SERVER_PORT", endpoints.server_port.as_bytes());
        }
        if is_https {
            set("REQUEST_SCHEME", b"https");
            set("HTTPS", b"on");
        }
        if let Some(protocol) = &self.protocol {
            set("SERVER_PROTOCOL", protocol.as_bytes());
        }
        if let Some(user) = &self.remote_user {
            set("REMOTE_USER", user.as_bytes());
        }
        Ok(variables)
    }

    fn check(&self) -> Result<(), String> {
        if !is_token(self.method.as_bytes()) {
            return Err(format!("the method {:?} is none", self.method));
        }
        if !self.path.starts_with(b"/") && !self.path.is_empty() {
            let path = String::from_utf8_lossy(&self.path).into_owned();
            return Err(format!("the path {path:?} does not begin with a slash"));
        }
        let is_control = |byte: &u8| matches!(byte, 0 | b'\r' | b'\n');
        let protocol = self.protocol.as_deref().unwrap_or_default();
        let user = self.remote_user.as_deref().unwrap_or_default();
        for (what, value) in [
            ("path", self.path.as_slice()),
            ("raw path", self.raw_path.as_deref().unwrap_or_default()),
            ("query", &self.query),
            ("script name", &self.script_name),
            ("protocol", protocol.as_bytes()),
            ("user", user.as_bytes()),
            ("client's address", self.remote_address.as_bytes()),
        ] {
            // What is decoded may hold a line end, as it may over HTTP.
            let is_decoded = matches!(what, "path" | "script name");
            let is_bad = |byte: &u8| {
                if is_decoded {
                    *byte == 0
                } else {
                    is_control(byte)
                }
            };
            if value.iter().any(is_bad) {
                return Err(format!("a control character in the {what}"));
            }
        }
        for (name, value) in self.fields.iter() {
            if !is_token(name.as_bytes()) {
                return Err(format!("the header {name:?} has no valid name"));
            }
            if value.iter().any(is_control) {
                return Err(format!("a control character in the header {name}"));
            }
        }
        Ok(())
    }
}

/// A decoded path as a client would write it.
pub fn encode_path(path: &[u8]) -> Vec<u8> {
    percent_encode(path, NOT_IN_PATHS).to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> Event {
        let mut event = Event {
            method: "PUT".into(),
            path: b"/a b/\xc3\xa9%".to_vec(),
            query: b"c=%20".to_vec(),
            script_name: b"/stage".to_vec(),
            scheme: Scheme::Https,
            remote_address: "10.0.0.1".into(),
            ..Event::default()
        };
        event.fields.push("Host", "example.org");
        event.fields.push("Cookie", "a=1");
        event.fields.push("Cookie", "b=2");
        event
    }

    #[track_caller]
    fn has(event: &Event, name: &str, expected: Option<&str>) {
        let all = event.variables(Some(3)).unwrap();
        let found: Vec<_> = all
            .iter()
            .filter(|(found, _)| found == name.as_bytes())
            .map(|(_, value)| String::from_utf8_lossy(value).into_owned())
            .collect();
        assert!(found.len() < 2, "{found:?}");
        assert_eq!(found.first().map(String::as_str), expected, "{name}");
    }

    #[test]
    fn values_become_meta_variables() {
        let event = event();
        for (name, expected) in [
            ("REQUEST_METHOD", "PUT"),
            ("SCRIPT_NAME", "/stage"),
            ("PATH_INFO", "/a b/\u{e9}%"),
            ("REQUEST_URI", "/stage/a%20b/%C3%A9%25?c=%20"),
            ("QUERY_STRING", "c=%20"),
            ("HTTP_COOKIE", "a=1; b=2"),
            ("SERVER_NAME", "example.org"),
            ("SERVER_PORT", "443"),
            ("HTTPS", "on"),
            ("REQUEST_SCHEME", "https"),
            ("REMOTE_ADDR", "10.0.0.1"),
            ("CONTENT_LENGTH", "3"),
            ("SERVER_PROTOCOL", "HTTP/1.1"),
        ] {
            has(&event, name, Some(expected));
        }
        for absent in ["DOCUMENT_ROOT", "PATH_TRANSLATED", "SCRIPT_FILENAME"] {
            has(&event, absent, None);
        }
    }

    #[test]
    fn a_host_that_is_none_names_no_server() {
        let mut event = event();
        event.fields.remove("Host");
        event.fields.push("Host", "1.execute-api.{dns_suffix}");
        has(&event, "HTTP_HOST", Some("1.execute-api.{dns_suffix}"));
        has(&event, "SERVER_NAME", Some("localhost"));
        has(&event, "SERVER_PORT", Some("443"));
    }

    #[test]
    fn what_no_request_may_hold_is_named() {
        let with = |change: fn(&mut Event)| {
            let mut event = event();
            change(&mut event);
            event.variables(None).unwrap_err()
        };
        for (change, expected) in [
            (
                (|event| event.method = "GET /".into()) as fn(&mut Event),
                "the method",
            ),
            (|event| event.path = b"a".to_vec(), "the path"),
            (|event| event.path = b"/\0".to_vec(), "in the path"),
            (|event| event.query = b"a\nb".to_vec(), "in the query"),
            (|event| event.fields.push("X A", "1"), "the header \"X A\""),
            (
                |event| event.fields.push("X-A", "1\r\nB: 2"),
                "in the header X-A",
            ),
        ] {
            let error = with(change);
            assert!(error.contains(expected), "{error}");
        }
    }
}
