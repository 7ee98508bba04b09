//! REQUEST_URI, the address as the client wrote it, parsed and normalised; never to be believed as it is.

pub use wsgi_cgi_gateway::cgi::percent::percent_decode;
use wsgi_cgi_gateway::cgi::percent::{EncodedSlash, decode};

use super::before;

/// The address of a request, in forms that can be compared with what a server decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RequestUri {
    /// Percent-decoded once, `//` merged, dot segments removed: as most servers see it.
    pub(super) path: Vec<u8>,
    /// The same, but an encoded slash stays encoded. Only this form may become a PATH_INFO: Apache
    /// answers 404 to an encoded slash before it has looked at any `<Location>`, so that behind an
    /// `ErrorDocument 404` the decoded form could name a place that no access rule has seen.
    pub(super) guarded_path: Vec<u8>,
    /// What is behind the `?`, as it came.
    pub(super) query: Option<Vec<u8>>,
}

impl RequestUri {
    /// Parses origin-form and absolute-form (RFC 9112 section 3.2). None for any other form, and for
    /// a path with an encoded NUL, which no environment could hold.
    pub(super) fn parse(request_uri: &[u8]) -> Option<Self> {
        let target = without_authority(request_uri)?;
        // A fragment is not allowed here; servers that let it pass do not count it as path.
        let target = before(target, b'#');
        let raw_path = before(target, b'?');
        let query = target
            .strip_prefix(raw_path)
            .and_then(|rest| rest.strip_prefix(b"?"));
        let path = percent_decode(raw_path);
        if path.contains(&0) {
            return None;
        }
        Some(Self {
            path: normalise(&path),
            guarded_path: normalise(&decode(raw_path, EncodedSlash::Keep)),
            query: query.map(<[u8]>::to_vec),
        })
    }
}

/// Merges `//` and removes dot segments (RFC 3986 section 5.2.4). The result begins with a slash, and
/// only with one: `//evil/x` in a link would be another host.
pub(super) fn normalise(path: &[u8]) -> Vec<u8> {
    let mut kept: Vec<&[u8]> = Vec::new();
    for segment in path.split(|byte| *byte == b'/') {
        match segment {
            b"" | b"." => {}
            b".." => drop(kept.pop()),
            name => kept.push(name),
        }
    }
    let mut normal = Vec::with_capacity(path.len());
    for segment in kept {
        normal.push(b'/');
        normal.extend(segment);
    }
    let names_a_folder = matches!(super::last_segment(path), b"" | b"." | b"..");
    if names_a_folder || normal.is_empty() {
        normal.push(b'/');
    }
    normal
}

fn without_authority(request_uri: &[u8]) -> Option<&[u8]> {
    // `//evil/x` is a path, never an authority, so this comes first.
    if request_uri.starts_with(b"/") {
        return Some(request_uri);
    }
    let scheme = before(request_uri, b':');
    let is_scheme = scheme.first().is_some_and(u8::is_ascii_alphabetic)
        && scheme
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte));
    if !is_scheme {
        return None;
    }
    let behind = request_uri.strip_prefix(scheme)?.strip_prefix(b"://")?;
    let authority = before(before(before(behind, b'#'), b'?'), b'/');
    behind.strip_prefix(authority)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(request_uri: &str) -> Option<String> {
        let uri = RequestUri::parse(request_uri.as_bytes())?;
        Some(String::from_utf8(uri.path).unwrap())
    }

    #[test]
    fn a_path_is_decoded_once_and_normalised() {
        for (request_uri, expected) in [
            ("/", "/"),
            ("/a%20b?q", "/a b"),
            ("/a%2520b", "/a%20b"),
            ("/a/../b", "/b"),
            ("/a/%2e%2E/b", "/b"),
            ("/a/%2e%2e%2fb", "/b"),
            ("/../../etc/passwd", "/etc/passwd"),
            ("/a/..", "/"),
            ("/a/b/..", "/a/"),
            ("/a/.", "/a/"),
            ("/a/./b/", "/a/b/"),
            ("/a/...", "/a/..."),
            ("//evil/x", "/evil/x"),
            ("///", "/"),
            ("/a//b///c", "/a/b/c"),
            ("/%zz%4%", "/%zz%4%"),
            ("/%+1", "/%+1"),
            ("/a#b?c", "/a"),
            ("http://host/a?q", "/a"),
            ("http://host:80", "/"),
            ("http://host?q", "/"),
            ("HTTPS://u@[::1]:80//a", "/a"),
            ("/http://host/a", "/http:/host/a"),
        ] {
            assert_eq!(
                path(request_uri).as_deref(),
                Some(expected),
                "{request_uri}"
            );
        }
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for request_uri in [
            "",
            "*",
            "host:80",
            "a/b",
            "://host/a",
            "1http://host/a",
            "http:/a",
            "/a%00b",
            "?q",
        ] {
            assert_eq!(path(request_uri), None, "{request_uri}");
        }
    }

    #[test]
    fn an_encoded_slash_stays_encoded_in_the_guarded_form() {
        let uri = RequestUri::parse(b"/a%2Fb%2f%2E%2e/%2e%2e/%20c?x%2Fy?z").unwrap();
        assert_eq!(uri.guarded_path, b"/ c");
        assert_eq!(uri.path, b"/ c");
        let uri = RequestUri::parse(b"/app/admin%2Fpanel%2f..").unwrap();
        assert_eq!(uri.guarded_path, b"/app/admin%2Fpanel%2f..");
        assert_eq!(uri.path, b"/app/admin/");
    }

    #[test]
    fn the_query_stays_as_it_came() {
        let query = |request_uri: &[u8]| RequestUri::parse(request_uri).unwrap().query;
        assert_eq!(query(b"/a?b%20c?d#e").as_deref(), Some(&b"b%20c?d"[..]));
        assert_eq!(query(b"http://h?").as_deref(), Some(&b""[..]));
        assert_eq!(query(b"/a%3Fb"), None);
    }

    #[test]
    fn bytes_that_are_not_utf_8_stay() {
        let uri = RequestUri::parse(b"/\xff%fe").unwrap();
        assert_eq!(uri.path, b"/\xff\xfe");
    }
}
