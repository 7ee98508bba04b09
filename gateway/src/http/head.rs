//! The head of a request: request line and fields, stricter than the grammar where laxness has been a
//! vulnerability.

use super::target::{Target, is_host, parse_target};
use super::{Fields, Refusal, limits};
use crate::bytes::{decimal, is_token};

/// A request's head that keeps every rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHead {
    /// A token, as it was written: methods are case-sensitive.
    pub method: String,
    /// The target as it was written.
    pub raw_target: Vec<u8>,
    /// What it means.
    pub target: Target,
    /// 1.0 or 1.1.
    pub version: Version,
    /// In their order.
    pub fields: Fields,
    /// How the body ends.
    pub framing: Framing,
}

/// The versions that are spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
}

/// How the end of a request's body is known (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is none.
    Empty,
    /// Content-Length, in bytes.
    Length(u64),
    /// In chunks.
    Chunked,
}

/// Reads a head as its bytes come, looking at each byte once.
///
/// ```
/// use wsgi_cgi_gateway::http::head::{Framing, HeadReader};
///
/// let mut reader = HeadReader::default();
/// let mut buffer = b"POST /hello?a=b HTTP/1.1\r\nHost: example.org\r\n".to_vec();
/// assert_eq!(reader.read(&buffer)?, None);
/// buffer.extend(b"Content-Length: 5\r\n\r\nworld");
/// let Some((head, length)) = reader.read(&buffer)? else { panic!("it is whole") };
/// assert_eq!(head.method, "POST");
/// assert_eq!(head.path_and_query(), b"/hello?a=b");
/// assert_eq!(head.fields.get("host"), Some(&b"example.org"[..]));
/// assert_eq!(head.framing, Framing::Length(5));
/// assert_eq!(&buffer[length..], b"world");
///
/// // What two readers could read differently is refused.
/// let smuggled = b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n";
/// let refusal = HeadReader::default().read(smuggled).unwrap_err();
/// assert_eq!(refusal.status, 400);
/// # Ok::<(), wsgi_cgi_gateway::http::Refusal>(())
/// ```
#[derive(Debug, Default)]
pub struct HeadReader {
    looked_at: usize,
    line_start: usize,
    lines: usize,
}

impl HeadReader {
    /// `buffer` holds what has come of the request so far, from its first byte on. Gives the head and its
    /// length as soon as it is whole.
    pub fn read(&mut self, buffer: &[u8]) -> Result<Option<(RequestHead, usize)>, Refusal> {
        while let Some(byte) = buffer.get(self.looked_at) {
            let at = self.looked_at;
            let before = at.checked_sub(1).and_then(|before| buffer.get(before));
            match byte {
                0 => return Err(Refusal::bad("a NUL in the head")),
                b'\n' if before != Some(&b'\r') => {
                    return Err(Refusal::bad("a line that ends with LF alone"));
                }
                b'\n' => {
                    self.looked_at += 1;
                    let is_empty = at - self.line_start == 1;
                    self.line_start = at + 1;
                    if is_empty && self.lines > 0 {
                        let head = buffer.get(..at + 1).unwrap_or_default();
                        return parse(head).map(|head| Some((head, at + 1)));
                    }
                    // RFC 9112 section 2.2: an empty line before the request line is skipped.
                    if is_empty && at > 3 {
                        return Err(Refusal::bad("empty lines instead of a request"));
                    }
                    self.lines += usize::from(!is_empty);
                    continue;
                }
                _ if before == Some(&b'\r') => return Err(Refusal::bad("a CR without its LF")),
                _ => {}
            }
            self.looked_at += 1;
            if self.lines == 0 && at - self.line_start > limits::REQUEST_LINE {
                return Err(Refusal::new(414, "the request line is too long"));
            }
            if at >= limits::HEAD {
                return Err(Refusal::new(431, "the head is too large"));
            }
        }
        Ok(None)
    }
}

fn parse(bytes: &[u8]) -> Result<RequestHead, Refusal> {
    let mut parsed = [httparse::EMPTY_HEADER; limits::FIELDS];
    let mut request = httparse::Request::new(&mut parsed);
    match request.parse(bytes) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => return Err(Refusal::bad("the head is not whole")),
        Err(httparse::Error::TooManyHeaders) => {
            return Err(Refusal::new(431, "the head has too many fields"));
        }
        Err(httparse::Error::Version) => return Err(version(bytes)),
        Err(error) => return Err(Refusal::bad(error.to_string())),
    }
    let version = match request.version {
        Some(1) => Version::Http11,
        Some(0) => Version::Http10,
        _ => return Err(Refusal::new(505, "only HTTP/1.0 and HTTP/1.1 are spoken")),
    };
    let mut fields = Fields::default();
    for header in request.headers.iter() {
        fields.push(header.name, header.value);
    }
    let method = request.method.unwrap_or_default().to_owned();
    let raw_target = request.path.unwrap_or_default().as_bytes().to_vec();
    if method == "CONNECT" {
        return Err(Refusal::new(501, "CONNECT: this is no proxy"));
    }
    let target = parse_target(&method, &raw_target)?;
    check_host(version, &target, &fields)?;
    let framing = framing(version, &fields)?;
    check_expectation(version, &fields)?;
    Ok(RequestHead {
        method,
        raw_target,
        target,
        version,
        fields,
        framing,
    })
}

/// HTTP/2.0 is a version that we do not speak; `HTTP/1.1x` is none.
fn version(head: &[u8]) -> Refusal {
    let line = head.trim_ascii_start().split(|byte| *byte == b'\r').next();
    let words: Vec<_> = line
        .unwrap_or_default()
        .split(|byte| *byte == b' ')
        .collect();
    let version = match words.as_slice() {
        [_, _, version] => version.strip_prefix(b"HTTP/"),
        _ => None,
    };
    match version {
        Some([major, b'.', minor]) if major.is_ascii_digit() && minor.is_ascii_digit() => {
            Refusal::new(505, "only HTTP/1.0 and HTTP/1.1 are spoken")
        }
        _ => Refusal::bad("the request line is not a method, a target and a version"),
    }
}

/// RFC 9112 section 3.2: exactly one Host in HTTP/1.1, at most one before.
fn check_host(version: Version, target: &Target, fields: &Fields) -> Result<(), Refusal> {
    let mut hosts = fields.all("Host");
    let (first, second) = (hosts.next(), hosts.next());
    if second.is_some() {
        return Err(Refusal::bad("Host is given twice"));
    }
    match first {
        None if version == Version::Http11 => Err(Refusal::bad("Host is missing")),
        Some(b"") if matches!(target, Target::Origin) => Err(Refusal::bad("Host is empty")),
        Some(host) if !host.is_empty() && !is_host(host) => Err(Refusal::bad("Host is no host")),
        _ => Ok(()),
    }
}

/// RFC 9112 sections 6.1 and 6.3. What two readers could read differently is refused: that is how
/// requests are smuggled (CVE-2022-24761, CVE-2024-1135, CVE-2024-6827).
fn framing(version: Version, fields: &Fields) -> Result<Framing, Refusal> {
    let mut lengths = fields.all("Content-Length");
    let (length, second_length) = (lengths.next(), lengths.next());
    if fields.contains("Transfer-Encoding") {
        if length.is_some() {
            return Err(Refusal::bad("Transfer-Encoding with Content-Length"));
        }
        if version == Version::Http10 {
            return Err(Refusal::bad("Transfer-Encoding in HTTP/1.0"));
        }
        return transfer_coding(fields);
    }
    if second_length.is_some() {
        return Err(Refusal::bad("Content-Length is given twice"));
    }
    match length {
        None => Ok(Framing::Empty),
        Some(length) => match decimal(length) {
            Some(0) => Ok(Framing::Empty),
            Some(length) => Ok(Framing::Length(length)),
            None => Err(Refusal::bad("Content-Length is no number")),
        },
    }
}

fn transfer_coding(fields: &Fields) -> Result<Framing, Refusal> {
    // Empty words count, other than RFC 9110 section 5.6.1 has it: two readers may differ over them.
    let words = fields
        .all("Transfer-Encoding")
        .flat_map(|value| value.split(|byte| *byte == b','));
    let codings: Vec<_> = words.map(<[u8]>::trim_ascii).collect();
    let is_chunked = |coding: &&[u8]| coding.eq_ignore_ascii_case(b"chunked");
    let is_name = |coding: &&[u8]| {
        let name = coding.split(|byte| *byte == b';').next();
        is_token(name.unwrap_or_default().trim_ascii())
    };
    match codings.as_slice() {
        [only] if is_chunked(only) => Ok(Framing::Chunked),
        // Chunked last, or not at all: another coding is what stands in the way.
        [earlier @ .., _] if !earlier.iter().any(is_chunked) && codings.iter().all(is_name) => {
            Err(Refusal::new(501, "a transfer coding that is not known"))
        }
        _ => Err(Refusal::bad("Transfer-Encoding must end with one chunked")),
    }
}

/// RFC 9110 section 10.1.1.
fn check_expectation(version: Version, fields: &Fields) -> Result<(), Refusal> {
    let other = fields
        .list("Expect")
        .any(|word| !word.eq_ignore_ascii_case(b"100-continue"));
    match other && version == Version::Http11 {
        true => Err(Refusal::new(417, "only 100-continue can be expected")),
        false => Ok(()),
    }
}

impl RequestHead {
    /// Path and query in the form in which they count; `*` for the server as a whole.
    pub fn path_and_query(&self) -> &[u8] {
        match &self.target {
            Target::Absolute { path_and_query, .. } => path_and_query,
            Target::Origin | Target::Asterisk => &self.raw_target,
        }
    }

    /// The host that the client meant, with its port if it named one.
    pub fn authority(&self) -> Option<&[u8]> {
        match &self.target {
            Target::Absolute { authority, .. } => Some(authority),
            _ => self.fields.get("Host").filter(|host| !host.is_empty()),
        }
    }

    /// Whether the client waits for a word before it sends the body.
    pub fn expects_continue(&self) -> bool {
        self.version == Version::Http11 && self.fields.lists("Expect", "100-continue")
    }

    /// Whether the connection may carry another request (RFC 9112 section 9.3).
    pub fn keeps_alive(&self) -> bool {
        match self.version {
            Version::Http11 => !self.fields.lists("Connection", "close"),
            Version::Http10 => {
                self.fields.lists("Connection", "keep-alive")
                    && !self.fields.lists("Connection", "close")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads whole, byte by byte, and with bytes behind; all three must agree.
    #[track_caller]
    fn read(text: &str) -> Result<RequestHead, u16> {
        let whole = HeadReader::default().read(text.as_bytes());
        let mut reader = HeadReader::default();
        let mut piecemeal = Ok(None);
        for end in 0..=text.len() {
            piecemeal = reader.read(text.as_bytes().get(..end).unwrap());
            if !matches!(piecemeal, Ok(None)) {
                break;
            }
        }
        assert_eq!(whole, piecemeal, "{text:?}");
        if let Ok(Some((_, length))) = &whole {
            let more = format!("{text}GET /next");
            let behind = HeadReader::default().read(more.as_bytes());
            assert_eq!(behind, whole);
            assert_eq!(*length, text.len());
        }
        match whole {
            Ok(Some((head, _))) => Ok(head),
            Ok(None) => panic!("{text:?} is not whole"),
            Err(refusal) => Err(refusal.status),
        }
    }

    fn get(fields: &str) -> Result<RequestHead, u16> {
        read(&format!("GET /a?b HTTP/1.1\r\nHost: x\r\n{fields}\r\n"))
    }

    #[test]
    fn a_plain_request() {
        let head = get("Accept:  a, b \r\nX: \u{e9}\r\n").unwrap();
        assert_eq!(
            (head.method.as_str(), head.version),
            ("GET", Version::Http11)
        );
        assert_eq!(head.path_and_query(), b"/a?b");
        assert_eq!(head.fields.get("accept"), Some(&b"a, b"[..]));
        assert_eq!(head.framing, Framing::Empty);
        assert!(head.keeps_alive());
        assert!(read("\r\n\r\nGET / HTTP/1.0\r\n\r\n").is_ok_and(|head| !head.keeps_alive()));
        assert_eq!(read("\r\n\r\n\r\n"), Err(400));
    }

    #[test]
    fn framing_that_two_readers_could_read_differently_is_refused() {
        for (fields, expected) in [
            ("Content-Length: 5\r\n", Ok(Framing::Length(5))),
            ("Content-Length: 0\r\n", Ok(Framing::Empty)),
            ("Transfer-Encoding: Chunked\r\n", Ok(Framing::Chunked)),
            (
                "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
                Err(400),
            ),
            ("Content-Length: 5\r\nContent-Length: 5\r\n", Err(400)),
            ("Content-Length: 5, 5\r\n", Err(400)),
            ("Content-Length: +5\r\n", Err(400)),
            ("Content-Length: -5\r\n", Err(400)),
            ("Content-Length: 0x5\r\n", Err(400)),
            ("Content-Length: 5 5\r\n", Err(400)),
            ("Content-Length:\r\n", Err(400)),
            ("Content-Length: 18446744073709551616\r\n", Err(400)),
            ("Transfer-Encoding: gzip\r\n", Err(501)),
            ("Transfer-Encoding: gzip, chunked\r\n", Err(501)),
            ("Transfer-Encoding: chunked, gzip\r\n", Err(400)),
            ("Transfer-Encoding: chunked, chunked\r\n", Err(400)),
            (
                "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
                Err(400),
            ),
            ("Transfer-Encoding: \r\n", Err(400)),
            ("Transfer-Encoding: chunked,\r\n", Err(400)),
            ("Transfer-Encoding: ,chunked\r\n", Err(400)),
            (
                "Transfer-Encoding:\r\nTransfer-Encoding: chunked\r\n",
                Err(400),
            ),
            ("Transfer-Encoding: \x0bchunked\r\n", Err(400)),
            ("Transfer-Encoding : chunked\r\n", Err(400)),
            ("Content-Length : 5\r\n", Err(400)),
        ] {
            assert_eq!(get(fields).map(|head| head.framing), expected, "{fields:?}");
        }
        let old = "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(read(old), Err(400));
    }

    #[test]
    fn lines_that_are_none_are_refused() {
        for text in [
            "GET / HTTP/1.1\nHost: x\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\n\n",
            "GET / HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
            "GET / HTTP/1.1\r\n Host: x\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\nA B: c\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\n: c\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\nABC\r\n\r\n",
            "GET  / HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET / HTTP/1.1 \r\nHost: x\r\n\r\n",
            "GET / HTTP/1.1x\r\nHost: x\r\n\r\n",
            "GET / http/1.1\r\nHost: x\r\n\r\n",
            "GET /\r\nHost: x\r\n\r\n",
            "G@T / HTTP/1.1\r\nHost: x\r\n\r\n",
        ] {
            assert_eq!(read(text), Err(400), "{text:?}");
        }
        assert_eq!(read("GET / HTTP/2.0\r\nHost: x\r\n\r\n"), Err(505));
        assert_eq!(read("CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n"), Err(501));
        assert_eq!(get("Expect: 200-ok\r\n"), Err(417));
    }

    #[test]
    fn targets() {
        let target =
            |method, target: &str| read(&format!("{method} {target} HTTP/1.1\r\nHost: h\r\n\r\n"));
        let path = |given| target("GET", given).map(|head| head.path_and_query().to_vec());
        assert_eq!(path("//evil/x"), Ok(b"//evil/x".to_vec()));
        assert_eq!(path("HTTP://a:8?q"), Ok(b"/?q".to_vec()));
        assert_eq!(path("x"), Err(400));
        assert_eq!(path("*"), Err(400));
        assert_eq!(path("ftp://a/"), Err(400));
        assert_eq!(path("http:///x"), Err(400));
        assert_eq!(path("http://a b/"), Err(400));
        assert_eq!(path("/a#b"), Err(400));
        assert_eq!(target("OPTIONS", "*").unwrap().target, Target::Asterisk);
        let head = target("GET", "http://[::1]:80/x").unwrap();
        assert_eq!(head.authority(), Some(&b"[::1]:80"[..]));
    }

    #[test]
    fn hosts() {
        let host = |lines: &str| read(&format!("GET / HTTP/1.1\r\n{lines}\r\n")).map(drop);
        for good in ["a", "a.b:80", "[::1]", "[::1]:8000", "127.0.0.1:", "a_b"] {
            assert_eq!(host(&format!("Host: {good}\r\n")), Ok(()), "{good}");
        }
        for bad in [
            "", "a b", "a/b", "a@b", "a:b", "[::1", "[]", ":80", "a:123456", "a<b",
        ] {
            assert_eq!(host(&format!("Host: {bad}\r\n")), Err(400), "{bad}");
        }
        assert_eq!(host(""), Err(400));
        assert_eq!(host("Host: a\r\nHost: a\r\n"), Err(400));
    }

    #[test]
    fn limits_have_their_own_status() {
        let line = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(8 << 10));
        assert_eq!(read(&line), Err(414));
        assert_eq!(get(&format!("A: {}\r\n", "a".repeat(64 << 10))), Err(431));
        assert_eq!(get(&"A: b\r\n".repeat(100)), Err(431));
        assert!(get(&"A: b\r\n".repeat(99)).is_ok());
    }
}
