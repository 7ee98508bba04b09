//! What is told of requests: an entry for each that is over, and what scripts write to stderr, line by line.

use std::collections::VecDeque;
use std::time::Duration;

use super::site::Site;
use crate::bytes::printable;

/// Kept for whoever shows why there is no answer.
const LAST_LINES: usize = 40;
/// A longer line is cut into several.
const LINE_LIMIT: usize = 8 << 10;

/// A request that is over.
#[derive(Clone, Debug)]
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
    /// The field Referer, or nothing.
    pub referer: &'a [u8],
    /// The field User-Agent, or nothing.
    pub agent: &'a [u8],
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
    pub fn add(&mut self, bytes: &[u8], site: &dyn Site) {
        for byte in bytes {
            match byte {
                b'\n' => self.end_line(site),
                byte => {
                    self.begun.push(*byte);
                    if self.begun.len() >= LINE_LIMIT {
                        self.end_line(site);
                    }
                }
            }
        }
    }

    /// Tells a line that has no end.
    pub fn finish(&mut self, site: &dyn Site) {
        if !self.begun.is_empty() {
            self.end_line(site);
        }
    }

    /// The last ones, for an error page.
    pub fn last(&self) -> impl Iterator<Item = &str> {
        self.last.iter().map(String::as_str)
    }

    fn end_line(&mut self, site: &dyn Site) {
        let line = printable(self.begun.strip_suffix(b"\r").unwrap_or(&self.begun));
        self.begun.clear();
        site.script_says(self.number, &line);
        if self.last.len() == LAST_LINES {
            self.last.pop_front();
        }
        self.last.push_back(line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Program;

    #[test]
    fn the_last_lines_are_kept() {
        let site = Program::new("/none").stderr(std::io::sink());
        let mut lines = ScriptLines::of(1);
        lines.add(b"one\r\ntw", &site);
        lines.add(b"o\nthree", &site);
        assert_eq!(lines.last().collect::<Vec<_>>(), ["one", "two"]);
        lines.finish(&site);
        assert_eq!(lines.last().last(), Some("three"));
        lines.add(&[b'x'; LINE_LIMIT + 1], &site);
        assert_eq!(lines.last().last().map(str::len), Some(LINE_LIMIT));
    }
}
