//! A script's response as the gateway reads it (RFC 3875 section 6): which kind it is, or what is wrong with it.

use crate::bytes::{decimal, is_token};

/// The longest head that is read.
pub const HEAD_LIMIT: usize = 64 << 10;

/// A script's answer, without the body that follows a document's head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CgiResponse {
    /// Section 6.2.1, and a client redirect with or without document (6.2.3, 6.2.4).
    Document(Head),
    /// Section 6.2.2: the answer is that of another path of this server, with its query.
    LocalRedirect(Vec<u8>),
}

/// Status and fields, in their order, without those which only the gateway reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Three digits; 200 and 302 where the script gave none.
    pub status: u16,
    /// The phrase, as it was given.
    pub reason: Option<String>,
    /// Names and values.
    pub fields: Vec<(String, Vec<u8>)>,
    /// What the script says of its body's length.
    pub content_length: Option<u64>,
}

impl Head {
    /// The first value of this name.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        let mut fields = self.fields.iter();
        let found = fields.find(|(found, _)| found.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_slice())
    }

    /// What the client gets. Section 6.3.5: names that begin with X-CGI- are between script and server.
    pub fn for_client(&self) -> impl Iterator<Item = &(String, Vec<u8>)> {
        self.fields.iter().filter(|(name, _)| {
            let start = name.get(..6);
            !start.is_some_and(|start| start.eq_ignore_ascii_case("X-CGI-"))
        })
    }
}

/// Why an answer cannot be passed on: one line for a person.
pub type Invalid = String;

/// Reads the head as it comes. `complete` says that nothing follows. Gives the response and the length of its
/// head, or None as long as the head is not whole.
///
/// ```
/// use wsgi_cgi_gateway::cgi::response::{CgiResponse, parse};
///
/// // A document: the body follows its head.
/// let output = b"Content-Type: text/plain\nStatus: 404 Not here\n\nIt is gone.";
/// let Some((CgiResponse::Document(head), length)) = parse(output, false)? else { panic!() };
/// assert_eq!((head.status, head.reason.as_deref()), (404, Some("Not here")));
/// assert_eq!(head.get("content-type"), Some(&b"text/plain"[..]));
/// assert_eq!(&output[length..], b"It is gone.");
///
/// // A local redirect: the gateway answers with that path itself.
/// let local = parse(b"Location: /other?a=b\n\n", true)?;
/// assert_eq!(local, Some((CgiResponse::LocalRedirect(b"/other?a=b".to_vec()), 22)));
///
/// // A client redirect is a document with Location; without a Status of its own it is 302.
/// let Some((CgiResponse::Document(head), _)) = parse(b"Location: http://example.org/\n\n", true)? else { panic!() };
/// assert_eq!(head.status, 302);
///
/// // Not whole yet; and what is no response says why.
/// assert_eq!(parse(b"Content-Ty", false)?, None);
/// assert_eq!(parse(b"", true).unwrap_err(), "it wrote nothing");
/// # Ok::<(), String>(())
/// ```
pub fn parse(bytes: &[u8], complete: bool) -> Result<Option<(CgiResponse, usize)>, Invalid> {
    let Some(length) = head_length(bytes) else {
        return match bytes {
            _ if bytes.len() > HEAD_LIMIT => Err("its head is larger than 64 KiB".into()),
            [] if complete => Err("it wrote nothing".into()),
            _ if complete => Err(format!(
                "it ended within its head: no empty line follows {}",
                shown(bytes)
            )),
            _ => Ok(None),
        };
    };
    let mut fields = Vec::new();
    for line in bytes
        .get(..length)
        .unwrap_or_default()
        .split(|byte| *byte == b'\n')
    {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if !line.is_empty() {
            fields.push(field(line)?);
        }
    }
    response(fields).map(|response| Some((response, length)))
}

/// Up to and with the empty line. Line ends are CR LF or LF (section 6.3.1 leaves it to the system).
fn head_length(bytes: &[u8]) -> Option<usize> {
    let mut line_start = 0;
    for (at, byte) in bytes.iter().enumerate() {
        if *byte == b'\n' {
            if matches!(bytes.get(line_start..at), Some(b"" | b"\r")) {
                return Some(at + 1);
            }
            line_start = at + 1;
        }
    }
    None
}

fn field(line: &[u8]) -> Result<(String, Vec<u8>), Invalid> {
    if line.starts_with(b"HTTP/") {
        return Err(format!(
            "{} is a whole HTTP response: name the script nph-… for that, or begin with Status:",
            shown(line)
        ));
    }
    let colon = line.iter().position(|byte| *byte == b':');
    let (name, value) = line.split_at(colon.unwrap_or(0));
    if !is_token(name) {
        return Err(format!("{} is no header line", shown(line)));
    }
    let value = value.get(1..).unwrap_or_default().trim_ascii();
    if value
        .iter()
        .any(|byte| (*byte < 0x20 && *byte != b'\t') || *byte == 0x7f)
    {
        return Err(format!("{} holds a control character", shown(line)));
    }
    Ok((String::from_utf8_lossy(name).into_owned(), value.to_vec()))
}

fn response(mut fields: Vec<(String, Vec<u8>)>) -> Result<CgiResponse, Invalid> {
    let given = |name: &str| {
        let mut values = fields
            .iter()
            .filter(move |(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.clone());
        match (values.next(), values.next()) {
            (_, Some(_)) => Err(format!("{name} is given twice")),
            (first, None) => Ok(first),
        }
    };
    let (status, location) = (given("Status")?, given("Location")?);
    let has_type = given("Content-Type")?.is_some();
    if status.is_none() && location.is_none() && !has_type {
        return Err("its head has neither Content-Type nor Location nor Status".into());
    }
    // The body would be misread by whoever reads it next.
    if given("Transfer-Encoding")?.is_some() {
        return Err("Transfer-Encoding belongs to the server".into());
    }
    let content_length = match given("Content-Length")? {
        None => None,
        Some(value) => match decimal(&value) {
            Some(length) => Some(length),
            None => return Err(format!("Content-Length is no number: {}", shown(&value))),
        },
    };
    let (status, reason) = match (&status, location) {
        (Some(status), _) => self::status(status)?,
        // Whatever else it says: that is how servers read it.
        (None, Some(path)) if path.starts_with(b"/") => {
            return Ok(CgiResponse::LocalRedirect(path));
        }
        (None, Some(_)) => (302, None),
        (None, None) => (200, None),
    };
    fields.retain(|(name, _)| !name.eq_ignore_ascii_case("Status"));
    Ok(CgiResponse::Document(Head {
        status,
        reason,
        fields,
        content_length,
    }))
}

/// `3DIGIT`, a blank, a phrase (section 6.3.3).
fn status(value: &[u8]) -> Result<(u16, Option<String>), Invalid> {
    let invalid = || format!("Status is no status: {}", shown(value));
    let (code, rest) = value.split_at_checked(3).ok_or_else(invalid)?;
    let number = decimal(code).and_then(|number| u16::try_from(number).ok());
    let number = number
        .filter(|number| (200..=999).contains(number))
        .ok_or_else(invalid)?;
    match rest {
        [] => Ok((number, None)),
        [b' ', reason @ ..] => {
            let reason = reason.trim_ascii().iter().map(|byte| char::from(*byte));
            let reason: String = reason.filter(char::is_ascii).collect();
            Ok((number, Some(reason).filter(|reason| !reason.is_empty())))
        }
        _ => Err(invalid()),
    }
}

/// The beginning of what a script wrote, for a message.
fn shown(bytes: &[u8]) -> String {
    let short = bytes.get(..80).unwrap_or(bytes);
    format!("{:?}", String::from_utf8_lossy(short))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads whole, byte by byte, and with a body behind; all three must agree.
    #[track_caller]
    fn read(text: &str) -> Result<CgiResponse, Invalid> {
        let whole = parse(text.as_bytes(), true)?;
        let piecemeal = (0..=text.len())
            .find_map(|end| parse(text.as_bytes().get(..end).unwrap(), false).unwrap());
        assert_eq!(whole, piecemeal, "{text:?}");
        let behind = format!("{text}\n\nbody: x\r\n\r\n");
        assert_eq!(parse(behind.as_bytes(), false).unwrap(), whole, "{text:?}");
        let (response, length) = whole.unwrap();
        assert_eq!(length, text.len());
        Ok(response)
    }

    #[track_caller]
    fn document(text: &str) -> Head {
        match read(text).unwrap() {
            CgiResponse::Document(head) => head,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn documents() {
        let head = document("Content-Type: text/plain\n\n");
        assert_eq!(
            (head.status, head.reason, head.content_length),
            (200, None, None)
        );
        let head = document(
            "Status: 404 Not here\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 3\r\n\r\n",
        );
        assert_eq!(
            (head.status, head.reason.as_deref()),
            (404, Some("Not here"))
        );
        assert_eq!(head.content_length, Some(3));
        let names: Vec<_> = head.fields.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["Set-Cookie", "Set-Cookie", "Content-Length"]);
        assert_eq!(document("STATUS:204\n\n").status, 204);
    }

    #[test]
    fn redirects() {
        let local = Ok(CgiResponse::LocalRedirect(b"/a?b".to_vec()));
        assert_eq!(read("Location: /a?b\n\n"), local);
        assert_eq!(read("Location: /a?b\nContent-Type: text/html\n\n"), local);
        assert_eq!(document("Location: http://x/\n\n").status, 302);
        assert_eq!(
            document("Status: 303 See Other\nLocation: /a\n\n").status,
            303
        );
        assert_eq!(document("Status: 201\nLocation: /a\n\n").status, 201);
    }

    #[test]
    fn what_is_no_response_says_why() {
        for (text, expected) in [
            ("", "nothing"),
            ("Content-Type: text/html\n", "ended within its head"),
            ("hello world\n\n", "no header line"),
            ("\n\n", "neither"),
            ("X: y\n\n", "neither"),
            ("HTTP/1.1 200 OK\r\n\r\n", "nph-"),
            ("Status: 20\n\n", "no status"),
            ("Status: 199 x\n\n", "no status"),
            ("Status: +20 x\n\n", "no status"),
            ("Status: 200x\n\n", "no status"),
            ("Status: 200\nStatus: 200\n\n", "twice"),
            (
                "Status: 200\nContent-Length: 1\nContent-Length: 1\n\n",
                "twice",
            ),
            ("Status: 200\nContent-Length: +1\n\n", "no number"),
            ("Status: 200\nContent-Length:\n\n", "no number"),
            ("Status: 200\nTransfer-Encoding: chunked\n\n", "belongs"),
            ("Status: 200\nA: b\rC: d\n\n", "control character"),
            ("Status: 200\nA: b\0\n\n", "control character"),
            ("Status: 200\nA b: c\n\n", "no header line"),
            ("Status: 200\n A: c\n\n", "no header line"),
        ] {
            let reason = parse(text.as_bytes(), true).unwrap_err();
            assert!(reason.contains(expected), "{text:?}: {reason}");
        }
        let long = format!("A: {}", "x".repeat(HEAD_LIMIT));
        assert!(parse(long.as_bytes(), false).is_err());
    }
}
