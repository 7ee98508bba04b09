//! The application behind events: imported once, and asked once for each.

use std::env;
use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use contract::codes::Code;
use contract::handover::{Invocation, ResponseForm};
use contract::report::{self as told, Failure};
use contract::warm::Mode;
use rustix::fs::{MemfdFlags, memfd_create};

use super::context;
use super::event::{self, Shape};
use super::home::Home;
use super::report::Report;
use super::response::{self, Encoding};
use super::runtime_api::{Api, Next};
use super::stream::Stream;
use super::worker::{self, Collected};
use crate::cgi::response::{CgiResponse, Head, parse};
use crate::cli::Refusal;
use crate::doors::template::Template;
use crate::gateway;
use crate::plan::{Isolation, LambdaPlan, Sending};
use crate::record::{self, Case, Ran};
use crate::runner::Request;

/// The platform's time is over so much later than ours: the stack is shown, and 504 is sent.
const MARGIN: Duration = Duration::from_millis(500);

/// An application that takes events.
pub struct Function {
    home: Home,
    sending: Sending,
    events: Option<String>,
    has_told_of_base64: AtomicBool,
}

/// An event that is a request.
struct Asked {
    shape: Shape,
    body: Vec<u8>,
    request: Request,
}

/// Where results go.
pub enum Sink<'a> {
    /// To the platform, for the event with this id.
    Platform(&'a mut Api, &'a str),
    /// To somebody who wants one result; and why there is none.
    Writer(&'a mut dyn Write, &'a mut Option<Report>),
}

impl Sink<'_> {
    fn respond(self, json: &[u8]) -> io::Result<()> {
        match self {
            Self::Platform(api, id) => api.respond(id, json),
            Self::Writer(writer, _) => {
                writer.write_all(json)?;
                writer.write_all(b"\n")?;
                writer.flush()
            }
        }
    }

    fn fail(self, failed: Report) -> io::Result<()> {
        told::tell_line(&format!("{}: {}\n", failed.kind, failed.message), None);
        match self {
            Self::Platform(api, id) => api.fail(id, &failed),
            Self::Writer(writer, told) => {
                writeln!(writer, "{}", failed.json())?;
                *told = Some(failed);
                Ok(())
            }
        }
    }
}

impl Function {
    /// Finds the application; nothing is started.
    pub fn prepare(plan: &LambdaPlan) -> Result<Self, Refusal> {
        let mut template = Template::of(plan.arguments.clone())?;
        let mode = match plan.isolation {
            Isolation::Process => Mode::Attached,
            Isolation::None => Mode::SameProcess,
        };
        // What it is for is loaded with the application.
        template.request.job.invocation = Some(Invocation {
            event: Vec::new(),
            context: Vec::new(),
        });
        let concurrency = env::var("AWS_LAMBDA_MAX_CONCURRENCY").ok();
        let concurrency = concurrency.and_then(|number| number.parse().ok());
        Ok(Self {
            home: Home::new(template, mode, concurrency.unwrap_or(1).max(1)),
            sending: plan.sending,
            events: plan.events.clone(),
            has_told_of_base64: AtomicBool::new(false),
        })
    }

    /// How many events may be taken at once.
    pub fn concurrency(&self) -> usize {
        self.home.concurrency()
    }

    /// Imports the application.
    pub fn begin(&mut self) -> Result<(), Failure> {
        self.home.begin()
    }

    /// Answers one event. An error is the platform's.
    pub fn answer(&self, json: &[u8], next: Option<&Next>, sink: Sink<'_>) -> io::Result<()> {
        self.home.wake();
        match self.request(json, next) {
            Err(wrong) => sink.fail(Report::of_event(wrong)),
            Ok(asked) => {
                let deadline = deadline(asked.request.timeout, next);
                match sink {
                    Sink::Platform(api, id) if self.streams(asked.shape) => {
                        self.stream(asked, deadline, api, id)
                    }
                    sink => self.buffer(asked, deadline, sink),
                }
            }
        }
    }

    /// An event as a request; or what is wrong with it.
    fn request(&self, json: &[u8], next: Option<&Next>) -> Result<Asked, String> {
        let parsed = event::parse(json, self.events.as_deref())?;
        let length = parsed.body.len() as u64;
        let variables = parsed.event.variables(parsed.has_body.then_some(length))?;
        let mut request = self.home.template().request(variables, length);
        if let Some(trace) = next.and_then(|next| next.fields.get("Lambda-Runtime-Trace-Id")) {
            let name = context::TRACE_ID.as_bytes();
            gateway::set(&mut request.job.environment, name, trace);
        }
        request.job.invocation = Some(Invocation {
            event: json.to_vec(),
            context: context::json(next),
        });
        Ok(Asked {
            shape: parsed.shape,
            body: parsed.body,
            request,
        })
    }

    fn streams(&self, shape: Shape) -> bool {
        // A load balancer waits for the whole.
        self.sending == Sending::Streamed && matches!(shape, Shape::Version1 | Shape::Version2)
    }

    fn buffer(
        &self,
        mut asked: Asked,
        deadline: Option<Instant>,
        sink: Sink<'_>,
    ) -> io::Result<()> {
        let body = in_memory(&asked.body)?;
        let (stdout, writes) = io::pipe()?;
        let request = &mut asked.request;
        let mut told = None;
        let served = self.home.serve(request, body, writes.into(), |taken| {
            worker::collect(taken, stdout, deadline, response::LIMIT, &mut told)
        })?;
        let failed = match &served {
            Ok(Collected::Failed(failure)) | Err(failure) => Some(failure),
            Ok(_) => None,
        };
        keep(request, &asked.body, told.as_ref().or(failed));
        let failure = match served {
            Ok(Collected::Whole(answer)) => return self.send(asked.shape, &answer, sink),
            Ok(Collected::TooLarge) => {
                let limit = response::LIMIT;
                return sink.fail(response::too_large(&format!("more than {limit} bytes")));
            }
            Ok(Collected::Failed(failure)) | Err(failure) => failure,
        };
        tell(&failure, request);
        self.send(asked.shape, &page(&failure, request), sink)
    }

    fn stream(
        &self,
        mut asked: Asked,
        deadline: Option<Instant>,
        api: &mut Api,
        id: &str,
    ) -> io::Result<()> {
        let body = in_memory(&asked.body)?;
        let (stdout, writes) = io::pipe()?;
        let mut stream = Stream::new(api, id);
        let request = &mut asked.request;
        let mut told = None;
        let served = self.home.serve(request, body, writes.into(), |taken| {
            worker::read(taken, stdout, deadline, &mut told, |piece| {
                stream.add(piece)
            })
        })?;
        let failure = match served {
            Ok(ended) => stream.failure(ended),
            Err(failure) => Some(failure),
        };
        if let Some(failure) = &failure {
            tell(failure, request);
        }
        keep(request, &asked.body, told.as_ref().or(failure.as_ref()));
        match stream.end(failure)? {
            None => Ok(()),
            Some((failure, sink)) => self.send(asked.shape, &page(&failure, request), sink),
        }
    }

    fn send(&self, shape: Shape, answer: &[u8], sink: Sink<'_>) -> io::Result<()> {
        let Ok(Some((CgiResponse::Document(head), length))) = parse(answer, true) else {
            return sink.fail(Report {
                kind: "Runtime.MarshalError".into(),
                message: Failure::new(Code::BAD_RESPONSE, "").to_string(),
                trace: Vec::new(),
            });
        };
        let body = answer.get(length..).unwrap_or_default();
        match response::buffered(shape, &head, body) {
            Ok((json, encoding)) => {
                if encoding == Encoding::Base64 && shape == Shape::Version1 {
                    self.tell_of_base64(&head);
                }
                sink.respond(&json)
            }
            Err(report) => sink.fail(report),
        }
    }

    fn tell_of_base64(&self, head: &Head) {
        if !self.has_told_of_base64.swap(true, Ordering::Relaxed) {
            let kind = head.get("Content-Type").unwrap_or_default();
            told::tell_line(
                &format!(
                    "a response ({}) is sent as base64: a REST API decodes it only where */* is among its binary media types\n",
                    String::from_utf8_lossy(kind)
                ),
                None,
            );
        }
    }
}

/// The earlier one of our own limit and the platform's. One that is long over is none (an emulator's).
fn deadline(timeout: Option<Duration>, next: Option<&Next>) -> Option<Instant> {
    let now = Instant::now();
    let of_platform = next.and_then(|next| next.deadline).and_then(|deadline| {
        let end = SystemTime::UNIX_EPOCH + Duration::from_millis(deadline);
        let left = end.duration_since(SystemTime::now()).ok()?;
        Some(now + left.saturating_sub(MARGIN.min(left / 10)))
    });
    let own = timeout.map(|limit| now + limit);
    of_platform.into_iter().chain(own).min()
}

fn in_memory(body: &[u8]) -> io::Result<OwnedFd> {
    if body.is_empty() {
        return Ok(File::open("/dev/null")?.into());
    }
    let memory = memfd_create("wsgi-cgi-body", MemfdFlags::CLOEXEC).map(File::from);
    let mut file = memory.or_else(|_| tempfile::tempfile())?;
    file.write_all(body)?;
    file.rewind()?;
    Ok(file.into())
}

fn told_of(request: &Request) -> told::Asked<'_> {
    told::Asked {
        variables: &request.job.environment,
        form: ResponseForm::Cgi,
        detail: request.job.detail,
    }
}

fn tell(failure: &Failure, request: &Request) {
    let log = request.job.error_log.as_deref();
    told::tell(failure, &told_of(request).label(), log);
}

/// Where `--record` wants it.
fn keep(request: &Request, body: &[u8], failure: Option<&Failure>) {
    if let (Some(folder), Some(failure)) = (&request.record, failure) {
        let case = Case {
            failure,
            variables: &request.job.environment,
            body: &record::Body::of_bytes(body),
            ran: &Ran::of(&request.job),
        };
        record::keep(folder, &case, request.job.error_log.as_deref());
    }
}

fn page(failure: &Failure, request: &Request) -> Vec<u8> {
    told::response(failure, &told_of(request))
}
