//! `--record`: a request that failed, as a file that `wsgi-cgi request --event` takes, without its secrets.

mod files;
mod forms;
mod mask;
mod written;

use std::env;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use base64::prelude::{BASE64_STANDARD, Engine};
use contract::codes::Code;
use contract::handover::{BodyLength, Job, Source, variable};
use contract::report::{self, Failure};
use contract::variables::is_of_request;
use serde_json::{Map, Value, json};

use self::mask::Masks;
use crate::gateway::event::{Event, encode_path};
use crate::plan::Settings;
use crate::runner::spool::spool;
use crate::terminal::quoted;

/// More of a body is not kept, in bytes.
const BODY_LIMIT: usize = 1 << 20;

/// A request, and how it failed.
pub struct Case<'a> {
    /// What was told of it.
    pub failure: &'a Failure,
    /// Meta-variables and the deployment's own.
    pub variables: &'a [(Vec<u8>, Vec<u8>)],
    /// Its body, up to a limit.
    pub body: &'a Body,
    /// What was to run.
    pub ran: &'a Ran,
}

/// What was to run; empty where that was not found out.
#[derive(Default)]
pub struct Ran {
    /// As APP names it.
    application: String,
    /// From where, if that counts.
    directory: Option<PathBuf>,
    /// With the reason for it.
    interpreter: String,
}

impl Ran {
    /// By this job.
    pub fn of(job: &Job) -> Self {
        let (mut application, directory) = match &job.source {
            Source::File(file) => (file.display().to_string(), None),
            Source::Module { name, directory } => (name.clone(), Some(directory.clone())),
        };
        if let Some(callable) = &job.callable {
            application = format!("{application}:{callable}");
        }
        Self {
            application,
            directory,
            interpreter: job.interpreter.clone(),
        }
    }

    /// The command that asks it for the request in this file once more.
    fn again(&self, file: &Path) -> String {
        let mut words = vec!["wsgi-cgi request --event".to_owned()];
        words.push(quoted(file));
        if let Some(directory) = &self.directory {
            words.push("--chdir".to_owned());
            words.push(quoted(directory));
        }
        words.push(match self.application.as_str() {
            "" => "APP".to_owned(),
            known => quoted(known),
        });
        words.join(" ")
    }
}

impl Case<'_> {
    fn variable(&self, name: &str) -> &[u8] {
        variable(self.variables, name).unwrap_or_default()
    }

    /// The folders whose files a web server may hand out.
    fn served(&self) -> Vec<&Path> {
        // Our own hands out none but what `--static` names.
        if self.variable("SERVER_SOFTWARE").starts_with(b"wsgi-cgi/") {
            return Vec::new();
        }
        let path = |name| Path::new(OsStr::from_bytes(self.variable(name)));
        let folders = [
            Some(path("DOCUMENT_ROOT")),
            path("SCRIPT_FILENAME").parent(),
        ];
        folders.into_iter().flatten().collect()
    }
}

/// The beginning of a body, and how long it is.
#[derive(Default)]
pub struct Body {
    kept: Vec<u8>,
    length: u64,
}

impl Body {
    /// Of what is in memory.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self {
            kept: bytes[..bytes.len().min(BODY_LIMIT)].to_vec(),
            length: bytes.len() as u64,
        }
    }

    /// Of a file, wherever it is being read.
    pub fn of_file(file: &File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        let mut kept = Vec::new();
        From(file, 0)
            .take(BODY_LIMIT as u64)
            .read_to_end(&mut kept)?;
        Ok(Self { kept, length })
    }
}

/// Reads a file from here, and leaves its own position alone.
struct From<'a>(&'a File, u64);

impl Read for From<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.0.read_at(buffer, self.1)?;
        self.1 += count as u64;
        Ok(count)
    }
}

/// Keeps one request in this process, if it fails.
pub struct Keeper {
    folder: PathBuf,
    body: Option<File>,
    ran: Ran,
    error_log: Option<PathBuf>,
}

impl Keeper {
    /// For the request on descriptor 0, if `--record` is set: its body becomes a file.
    pub fn of(settings: &Settings, length: BodyLength) -> Result<Option<Self>, Failure> {
        let Some(folder) = settings.record.clone() else {
            return Ok(None);
        };
        let deadline = settings.timeout.map(|limit| Instant::now() + limit);
        let body = match length {
            BodyLength::Empty => None,
            length => match tempfile::tempfile() {
                Ok(file) => Some(spool(file, length, deadline).map_err(|error| unkept(&error))?),
                // Nothing has been read: the application can still do its work.
                Err(error) => {
                    not_recorded(&env::temp_dir(), &error, settings.error_log.as_deref());
                    return Ok(None);
                }
            },
        };
        Ok(Some(Self {
            folder,
            body,
            ran: Ran::default(),
            error_log: settings.error_log.clone(),
        }))
    }

    /// Notes what is to run.
    #[must_use]
    pub fn running(mut self, job: &Job) -> Self {
        self.ran = Ran::of(job);
        self
    }

    /// Keeps the request, which failed.
    pub fn keep(&self, failure: &Failure, variables: &[(Vec<u8>, Vec<u8>)]) {
        let body = self.body.as_ref().map(Body::of_file);
        let case = Case {
            failure,
            variables,
            // What cannot be read is told by its absence.
            body: &body.and_then(Result::ok).unwrap_or_default(),
            ran: &self.ran,
        };
        keep(&self.folder, &case, self.error_log.as_deref());
    }
}

fn unkept(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::TimedOut => Failure::new(Code::TIMED_OUT, "the body did not come"),
        _ => Failure::new(Code::SYSTEM, format!("the body cannot be kept: {error}")),
    }
}

/// Keeps it in this folder, and says so in the log, or why not. A client's fault is not kept.
pub fn keep(folder: &Path, case: &Case<'_>, error_log: Option<&Path>) {
    if !case.failure.code.entry().status.starts_with('5') {
        return;
    }
    let now = SystemTime::now();
    let time = humantime::format_rfc3339_micros(now).to_string();
    let code = case.failure.code.entry().code;
    let written = files::write(folder, &case.served(), &time, code, || record(case, &time));
    match written {
        Ok(file) => {
            let text = format!("recorded: {}\n", case.ran.again(&file));
            report::tell_line(&text, error_log);
        }
        Err(error) => not_recorded(folder, &error, error_log),
    }
}

fn not_recorded(folder: &Path, error: &io::Error, error_log: Option<&Path>) {
    let failure = Failure::new(Code::NOT_RECORDED, format!("{}: {error}", folder.display()));
    report::tell_line(&format!("{failure}\n"), error_log);
}

/// The event, with what is known of the failure beside it.
fn record(case: &Case<'_>, time: &str) -> Value {
    let is_deployed = |(name, _): &&(Vec<u8>, Vec<u8>)| !is_of_request(name);
    let mut masks = Masks::of(case.variables.iter().filter(is_deployed));
    let (mut variables, mut left_out) = (not_given(case), Vec::new());
    for (name, value) in requested(case.variables) {
        let name = String::from_utf8_lossy(name).into_owned();
        let value = masks.variable(&name, value);
        match String::from_utf8(value) {
            Ok(text) => drop(variables.insert(name, text.into())),
            // The path has them all.
            Err(_) if name == "PATH_INFO" => {}
            Err(_) => left_out.push(name),
        }
    }
    let content_type = String::from_utf8_lossy(case.variable("CONTENT_TYPE")).into_owned();
    let query = masks.variable("QUERY_STRING", case.variable("QUERY_STRING"));
    let path_info = masks.variable("PATH_INFO", case.variable("PATH_INFO"));
    let encoding = case.variable("HTTP_CONTENT_ENCODING").trim_ascii();
    let is_compressed = !encoding.is_empty() && !encoding.eq_ignore_ascii_case(b"identity");
    let is_encoded = is_compressed || is_wide_text(&content_type, &case.body.kept);
    let body = match is_encoded {
        // Nobody here can look for secrets in it.
        true => {
            left_out.push("body".to_owned());
            Vec::new()
        }
        false => forms::masked(&mut masks, &content_type, &case.body.kept),
    };
    // Now all secrets are known.
    for value in variables.values_mut() {
        if let Some(text) = value.as_str() {
            *value = masks.scrubbed(text).into();
        }
    }
    let mut whole = json!({
        "method": String::from_utf8_lossy(case.variable("REQUEST_METHOD")),
        "path": masks.scrubbed(&path(&path_info, &query)),
        "variables": variables,
        "record": {
            "time": time,
            "code": case.failure.code.entry().code,
            "message": masks.scrubbed(&case.failure.to_string()),
            "detail": masks.scrubbed(&case.failure.detail),
            "application": case.ran.application,
            "interpreter": case.ran.interpreter,
            "version": env!("CARGO_PKG_VERSION"),
            "masked": masks.names(),
            "left_out": left_out,
        },
    });
    if case.body.length > case.body.kept.len() as u64 {
        whole["record"]["body_cut_from"] = case.body.length.into();
    }
    if case.body.length > 0 && !is_encoded {
        match String::from_utf8(masks.scrubbed_bytes(&body)) {
            Ok(text) => whole["body"] = text.into(),
            Err(bytes) => {
                whole["body_base64"] = BASE64_STANDARD.encode(bytes.as_bytes()).into();
            }
        }
    }
    whole
}

/// Whether a body is text in UTF-16 or UTF-32, in which no secret would be found. UTF-8 text has no NUL.
fn is_wide_text(content_type: &str, body: &[u8]) -> bool {
    let content_type = content_type.to_ascii_lowercase();
    let names = ["json", "text", "xml", "urlencoded", "charset"];
    names.iter().any(|name| content_type.contains(name)) && body.contains(&0)
}

/// What the client and the server said. The event makes a CONTENT_LENGTH of its own.
fn requested(variables: &[(Vec<u8>, Vec<u8>)]) -> impl Iterator<Item = &(Vec<u8>, Vec<u8>)> {
    variables
        .iter()
        .filter(|(name, _)| is_of_request(name) && name != b"CONTENT_LENGTH")
}

/// Null for what every event has and this request has not: REQUEST_URI would say where SCRIPT_NAME ends.
fn not_given(case: &Case<'_>) -> Map<String, Value> {
    let event = Event {
        method: "GET".to_owned(),
        ..Event::default()
    };
    let made = event.variables(None).unwrap_or_default().into_iter();
    let names = made.map(|(name, _)| String::from_utf8_lossy(&name).into_owned());
    let is_needed = |name: &String| match name.as_str() {
        "GATEWAY_INTERFACE" => true,
        // Where it is no UTF-8, the event's path has it.
        "PATH_INFO" => variable(case.variables, name).is_some(),
        _ => false,
    };
    names
        .filter(|name| !is_needed(name))
        .map(|name| (name, Value::Null))
        .collect()
}

/// As a client would write it.
fn path(path_info: &[u8], query: &[u8]) -> String {
    let slash: &[u8] = if path_info.starts_with(b"/") {
        b""
    } else {
        b"/"
    };
    let path = encode_path(&[slash, path_info].concat());
    let query = query.iter().map(|byte| match byte {
        b'!'..=b'~' if *byte != b'#' => char::from(*byte).to_string(),
        byte => format!("%{byte:02X}"),
    });
    let query: String = query.collect();
    let mark = if query.is_empty() { "" } else { "?" };
    format!("{}{mark}{query}", String::from_utf8_lossy(&path))
}
