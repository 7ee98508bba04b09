//! One request: what it names, its body, its turn, its script, and what becomes of the answer.

use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use contract::codes::Code;
use contract::handover::{Detail, Verbosity};
use contract::report::Failure;

use super::access_log::ScriptLines;
use super::body::{Body, Failed};
use super::child::{Author, Child, Script};
use super::failure_page::{fail, refuse};
use super::folder::Named;
use super::handover::hand_over;
use super::health;
use super::incoming::{Incoming, Rest};
use super::relay::Relay;
use super::reply::Reply;
use super::script_answer::{Ended, ScriptAnswer, Timing};
use super::site::Site;
use super::slots::{Answer, Slot};
use super::static_reply;
use super::trouble::{Trouble, busy, cannot_start};
use crate::gateway::{Address, Endpoints, Place, Variables, meta_variables};
use crate::http::head::{Framing, RequestHead};
use crate::http::response_head::Connection;
use crate::http::target::Target;
use crate::http::{Fields, Refusal};
use crate::plan::Warm;

/// More local redirects than this are a circle.
const REDIRECTS: usize = 10;
/// Our own child keeps the time limit itself, and shows where the application was; then it is our turn.
const OWN_TIMEOUT: Duration = Duration::from_secs(5);
/// A request that is being answered.
pub struct Exchange<'a> {
    pub site: &'a Site,
    pub endpoints: &'a Endpoints,
    pub head: &'a RequestHead,
    pub number: u64,
    pub started: Instant,
}

impl Exchange<'_> {
    /// Answers the request. Gives the status, or None where the client did not wait for it; and whether the
    /// client may still be sending.
    pub fn run(&self, incoming: &mut Incoming, reply: &mut Reply) -> (Option<u16>, Rest) {
        let mut rest = match self.head.framing {
            Framing::Empty => Rest::None,
            Framing::Length(_) | Framing::Chunked => Rest::Expected,
        };
        let agreed = reply.connection();
        if rest == Rest::Expected {
            // As long as it is unread, it would be taken for the next request.
            reply.close_afterwards();
        }
        let answered = self.answer(incoming, reply, agreed, &mut rest);
        let told = match answered {
            Ok(()) => Ok(()),
            Err(Trouble::ClientGone) => return (None, rest),
            Err(Trouble::Refused(refusal, more)) => {
                self.say(&refusal.reason);
                refuse(reply, &refusal, more)
            }
            Err(Trouble::Failed(failure, more)) => {
                self.say(&failure.to_string());
                match reply.status {
                    None => {
                        let detail = self.detail().unwrap_or(Detail::Hidden);
                        fail(reply, &failure, detail, more)
                    }
                    Some(_) => {
                        reply.cut();
                        Ok(())
                    }
                }
            }
        };
        match told.and_then(|()| reply.send_all(incoming.socket())) {
            Ok(()) => (reply.status, rest),
            Err(_) => (None, rest),
        }
    }

    fn answer(
        &self,
        incoming: &mut Incoming,
        reply: &mut Reply,
        agreed: Connection,
        rest: &mut Rest,
    ) -> Result<(), Trouble> {
        if self.head.target == Target::Asterisk {
            // The server as a whole: no path, so no script (RFC 9110 section 9.3.7).
            return Ok(reply.begin(204, None, &Fields::default(), None)?);
        }
        let mut address = Address::parse(self.head.path_and_query())?;
        if self.site.health.as_ref() == Some(&address.path) {
            return health::answer(self.site, self.head, reply);
        }
        if let Some((mount, below)) = static_reply::mount(&self.site.mounts, &address.path) {
            return static_reply::send(mount, below, self.head, incoming.socket(), reply);
        }
        let mut named = self.find(&address, reply)?;
        let body = match Body::read(self.head, incoming, self.site.max_body) {
            Ok(body) => body,
            Err(Failed::Gone) => return Err(Trouble::ClientGone),
            Err(Failed::Refused(refusal)) => return Err(refusal.into()),
        };
        *rest = Rest::None;
        reply.body_is_read(agreed);
        let mut body = Some(body);
        let mut head = self.head.clone();
        for _ in 0..=REDIRECTS {
            let Some((script, place)) = named else {
                return Ok(());
            };
            let body = body.take().unwrap_or(Body::None);
            let variables = meta_variables(&head, &address, &place, self.endpoints, body.length());
            let Some(path) = self.run_script(&script, &variables, body, incoming, reply)? else {
                return Ok(());
            };
            // RFC 3875 section 6.2.2: as if the client had asked for that path.
            address = Address::parse(&path)?;
            if head.method != "HEAD" {
                head.method = "GET".into();
            }
            head.fields.remove("Content-Type");
            named = self.find(&address, reply)?;
        }
        let reason = format!("more than {REDIRECTS} local redirects");
        Err(Trouble::Failed(
            Failure::new(Code::BAD_RESPONSE, reason),
            Fields::default(),
        ))
    }

    /// The script for an address; None where the answer is given already.
    fn find(
        &self,
        address: &Address,
        reply: &mut Reply,
    ) -> Result<Option<(Script, Place)>, Trouble> {
        match self.site.content.find(address) {
            Named::Script(script, place) => Ok(Some((script, place))),
            Named::Nothing(reason) => {
                self.say(&reason);
                Err(Refusal::new(404, "There is no script at this address.").into())
            }
            Named::Forbidden(reason) => {
                self.say(&reason);
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

    /// Runs a script to the end of its answer. Gives the path of a local redirect.
    fn run_script(
        &self,
        script: &Script,
        variables: &Variables,
        body: Body,
        incoming: &Incoming,
        reply: &mut Reply,
    ) -> Result<Option<Vec<u8>>, Trouble> {
        let slot = match self.site.slots.acquire(incoming.socket())? {
            Answer::Granted(slot) => slot,
            Answer::ClientGone => return Err(Trouble::ClientGone),
            Answer::Full => return Err(busy(Code::TOO_BUSY, "")),
        };
        let detail = self.detail();
        let script = with_detail(script, detail);
        let spawning = Instant::now();
        let (mut child, grace) = self.start(&script, variables, body, slot)?;
        let mut lines = ScriptLines::of(self.number);
        let timing = (detail == Some(Detail::Shown)).then_some(Timing {
            started: self.started,
            spawn: spawning.elapsed(),
        });
        let relay = Relay {
            child: &mut child,
            answer: ScriptAnswer::of(&script, timing),
            reply,
            client: incoming.socket(),
            site: self.site,
            lines: &mut lines,
            deadline: self.site.timeout.map(|limit| spawning + limit + grace),
        };
        let ended = relay.run();
        conclude(child, ended, self.site.timeout, &lines)
    }

    /// A worker, where there may be one, or a child; and how much longer than its own limit it may take.
    fn start(
        &self,
        script: &Script,
        variables: &Variables,
        body: Body,
        mut slot: Slot,
    ) -> Result<(Child, Duration), Trouble> {
        let stdin = body.into_descriptor()?;
        if script.warm == Warm::Wanted {
            match hand_over(script, self.site, variables, stdin.as_fd(), slot)? {
                Ok(worker) => return Ok((worker, Duration::ZERO)),
                Err((returned, reason)) => {
                    slot = returned;
                    if self.site.verbosity == Verbosity::Verbose {
                        self.say(&format!("runs cold: {reason}"));
                    }
                }
            }
        }
        let children = &self.site.children;
        let child = children
            .spawn(script, &self.site.environment, variables, stdin, slot)
            .map_err(|error| cannot_start(script, &error))?;
        let grace = match script.author {
            Author::Ourselves => OWN_TIMEOUT,
            Author::Other => Duration::ZERO,
        };
        Ok((child, grace))
    }

    fn detail(&self) -> Option<Detail> {
        self.site.debug.for_request(self.head, self.endpoints)
    }

    fn say(&self, text: &str) {
        self.site
            .log
            .line(self.number, &format!("wsgi-cgi: {text}"));
    }
}

fn conclude(
    mut child: Child,
    ended: io::Result<Ended>,
    timeout: Option<Duration>,
    lines: &ScriptLines,
) -> Result<Option<Vec<u8>>, Trouble> {
    let failed = |code, reason: String| {
        // What the script complained of is often the reason.
        let said: Vec<_> = lines.last().collect();
        let failure = Failure::new(code, reason).with_detail(said.join("\n"));
        Err(Trouble::Failed(failure, Fields::default()))
    };
    match ended {
        Ok(Ended::Answered) => {
            child.leave();
            Ok(None)
        }
        Ok(Ended::LocalRedirect(path)) => {
            child.end();
            Ok(Some(path))
        }
        Ok(Ended::Invalid(reason)) => {
            let failure = child.failure();
            child.end();
            match failure {
                Some(failure) => Err(Trouble::Failed(failure, Fields::default())),
                None => failed(Code::BAD_RESPONSE, reason),
            }
        }
        Ok(Ended::TimedOut) => {
            child.end();
            let limit = timeout.unwrap_or_default().as_secs_f64();
            failed(Code::TIMED_OUT, format!("{limit} seconds"))
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

/// The same address with a slash behind its path. `//host` would be another server: one slash is enough.
fn with_slash(uri: &[u8]) -> Vec<u8> {
    let length = uri.iter().position(|byte| *byte == b'?');
    let (path, query) = uri.split_at(length.unwrap_or(uri.len()));
    let slashes = path.iter().take_while(|byte| **byte == b'/').count();
    let path = path.get(slashes..).unwrap_or_default();
    [b"/", path, b"/", query].concat()
}

/// A child of ours is told what to show; a script may be an application with our own `#!` line.
fn with_detail(script: &Script, detail: Option<Detail>) -> Script {
    let mut script = script.clone();
    let Some(detail) = detail else {
        return script;
    };
    let (option, value) = match detail {
        Detail::Shown => ("--debug=true", "true"),
        Detail::Hidden => ("--debug=false", "false"),
    };
    match script.author {
        Author::Ourselves => script.arguments.insert(0, option.into()),
        Author::Other => script.environment.push(("WSGI_CGI_DEBUG", value)),
    }
    script
}
