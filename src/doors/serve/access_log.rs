//! What the listener says on stderr: a line for each request, and the scripts' own lines with their request.

use std::collections::VecDeque;
use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use serde_json::json;

use crate::doors::self_test::without_token;
use crate::plan::LogFormat;

/// Kept for an error page.
const LAST_LINES: usize = 40;
/// A longer line is cut into several.
const LINE_LIMIT: usize = 8 << 10;

/// Where everything is told.
pub struct AccessLog {
    format: LogFormat,
    colour: Colour,
    number: AtomicU64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Colour {
    Off,
    On,
}

/// A request that is over.
pub struct Entry<'a> {
    /// Which one.
    pub number: u64,
    /// Empty where nothing could be read.
    pub method: &'a str,
    /// As it came.
    pub target: &'a [u8],
    /// `HTTP/1.1`.
    pub protocol: &'a str,
    /// None: the client left before it was answered.
    pub status: Option<u16>,
    /// The body's bytes.
    pub bytes: u64,
    /// From the end of the request's head to the end of the answer.
    pub time: Duration,
    /// REMOTE_ADDR.
    pub remote: &'a str,
    /// Referer and User-Agent.
    pub referer: &'a [u8],
    /// See above.
    pub agent: &'a [u8],
}

impl AccessLog {
    /// Writes in this format.
    pub fn new(format: LogFormat) -> Self {
        let colour = match std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none()
        {
            true => Colour::On,
            false => Colour::Off,
        };
        Self {
            format,
            colour,
            number: AtomicU64::new(0),
        }
    }

    /// The next request's number.
    pub fn number(&self) -> u64 {
        self.number.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Tells that a request is over.
    pub fn request(&self, entry: &Entry<'_>) {
        let status = entry
            .status
            .map_or("-".to_owned(), |status| status.to_string());
        let milliseconds = entry.time.as_secs_f64() * 1000.0;
        let target = without_token(&text(entry.target));
        let line = match self.format {
            LogFormat::Text => format!(
                "#{} {} {target} {} {} bytes {milliseconds:.1} ms\n",
                entry.number,
                or_dash(entry.method),
                self.coloured(&status, entry.status),
                entry.bytes,
            ),
            LogFormat::Combined => format!(
                "{} - - [{}] \"{} {target} {}\" {status} {} \"{}\" \"{}\"\n",
                or_dash(entry.remote),
                common_time(SystemTime::now()),
                or_dash(entry.method),
                entry.protocol,
                entry.bytes,
                quoted(entry.referer),
                quoted(entry.agent),
            ),
            LogFormat::Json => {
                let object = json!({
                    "time": humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
                    "request": entry.number,
                    "method": entry.method,
                    "target": target,
                    "protocol": entry.protocol,
                    "status": entry.status,
                    "bytes": entry.bytes,
                    "milliseconds": (milliseconds * 10.0).round() / 10.0,
                    "remote": entry.remote,
                    "referer": text(entry.referer),
                    "user_agent": text(entry.agent),
                });
                format!("{object}\n")
            }
        };
        write(&line);
    }

    /// Tells what a script, or the listener, has to say about a request.
    pub fn line(&self, number: u64, line: &str) {
        write(&match self.format {
            LogFormat::Json => format!("{}\n", json!({ "request": number, "stderr": line })),
            LogFormat::Text | LogFormat::Combined => format!("#{number} {line}\n"),
        });
    }

    fn coloured(&self, text: &str, status: Option<u16>) -> String {
        let code = match status {
            _ if self.colour == Colour::Off => return text.to_owned(),
            Some(200..=299) => 32,
            Some(300..=399) => 36,
            Some(400..=499) => 33,
            _ => 31,
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// A script's stderr, line by line.
pub struct ScriptLines {
    number: u64,
    begun: Vec<u8>,
    last: VecDeque<String>,
}

impl ScriptLines {
    /// Of this request.
    pub fn of(number: u64) -> Self {
        Self {
            number,
            begun: Vec::new(),
            last: VecDeque::new(),
        }
    }

    /// Tells the lines that are whole.
    pub fn add(&mut self, bytes: &[u8], log: &AccessLog) {
        for byte in bytes {
            match byte {
                b'\n' => self.end_line(log),
                byte => {
                    self.begun.push(*byte);
                    if self.begun.len() >= LINE_LIMIT {
                        self.end_line(log);
                    }
                }
            }
        }
    }

    /// Tells a line that has no end.
    pub fn finish(&mut self, log: &AccessLog) {
        if !self.begun.is_empty() {
            self.end_line(log);
        }
    }

    /// Which request.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The last ones, for an error page.
    pub fn last(&self) -> impl Iterator<Item = &str> {
        self.last.iter().map(String::as_str)
    }

    fn end_line(&mut self, log: &AccessLog) {
        let line = text(self.begun.strip_suffix(b"\r").unwrap_or(&self.begun));
        self.begun.clear();
        log.line(self.number, &line);
        if self.last.len() == LAST_LINES {
            self.last.pop_front();
        }
        self.last.push_back(line);
    }
}

/// What comes from outside must not steer the terminal that shows it.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .chars()
        .map(|char| match char {
            '\t' => char,
            char if char.is_control() => '\u{fffd}',
            char => char,
        })
        .collect()
}

fn quoted(bytes: &[u8]) -> String {
    match bytes {
        b"" => "-".to_owned(),
        bytes => text(bytes).replace('\\', "\\\\").replace('"', "\\\""),
    }
}

fn or_dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

/// `21/Nov/2026:01:37:20 +0000`, the words of an HTTP date in the order of the common log format.
fn common_time(time: SystemTime) -> String {
    let date = httpdate::fmt_http_date(time);
    match date.split(' ').collect::<Vec<_>>().as_slice() {
        [_, day, month, year, clock, _] => format!("{day}/{month}/{year}:{clock} +0000"),
        _ => date,
    }
}

/// One `write` for each line: processes share the file.
fn write(line: &str) {
    let _ = std::io::stderr().write_all(line.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_the_common_log_format() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        assert_eq!(common_time(time), "14/Nov/2023:22:13:20 +0000");
    }

    #[test]
    fn what_comes_from_outside_cannot_steer_the_terminal() {
        assert_eq!(text(b"a\x1b[31m\nb\tc"), "a\u{fffd}[31m\u{fffd}b\tc");
        assert_eq!(quoted(b"a\"b\\"), "a\\\"b\\\\");
    }

    #[test]
    fn lines_are_kept_for_the_page() {
        let log = AccessLog::new(LogFormat::Text);
        let mut lines = ScriptLines::of(1);
        lines.add(b"one\r\ntw", &log);
        lines.add(b"o\nthree", &log);
        assert_eq!(lines.last().collect::<Vec<_>>(), ["one", "two"]);
        lines.finish(&log);
        assert_eq!(lines.last().last(), Some("three"));
    }
}
