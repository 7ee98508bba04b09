//! The head of a response, and how the end of its body will be known.

use super::head::Version;
use super::{Fields, limits};

/// How the end of a response's body is known (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// None is sent: HEAD, 204, 304.
    None,
    /// Content-Length.
    Length(u64),
    /// In chunks.
    Chunked,
    /// By the end of the connection: HTTP/1.0, NPH.
    Close,
}

/// Whether another request may follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// It may.
    KeepAlive,
    /// This response is the last one.
    Close,
}

/// What belongs to one connection and never passes on (RFC 9110 section 7.6.1).
pub(crate) const HOP_BY_HOP: [&str; 9] = [
    "Connection",
    "Keep-Alive",
    "Proxy-Connection",
    "Proxy-Authenticate",
    "Proxy-Authorization",
    "TE",
    "Trailer",
    "Transfer-Encoding",
    "Upgrade",
];

/// What each response begins with: `HTTP/`.
pub(crate) const FIRST: u8 = b'H';

/// Whether a response with this status has a body (RFC 9110 section 6.4.1).
fn allows_body(status: u16) -> bool {
    !matches!(status, 100..=199 | 204 | 304)
}

/// How to send a body of which the script declared this length, or none.
pub fn framing(status: u16, method: &str, version: Version, declared: Option<u64>) -> Framing {
    match declared {
        _ if method == "HEAD" || !allows_body(status) => Framing::None,
        Some(length) => Framing::Length(length),
        None if version == Version::Http11 => Framing::Chunked,
        None => Framing::Close,
    }
}

/// The bytes of a head. Fields of the connection and of the framing are ours: those in `fields` are left out,
/// but for the Content-Length of a response that has no body and only tells it.
///
/// ```
/// use wsgi_cgi_gateway::http::Fields;
/// use wsgi_cgi_gateway::http::response_head::{Connection, Framing, encode};
///
/// let mut fields = Fields::default();
/// fields.push("Content-Type", "text/plain");
/// let head = encode(200, "OK", &fields, Framing::Length(2), Connection::KeepAlive);
/// let head = String::from_utf8(head)?;
/// assert!(head.starts_with("HTTP/1.1 200 OK\r\nDate: "));
/// assert!(head.ends_with("Content-Length: 2\r\nConnection: keep-alive\r\n\r\n"));
/// # Ok::<(), std::string::FromUtf8Error>(())
/// ```
pub fn encode(
    status: u16,
    reason: &str,
    fields: &Fields,
    framing: Framing,
    connection: Connection,
) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status} {reason}\r\n").into_bytes();
    let mut line = |name: &str, value: &[u8]| {
        head.extend_from_slice(name.as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value);
        head.extend_from_slice(b"\r\n");
    };
    if !fields.contains("Date") {
        let now = httpdate::fmt_http_date(std::time::SystemTime::now());
        line("Date", now.as_bytes());
    }
    if !fields.contains("Server") {
        line("Server", super::SERVER.as_bytes());
    }
    let mut has_date = false;
    for (name, value) in fields.iter() {
        // RFC 9110 section 6.6.1: there is one, and clients differ in which of two they take.
        if name.eq_ignore_ascii_case("Date") && std::mem::replace(&mut has_date, true) {
            continue;
        }
        let is_ours = HOP_BY_HOP
            .iter()
            .any(|ours| name.eq_ignore_ascii_case(ours));
        let is_length = name.eq_ignore_ascii_case("Content-Length");
        // RFC 9110 section 8.6: never with 204.
        let told = framing == Framing::None && status != 204;
        if !is_ours && (!is_length || told) {
            line(name, value);
        }
    }
    match framing {
        Framing::Length(length) => line("Content-Length", length.to_string().as_bytes()),
        Framing::Chunked => line("Transfer-Encoding", b"chunked"),
        Framing::None | Framing::Close => {}
    }
    match connection {
        Connection::KeepAlive => line("Connection", b"keep-alive"),
        Connection::Close => line("Connection", b"close"),
    }
    head.extend_from_slice(b"\r\n");
    head
}

/// The phrase of a status that has none of its own (RFC 9110 section 15, and its registry).
pub fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "Unknown",
    }
}

/// The head of somebody else's response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseHead {
    /// Three digits.
    pub status: u16,
    /// In their order.
    pub fields: Fields,
}

/// Reads a response's head; gives it and its length, or None as long as it is not whole. An error is one line for
/// a person.
///
/// ```
/// use wsgi_cgi_gateway::http::response_head::parse;
///
/// let bytes = b"HTTP/1.1 204 No Content\r\nServer: x\r\n\r\n";
/// let (head, length) = parse(bytes)?.ok_or("not whole")?;
/// assert_eq!((head.status, length), (204, bytes.len()));
/// assert_eq!(parse(b"HTTP/1.1 204 No")?, None);
/// # Ok::<(), String>(())
/// ```
pub fn parse(bytes: &[u8]) -> Result<Option<(ResponseHead, usize)>, String> {
    let mut parsed = [httparse::EMPTY_HEADER; limits::FIELDS];
    let mut response = httparse::Response::new(&mut parsed);
    let httparse::Status::Complete(length) =
        response.parse(bytes).map_err(|error| error.to_string())?
    else {
        return Ok(None);
    };
    let mut fields = Fields::default();
    for header in response.headers.iter() {
        fields.push(header.name, header.value);
    }
    let status = response.code.unwrap_or_default();
    Ok(Some((ResponseHead { status, fields }, length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_framing_is_ours() {
        let mut fields = Fields::default();
        fields.push("Content-Length", "7");
        fields.push("Connection", "x");
        fields.push("Date", "then");
        fields.push("date", "later");
        let text = |framing| {
            let head = encode(200, "OK", &fields, framing, Connection::Close);
            String::from_utf8(head).unwrap()
        };
        let start = format!("HTTP/1.1 200 OK\r\nServer: {}\r\n", crate::http::SERVER);
        let expected = |lines: &str| format!("{start}{lines}Connection: close\r\n\r\n");
        let date = "Date: then\r\n";
        assert_eq!(
            text(Framing::Chunked),
            expected(&format!("{date}Transfer-Encoding: chunked\r\n"))
        );
        assert_eq!(
            text(Framing::Length(5)),
            expected(&format!("{date}Content-Length: 5\r\n"))
        );
        assert_eq!(
            text(Framing::None),
            expected(&format!("Content-Length: 7\r\n{date}"))
        );
    }

    #[test]
    fn which_framing() {
        use Version::{Http10, Http11};
        assert_eq!(framing(200, "GET", Http11, Some(5)), Framing::Length(5));
        assert_eq!(framing(200, "GET", Http11, None), Framing::Chunked);
        assert_eq!(framing(200, "GET", Http10, None), Framing::Close);
        assert_eq!(framing(200, "HEAD", Http11, Some(5)), Framing::None);
        assert_eq!(framing(304, "GET", Http11, Some(5)), Framing::None);
    }
}
