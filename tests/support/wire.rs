//! Requests as bytes, sent at different paces, and a strict reading of the bytes that come back.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use super::http::Reply;

/// How bytes are handed to the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    Whole,
    ByteByByte,
    /// In two pieces; the server has read the first when the second is sent.
    Split,
}

/// Whether anything follows on the client's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    Wait,
    StopSending,
}

/// Sends these bytes on a connection of their own and reads until the server ends it. Gives the port
/// that the client had, and what came; an error if that was a reset.
pub fn exchange(port: u16, bytes: &[u8], pace: Pace, then: Then) -> (u16, Result<Vec<u8>, String>) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let limit = Some(Duration::from_secs(30));
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(limit).unwrap();
    stream.set_write_timeout(limit).unwrap();
    let client = stream.local_addr().unwrap().port();
    // A server that has answered may stop reading: what it answered is what counts.
    match pace {
        Pace::Whole => drop(stream.write_all(bytes)),
        Pace::ByteByByte => {
            let _ = bytes.iter().try_for_each(|byte| stream.write_all(&[*byte]));
        }
        Pace::Split => {
            let (first, second) = bytes.split_at(bytes.len() / 2);
            let _ = stream.write_all(first);
            wait_until_read(&stream);
            let _ = stream.write_all(second);
        }
    }
    if then == Then::StopSending {
        let _ = stream.shutdown(Shutdown::Write);
    }
    let mut answer = Vec::new();
    let result = match stream.read_to_end(&mut answer) {
        Ok(_) => Ok(answer),
        Err(error) => Err(format!("{error}, after {:?}", readable(&answer))),
    };
    (client, result)
}

/// Waits until the other end has taken everything out of its socket, or has answered or closed instead.
pub fn wait_until_read(stream: &TcpStream) {
    let ports = (
        stream.peer_addr().unwrap().port(),
        stream.local_addr().unwrap().port(),
    );
    let deadline = Instant::now() + Duration::from_secs(5);
    stream.set_nonblocking(true).unwrap();
    while Instant::now() < deadline && stream.peek(&mut [0]).is_err() && unread(ports) != Some(0) {
        std::thread::yield_now();
    }
    stream.set_nonblocking(false).unwrap();
}

/// Bytes in the receive queue of the socket between these ports (`/proc/net/tcp`).
fn unread((local, remote): (u16, u16)) -> Option<u64> {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let (local, remote) = (format!(":{local:04X}"), format!(":{remote:04X}"));
    let queues = table.lines().find_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        let matches = words.next()?.ends_with(&local) && words.next()?.ends_with(&remote);
        matches.then(|| words.nth(1)).flatten()
    })?;
    u64::from_str_radix(queues.split(':').nth(1)?, 16).ok()
}

/// Bytes for a person.
pub fn readable(bytes: &[u8]) -> String {
    let shown = &bytes[..bytes.len().min(1500)];
    String::from_utf8_lossy(shown).into_owned()
}

/// All responses in these bytes, none of them to a HEAD, taken as RFC 9112 has them and no laxer.
pub fn replies(mut bytes: &[u8]) -> Result<Vec<Reply>, String> {
    let mut replies = Vec::new();
    while !bytes.is_empty() {
        let (reply, rest) =
            reply(bytes).map_err(|error| format!("{error} in {:?}", readable(bytes)))?;
        replies.push(reply);
        bytes = rest;
    }
    Ok(replies)
}

fn reply(bytes: &[u8]) -> Result<(Reply, &[u8]), String> {
    let (head, mut rest) = cut(bytes, b"\r\n\r\n").ok_or("no end of the head")?;
    if head.contains(&0) {
        return Err("a NUL".into());
    }
    let head: String = head.iter().map(|byte| char::from(*byte)).collect();
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(status).ok_or("no status line")?;
    let fields: Option<Vec<_>> = lines.map(field).collect();
    let mut reply = Reply {
        status,
        fields: fields.ok_or("no field line")?,
        body: Vec::new(),
    };
    let is_bare = matches!(status, 100..=199 | 204 | 304);
    let lengths: Vec<&str> = reply.all("Content-Length").collect();
    let codings: Vec<&str> = reply.all("Transfer-Encoding").collect();
    if (is_bare && !codings.is_empty()) || (is_bare && status != 304 && !lengths.is_empty()) {
        return Err("framing where there is no body".into());
    }
    if status >= 200 && reply.all("Date").count() != 1 {
        return Err("not one Date".into());
    }
    if is_bare {
        return Ok((reply, rest));
    }
    let body = match (lengths[..].as_ref(), codings[..].as_ref()) {
        ([length], []) => {
            let length: usize = length.parse().map_err(|_| "no Content-Length")?;
            let (body, behind) = rest.split_at_checked(length).ok_or("the body was cut")?;
            rest = behind;
            body.to_vec()
        }
        ([], ["chunked"]) => chunks(&mut rest)?,
        ([], []) if reply.field("Connection").is_some_and(says_close) => {
            std::mem::take(&mut rest).to_vec()
        }
        framing => return Err(format!("the framing {framing:?}")),
    };
    reply.body = body;
    Ok((reply, rest))
}

/// Whether a value of Connection announces the end.
pub fn says_close(value: &str) -> bool {
    value
        .split(',')
        .any(|word| word.trim().eq_ignore_ascii_case("close"))
}

fn status(line: &str) -> Option<u16> {
    let (digits, reason) = line.strip_prefix("HTTP/1.1 ")?.split_at_checked(3)?;
    let is_plain = reason.starts_with(' ') && !reason.contains(['\r', '\n']);
    is_plain.then(|| digits.parse().ok()).flatten()
}

fn field(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once(':')?;
    let is_token = !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte == b'-' || byte.is_ascii_alphanumeric());
    let is_plain = is_token && !value.contains(['\r', '\n']);
    is_plain.then(|| (name.to_owned(), value.trim().to_owned()))
}

fn chunks(rest: &mut &[u8]) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    loop {
        let (size, behind) = cut(rest, b"\r\n").ok_or("no chunk size")?;
        let size = std::str::from_utf8(size).map_err(|_| "no chunk size")?;
        let size =
            usize::from_str_radix(size, 16).map_err(|_| format!("the chunk size {size:?}"))?;
        let (chunk, behind) = behind.split_at_checked(size).ok_or("the chunk was cut")?;
        body.extend(chunk);
        *rest = behind
            .strip_prefix(b"\r\n")
            .ok_or("no line end behind the chunk")?;
        if size == 0 {
            return Ok(body);
        }
    }
}

fn cut<'a>(bytes: &'a [u8], at: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let place = bytes.windows(at.len()).position(|window| window == at)?;
    Some((&bytes[..place], &bytes[place + at.len()..]))
}
