//! What a script writes, as it becomes a reply: its head first, then its body, then a verdict on both.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use super::access_log::{AccessLog, ScriptLines};
use super::child::{Author, Script};
use super::failure_page::with_lines;
use super::reply::Reply;
use crate::cgi::response::{self, CgiResponse, Head};
use crate::http::Fields;

/// An error page is kept until its request's last lines are known.
const PAGE_LIMIT: usize = 4 << 20;

/// How an exchange with a script ended.
pub enum Ended {
    /// The answer was given, whole or cut.
    Answered,
    /// The answer is that of another path (RFC 3875 section 6.2.2).
    LocalRedirect(Vec<u8>),
    /// Nothing was answered: what the child wrote is no response.
    Invalid(String),
    /// The answer, or the rest of it, did not come in time.
    TimedOut,
    /// Nobody waits for an answer.
    ClientGone,
}

/// For Server-Timing.
#[derive(Clone, Copy)]
pub struct Timing {
    /// When the request was there.
    pub started: Instant,
    /// How long starting the child took.
    pub spawn: Duration,
}

/// One script's answer, as far as it has come.
pub struct ScriptAnswer {
    state: State,
    author: Author,
    timing: Option<Timing>,
}

enum State {
    Head(Vec<u8>),
    Body,
    /// A page that waits for the last lines.
    Page(Head, Vec<u8>),
    /// NPH (RFC 3875 section 5).
    Raw,
}

impl ScriptAnswer {
    /// Of this script; `timing` goes into the response's head.
    pub fn of(script: &Script, timing: Option<Timing>) -> Self {
        let state = match script.is_nph {
            true => State::Raw,
            false => State::Head(Vec::new()),
        };
        Self {
            state,
            author: script.author,
            timing,
        }
    }

    /// Takes what the script has written. Gives an end where there is no more to be expected.
    pub fn feed(&mut self, reply: &mut Reply, bytes: &[u8]) -> io::Result<Option<Ended>> {
        match &mut self.state {
            State::Body => reply.body(bytes)?,
            State::Raw => reply.raw(bytes)?,
            State::Page(_, page) => {
                if page.len() < PAGE_LIMIT {
                    page.extend_from_slice(bytes);
                }
            }
            State::Head(begun) => {
                begun.extend_from_slice(bytes);
                match response::parse(begun, false) {
                    Ok(None) => {}
                    Ok(Some((CgiResponse::LocalRedirect(path), _))) => {
                        return Ok(Some(Ended::LocalRedirect(path)));
                    }
                    Ok(Some((CgiResponse::Document(head), length))) => {
                        let rest = begun.split_off(length);
                        self.state = self.begin(reply, head)?;
                        return self.feed(reply, &rest);
                    }
                    Err(reason) => return Ok(Some(Ended::Invalid(reason))),
                }
            }
        }
        Ok(None)
    }

    fn begin(&self, reply: &mut Reply, head: Head) -> io::Result<State> {
        if head.get("X-CGI-Failure").is_some() && !reply.is_head() {
            return Ok(State::Page(head, Vec::new()));
        }
        self.send_head(reply, &head, head.content_length)?;
        Ok(State::Body)
    }

    fn send_head(&self, reply: &mut Reply, head: &Head, length: Option<u64>) -> io::Result<()> {
        let mut fields = Fields::default();
        for (name, value) in head.for_client() {
            fields.push(name.clone(), value.clone());
        }
        if let Some(timing) = self.timing {
            let milliseconds = |time: Duration| time.as_secs_f64() * 1000.0;
            let value = format!(
                "spawn;dur={:.1}, total;dur={:.1}",
                milliseconds(timing.spawn),
                milliseconds(timing.started.elapsed())
            );
            fields.push("Server-Timing", value);
        }
        reply.begin(head.status, head.reason.as_deref(), &fields, length)
    }

    /// The script's output has ended, and it itself with `status`, if that is known.
    pub fn finish(
        self,
        reply: &mut Reply,
        status: Option<ExitStatus>,
        lines: &ScriptLines,
        log: &AccessLog,
    ) -> io::Result<Ended> {
        match &self.state {
            State::Head(begun) => {
                return Ok(match response::parse(begun, true) {
                    Ok(Some((CgiResponse::LocalRedirect(path), _))) => Ended::LocalRedirect(path),
                    Err(reason) => Ended::Invalid(with_status(reason, status)),
                    // It would have been taken when it came.
                    Ok(_) => Ended::Invalid("its head is not whole".into()),
                });
            }
            State::Page(head, page) => {
                let page = with_lines(page, lines.last());
                self.send_head(reply, head, Some(page.len() as u64))?;
                reply.body(&page)?;
            }
            State::Raw if reply.status.is_none() => {
                return Ok(Ended::Invalid(with_status(
                    "it wrote nothing".into(),
                    status,
                )));
            }
            State::Body | State::Raw => {}
        }
        let say = |text: &str| log.line(lines.number(), &format!("wsgi-cgi: {text}"));
        self.end_body(reply, status, say)?;
        Ok(Ended::Answered)
    }

    fn end_body(
        &self,
        reply: &mut Reply,
        status: Option<ExitStatus>,
        say: impl Fn(&str),
    ) -> io::Result<()> {
        let is_cut = status.is_some_and(|status| match self.author {
            Author::Ourselves => !status.success(),
            // An exit status of 1 may mean anything; a signal does not.
            Author::Other => status.signal().is_some(),
        });
        if is_cut && reply.is_open() {
            reply.cut();
            say("the response was cut: its script failed");
            return Ok(());
        }
        match reply.end()? {
            0 => {}
            missing => say(&format!(
                "the body is {missing} bytes shorter than its Content-Length: the connection is closed"
            )),
        }
        match reply.excess {
            0 => {}
            excess => say(&format!(
                "the body is {excess} bytes longer than its Content-Length: they were cut"
            )),
        }
        Ok(())
    }
}

fn with_status(reason: String, status: Option<ExitStatus>) -> String {
    match status {
        Some(status) if !status.success() => format!("{reason} ({status})"),
        _ => reason,
    }
}
