//! What was meant by a command line: plain values, nothing left to interpret.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use contract::handover::{Detail, ResponseForm, Site, Verbosity};

mod check;
pub mod config;

pub use check::{CheckPlan, Checking, Depth, ReportForm, Server, ThroughPlan};

/// The settings of one run, after the command line, the script's pragma and the environment.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The interpreter or virtualenv to use.
    pub python: Option<NamedPython>,
    /// The folder to change into, absolute.
    pub chdir: Option<PathBuf>,
    /// Folders to go before `sys.path`, absolute.
    pub path: Vec<PathBuf>,
    /// SCRIPT_NAME, whatever the server says.
    pub script_name: Option<OsString>,
    /// How long the answer may take.
    pub timeout: Option<Duration>,
    /// What an error page shows.
    pub detail: Detail,
    /// A second place for failures, absolute.
    pub error_log: Option<PathBuf>,
    /// Where failing requests are kept, absolute.
    pub record: Option<PathBuf>,
    /// How much of Python's `site` is done.
    pub site: Site,
    /// Whether choices are told.
    pub verbosity: Verbosity,
    /// Whether a preloaded process may answer, and how it is kept.
    pub warm: Warming,
    /// What the application's process may use.
    pub limits: Limits,
}

/// Limits of the application's process (setrlimit(2)); what it starts inherits them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Of its address space, in bytes.
    pub memory: Option<u64>,
    /// Of its processor time, in seconds.
    pub cpu: Option<u64>,
}

impl Limits {
    /// The options that set them.
    pub fn words(self) -> Vec<OsString> {
        let memory = self.memory.map(|size| format!("--max-memory={size}"));
        let cpu = self.cpu.map(|seconds| format!("--max-cpu={seconds}"));
        memory.into_iter().chain(cpu).map(OsString::from).collect()
    }
}

/// What `serve` is to do.
#[derive(Clone, Debug)]
pub struct ServePlan {
    /// APP or DIR, as it was given.
    pub application: OsString,
    /// The options that every child is given, as they would be typed; paths are absolute.
    pub words: Vec<OsString>,
    /// What those options, and the environment, mean.
    pub settings: Settings,
    /// `--debug`, if anybody has said something about it.
    pub debug: Option<bool>,
    /// Where to listen; empty if nothing was said.
    pub binds: Vec<Bind>,
    /// Children at once; at least one.
    pub max_processes: usize,
    /// Requests that wait for one of them.
    pub max_queue: usize,
    /// The largest request body, in bytes.
    pub max_body: u64,
    /// How long running requests have after a signal.
    pub grace: Duration,
    /// How long a connection waits for its next request.
    pub keep_alive: Duration,
    /// More variables for the children.
    pub environment: Vec<(OsString, OsString)>,
    /// `URL=DIR`, as it was given.
    pub mounts: Vec<OsString>,
    /// The path that answers whether requests are taken.
    pub health: Option<Vec<u8>>,
    /// Whether a folder's scripts are listed.
    pub listing: Listing,
    /// How requests are logged.
    pub log_format: LogFormat,
}

/// What `lambda` is to do.
#[derive(Clone, Debug)]
pub struct LambdaPlan {
    /// APP, behind its options as they would be typed.
    pub arguments: Vec<OsString>,
    /// Who answers.
    pub isolation: Isolation,
    /// When a response is sent.
    pub sending: Sending,
    /// The path of events that are no HTTP.
    pub events: Option<String>,
}

/// Who answers events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// A process for each.
    Process,
    /// One process for all.
    None,
}

/// When a response is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sending {
    /// When it is whole.
    Buffered,
    /// As it is made.
    Streamed,
}

/// What `watchdog` is to do.
#[derive(Clone, Debug)]
pub struct WatchdogPlan {
    /// APP, behind its options as they would be typed.
    pub arguments: Vec<OsString>,
    /// Whether the head is written, too.
    pub form: ResponseForm,
}

/// What `request` is to do.
#[derive(Clone, Debug)]
pub struct RequestPlan {
    /// APP, behind its options as they would be typed.
    pub arguments: Vec<OsString>,
    /// The request.
    pub asked: Asked,
    /// What is done with it.
    pub work: Work,
    /// What is shown of the response.
    pub showing: Showing,
}

/// A request as it was typed.
#[derive(Clone, Debug)]
pub struct Asked {
    /// If one was named.
    pub method: Option<String>,
    /// A path with its query, or a URL.
    pub target: OsString,
    /// `Name: value`.
    pub headers: Vec<OsString>,
    /// What the values are.
    pub data: Data,
    /// `DATA`, `@FILE`, or a form's parts.
    pub values: Vec<OsString>,
    /// The field Cookie.
    pub cookie: Option<OsString>,
    /// `NAME:PASSWORD`.
    pub user: Option<String>,
}

/// How a body is made of what was typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Data {
    /// There is none.
    None,
    /// As a form's, joined by `&`; a file's line ends are left out.
    Text,
    /// The same, as it is.
    Binary,
    /// As it is, with the headers of JSON.
    Json,
    /// Parts of a multipart form.
    Form,
}

/// What `request` does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// Sends it.
    Answer,
    /// Sends it, and tells where the time went.
    Time,
    /// Sends it so often, and tells the same of all.
    Repeat(u32),
    /// Sends it in each of these ways, and tells what differs.
    Compare(Vec<Mode>),
    /// Shows the environ.
    Environ,
    /// Takes the request from this file.
    Event(PathBuf),
}

/// A way to run an application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// By a process that imports it.
    Cold,
    /// By one that a preloaded process has forked.
    Warm,
    /// By the CGI handler of Python's own library.
    Wsgiref,
}

impl Mode {
    /// As it is typed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cold => "cold",
            Self::Warm => "warm",
            Self::Wsgiref => "wsgiref",
        }
    }
}

/// What is shown of a response.
#[derive(Clone, Debug)]
pub struct Showing {
    /// Its head, too.
    pub head: bool,
    /// Where its body goes, if not to standard output.
    pub output: Option<PathBuf>,
    /// Nothing of an HTTP error.
    pub fail: bool,
}

/// One `--bind`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bind {
    /// `ADDRESS:PORT`.
    Address(SocketAddr),
    /// `unix:PATH`.
    Unix(PathBuf),
}

/// Whether a folder of scripts shows what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listing {
    /// It does not.
    Off,
    /// `--list`.
    On,
}

/// How a request is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For a person.
    Text,
    /// Apache's combined format.
    Combined,
    /// One JSON object a line.
    Json,
}

/// An interpreter that was named, and where.
#[derive(Clone, Debug)]
pub struct NamedPython {
    /// As it was given: a path, or a name to look up on PATH.
    pub path: PathBuf,
    /// For messages: `--python`, `WSGI_CGI_PYTHON`, or the pragma.
    pub named_by: &'static str,
}

/// Warm mode: a preloaded process that forks once per request.
#[derive(Clone, Debug)]
pub struct Warming {
    /// Whether it was asked for.
    pub wanted: Warm,
    /// It ends when it has had nothing to do for so long.
    pub idle: Duration,
    /// The path of a request that it answers before it forks.
    pub rehearse: Option<OsString>,
    /// How many forked processes wait; as the load has it, if nothing was said.
    pub spares: Option<u16>,
    /// At most so many, as the load has it.
    pub most_spares: u64,
}

/// Whether a preloaded process may answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Warm {
    /// Not asked for.
    Off,
    /// Asked for.
    Wanted,
}

impl Default for Warming {
    fn default() -> Self {
        Self {
            wanted: Warm::Off,
            idle: Duration::from_secs(300),
            rehearse: None,
            spares: None,
            most_spares: 8,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            python: None,
            chdir: None,
            path: Vec::new(),
            script_name: None,
            timeout: None,
            detail: Detail::Hidden,
            error_log: None,
            record: None,
            site: Site::Engine,
            verbosity: Verbosity::Quiet,
            warm: Warming::default(),
            limits: Limits::default(),
        }
    }
}
