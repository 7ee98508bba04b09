//! The messages between the front and the engine: version first, then fields; no I/O but framing.

use std::io::{self, Read};
use std::path::PathBuf;

use crate::codes::Code;
use crate::outcome::Outcome;
use crate::report::Failure;
use crate::wire::{Decoder, Encoder, malformed, path_bytes, read_message};

/// How the end of the request's body is known (RFC 3875 section 4.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyLength {
    /// No CONTENT_LENGTH: there is no body, whatever is on the descriptor.
    Empty,
    /// CONTENT_LENGTH, in bytes.
    Exactly(u64),
    /// The server decoded a chunked body: it ends at end of file.
    UntilEnd,
}

/// How the response's head is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseForm {
    /// `Status:` first, for the server to parse (RFC 3875 section 6).
    Cgi,
    /// A full HTTP response that the server passes on untouched (section 5, NPH).
    Nph,
}

/// What an error page shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// The code only: a visitor learns nothing about the application.
    Hidden,
    /// The traceback too (`--debug`).
    Shown,
}

/// How much of Python's `site` module is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Site {
    /// Site directories, `.pth` files and `sitecustomize` by the engine itself (fast).
    Engine,
    /// All of it, by Python at its start (`--site`).
    Python,
}

/// Which packages the application sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packages {
    /// Those of the interpreter itself: its site directories and the user's.
    System,
    /// Those of a virtualenv, whose folder becomes `sys.prefix`.
    Virtualenv(PathBuf),
    /// A virtualenv's, then the interpreter's (`include-system-site-packages = true`).
    VirtualenvAndSystem(PathBuf),
}

/// Whether each step is told on stderr (`-v`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verbosity {
    /// Only failures are told.
    Quiet,
    /// Choices are told too.
    Verbose,
}

/// Where the application's code is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file with Python source, absolute.
    File(PathBuf),
    /// A dotted module name, looked up from `directory`, which is first on `sys.path`.
    Module {
        /// The dotted name.
        name: String,
        /// Absolute.
        directory: PathBuf,
    },
}

/// Whether a file's byte code is kept beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteCode {
    /// In `__pycache__`, if the file is a module by its name.
    Kept,
    /// Not where the web server hands out files: a visitor could read the application there.
    NotKept,
}

/// Whether a process serves one request only: `wsgi.run_once`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runs {
    /// It does.
    Once,
    /// Others may follow.
    Again,
}

/// Whether the application is observed, for `wsgi-cgi check`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Observed {
    /// It is not.
    No,
    /// What it does while it is imported, and which rules of WSGI it breaks, is told on stderr.
    Yes,
}

/// A platform's event that a request was made of, for applications which want to see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invocation {
    /// The event, in JSON.
    pub event: Vec<u8>,
    /// What the platform says of this call and of the function, in JSON.
    pub context: Vec<u8>,
}

/// The variable of this name, in an environment as bytes.
pub fn variable<'a>(environment: &'a [(Vec<u8>, Vec<u8>)], name: &str) -> Option<&'a [u8]> {
    let found = environment.iter().find(|(key, _)| key == name.as_bytes());
    found.map(|(_, value)| value.as_slice())
}

/// Everything that the engine needs to serve one request, but for its descriptors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Where the application's code is.
    pub source: Source,
    /// The name behind the colon, `factory()` included.
    pub callable: Option<String>,
    /// Meta-variables and the deployment's own variables, in order, as bytes.
    pub environment: Vec<(Vec<u8>, Vec<u8>)>,
    /// How the body ends.
    pub body: BodyLength,
    /// How the response's head is written.
    pub form: ResponseForm,
    /// What an error page shows.
    pub detail: Detail,
    /// Whether each step is told on stderr.
    pub verbosity: Verbosity,
    /// A second place for failures and for the application's errors.
    pub error_log: Option<PathBuf>,
    /// Goes before `sys.path`, in order (`--path`).
    pub path: Vec<PathBuf>,
    /// Which packages the application sees.
    pub packages: Packages,
    /// Which interpreter was chosen and why, for error messages.
    pub interpreter: String,
    /// How much of `site` is done.
    pub site: Site,
    /// Whether the byte code of the application's file is kept.
    pub byte_code: ByteCode,
    /// The process that the web server knows; the engine outlives it.
    pub front: u32,
    /// When the door was entered, in nanoseconds of the monotonic clock; 0 if nobody looked.
    pub started: u64,
    /// Whether the process ends with the request.
    pub runs: Runs,
    /// Whether the application is observed.
    pub observed: Observed,
    /// The event behind the request, if there is one.
    pub invocation: Option<Invocation>,
}

/// The engine's last word on a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// How it ended.
    pub outcome: Outcome,
    /// Bytes taken from the body's descriptor so far; the front drains the rest.
    pub body_consumed: u64,
    /// What the engine has told of it, if the application is to blame; without its frames.
    pub failure: Option<Failure>,
}

/// More of a text than this is not sent, in bytes: nobody may be reading yet, so all must fit into a socket.
const TEXT_LIMIT: usize = 32 << 10;

impl Job {
    /// The whole message, its length first.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Encoder::new();
        self.write(&mut out);
        out.finish()
    }

    pub(crate) fn write(&self, out: &mut Encoder) {
        match &self.source {
            Source::File(path) => {
                out.byte(0);
                out.path(path);
            }
            Source::Module { name, directory } => {
                out.byte(1);
                out.bytes(name.as_bytes());
                out.path(directory);
            }
        }
        out.option(self.callable.as_deref().map(str::as_bytes));
        out.count(self.environment.len());
        for (name, value) in &self.environment {
            out.bytes(name);
            out.bytes(value);
        }
        match self.body {
            BodyLength::Empty => out.byte(0),
            BodyLength::Exactly(length) => {
                out.byte(1);
                out.number(length);
            }
            BodyLength::UntilEnd => out.byte(2),
        }
        out.byte(u8::from(self.form == ResponseForm::Nph));
        out.byte(u8::from(self.detail == Detail::Shown));
        out.byte(u8::from(self.verbosity == Verbosity::Verbose));
        out.option(self.error_log.as_deref().map(path_bytes));
        out.count(self.path.len());
        for path in &self.path {
            out.path(path);
        }
        match &self.packages {
            Packages::System => out.byte(0),
            Packages::Virtualenv(prefix) => {
                out.byte(1);
                out.path(prefix);
            }
            Packages::VirtualenvAndSystem(prefix) => {
                out.byte(2);
                out.path(prefix);
            }
        }
        out.bytes(self.interpreter.as_bytes());
        out.byte(u8::from(self.site == Site::Python));
        out.byte(u8::from(self.byte_code == ByteCode::NotKept));
        out.number(self.front.into());
        out.number(self.started);
        out.byte(u8::from(self.runs == Runs::Again));
        out.byte(u8::from(self.observed == Observed::Yes));
        out.byte(u8::from(self.invocation.is_some()));
        if let Some(Invocation { event, context }) = &self.invocation {
            out.bytes(event);
            out.bytes(context);
        }
    }

    /// Reads what [`Job::encode`] wrote. A message of another version or shape is an error.
    pub fn read(from: &mut impl Read) -> io::Result<Self> {
        let message = read_message(from)?;
        let mut input = Decoder::new(&message)?;
        let job = Self::take(&mut input)?;
        input.end()?;
        Ok(job)
    }

    pub(crate) fn take(input: &mut Decoder<'_>) -> io::Result<Self> {
        let source = match input.byte()? {
            0 => Source::File(input.path()?),
            1 => Source::Module {
                name: input.text()?,
                directory: input.path()?,
            },
            _ => return Err(malformed("source")),
        };
        let callable = input.option(Decoder::text)?;
        let environment =
            input.list(|input| Ok((input.bytes()?.to_vec(), input.bytes()?.to_vec())))?;
        let body = match input.byte()? {
            0 => BodyLength::Empty,
            1 => BodyLength::Exactly(input.number()?),
            2 => BodyLength::UntilEnd,
            _ => return Err(malformed("body")),
        };
        Ok(Self {
            source,
            callable,
            environment,
            body,
            form: input.choice(ResponseForm::Cgi, ResponseForm::Nph)?,
            detail: input.choice(Detail::Hidden, Detail::Shown)?,
            verbosity: input.choice(Verbosity::Quiet, Verbosity::Verbose)?,
            error_log: input.option(Decoder::path)?,
            path: input.list(Decoder::path)?,
            packages: match input.byte()? {
                0 => Packages::System,
                1 => Packages::Virtualenv(input.path()?),
                2 => Packages::VirtualenvAndSystem(input.path()?),
                _ => return Err(malformed("packages")),
            },
            interpreter: input.text()?,
            site: input.choice(Site::Engine, Site::Python)?,
            byte_code: input.choice(ByteCode::Kept, ByteCode::NotKept)?,
            front: u32::try_from(input.number()?).map_err(|_| malformed("process id"))?,
            started: input.number()?,
            runs: input.choice(Runs::Once, Runs::Again)?,
            observed: input.choice(Observed::No, Observed::Yes)?,
            invocation: input.option(|input| {
                Ok(Invocation {
                    event: input.bytes()?.to_vec(),
                    context: input.bytes()?.to_vec(),
                })
            })?,
        })
    }
}

impl Ending {
    /// The whole message, its length first.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Encoder::new();
        out.byte(self.outcome.to_byte());
        out.number(self.body_consumed);
        out.byte(u8::from(self.failure.is_some()));
        if let Some(failure) = &self.failure {
            for text in [failure.code.entry().code, &failure.reason, &failure.detail] {
                out.bytes(cut(text).as_bytes());
            }
        }
        out.finish()
    }

    /// Reads what [`Ending::encode`] wrote.
    pub fn read(from: &mut impl Read) -> io::Result<Self> {
        let message = read_message(from)?;
        let mut input = Decoder::new(&message)?;
        let ending = Self {
            outcome: Outcome::from_byte(input.byte()?).ok_or_else(|| malformed("outcome"))?,
            body_consumed: input.number()?,
            failure: input.option(|input| {
                let code = input.text()?;
                let code = Code::all().find(|known| known.entry().code == code);
                let code = code.ok_or_else(|| malformed("code"))?;
                Ok(Failure::new(code, input.text()?).with_detail(input.text()?))
            })?,
        };
        input.end()?;
        Ok(ending)
    }
}

/// The end of a traceback says most.
fn cut(text: &str) -> &str {
    let first = text.len().saturating_sub(TEXT_LIMIT);
    let start = (first..=text.len()).find(|index| text.is_char_boundary(*index));
    text.get(start.unwrap_or(0)..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    use super::*;

    fn job() -> Job {
        Job {
            source: Source::Module {
                name: "site.wsgi".into(),
                directory: "/srv/\u{e9}".into(),
            },
            callable: Some("create_app()".into()),
            environment: vec![
                (b"PATH_INFO".to_vec(), b"/\xff\xfe".to_vec()),
                (b"A".to_vec(), vec![]),
            ],
            body: BodyLength::Exactly(u64::MAX),
            form: ResponseForm::Nph,
            detail: Detail::Shown,
            verbosity: Verbosity::Quiet,
            error_log: Some("/var/log/x".into()),
            path: vec!["/a".into(), "/b".into()],
            packages: Packages::VirtualenvAndSystem("/srv/.venv".into()),
            interpreter: "/usr/bin/python3, first on PATH".into(),
            site: Site::Engine,
            byte_code: ByteCode::NotKept,
            front: 4711,
            started: 17,
            runs: Runs::Again,
            observed: Observed::Yes,
            invocation: Some(Invocation {
                event: b"{}".to_vec(),
                context: vec![],
            }),
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let job = job();
        assert_eq!(Job::read(&mut job.encode().as_slice()).unwrap(), job);
        let ending = Ending {
            outcome: Outcome::Killed(9),
            body_consumed: 12,
            failure: Some(Failure::new(Code::RAISED, "a").with_detail("b\nc")),
        };
        assert_eq!(
            Ending::read(&mut ending.encode().as_slice()).unwrap(),
            ending
        );
    }

    #[test]
    fn a_long_failure_fits_into_a_socket_that_nobody_reads_yet() {
        let long = format!("{}the end", "\u{20ac}".repeat(100_000));
        let ending = Ending {
            outcome: Outcome::ApplicationFailed,
            body_consumed: 0,
            failure: Some(Failure::new(Code::RAISED, long.clone()).with_detail(long)),
        };
        let (mut writes, mut reads) = UnixStream::pair().unwrap();
        writes.set_nonblocking(true).unwrap();
        writes.write_all(&ending.encode()).unwrap();
        let failure = Ending::read(&mut reads).unwrap().failure.unwrap();
        for text in [failure.reason, failure.detail] {
            assert!(text.starts_with('\u{20ac}') && text.ends_with("the end"));
            assert!((TEXT_LIMIT - 3..=TEXT_LIMIT).contains(&text.len()));
        }
    }

    #[test]
    fn every_cut_and_every_wrong_byte_is_an_error_or_another_job_but_never_a_panic() {
        let whole = job().encode();
        for cut in 0..whole.len() {
            assert!(Job::read(&mut &whole[..cut]).is_err());
        }
        for position in 0..whole.len() {
            let mut wrong = whole.clone();
            wrong[position] ^= 0xff;
            let _ = Job::read(&mut wrong.as_slice());
        }
    }

    #[test]
    fn another_version_is_refused() {
        let mut message = job().encode();
        message[4] = crate::wire::VERSION + 1;
        assert!(Job::read(&mut message.as_slice()).is_err());
    }
}
