//! One request: what it names, its body, its turn, its script, and what becomes of the answer.

use std::io;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use wsgi_cgi_process::time_limits::FRONT_TIMEOUT_MARGIN;

use super::Host;
use super::afterwards::{Afterwards, Output};
use super::body::{Body, Failed};
use super::child::Child;
use super::incoming::{Incoming, Rest};
use super::log::ScriptLines;
use super::places::{Phase, holder};
use super::relay::Relay;
use super::reply::Reply;
use super::script::{Author, Script};
use super::script_answer::{Ended, ScriptAnswer};
use super::site::Request;
use super::slots::Answer;
use super::trouble::{Cause, Failure, Trouble, retry_after};
use crate::cgi::{Address, Place, Variables, meta_variables};
use crate::http::Fields;
use crate::http::head::{Framing, RequestHead};
use crate::http::response_head::Connection;
use crate::http::target::Target;

/// More local redirects than this are a circle.
const REDIRECTS: usize = 10;

/// A request that is being answered.
pub struct Exchange<'a> {
    pub host: &'a Host,
    pub request: Request<'a>,
    /// Waits for the script, if that works on after its answer.
    pub left: Option<JoinHandle<()>>,
}

impl Exchange<'_> {
    /// Answers the request. Gives the status, or None where the client did not wait for it; and whether the
    /// client may still be sending.
    pub fn run(&mut self, incoming: &mut Incoming, reply: &mut Reply) -> (Option<u16>, Rest) {
        let mut rest = match self.request.head.framing {
            Framing::Empty => Rest::None,
            Framing::Length(_) | Framing::Chunked => Rest::Expected,
        };
        let agreed = reply.connection();
        if rest == Rest::Expected {
            // As long as it is unread, it would be taken for the next request.
            reply.close_afterwards();
        }
        let answered = self.answer(incoming, reply, agreed, &mut rest);
        let (site, request) = (&self.host.site, &self.request);
        let told = match answered {
            Ok(()) if reply.status.is_none() => {
                let failure = Cause::Other("the site named no script and gave no answer".into());
                site.fail(request, &failure.into(), Fields::default(), reply)
            }
            Ok(()) => Ok(()),
            Err(Trouble::ClientGone) => return (None, rest),
            Err(Trouble::Refused(refusal, more)) => {
                site.refuse(request.number, &refusal, more, reply)
            }
            Err(Trouble::Failed(failure)) => {
                if reply.status.is_some() {
                    reply.cut();
                }
                let more = retry_after(failure.cause.status());
                site.fail(request, &failure, more, reply)
            }
        };
        incoming.enter(Phase::Reply);
        match told.and_then(|()| reply.send_all(incoming.socket())) {
            Ok(()) => (reply.status, rest),
            Err(_) => (None, rest),
        }
    }

    fn answer(
        &mut self,
        incoming: &mut Incoming,
        reply: &mut Reply,
        agreed: Connection,
        rest: &mut Rest,
    ) -> Result<(), Trouble> {
        let request = self.request;
        if request.head.target == Target::Asterisk {
            // The server as a whole: no path, so no script (RFC 9110 section 9.3.7).
            return Ok(reply.begin(204, None, &Fields::default(), None)?);
        }
        // A file may be sent at once.
        enter(incoming, Phase::Reply)?;
        let mut address = Address::parse(request.head.path_and_query())?;
        let mut named = self.find(request.head, &address, incoming, reply)?;
        if named.is_none() {
            return Ok(());
        }
        enter(incoming, Phase::Body)?;
        let body = match Body::read(request.head, incoming, self.host.limits.body) {
            Ok(body) => body,
            Err(Failed::Gone) => return Err(Trouble::ClientGone),
            Err(Failed::Refused(refusal)) => return Err(refusal.into()),
        };
        *rest = Rest::None;
        reply.body_is_read(agreed);
        let mut body = Some(body);
        let mut head = request.head.clone();
        for _ in 0..=REDIRECTS {
            let Some((script, place)) = named else {
                return Ok(());
            };
            let body = body.take().unwrap_or(Body::None);
            let variables =
                meta_variables(&head, &address, &place, request.endpoints, body.length());
            let Some(path) = self.run_script(&script, &variables, body, incoming, reply)? else {
                return Ok(());
            };
            // RFC 3875 section 6.2.2: as if the client had asked for that path.
            address = Address::parse(&path)?;
            if head.method != "HEAD" {
                head.method = "GET".into();
            }
            head.fields.remove("Content-Type");
            named = self.find(&head, &address, incoming, reply)?;
        }
        let reason = format!("more than {REDIRECTS} local redirects");
        Err(Cause::BadResponse(reason).into())
    }

    /// The script for an address; None where the answer is given already.
    fn find(
        &self,
        head: &RequestHead,
        address: &Address,
        incoming: &Incoming,
        reply: &mut Reply,
    ) -> Result<Option<(Script, Place)>, Trouble> {
        let request = Request {
            head,
            ..self.request
        };
        let site = &self.host.site;
        site.find(&request, address, incoming.socket(), reply)
    }

    /// Runs a script until the client has its answer. Gives the path of a local redirect.
    fn run_script(
        &mut self,
        script: &Script,
        variables: &Variables,
        body: Body,
        incoming: &Incoming,
        reply: &mut Reply,
    ) -> Result<Option<Vec<u8>>, Trouble> {
        enter(incoming, Phase::Script)?;
        let host = self.host;
        let client = incoming.socket();
        // Where the end of the client's side means nothing, it goes on.
        let is_bridge = host.limits.half_closed.is_none();
        let still_reads = || is_bridge || matches!(reply.probe(client), Ok(true));
        let holder = holder(&self.request.endpoints.remote_address);
        let slot = match host.slots.acquire(client, holder, still_reads)? {
            Answer::Granted(slot) => slot,
            Answer::ClientGone => return Err(Trouble::ClientGone),
            Answer::Full => return Err(Cause::TooBusy.into()),
        };
        let body = body.into_descriptor()?;
        let spawning = Instant::now();
        let started = host
            .site
            .start(&self.request, script, variables, body, slot);
        let mut child = started.map_err(|error| Cause::cannot_start(&script.program, &error))?;
        let grace = match script.author {
            // It keeps the time limit itself, and shows where the application was; then it is our turn.
            Author::Ourselves if child.is_own() => FRONT_TIMEOUT_MARGIN,
            _ => Duration::ZERO,
        };
        let mut lines = ScriptLines::of(self.request.number);
        let timeout = host.limits.time;
        let deadline = timeout.and_then(|limit| spawning.checked_add(limit.saturating_add(grace)));
        let relay = Relay {
            child: &mut child,
            answer: ScriptAnswer::of(script, &*host.site, self.request, spawning.elapsed()),
            reply,
            client,
            host,
            lines: &mut lines,
            deadline,
        };
        let output = match relay.run() {
            Ok(Ended::Answered) => Output::Ended,
            Ok(Ended::Delivered) => Output::Open(reply.excess()),
            ended => return conclude(child, ended, timeout, &lines),
        };
        let left = Afterwards {
            child,
            site: host.site.clone(),
            number: self.request.number,
            lines,
            deadline,
            output,
        };
        self.left = left.leave(incoming);
        Ok(None)
    }
}

fn enter(incoming: &Incoming, phase: Phase) -> Result<(), Trouble> {
    match incoming.enter(phase) {
        true => Ok(()),
        false => Err(Trouble::ClientGone),
    }
}

fn conclude(
    mut child: Child,
    ended: io::Result<Ended>,
    timeout: Option<Duration>,
    lines: &ScriptLines,
) -> Result<Option<Vec<u8>>, Trouble> {
    let failed = |cause| {
        let said: Vec<_> = lines.last().collect();
        let said = said.join("\n");
        Err(Trouble::Failed(Failure { cause, said }))
    };
    match ended {
        Ok(Ended::Answered | Ended::Delivered) => Ok(None),
        Ok(Ended::LocalRedirect(path)) => {
            child.end();
            Ok(Some(path))
        }
        Ok(Ended::Invalid(reason)) => {
            let failure = child.failure();
            child.end();
            match failure {
                Some(failure) => Err(Cause::Other(failure).into()),
                None => failed(Cause::BadResponse(reason)),
            }
        }
        Ok(Ended::TimedOut) => {
            child.end();
            failed(Cause::TimedOut(timeout.unwrap_or_default()))
        }
        Ok(Ended::ClientGone) => {
            child.end();
            Err(Trouble::ClientGone)
        }
        Err(error) => {
            child.end();
            Err(error.into())
        }
    }
}
