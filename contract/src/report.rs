//! How a failure is told: the lines on stderr and in the error log, and the page for the visitor.

use std::fmt::{self, Write as _};
use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Instant, SystemTime};

use rustix::fs::{OFlags, fstat};
use rustix::stdio;
use wsgi_cgi_process::time_limits::LOG_WRITE;

use crate::codes::Code;
use crate::handover::{Detail, ResponseForm, variable};
use crate::page::page;
use crate::stderr::{self, Written, write_in_time};
use crate::trace::Exception;

/// One failure: its kind, and the specifics of this case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Which error this is.
    pub code: Code,
    /// The specifics in one line: which file, which name. Empty where the code says it all.
    pub reason: String,
    /// Further lines: a traceback, the system's message. May be empty.
    pub detail: String,
    /// The exception, taken apart for the page. May be empty.
    pub trace: Vec<Exception>,
}

impl Failure {
    /// A failure told in one line.
    pub fn new(code: Code, reason: impl Into<String>) -> Self {
        Self {
            code,
            reason: reason.into(),
            detail: String::new(),
            trace: Vec::new(),
        }
    }

    /// Adds further lines.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }
}

/// The whole in one line: `WC031 a package is missing: No module named 'flask'`.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entry = self.code.entry();
        write!(f, "{} {}", entry.code, entry.sentence)?;
        match self.reason.as_str() {
            "" => Ok(()),
            reason => write!(f, ": {reason}"),
        }
    }
}

impl std::error::Error for Failure {}

/// Tells a failure on stderr and in the error log.
///
/// `request` is the method and path, or empty by hand. Each place gets one `write`: several
/// processes share them.
pub fn tell(failure: &Failure, request: &str, error_log: Option<&Path>) {
    let mut text = String::new();
    let _ = write!(text, "{failure}");
    if !request.is_empty() {
        let _ = write!(text, " ({request})");
    }
    text.push('\n');
    for line in failure.detail.lines() {
        let _ = writeln!(text, "  {line}");
    }
    let _ = writeln!(text, "  what to do: {}", failure.code.entry().remedy);
    tell_line(&text, error_log);
}

/// Writes `text`, which ends its own lines, with a time stamp to stderr and the error log. Somebody who sits at the
/// terminal needs none.
pub fn tell_line(text: &str, error_log: Option<&Path>) {
    let now = humantime::format_rfc3339_seconds(SystemTime::now());
    let plain = printable(&format!("wsgi-cgi: {text}"));
    let line = format!("[{now}] {plain}");
    let shown = match io::stderr().is_terminal() {
        true => &plain,
        false => &line,
    };
    write(shown.as_bytes(), line.as_bytes(), error_log);
}

/// Writes to stderr, and as `logged` to the error log, which also says that stderr is not read.
pub fn write(shown: &[u8], logged: &[u8], error_log: Option<&Path>) {
    let written = stderr::write(shown);
    if let Some(log) = error_log {
        if written == Written::NotInTime {
            append(
                log,
                b"wsgi-cgi: nobody reads stderr: what follows stands only here\n",
            );
        }
        append(log, logged);
    }
}

/// Appends to the error log, unless that is what stderr is; where it fails, stderr says so.
fn append(log: &Path, bytes: &[u8]) {
    let written = open(log).and_then(|file| match is_stderr(&file) {
        true => Ok(()),
        false => write_in_time(file, bytes, Instant::now() + LOG_WRITE),
    });
    if let Err(error) = written {
        let reason = format!("{}: {error}", log.display());
        let line = format!(
            "wsgi-cgi: {}\n",
            Failure::new(Code::LOG_NOT_WRITTEN, reason)
        );
        stderr::write(line.as_bytes());
    }
}

/// Opens an error log. A pipe that nobody reads is an error, and not waited for.
pub fn open(log: &Path) -> io::Result<File> {
    let nonblocking = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or(0);
    OpenOptions::new()
        .append(true)
        .create(true)
        .custom_flags(nonblocking)
        .open(log)
}

fn is_stderr(file: &File) -> bool {
    let (Ok(stderr), Ok(file)) = (fstat(stdio::stderr()), fstat(file)) else {
        return false;
    };
    (stderr.st_dev, stderr.st_ino) == (file.st_dev, file.st_ino)
}

/// Text from outside, for a terminal, a log or a page: line ends and tabs stay, any other character that would steer
/// what shows it is replaced.
pub fn printable(text: &str) -> String {
    text.chars()
        .map(|char| match char {
            '\n' | '\t' => char,
            char if is_steering(char) => char::REPLACEMENT_CHARACTER,
            char => char,
        })
        .collect()
}

/// The same for text that has to stay one line.
pub fn printable_line(text: &str) -> String {
    printable(text).replace(['\n', '\t'], "\u{fffd}")
}

/// Whether a character is a command to what shows it, or is not seen: control characters, and Unicode's marks that
/// reorder the text around them (CVE-2021-42574), end a line, or have no width.
pub fn is_steering(char: char) -> bool {
    char.is_control()
        || matches!(
            char,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// A request, for the answer to it: its variables as bytes, and what they mean for the answer.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Meta-variables, and perhaps others.
    pub variables: &'a [(Vec<u8>, Vec<u8>)],
    /// How the head is written.
    pub form: ResponseForm,
    /// What the page shows.
    pub detail: Detail,
}

impl Asked<'_> {
    /// `GET /app/page`, for a log line.
    pub fn label(&self) -> String {
        let [method, script, path] = ["REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO"]
            .map(|name| String::from_utf8_lossy(self.variable(name)));
        format!("{method} {script}{path}").trim().to_owned()
    }

    fn variable(&self, name: &str) -> &[u8] {
        variable(self.variables, name).unwrap_or_default()
    }
}

/// The complete response that tells a failure: head and page; for HEAD the head only.
pub fn response(failure: &Failure, asked: &Asked<'_>) -> Vec<u8> {
    let entry = failure.code.entry();
    let page = page(failure, asked.detail, asked.variables);
    let first = match asked.form {
        ResponseForm::Cgi => "Status:",
        ResponseForm::Nph => "HTTP/1.1",
    };
    let connection = match asked.form {
        ResponseForm::Cgi => "",
        ResponseForm::Nph => "Connection: close\r\n",
    };
    // RFC 3875 section 6.3.5: for a listener of ours, which adds the last lines on stderr.
    let mark = match asked.detail {
        Detail::Shown => format!("X-CGI-Failure: {}\r\n", entry.code),
        Detail::Hidden => String::new(),
    };
    let mut response = format!(
        "{first} {}\r\n{connection}Content-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\nCache-Control: no-store\r\n{mark}\r\n",
        entry.status,
        page.len()
    );
    if asked.variable("REQUEST_METHOD") != b"HEAD" {
        response.push_str(&page);
    }
    response.into_bytes()
}

/// Text for a page: nothing in it is markup, or steers a terminal.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in printable(text).chars() {
        match char {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            char => escaped.push(char),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure() -> Failure {
        Failure::new(Code::RAISED, "ValueError: <b>\u{1b}[31m").with_detail("secret")
    }

    fn answer(detail: Detail, form: ResponseForm, method: &str) -> String {
        let variables = [(b"REQUEST_METHOD".to_vec(), method.as_bytes().to_vec())];
        let asked = Asked {
            variables: &variables,
            form,
            detail,
        };
        String::from_utf8(response(&failure(), &asked)).unwrap()
    }

    #[test]
    fn a_visitor_sees_the_code_and_nothing_of_the_application() {
        let text = answer(Detail::Hidden, ResponseForm::Cgi, "GET");
        assert!(
            text.starts_with("Status: 500 Internal Server Error\r\n"),
            "{text}"
        );
        assert!(text.contains("WC040") && !text.contains("X-CGI-Failure"));
        assert!(!text.contains("secret") && !text.contains("ValueError"));
    }

    #[test]
    fn the_debug_page_escapes_what_it_shows() {
        let text = answer(Detail::Shown, ResponseForm::Nph, "GET");
        assert!(text.starts_with("HTTP/1.1 500 "), "{text}");
        assert!(text.contains("secret") && text.contains("&lt;b&gt;"));
        assert!(!text.contains('\u{1b}'));
    }

    #[test]
    fn printable_text_has_no_control_and_no_bidirectional_characters() {
        let text = "a\tb\r\u{1b}[31m\u{7f}\u{9b}\n";
        assert_eq!(
            printable(text),
            "a\tb\u{fffd}\u{fffd}[31m\u{fffd}\u{fffd}\n"
        );
        assert_eq!(printable_line("a\tb\nc"), "a\u{fffd}b\u{fffd}c");
        for char in [
            '\u{61c}', '\u{200b}', '\u{200e}', '\u{200f}', '\u{2028}', '\u{202a}', '\u{202e}',
            '\u{2066}', '\u{2069}', '\u{feff}',
        ] {
            assert_eq!(printable(&format!("x{char}y")), "x\u{fffd}y", "{char:?}");
        }
        let plain = "Zo\u{eb} \u{5e9}\u{5dc}\u{5d5}\u{5dd} \u{4f60}\u{597d}";
        assert_eq!(printable_line(plain), plain);
    }

    #[test]
    fn head_gets_no_body() {
        assert!(answer(Detail::Hidden, ResponseForm::Cgi, "HEAD").ends_with("\r\n\r\n"));
    }
}
