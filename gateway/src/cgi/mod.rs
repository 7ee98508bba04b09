//! The host's side of CGI: an HTTP request as meta-variables (RFC 3875 section 4.1), and a script's response.

pub mod event;
pub mod percent;
pub mod response;

use self::percent::percent_decode;
use crate::http::head::{RequestHead, Version};
use crate::http::response_head::HOP_BY_HOP;
use crate::http::target::{Target, split_port};
use crate::http::{Refusal, SERVER};

/// Names and values for a script's environment, in order.
pub type Variables = Vec<(Vec<u8>, Vec<u8>)>;

/// Gives a variable this value, and no other.
pub fn set(variables: &mut Variables, name: &[u8], value: &[u8]) {
    variables.retain(|(found, _)| found != name);
    variables.push((name.to_vec(), value.to_vec()));
}

/// Where a connection comes from and where it arrived. Empty texts for what a unix socket does not have.
#[derive(Clone, Debug, Default)]
pub struct Endpoints {
    /// REMOTE_ADDR.
    pub remote_address: String,
    /// REMOTE_PORT.
    pub remote_port: String,
    /// SERVER_ADDR.
    pub server_address: String,
    /// SERVER_PORT, where the client named none.
    pub server_port: String,
}

/// An address, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// As it came: REQUEST_URI.
    pub uri: Vec<u8>,
    /// Decoded once, without dot segments; begins with a slash.
    pub path: Vec<u8>,
    /// Behind the `?`, as it came.
    pub query: Vec<u8>,
}

/// What the address of a request leads to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The part of the decoded path that leads to the script.
    pub script_name: Vec<u8>,
    /// What is behind it.
    pub path_info: Vec<u8>,
    /// The script's file, absolute; a module has none.
    pub script_filename: Option<Vec<u8>>,
    /// The folder that the addresses stand for; empty where there is none.
    pub document_root: Vec<u8>,
}

impl Address {
    /// Takes path and query apart. An encoded NUL is refused: no environment could hold it.
    pub fn parse(path_and_query: &[u8]) -> Result<Self, Refusal> {
        let mut parts = path_and_query.splitn(2, |byte| *byte == b'?');
        let path = percent_decode(parts.next().unwrap_or_default());
        if path.contains(&0) {
            return Err(Refusal::bad("an encoded NUL in the path"));
        }
        Ok(Self {
            uri: path_and_query.to_vec(),
            path: without_dot_segments(&path),
            query: parts.next().unwrap_or_default().to_vec(),
        })
    }
}

/// RFC 3986 section 5.2.4 on the decoded path: `/a%2F..%2Fb`, too, stays below its script. Empty segments
/// stay, for `//` may mean something to the application.
fn without_dot_segments(path: &[u8]) -> Vec<u8> {
    let mut kept: Vec<&[u8]> = Vec::new();
    let mut segments = path.split(|byte| *byte == b'/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            b"." | b".." => {
                if segment == b".." {
                    kept.pop();
                }
                if is_last {
                    kept.push(b"");
                }
            }
            name => kept.push(name),
        }
    }
    let mut clean = Vec::with_capacity(path.len());
    for segment in kept {
        clean.push(b'/');
        clean.extend_from_slice(segment);
    }
    if clean.is_empty() {
        clean.push(b'/');
    }
    clean
}

/// The meta-variables of a request whose body has `length` bytes; None where it has no body at all.
///
/// ```
/// use wsgi_cgi_gateway::cgi::{Address, Endpoints, Place, meta_variables};
/// use wsgi_cgi_gateway::http::head::HeadReader;
///
/// let request = b"GET /hello/wor%6cd?a=b HTTP/1.1\r\nHost: example.org:8080\r\nProxy: evil\r\nX-Id: 7\r\n\r\n";
/// let Some((head, _)) = HeadReader::default().read(request)? else { panic!("it is whole") };
/// let address = Address::parse(head.path_and_query())?;
/// let place = Place {
///     script_name: b"/hello".to_vec(),
///     path_info: address.path[6..].to_vec(),
///     script_filename: Some(b"/usr/lib/cgi-bin/hello".to_vec()),
///     ..Place::default()
/// };
/// let variables = meta_variables(&head, &address, &place, &Endpoints::default(), None);
/// let value = |name: &str| {
///     let found = variables.iter().find(|(found, _)| found == name.as_bytes());
///     found.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
/// };
/// assert_eq!(value("SCRIPT_NAME").as_deref(), Some("/hello"));
/// assert_eq!(value("PATH_INFO").as_deref(), Some("/world"));
/// assert_eq!(value("QUERY_STRING").as_deref(), Some("a=b"));
/// assert_eq!(value("SERVER_PORT").as_deref(), Some("8080"));
/// assert_eq!(value("HTTP_X_ID").as_deref(), Some("7"));
/// // It would be taken for the proxy of requests that the script makes (httpoxy).
/// assert_eq!(value("HTTP_PROXY"), None);
/// # Ok::<(), wsgi_cgi_gateway::http::Refusal>(())
/// ```
pub fn meta_variables(
    head: &RequestHead,
    address: &Address,
    place: &Place,
    endpoints: &Endpoints,
    length: Option<u64>,
) -> Variables {
    let mut variables = Variables::with_capacity(32);
    let mut set = |name: &str, value: &[u8]| variables.push((name.into(), value.into()));
    let (name, port) = match head.authority().map(split_port) {
        Some((name, port)) => (name, port.filter(|port| !port.is_empty())),
        None => (endpoints.server_address.as_bytes(), None),
    };
    set("GATEWAY_INTERFACE", b"CGI/1.1");
    set("SERVER_SOFTWARE", SERVER.as_bytes());
    let protocol: &[u8] = match head.version {
        Version::Http10 => b"HTTP/1.0",
        Version::Http11 => b"HTTP/1.1",
    };
    set("SERVER_PROTOCOL", protocol);
    set(
        "SERVER_NAME",
        if name.is_empty() { b"localhost" } else { name },
    );
    set(
        "SERVER_PORT",
        port.unwrap_or(endpoints.server_port.as_bytes()),
    );
    set("REQUEST_METHOD", head.method.as_bytes());
    set("REQUEST_SCHEME", b"http");
    set("REQUEST_URI", &address.uri);
    set("SCRIPT_NAME", &place.script_name);
    set("PATH_INFO", &place.path_info);
    set("QUERY_STRING", &address.query);
    if !place.document_root.is_empty() {
        set("DOCUMENT_ROOT", &place.document_root);
    }
    if let Some(file) = &place.script_filename {
        set("SCRIPT_FILENAME", file);
    }
    if place.path_info.starts_with(b"/") && !place.document_root.is_empty() {
        // Section 4.1.6: the extra path as if it were an address of its own.
        set(
            "PATH_TRANSLATED",
            &[&place.document_root[..], &place.path_info].concat(),
        );
    }
    for (name, value) in [
        ("REMOTE_ADDR", &endpoints.remote_address),
        ("REMOTE_PORT", &endpoints.remote_port),
        ("SERVER_ADDR", &endpoints.server_address),
    ] {
        if !value.is_empty() {
            set(name, value.as_bytes());
        }
    }
    if let Some(length) = length {
        set("CONTENT_LENGTH", length.to_string().as_bytes());
    }
    if let Some(kind) = head.fields.get("Content-Type") {
        set("CONTENT_TYPE", kind);
    }
    add_fields(head, &mut variables);
    variables
}

/// Section 4.1.18. A name that holds anything but letters, digits and `-` is dropped: an `_` could pass for a
/// `-`. `Proxy` would become HTTP_PROXY (httpoxy, CVE-2016-5385).
fn add_fields(head: &RequestHead, variables: &mut Variables) {
    let first = variables.len();
    let mut fields = head.fields.clone();
    if let Target::Absolute { authority, .. } = &head.target {
        // RFC 9112 section 3.2.2: whatever the field says.
        fields.remove("Host");
        fields.push("Host", authority.clone());
    }
    for (name, value) in fields.iter() {
        let is_plain = name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let is = |other: &&str| name.eq_ignore_ascii_case(other);
        let is_dropped = ["Content-Type", "Content-Length", "Proxy", "Expect"]
            .iter()
            .chain(&HOP_BY_HOP)
            .any(is)
            || (head.fields.lists("Connection", name) && !is(&"Host"));
        if !is_plain || is_dropped {
            continue;
        }
        let variable = format!("HTTP_{}", name.to_ascii_uppercase().replace('-', "_"));
        let found = variables
            .iter_mut()
            .skip(first)
            .find(|(found, _)| found == variable.as_bytes());
        match found {
            // RFC 9110 section 5.3; RFC 6265 section 5.4 for cookies.
            Some((_, joined)) => {
                let separator: &[u8] = if is(&"Cookie") { b"; " } else { b", " };
                joined.extend_from_slice(separator);
                joined.extend_from_slice(value);
            }
            None => variables.push((variable.into_bytes(), value.to_vec())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::head::HeadReader;

    fn variables(request: &str) -> Vec<(String, String)> {
        let text = format!("{request}\r\n\r\n");
        let (head, _) = HeadReader::default()
            .read(text.as_bytes())
            .unwrap()
            .unwrap();
        let address = Address::parse(head.path_and_query()).unwrap();
        let place = Place {
            script_name: b"/app.cgi".to_vec(),
            path_info: address.path.clone(),
            script_filename: Some(b"/srv/app.cgi".to_vec()),
            document_root: b"/srv".to_vec(),
        };
        let endpoints = Endpoints {
            remote_address: "::1".into(),
            remote_port: "5".into(),
            server_address: "127.0.0.1".into(),
            server_port: "8000".into(),
        };
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        meta_variables(&head, &address, &place, &endpoints, Some(7))
            .into_iter()
            .map(|(name, value)| (text(name), text(value)))
            .collect()
    }

    #[track_caller]
    fn has(request: &str, name: &str, expected: Option<&str>) {
        let all = variables(request);
        let found: Vec<_> = all.iter().filter(|(found, _)| found == name).collect();
        assert!(found.len() < 2, "{found:?}");
        let value = found.first().map(|(_, value)| value.as_str());
        assert_eq!(value, expected, "{name} of {request:?}");
    }

    #[test]
    fn of_the_request_line() {
        let request = "GET /a%20b//c?d=%20 HTTP/1.1\r\nHost: [::1]:80";
        has(request, "REQUEST_URI", Some("/a%20b//c?d=%20"));
        has(request, "PATH_INFO", Some("/a b//c"));
        has(request, "QUERY_STRING", Some("d=%20"));
        has(request, "SERVER_NAME", Some("[::1]"));
        has(request, "SERVER_PORT", Some("80"));
        has(request, "CONTENT_LENGTH", Some("7"));
        has(request, "PATH_TRANSLATED", Some("/srv/a b//c"));
        has(
            "GET http://b:1/ HTTP/1.1\r\nHost: a",
            "SERVER_NAME",
            Some("b"),
        );
        has("GET / HTTP/1.1\r\nHost: a", "SERVER_PORT", Some("8000"));
        has("GET / HTTP/1.0", "SERVER_NAME", Some("127.0.0.1"));
    }

    #[test]
    fn of_the_fields() {
        let request = "GET / HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nx-a: 2\r\nCookie: c=1\r\nCookie: d=2\r\n\
            Proxy: evil\r\nX_B: 1\r\nX.C: 1\r\nContent-Type: t\r\nConnection: keep-alive, x-hop, host\r\n\
            X-Hop: 1\r\nTE: trailers\r\nKeep-Alive: 1\r\nAuthorization: Basic x\r\nTransfer-Encoding: chunked";
        has(request, "HTTP_X_A", Some("1, 2"));
        has(request, "HTTP_COOKIE", Some("c=1; d=2"));
        has(request, "CONTENT_TYPE", Some("t"));
        has(request, "HTTP_AUTHORIZATION", Some("Basic x"));
        has(request, "HTTP_HOST", Some("a"));
        for name in [
            "PROXY",
            "X_B",
            "X_C",
            "CONTENT_TYPE",
            "CONTENT_LENGTH",
            "CONNECTION",
            "X_HOP",
            "TE",
            "KEEP_ALIVE",
            "TRANSFER_ENCODING",
        ] {
            has(request, &format!("HTTP_{name}"), None);
        }
    }

    #[test]
    fn dot_segments_cannot_leave() {
        for (raw, expected) in [
            ("/a/../b", "/b"),
            ("/../../etc/passwd", "/etc/passwd"),
            ("/%2e%2e/x", "/x"),
            ("/a%2F..%2F..%2Fb", "/b"),
            ("/a/.", "/a/"),
            ("/a/b/..", "/a/"),
            ("/..", "/"),
            ("//evil/x", "//evil/x"),
            ("/a//b/", "/a//b/"),
            ("/...", "/..."),
        ] {
            let path = Address::parse(raw.as_bytes()).unwrap().path;
            assert_eq!(String::from_utf8(path).unwrap(), expected, "{raw}");
        }
        assert!(Address::parse(b"/a%00b").is_err());
    }
}
