//! A process that reads a CGI response and writes its body, which is all that the classic watchdog can pass on.

use std::io::{self, PipeReader, PipeWriter, Read, Write};

use contract::codes::Code;
use contract::outcome::Outcome;
use contract::report::{self, Failure};
use rustix::stdio;
use wsgi_cgi_process::wait::Waiting;
use wsgi_cgi_process::{Exit, Process};

use crate::cgi::response::{self, CgiResponse};
use crate::runner::fork::{Side, fork, leave};
use crate::runner::signals;
use crate::wait;

/// Fields without which a page is another one.
const MISSED: [&str; 5] = [
    "Location",
    "Set-Cookie",
    "Content-Encoding",
    "Content-Disposition",
    "WWW-Authenticate",
];

/// Stands between descriptor 1 of this process and where it led.
pub struct Filter {
    process: Process,
    /// Its end says that the response is whole: what the application has started may keep the pipe open.
    is_open: PipeWriter,
}

impl Filter {
    /// From here on, what is written to descriptor 1 is a CGI response.
    pub fn start() -> io::Result<Self> {
        let (reads, writes) = io::pipe()?;
        let (is_over, is_open) = io::pipe()?;
        match fork()? {
            Side::Child => {
                drop((writes, is_open));
                // It ends with its input, and not before.
                let _signals = signals::listen();
                let outcome = pass_on(reads, &is_over).unwrap_or(Outcome::ApplicationFailed);
                leave(outcome.exit_status());
            }
            Side::Parent(child) => {
                stdio::dup2_stdout(writes)?;
                let process = Process::child(child);
                Ok(Self { process, is_open })
            }
        }
    }

    /// Waits until everything is passed on; what the response said of itself is its outcome.
    pub fn finish(mut self) -> io::Result<Outcome> {
        let nothing = std::fs::File::options().write(true).open("/dev/null")?;
        stdio::dup2_stdout(nothing)?;
        drop(self.is_open);
        self.process.ends_by(None)?;
        Ok(match self.process.reap() {
            Some(Exit::Exited(0)) => Outcome::Complete,
            _ => Outcome::ApplicationFailed,
        })
    }
}

fn pass_on(mut reads: PipeReader, is_over: &PipeReader) -> io::Result<Outcome> {
    let mut out = io::stdout().lock();
    let mut begun = Vec::new();
    let mut piece = vec![0; 64 << 10];
    let mut outcome = None;
    loop {
        Waiting::until(None)
            .readable((), &reads)
            .readable((), is_over)
            .wait()?;
        if !wait::is_readable(&reads) {
            break;
        }
        let count = match reads.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let bytes = piece.get(..count).unwrap_or_default();
        if outcome.is_some() {
            out.write_all(bytes)?;
        } else {
            begun.extend_from_slice(bytes);
            let Some((response, length)) =
                response::parse(&begun, false).map_err(io::Error::other)?
            else {
                continue;
            };
            outcome = Some(judge(&response));
            out.write_all(begun.get(length..).unwrap_or_default())?;
        }
        out.flush()?;
    }
    // No head: whoever ran the application has told why.
    Ok(outcome.unwrap_or(Outcome::ApplicationFailed))
}

fn judge(response: &CgiResponse) -> Outcome {
    let CgiResponse::Document(head) = response else {
        return Outcome::ApplicationFailed;
    };
    let mut missed: Vec<_> = MISSED
        .iter()
        .filter(|missed| {
            let is_it = |name: &String| name.eq_ignore_ascii_case(missed);
            head.fields.iter().any(|(name, _)| is_it(name))
        })
        .map(|name| (*name).to_owned())
        .collect();
    if !matches!(head.status, 200 | 500..) {
        missed.insert(0, format!("status {}", head.status));
    }
    if !missed.is_empty() {
        let missed = missed.join(", ");
        let reason = format!("it cannot tell {missed}: of-watchdog's HTTP mode can");
        let failure = Failure::new(Code::NOT_TOLD, reason);
        report::tell_line(&format!("{failure}\n"), None);
    }
    match head.status {
        500.. => Outcome::ApplicationFailed,
        _ => Outcome::Complete,
    }
}
