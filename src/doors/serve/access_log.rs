//! What the listener says on stderr: a line for each request, and the scripts' own lines with their request.

use std::io::IsTerminal;
use std::time::SystemTime;

use serde_json::json;
use wsgi_cgi_gateway::host::Entry;

use crate::bytes::printable as text;
use crate::doors::self_test::without_token;
use crate::plan::LogFormat;

/// Where everything is told.
pub struct AccessLog {
    format: LogFormat,
    colour: Colour,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Colour {
    Off,
    On,
}

impl AccessLog {
    /// Writes in this format.
    pub fn new(format: LogFormat) -> Self {
        let colour = match std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none()
        {
            true => Colour::On,
            false => Colour::Off,
        };
        Self { format, colour }
    }

    /// Tells that a request is over.
    pub fn request(&self, entry: &Entry<'_>) {
        let status = entry
            .status
            .map_or("-".to_owned(), |status| status.to_string());
        let milliseconds = entry.time.as_secs_f64() * 1000.0;
        let target = match self.format {
            LogFormat::Combined => without_token(&escaped(entry.target)),
            LogFormat::Text | LogFormat::Json => without_token(&text(entry.target)),
        };
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
                or_dash(&escaped(entry.referer)),
                or_dash(&escaped(entry.agent)),
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

/// Between quotes, as Apache writes it (ap_escape_logitem): every byte is told, and printable ASCII.
fn escaped(bytes: &[u8]) -> String {
    let mut escaped = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'"' => escaped.push_str("\\\""),
            b'\\' => escaped.push_str("\\\\"),
            b'\x08' => escaped.push_str("\\b"),
            b'\n' => escaped.push_str("\\n"),
            b'\r' => escaped.push_str("\\r"),
            b'\t' => escaped.push_str("\\t"),
            b'\x0b' => escaped.push_str("\\v"),
            b' '..=b'~' => escaped.push(char::from(*byte)),
            byte => escaped.push_str(&format!("\\x{byte:02x}")),
        }
    }
    escaped
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
    contract::stderr::write(line.as_bytes());
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_time_of_the_common_log_format() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        assert_eq!(common_time(time), "14/Nov/2023:22:13:20 +0000");
    }

    #[test]
    fn what_comes_from_outside_cannot_steer_the_terminal() {
        assert_eq!(text(b"a\x1b[31m\nb\tc"), "a\u{fffd}[31m\u{fffd}b\tc");
        assert_eq!(text("a\u{202e}b".as_bytes()), "a\u{fffd}b");
    }

    #[test]
    fn the_combined_format_escapes_as_apache_does() {
        assert_eq!(escaped(b"/a?\"b\\"), r#"/a?\"b\\"#);
        assert_eq!(escaped(b"\x08\n\r\t\x0b"), r"\b\n\r\t\v");
        assert_eq!(escaped(b"\0\x1b[\x7f\x9b"), r"\x00\x1b[\x7f\x9b");
        assert_eq!(escaped("\u{202e}".as_bytes()), r"\xe2\x80\xae");
    }
}
