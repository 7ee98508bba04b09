//! The client of Lambda's runtime API, version 2018-06-01: plain HTTP to an address of this machine.

mod failed;
mod streamed;

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};

pub use self::failed::Failed;
use self::failed::of_api;
pub use self::streamed::Streamed;
use super::report::Report;
use crate::http::chunked::Decoder;
use crate::http::response_head::{self, ResponseHead};
use crate::http::{Fields, SERVER};
use crate::wait;

const VERSION: &str = "2018-06-01";

const NEXT: &str = "invocation/next";

const ERROR_TYPE: &str = "Lambda-Runtime-Function-Error-Type";

const REQUEST_ID: &str = "Lambda-Runtime-Aws-Request-Id";

/// The kind of error that stands for it: a wait for an event is over.
const TOLD_TO_END: io::ErrorKind = io::ErrorKind::Interrupted;

/// Read at once.
const PIECE: usize = 16 << 10;

/// Until an API that does not wait for events is asked again.
const PAUSE: Duration = Duration::from_millis(20);

/// Where the API is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    socket: SocketAddr,
    host: String,
    path: String,
}

/// One connection, made anew where it must be.
pub struct Api {
    address: Address,
    stream: Option<TcpStream>,
    /// What was read and belongs to no answer yet.
    buffer: Vec<u8>,
    /// Readable when this process was told to end.
    signals: Option<Arc<UnixStream>>,
    /// Nothing is being answered: such a signal ends the wait.
    is_idle: bool,
}

/// One event, as the API gives it.
#[derive(Debug)]
pub struct Next {
    /// The request id.
    pub id: String,
    /// In milliseconds of the epoch.
    pub deadline: Option<u64>,
    /// Every other field.
    pub fields: Fields,
    /// In JSON.
    pub event: Vec<u8>,
}

/// An answer of the API.
struct Reply {
    head: ResponseHead,
    body: Vec<u8>,
}

impl Address {
    /// Of AWS_LAMBDA_RUNTIME_API: `HOST:PORT`, and what emulators put around it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let rest = text.strip_prefix("http://").unwrap_or(text);
        let (host, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        let local = host
            .strip_prefix("localhost:")
            .and_then(|port| port.parse().ok());
        let socket = match local {
            Some(port) => SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            // Names are for a resolver, which is no part of a static executable.
            None => host
                .parse()
                .map_err(|_| format!("{text:?} is not ADDRESS:PORT"))?,
        };
        Ok(Self {
            socket,
            host: host.to_owned(),
            path: format!("{}/{VERSION}/runtime", path.trim_end_matches('/')),
        })
    }
}

impl Api {
    /// Connects when it is needed. When there is something to read from `signals`, no event is waited for any more.
    pub fn new(address: Address, signals: Option<Arc<UnixStream>>) -> Self {
        Self {
            signals,
            address,
            stream: None,
            buffer: Vec::new(),
            is_idle: false,
        }
    }

    /// Waits for the next event, for as long as it takes; gives none if this process was told to end before it had
    /// come whole.
    pub fn next(&mut self) -> io::Result<Option<Next>> {
        self.is_idle = true;
        let next = self.wait_for_next();
        self.is_idle = false;
        match next {
            Err(error) if error.kind() == TOLD_TO_END => Ok(None),
            next => of_api(NEXT, next).map(Some),
        }
    }

    fn wait_for_next(&mut self) -> io::Result<Next> {
        let reply = loop {
            match self.ask_for_next() {
                // A kept connection may have ended.
                Err(error) if self.buffer.is_empty() && error.kind() != TOLD_TO_END => {
                    self.disconnect();
                    self.ask_for_next()?;
                }
                asked => asked?,
            }
            let reply = self.answer()?;
            if reply.head.status != 204 {
                break reply;
            }
            // Emulators say so where there is none; the platform waits.
            thread::sleep(PAUSE);
        };
        if reply.head.status != 200 {
            return Err(unexpected(NEXT, &reply));
        }
        let text = |name: &str| {
            let value = reply.head.fields.get(name)?;
            Some(String::from_utf8_lossy(value).into_owned())
        };
        let id = text(REQUEST_ID).unwrap_or_default();
        if !is_id(&id) {
            return Err(io::Error::other(format!("{REQUEST_ID} is {id:?}")));
        }
        let deadline = text("Lambda-Runtime-Deadline-Ms");
        Ok(Next {
            id,
            deadline: deadline.and_then(|text| text.parse().ok()),
            fields: reply.head.fields,
            event: reply.body,
        })
    }

    /// Asks, and waits until something comes.
    fn ask_for_next(&mut self) -> io::Result<()> {
        let request = self.head("GET", NEXT, &Fields::default());
        self.connect()?.write_all(&request)?;
        // An end shows here, where it can be asked again.
        self.read_more()
    }

    /// Hands in the response to an event.
    pub fn respond(&mut self, id: &str, json: &[u8]) -> io::Result<()> {
        self.hand_in(&format!("invocation/{id}/response"), json_fields(), json)
    }

    /// Hands in that an event has failed.
    pub fn fail(&mut self, id: &str, report: &Report) -> io::Result<()> {
        self.report(&format!("invocation/{id}/error"), report)
    }

    /// Hands in that there is nobody to take events.
    pub fn fail_init(&mut self, report: &Report) -> io::Result<()> {
        self.report("init/error", report)
    }

    fn report(&mut self, path: &str, report: &Report) -> io::Result<()> {
        let mut fields = json_fields();
        fields.push(ERROR_TYPE, field_value(&report.kind));
        self.hand_in(path, fields, report.json().to_string().as_bytes())
    }

    fn hand_in(&mut self, path: &str, fields: Fields, body: &[u8]) -> io::Result<()> {
        let posted = self.post(path, fields, body);
        of_api(path, posted.and_then(|reply| accepted(path, &reply)))
    }

    /// Begins a response that is sent as it is made.
    pub fn stream(&mut self, id: &str) -> io::Result<Streamed<'_>> {
        let path = format!("invocation/{id}/response");
        let mut fields = Fields::default();
        fields.push(
            "Content-Type",
            "application/vnd.awslambda.http-integration-response",
        );
        fields.push("Lambda-Runtime-Function-Response-Mode", "streaming");
        fields.push("Transfer-Encoding", "chunked");
        fields.push(
            "Trailer",
            format!("{ERROR_TYPE}, Lambda-Runtime-Function-Error-Body"),
        );
        let head = self.head("POST", &path, &fields);
        // A connection that the other side has given up would be noticed too late.
        self.disconnect();
        let begun = self
            .connect()
            .and_then(|connection| connection.write_all(&head));
        of_api(&path, begun)?;
        Ok(Streamed { api: self, path })
    }

    fn connect(&mut self) -> io::Result<&mut TcpStream> {
        let stream = match self.stream.take() {
            Some(stream) => stream,
            None => {
                let stream = TcpStream::connect(self.address.socket)?;
                stream.set_nodelay(true)?;
                stream
            }
        };
        Ok(self.stream.insert(stream))
    }

    fn disconnect(&mut self) {
        self.stream = None;
        self.buffer.clear();
    }

    fn head(&self, method: &str, path: &str, fields: &Fields) -> Vec<u8> {
        let Address {
            host, path: base, ..
        } = &self.address;
        let mut head =
            format!("{method} {base}/{path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {SERVER}\r\n")
                .into_bytes();
        for (name, value) in fields.iter() {
            head.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
        }
        head.extend(b"\r\n");
        head
    }

    /// Sends a request, and reads the answer. A kept connection may have ended meanwhile: then on a new one.
    fn post(&mut self, path: &str, mut fields: Fields, body: &[u8]) -> io::Result<Reply> {
        fields.push("Content-Length", body.len().to_string());
        let mut request = self.head("POST", path, &fields);
        request.extend_from_slice(body);
        let was_kept = self.stream.is_some();
        let answered = self.send(&request);
        match answered {
            Err(_) if was_kept && self.buffer.is_empty() => {
                self.disconnect();
                self.send(&request)
            }
            answered => answered,
        }
    }

    fn send(&mut self, request: &[u8]) -> io::Result<Reply> {
        self.connect()?.write_all(request)?;
        self.answer()
    }

    fn answer(&mut self) -> io::Result<Reply> {
        loop {
            let (head, length) = loop {
                match response_head::parse(&self.buffer).map_err(io::Error::other)? {
                    Some(found) => break found,
                    None => self.read_more()?,
                }
            };
            self.buffer.drain(..length);
            // RFC 9110 section 15.2: an interim answer is followed by another one.
            if (100..200).contains(&head.status) {
                continue;
            }
            let body = self.body(&head)?;
            if head.fields.lists("Connection", "close") {
                self.disconnect();
            }
            return Ok(Reply { head, body });
        }
    }

    fn body(&mut self, head: &ResponseHead) -> io::Result<Vec<u8>> {
        if matches!(head.status, 204 | 304) {
            return Ok(Vec::new());
        }
        if head.fields.lists("Transfer-Encoding", "chunked") {
            let mut decoder = Decoder::new();
            let mut body = Vec::new();
            loop {
                let taken = decoder
                    .decode(&self.buffer, &mut body)
                    .map_err(|refusal| io::Error::other(refusal.reason))?;
                self.buffer.drain(..taken);
                if decoder.is_done() {
                    return Ok(body);
                }
                self.read_more()?;
            }
        }
        let length = head
            .fields
            .get("Content-Length")
            .and_then(crate::bytes::decimal);
        let length = match length {
            Some(length) => usize::try_from(length).map_err(io::Error::other)?,
            None => {
                loop {
                    match self.read_more() {
                        Ok(()) => {}
                        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
                        Err(error) => return Err(error),
                    }
                }
                let body = std::mem::take(&mut self.buffer);
                self.disconnect();
                return Ok(body);
            }
        };
        while self.buffer.len() < length {
            self.read_more()?;
        }
        let rest = self.buffer.split_off(length);
        Ok(std::mem::replace(&mut self.buffer, rest))
    }

    fn read_more(&mut self) -> io::Result<()> {
        let Some(stream) = &mut self.stream else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        if let (true, Some(signals)) = (self.is_idle, &self.signals) {
            let mut polled = [
                PollFd::new(stream, PollFlags::IN),
                PollFd::new(signals, PollFlags::IN),
            ];
            wait::ready(&mut polled, None)?;
            // What has come goes first: the rest of an event may be there, too.
            if polled[0].revents().is_empty() {
                return Err(TOLD_TO_END.into());
            }
        }
        let length = self.buffer.len();
        self.buffer.resize(length + PIECE, 0);
        let read = loop {
            match stream.read(self.buffer.get_mut(length..).unwrap_or_default()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        self.buffer
            .truncate(length + read.as_ref().map_or(0, |count| *count));
        match read? {
            0 => Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the connection was closed before the answer was whole",
            )),
            _ => Ok(()),
        }
    }
}

/// Whether this may stand in a request line as a part of a path (RFC 3986 section 2.3): the platform's are UUIDs.
fn is_id(id: &str) -> bool {
    let is_unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    id.bytes().all(is_unreserved) && !matches!(id, "" | "." | "..")
}

/// An exception's name is the application's: it may hold anything.
fn field_value(text: &str) -> String {
    let is_plain = |char: char| char.is_ascii_graphic() || char == ' ';
    text.chars()
        .map(|char| if is_plain(char) { char } else { '?' })
        .collect()
}

fn json_fields() -> Fields {
    let mut fields = Fields::default();
    fields.push("Content-Type", "application/json");
    fields
}

fn accepted(path: &str, reply: &Reply) -> io::Result<()> {
    match reply.head.status {
        200..=299 => Ok(()),
        _ => Err(unexpected(path, reply)),
    }
}

/// The API's own failure ends the process (500); another one concerns the one event.
fn unexpected(path: &str, reply: &Reply) -> io::Error {
    let text = reply.body.get(..300).unwrap_or(&reply.body);
    let text = crate::bytes::printable(text);
    let status = reply.head.status;
    let reason = format!("{path}: it answered {status} {text}");
    Failed::error(path != NEXT && status < 500, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_the_address() {
        for (text, socket, path) in [
            ("127.0.0.1:9001", "127.0.0.1:9001", "/2018-06-01/runtime"),
            ("localhost:80", "127.0.0.1:80", "/2018-06-01/runtime"),
            (
                "http://[::]:9000/.rt",
                "[::]:9000",
                "/.rt/2018-06-01/runtime",
            ),
            ("[::1]:1/a/", "[::1]:1", "/a/2018-06-01/runtime"),
        ] {
            let address = Address::parse(text).unwrap();
            assert_eq!(address.socket, socket.parse().unwrap(), "{text}");
            assert_eq!(address.path, path, "{text}");
        }
        for wrong in ["", "example.org:80", "127.0.0.1", "https://127.0.0.1:1"] {
            assert!(Address::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_request_id_is_a_part_of_a_path() {
        for id in ["8476a536-e9f4-11e8-9739-2dfe598c3fcd", "1", "a.b_c~d"] {
            assert!(is_id(id), "{id}");
        }
        for id in [
            "",
            ".",
            "..",
            "a/b",
            "a b",
            "a?b",
            "a#b",
            "a%20",
            "a\r\nB: c",
            "\u{e9}",
        ] {
            assert!(!is_id(id), "{id}");
        }
        assert_eq!(field_value("A\r\nB: \u{e9}"), "A??B: ?");
    }
}
