//! A small HTTP/1.1 client that shows what comes over the connection, piece by piece.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// One connection.
pub struct Connection {
    stream: BufReader<TcpStream>,
}

/// A response that has come to its end.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// How the end of a body is known.
enum Framing {
    None,
    Length(u64),
    Chunked,
    Close,
}

impl Connection {
    /// The connection itself, to be kept or dropped.
    pub fn into_stream(self) -> TcpStream {
        self.stream.into_inner()
    }

    pub fn to(port: u16) -> Self {
        Self::over(TcpStream::connect(("127.0.0.1", port)).unwrap())
    }

    /// Over a connection that stands already.
    pub fn over(stream: TcpStream) -> Self {
        // Head and body go in two pieces: the second need not wait until the first is acknowledged.
        stream.set_nodelay(true).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        stream
            .set_write_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        Self {
            stream: BufReader::new(stream),
        }
    }

    /// Whether the server has begun to answer.
    pub fn has_reply(&self) -> bool {
        let stream = self.stream.get_ref();
        stream.set_nonblocking(true).unwrap();
        let found = stream.peek(&mut [0]);
        stream.set_nonblocking(false).unwrap();
        found.is_ok()
    }

    /// Sends a request's head, and as much of its body as the server takes. A chunked body comes as it is.
    pub fn send(&mut self, method: &str, target: &str, fields: &[(&str, &str)], body: &[u8]) {
        let mut head = format!("{method} {target} HTTP/1.1\r\n");
        if !fields.iter().any(|(name, _)| *name == "Host") {
            head.push_str("Host: localhost\r\n");
        }
        for (name, value) in fields {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let is_chunked = fields.iter().any(|(name, _)| *name == "Transfer-Encoding");
        if !body.is_empty() && !is_chunked {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        let stream = self.stream.get_mut();
        stream.write_all(head.as_bytes()).unwrap();
        // A server may answer and stop reading.
        let _ = stream.write_all(body);
    }

    fn line(&mut self) -> String {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line).unwrap();
        let line: String = line.iter().map(|byte| char::from(*byte)).collect();
        line.trim_end().to_owned()
    }

    /// Reads the status and the fields.
    #[track_caller]
    pub fn head(&mut self) -> Reply {
        let first = self.line();
        let status = first
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no status line but {first:?}"));
        let mut fields = Vec::new();
        loop {
            let line = self.line();
            match line.split_once(':') {
                Some((name, value)) => fields.push((name.to_owned(), value.trim().to_owned())),
                None => break,
            }
        }
        Reply {
            status,
            fields,
            body: Vec::new(),
        }
    }

    /// Reads some of a chunked or unframed body.
    pub fn piece(&mut self, head: &Reply) -> Vec<u8> {
        if let Framing::Chunked = head.framing("GET") {
            return self.chunk();
        }
        let piece = self.stream.fill_buf().unwrap().to_vec();
        self.stream.consume(piece.len());
        piece
    }

    fn chunk(&mut self) -> Vec<u8> {
        let size = self.line();
        let size = usize::from_str_radix(&size, 16)
            .unwrap_or_else(|_| panic!("no chunk size but {size:?}"));
        let mut chunk = vec![0; size];
        self.stream.read_exact(&mut chunk).unwrap();
        self.line();
        chunk
    }

    /// Sends a request and reads its whole response.
    #[track_caller]
    pub fn exchange(
        &mut self,
        method: &str,
        target: &str,
        fields: &[(&str, &str)],
        body: &[u8],
    ) -> Reply {
        self.send(method, target, fields, body);
        self.reply(method)
    }

    /// Reads a whole response.
    #[track_caller]
    pub fn reply(&mut self, method: &str) -> Reply {
        let mut reply = self.head();
        while reply.status == 100 {
            reply = self.head();
        }
        match reply.framing(method) {
            Framing::None => {}
            Framing::Length(length) => {
                (&mut self.stream)
                    .take(length)
                    .read_to_end(&mut reply.body)
                    .unwrap();
                assert_eq!(reply.body.len() as u64, length, "the body was cut: {reply}");
            }
            Framing::Close => {
                self.stream.read_to_end(&mut reply.body).unwrap();
            }
            Framing::Chunked => loop {
                let chunk = self.chunk();
                if chunk.is_empty() {
                    break;
                }
                reply.body.extend(chunk);
            },
        }
        reply
    }
}

impl Reply {
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let matching = move |field: &&(String, String)| field.0.eq_ignore_ascii_case(name);
        self.fields
            .iter()
            .filter(matching)
            .map(|field| field.1.as_str())
    }

    pub fn field<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.all(name).next()
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn framing(&self, method: &str) -> Framing {
        if method == "HEAD" || matches!(self.status, 100..=199 | 204 | 304) {
            return Framing::None;
        }
        if self
            .field("Transfer-Encoding")
            .is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"))
        {
            return Framing::Chunked;
        }
        match self.field("Content-Length") {
            Some(length) => Framing::Length(length.parse().unwrap()),
            None => Framing::Close,
        }
    }
}

impl std::fmt::Display for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "--- {}", self.status)?;
        for (name, value) in &self.fields {
            writeln!(f, "{name}: {value}")?;
        }
        let shown = &self.body[..self.body.len().min(2000)];
        writeln!(f, "\n{}", String::from_utf8_lossy(shown))
    }
}
