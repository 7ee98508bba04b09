//! What a script writes, as it becomes a reply: its head first, then its body, then a verdict on both.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use super::log::ScriptLines;
use super::reply::Reply;
use super::script::{Author, Script};
use super::site::{Finish, Request, Site};
use crate::cgi::response::{self, CgiResponse, Head};
use crate::http::Fields;

/// An error page is kept until its request's last lines are known.
const PAGE_LIMIT: usize = 4 << 20;

/// How an exchange with a script ended.
pub enum Ended {
    /// The answer was given, whole or cut.
    Answered,
    /// The client has the whole answer; the script may still write.
    Delivered,
    /// The answer is that of another path (RFC 3875 section 6.2.2).
    LocalRedirect(Vec<u8>),
    /// Nothing was answered: what the child wrote is no response.
    Invalid(String),
    /// The answer, or the rest of it, did not come in time.
    TimedOut,
    /// Nobody waits for an answer.
    ClientGone,
}

/// One script's answer, as far as it has come.
pub struct ScriptAnswer<'a> {
    state: State,
    author: Author,
    site: &'a dyn Site,
    request: Request<'a>,
    spawn: Duration,
}

enum State {
    Head(Vec<u8>),
    Body,
    /// A page that waits for the last lines.
    Page(Head, Vec<u8>, Finish),
    /// NPH (RFC 3875 section 5).
    Raw,
}

impl<'a> ScriptAnswer<'a> {
    /// Of this script; `spawn` is how long starting it took.
    pub fn of(script: &Script, site: &'a dyn Site, request: Request<'a>, spawn: Duration) -> Self {
        let state = match script.is_nph {
            true => State::Raw,
            false => State::Head(Vec::new()),
        };
        Self {
            state,
            author: script.author,
            site,
            request,
            spawn,
        }
    }

    /// Takes what the script has written. Gives an end where there is no more to be expected.
    pub fn feed(&mut self, reply: &mut Reply, bytes: &[u8]) -> io::Result<Option<Ended>> {
        match &mut self.state {
            State::Body => reply.body(bytes)?,
            State::Raw => reply.raw(bytes)?,
            State::Page(_, page, _) => {
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
        if let Some(finish) = self.site.holds(&head).filter(|_| !reply.is_head()) {
            return Ok(State::Page(head, Vec::new(), finish));
        }
        self.send_head(reply, &head, head.content_length)?;
        Ok(State::Body)
    }

    fn send_head(&self, reply: &mut Reply, head: &Head, length: Option<u64>) -> io::Result<()> {
        let mut fields = Fields::default();
        for (name, value) in head.for_client() {
            fields.push(name.clone(), value.clone());
        }
        self.site.add_fields(&self.request, self.spawn, &mut fields);
        reply.begin(head.status, head.reason.as_deref(), &fields, length)
    }

    /// The script's output has ended, and it itself with `status`, if that is known.
    pub fn finish(
        self,
        reply: &mut Reply,
        status: Option<ExitStatus>,
        lines: &ScriptLines,
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
            State::Page(head, page, finish) => {
                let page = finish(page, &lines.last().collect::<Vec<_>>());
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
        self.end_body(reply, status)?;
        Ok(Ended::Answered)
    }

    fn end_body(&self, reply: &mut Reply, status: Option<ExitStatus>) -> io::Result<()> {
        let say = |text: &str| self.site.host_says(self.request.number, text);
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
        match reply.excess() {
            None | Some(0) => {}
            Some(excess) => say(&format!(
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
