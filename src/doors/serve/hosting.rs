//! The site as the gateway's host asks for it: what is named, how it is started, and what is told.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use contract::codes::Code;
use contract::handover::{Detail, Verbosity};
use contract::report::{Failure, printable_line};
use wsgi_cgi_gateway::host::{
    self, Author, Cause, Child, Entry, Finish, Reply, Request, Script, Slot, Trouble,
};

use super::failure_page::{fail, refuse, with_lines};
use super::folder::Named;
use super::handover::hand_over;
use super::site::Site;
use super::{health, static_reply};
use crate::cgi::meta_variables::{ASKED, SERVE_CHILD};
use crate::cgi::response::Head;
use crate::gateway::{Address, Place, Variables};
use crate::http::{Fields, Refusal};
use crate::plan::Warm;

impl host::Site for Site {
    fn find(
        &self,
        request: &Request<'_>,
        address: &Address,
        client: BorrowedFd<'_>,
        reply: &mut Reply,
    ) -> Result<Option<(Script, Place)>, Trouble> {
        if self.health.as_ref() == Some(&address.path) {
            return health::answer(request, reply).map(|()| None);
        }
        if let Some((mount, below)) = static_reply::mount(&self.mounts, &address.path) {
            return static_reply::send(mount, below, request.head, client, reply).map(|()| None);
        }
        match self.content.find(address) {
            Named::Script(script, place) => Ok(Some((script, place))),
            Named::Nothing(reason) => {
                self.host_says(request.number, &reason);
                Err(Refusal::new(404, "There is no script at this address.").into())
            }
            Named::Forbidden(reason) => {
                self.host_says(request.number, &reason);
                Err(Refusal::new(403, "This file is no script.").into())
            }
            Named::FolderWithoutSlash => {
                let mut fields = Fields::default();
                fields.push("Location", with_slash(&address.uri));
                Err(Trouble::Refused(
                    Refusal::new(301, "A folder's name ends with a slash."),
                    fields,
                ))
            }
            Named::Listing(page) => {
                let mut fields = Fields::default();
                fields.push("Content-Type", "text/html; charset=utf-8");
                reply.page(200, &fields, page.as_bytes())?;
                Ok(None)
            }
        }
    }

    /// A worker, where there may be one, or a child.
    fn start(
        &self,
        request: &Request<'_>,
        script: &Script,
        variables: &Variables,
        body: OwnedFd,
        mut slot: Slot,
    ) -> io::Result<Child> {
        let mut script = self.prepared(script, self.detail(request));
        if self.warm == Warm::Wanted {
            let rest = &self.zygote_rest;
            match hand_over(&script, self.umask, variables, body.as_fd(), slot, rest)? {
                Ok(worker) => return Ok(worker),
                Err((returned, cold)) => {
                    slot = returned;
                    if cold.was_asked {
                        script.environment.push((SERVE_CHILD.into(), ASKED.into()));
                    }
                    if self.verbosity == Verbosity::Verbose {
                        let reason = cold.reason.replace('\n', "; ");
                        self.host_says(request.number, &format!("runs cold: {reason}"));
                    }
                }
            }
        }
        slot.spawn(&script, variables, body)
    }

    fn script_says(&self, number: u64, line: &str) {
        self.log.line(number, line);
    }

    fn host_says(&self, number: u64, line: &str) {
        // It may name what a visitor wrote.
        self.log
            .line(number, &printable_line(&format!("wsgi-cgi: {line}")));
    }

    fn is_over(&self, entry: &Entry<'_>) {
        self.log.request(entry);
    }

    fn add_fields(&self, request: &Request<'_>, spawn: Duration, fields: &mut Fields) {
        if self.detail(request) == Some(Detail::Shown) {
            let milliseconds = |time: Duration| time.as_secs_f64() * 1000.0;
            let value = format!(
                "spawn;dur={:.1}, total;dur={:.1}",
                milliseconds(spawn),
                milliseconds(request.started.elapsed())
            );
            fields.push("Server-Timing", value);
        }
    }

    fn holds(&self, head: &Head) -> Option<Finish> {
        head.get("X-CGI-Failure").map(|_| with_lines as Finish)
    }

    fn refuse(
        &self,
        number: u64,
        refusal: &Refusal,
        fields: Fields,
        reply: &mut Reply,
    ) -> io::Result<()> {
        let mut refusal = refusal.clone();
        if refusal.status == 413 {
            refusal.reason.push_str(" (--max-body)");
        }
        self.host_says(number, &refusal.reason);
        refuse(reply, &refusal, fields)
    }

    fn fail(
        &self,
        request: &Request<'_>,
        failure: &host::Failure,
        fields: Fields,
        reply: &mut Reply,
    ) -> io::Result<()> {
        let failure = coded(failure);
        self.host_says(request.number, &failure.to_string());
        match reply.status {
            Some(_) => Ok(()),
            None => {
                let detail = self.detail(request).unwrap_or(Detail::Hidden);
                fail(reply, &failure, detail, fields)
            }
        }
    }
}

impl Site {
    fn detail(&self, request: &Request<'_>) -> Option<Detail> {
        self.debug.for_request(request.head, request.endpoints)
    }

    /// With what every child gets. One of ours is told what to show; a script may be an application with our own `#!`
    /// line.
    fn prepared(&self, script: &Script, detail: Option<Detail>) -> Script {
        let mut script = script.clone();
        let deployment = self.environment.iter().cloned();
        script.environment.splice(0..0, deployment);
        let Some(detail) = detail else {
            return script;
        };
        let (option, value) = match detail {
            Detail::Shown => ("--debug=true", "true"),
            Detail::Hidden => ("--debug=false", "false"),
        };
        match script.author {
            Author::Ourselves => script.arguments.insert(0, option.into()),
            Author::Other => script
                .environment
                .push(("WSGI_CGI_DEBUG".into(), value.into())),
        }
        script
    }
}

/// The failure by its code.
fn coded(failure: &host::Failure) -> Failure {
    let (code, reason) = match &failure.cause {
        Cause::TooBusy => (Code::TOO_BUSY, String::new()),
        Cause::CannotStartNow(reason) => (Code::CANNOT_START_NOW, reason.clone()),
        Cause::CannotStart(reason) => (Code::CANNOT_START, reason.clone()),
        Cause::BadResponse(reason) => (Code::BAD_RESPONSE, reason.clone()),
        Cause::TimedOut(limit) => (Code::TIMED_OUT, format!("{} seconds", limit.as_secs_f64())),
        Cause::System(error) => (Code::SYSTEM, error.to_string()),
        Cause::Other(error) => match error.downcast_ref::<Failure>() {
            Some(failure) => return failure.clone(),
            None => (Code::SYSTEM, error.to_string()),
        },
    };
    Failure::new(code, reason).with_detail(failure.said.as_str())
}

/// The same address with a slash behind its path. `//host` would be another server: one slash is enough.
fn with_slash(uri: &[u8]) -> Vec<u8> {
    let length = uri.iter().position(|byte| *byte == b'?');
    let (path, query) = uri.split_at(length.unwrap_or(uri.len()));
    let slashes = path.iter().take_while(|byte| **byte == b'/').count();
    let path = path.get(slashes..).unwrap_or_default();
    [b"/", path, b"/", query].concat()
}
