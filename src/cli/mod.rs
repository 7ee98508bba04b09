//! What was typed, turned into what was meant: the only place with clap, option and variable names.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::error::ErrorKind;
use clap::{Args, Parser};
use contract::codes::Code;
use contract::handover::{Detail, Site, Verbosity};
use contract::report::Failure;

use crate::bytes::decimal;
use crate::nearest::nearest;
use crate::plan::{NamedPython, Settings, Warm};

mod check;
mod config;
mod explain;
mod init;
mod lambda;
mod request;
mod serve;
mod through;
#[cfg(feature = "pages")]
pub mod tree;
mod warm;
mod watchdog;

pub use check::parse_check;
pub use config::{is_url_path, parse_config};
pub use explain::{ExplainPlan, parse_explain};
pub use init::parse_init;
pub use lambda::parse_lambda;
pub use request::parse_request;
pub use serve::{parse_inetd, parse_serve};
pub use warm::{WarmPlan, parse_warm};
pub use watchdog::parse_watchdog;

/// Version, commit, and which interpreters the engine is for.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("WSGI_CGI_BUILD"), ")");

const ABOUT: &str = "Runs any WSGI application, one request at a time, as a CGI program.";

const DETAILS: &str = "\
APP is one of
  path/app.py            a file; also app.wsgi, or any #!wsgi-cgi script
  path/app.py:name       an object in it; a :factory() is called
  package.module[:name]  a module, looked up from the working directory
  path/                  a folder: wsgi.py, app.py, passenger_wsgi.py, manage.py
Without a name: `application`, `app`, the one object of a known framework,
create_app(), make_app().

Every option can also be set in the environment (WSGI_CGI_TIMEOUT=30) and in
the first lines of the script (# wsgi-cgi: timeout=30). The command line wins,
then the script, then the environment.

Other commands (wsgi-cgi COMMAND --help tells more):
  check APP                what would go wrong under a web server
  config SERVER APP        a server's configuration, ready to paste
  init [DIR]               script and settings for the application in a folder
  explain CODE|MESSAGE|-   cause and remedy of an error, or of those in a log
  serve APP|DIR            an HTTP listener, one process per request
  request APP [PATH]       one request from the shell, as curl would send it
  inetd APP                one HTTP request on standard input (inetd, systemd)
  lambda APP               AWS Lambda's events
  watchdog APP             OpenFaaS's classic watchdog
  warm status|stop|start   the preloaded processes of --warm

Examples:
  wsgi-cgi app.py                     answers GET / on standard output
  PATH_INFO=/users wsgi-cgi app.py    another page
  REQUEST_METHOD=POST CONTENT_LENGTH=3 wsgi-cgi app.py <<< a=1
  #!/usr/bin/env wsgi-cgi             the first line of a CGI script

Exit status: 0 the response was complete; 1 the application failed; 2 wrong
usage; 3 application or interpreter not found; 124 timed out; 128+N ended by
signal N.";

/// The command line: options and APP, in any order.
#[derive(Parser)]
#[command(name = "wsgi-cgi", version = VERSION, about = ABOUT, after_help = DETAILS, args_override_self = true)]
struct CommandLine {
    #[command(flatten)]
    options: Options,
    /// The application
    #[arg(value_name = "APP")]
    application: Option<OsString>,
    /// Behind APP only options are read
    #[arg(hide = true, trailing_var_arg = true, allow_hyphen_values = true)]
    ignored: Vec<OsString>,
}

/// The command line that a web server may have made longer: nothing behind APP is read, not even options.
#[derive(Parser)]
#[command(name = "wsgi-cgi", version = VERSION, args_override_self = true)]
struct ScriptLine {
    #[command(flatten)]
    options: Options,
    /// The application, and what follows it
    #[arg(value_name = "APP", trailing_var_arg = true)]
    words: Vec<OsString>,
}

// The groups of options in --help.
const APPLICATION: &str = "The application";
const FAILURES: &str = "Failures";
const LIMITS: &str = "Limits";
const WARM_MODE: &str = "Warm mode";

/// The options of one source. A switch may be given as `--debug` or `--debug=false`.
#[derive(Args, Clone, Default)]
struct Options {
    /// The interpreter or virtualenv to use, instead of the one found beside the application
    #[arg(long, value_name = "PATH", help_heading = APPLICATION)]
    python: Option<PathBuf>,
    /// Change into this folder first
    #[arg(long, value_name = "DIR", help_heading = APPLICATION)]
    chdir: Option<PathBuf>,
    /// Put this folder before sys.path (repeatable)
    #[arg(long, value_name = "DIR", help_heading = APPLICATION)]
    path: Vec<PathBuf>,
    /// The part of the URL that leads to the application, instead of what the server says
    #[arg(long, value_name = "PREFIX", help_heading = APPLICATION)]
    script_name: Option<OsString>,
    /// End the run after this time, with the answer 504
    #[arg(long, value_name = "SECONDS", value_parser = seconds, help_heading = LIMITS)]
    timeout: Option<Duration>,
    /// Show the traceback in the error page
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = switch(), hide_possible_values = true, value_name = "BOOL", help_heading = FAILURES)]
    debug: Option<bool>,
    /// Write failures and wsgi.errors to this file, too
    #[arg(long, value_name = "FILE", help_heading = FAILURES)]
    error_log: Option<PathBuf>,
    /// Keep each failing request in a file in this folder, to be replayed by `wsgi-cgi request --event FILE`
    #[arg(long, value_name = "DIR", help_heading = FAILURES)]
    record: Option<OsString>,
    /// The most memory that the application's process may have: 512M, 2G (its address space)
    #[arg(long, value_name = "SIZE", value_parser = size, help_heading = LIMITS)]
    max_memory: Option<u64>,
    /// The most processor time that it may use
    #[arg(long, value_name = "SECONDS", help_heading = LIMITS)]
    max_cpu: Option<u64>,
    /// Run the whole of Python's site module (slower; sitecustomize and usercustomize run, too)
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = switch(), hide_possible_values = true, value_name = "BOOL", help_heading = APPLICATION)]
    site: Option<bool>,
    /// Let a preloaded process answer, which forks once per request; the first request starts it
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = switch(), hide_possible_values = true, value_name = "BOOL", help_heading = WARM_MODE)]
    warm: Option<bool>,
    /// It ends after this time without a request [default: 300]
    #[arg(long, value_name = "SECONDS", value_parser = seconds, help_heading = WARM_MODE)]
    warm_idle: Option<Duration>,
    /// It answers GET PATH for itself before it forks: runs the application's code once more
    #[arg(long, value_name = "PATH", help_heading = WARM_MODE)]
    warm_rehearse: Option<OsString>,
    /// It keeps so many processes waiting, instead of as many as the load wants
    #[arg(
        long,
        value_name = "N",
        value_parser = clap::value_parser!(u16).range(1..),
        help_heading = WARM_MODE,
    )]
    warm_spares: Option<u16>,
    /// Tell which interpreter was chosen and why, and what was mended in the request
    #[arg(short, long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = switch(), hide_possible_values = true, value_name = "BOOL", help_heading = FAILURES)]
    verbose: Option<bool>,
}

/// The options' names, as they stand behind `WSGI_CGI_` and in a pragma.
const NAMES: [&str; 16] = [
    "python",
    "chdir",
    "path",
    "script-name",
    "timeout",
    "debug",
    "error-log",
    "record",
    "max-memory",
    "max-cpu",
    "site",
    "warm",
    "warm-idle",
    "warm-rehearse",
    "warm-spares",
    "verbose",
];

/// The words that name a command, where one stands first.
const COMMANDS: [&str; 10] = [
    "check", "config", "explain", "init", "inetd", "lambda", "request", "serve", "warm", "watchdog",
];
/// The variable with the same meaning as an option.
fn variable(option: &str) -> String {
    format!("WSGI_CGI_{}", option.to_ascii_uppercase().replace('-', "_"))
}

/// A command line that has been read, before the other sources are known.
pub struct Typed {
    /// APP, if there is one.
    pub application: Option<OsString>,
    options: Options,
    is_followed: bool,
}

/// What to do instead of running an application.
pub enum Refusal {
    /// `--help` or `--version`: the text for standard output.
    Answered(String),
    /// The command line cannot be read.
    Wrong(Failure),
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self::Wrong(failure)
    }
}

/// Reads the command line, without the program's name.
pub fn parse(arguments: &[OsString]) -> Result<Typed, Refusal> {
    let program = OsString::from("wsgi-cgi");
    match CommandLine::try_parse_from(std::iter::once(&program).chain(arguments)) {
        Ok(line) => Ok(Typed {
            application: line.application,
            options: line.options,
            is_followed: !line.ignored.is_empty(),
        }),
        Err(error) => Err(refusal(&error)),
    }
}

/// Reads the command line of a script, and tells at which place APP stands in it.
pub fn parse_script(arguments: &[OsString]) -> Result<(Typed, Option<usize>), Refusal> {
    let program = OsString::from("wsgi-cgi");
    let line = ScriptLine::try_parse_from(std::iter::once(&program).chain(arguments))
        .map_err(|error| refusal(&error))?;
    let mut words = line.words.into_iter();
    let application = words.next();
    let place = application.as_ref().and_then(|application| {
        // A `--` behind it may be missing among the words.
        let end = arguments.len() - words.len();
        arguments
            .get(..end)?
            .iter()
            .rposition(|argument| argument == application)
    });
    let typed = Typed {
        application,
        options: line.options,
        is_followed: false,
    };
    Ok((typed, place))
}

fn refusal(error: &clap::Error) -> Refusal {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Refusal::Answered(error.to_string()),
        _ => Refusal::Wrong(wrong(error)),
    }
}

impl Typed {
    /// The command that was meant, where APP is like one and more words follow: nobody types words that are not read.
    pub fn mistyped_command(&self) -> Option<Failure> {
        let typed = self.application.as_deref()?.to_str()?;
        let meant = nearest(typed, COMMANDS).filter(|_| self.is_followed)?;
        let reason = format!("there is no command {typed}; did you mean: wsgi-cgi {meant}");
        Some(Failure::new(Code::BAD_SETTING, reason))
    }

    /// Overrides `settings` by what was typed; relative paths count from `here`.
    pub fn apply(self, settings: &mut Settings, here: &Path) {
        self.options.apply(settings, here, "--python");
    }
}

/// Overrides `settings` by the variables `WSGI_CGI_NAME`; relative paths count from `here`.
pub fn apply_environment<'a>(
    variable: impl Fn(&str) -> Option<&'a [u8]>,
    settings: &mut Settings,
    here: &Path,
) -> Result<(), Failure> {
    for name in NAMES {
        let key = self::variable(name);
        let Some(value) = variable(&key) else {
            continue;
        };
        let values: Vec<_> = match name {
            // Several folders are separated as in PATH.
            "path" => value
                .split(|byte| *byte == b':')
                .filter(|part| !part.is_empty())
                .collect(),
            _ => vec![value],
        };
        let words: Vec<_> = values
            .into_iter()
            .map(|value| option(name.as_bytes(), Some(value)))
            .collect();
        options(&words, &key)?.apply(settings, here, "WSGI_CGI_PYTHON");
    }
    Ok(())
}

/// Overrides `settings` by a script's pragma, whose words are `name` or `name=value`; relative paths
/// count from the script's folder.
pub fn apply_pragma(
    words: &[OsString],
    settings: &mut Settings,
    folder: &Path,
) -> Result<(), Failure> {
    let source = "the script's wsgi-cgi line";
    let words: Vec<_> = words
        .iter()
        .map(|word| option(word.as_bytes(), None))
        .collect();
    options(&words, source)?.apply(settings, folder, source);
    Ok(())
}

impl Options {
    /// Overrides `settings` by what is given here; relative paths count from `folder`.
    fn apply(self, settings: &mut Settings, folder: &Path, source: &'static str) {
        let absolute = |path: PathBuf| folder.join(path);
        if let Some(path) = self.python {
            // A bare name is looked up on PATH.
            let is_name = path.components().count() == 1 && !folder.join(&path).exists();
            settings.python = Some(NamedPython {
                path: if is_name { path } else { absolute(path) },
                named_by: source,
            });
        }
        if let Some(folder) = self.chdir {
            settings.chdir = Some(absolute(folder));
        }
        if !self.path.is_empty() {
            settings.path = self.path.into_iter().map(absolute).collect();
        }
        if let Some(prefix) = self.script_name {
            settings.script_name = Some(prefix);
        }
        if let Some(limit) = self.timeout {
            // 0 lifts a limit that a weaker source has set.
            settings.timeout = Some(limit).filter(|limit| !limit.is_zero());
        }
        if let Some(on) = self.debug {
            settings.detail = if on { Detail::Shown } else { Detail::Hidden };
        }
        if let Some(file) = self.error_log {
            settings.error_log = Some(absolute(file));
        }
        if let Some(folder) = self.record {
            // Empty takes back what a weaker source has said.
            settings.record = Some(folder)
                .filter(|folder| !folder.is_empty())
                .map(|folder| absolute(folder.into()));
        }
        settings.limits.memory = self.max_memory.or(settings.limits.memory);
        settings.limits.cpu = self.max_cpu.or(settings.limits.cpu);
        if let Some(on) = self.site {
            settings.site = if on { Site::Python } else { Site::Engine };
        }
        if let Some(on) = self.warm {
            settings.warm.wanted = if on { Warm::Wanted } else { Warm::Off };
        }
        settings.warm.idle = self.warm_idle.unwrap_or(settings.warm.idle);
        settings.warm.spares = self.warm_spares.or(settings.warm.spares);
        if let Some(path) = self.warm_rehearse {
            // Empty takes back what a weaker source has said.
            settings.warm.rehearse = Some(path).filter(|path| !path.is_empty());
        }
        if let Some(on) = self.verbose {
            settings.verbosity = if on {
                Verbosity::Verbose
            } else {
                Verbosity::Quiet
            };
        }
    }
}

fn option(name: &[u8], value: Option<&[u8]>) -> OsString {
    let mut word = OsString::from("--");
    word.push(OsStr::from_bytes(name));
    if let Some(value) = value {
        word.push("=");
        word.push(OsStr::from_bytes(value));
    }
    word
}

fn options(words: &[OsString], source: &str) -> Result<Options, Failure> {
    if words.is_empty() {
        return Ok(Options::default());
    }
    match parse(words) {
        Ok(typed) => Ok(typed.options),
        Err(Refusal::Wrong(failure)) => Err(Failure::new(
            Code::BAD_SETTING,
            format!("{source}: {}", failure.reason),
        )),
        Err(Refusal::Answered(_)) => Err(Failure::new(
            Code::BAD_SETTING,
            format!("{source}: not a setting"),
        )),
    }
}

fn wrong(error: &clap::Error) -> Failure {
    let text = error.to_string();
    let mut lines = text
        .lines()
        .map(|line| line.trim_start_matches("error: ").trim());
    let first = lines.next().unwrap_or_default();
    let rest: Vec<_> = lines
        .filter(|line| !line.is_empty() && !line.starts_with("Usage"))
        .collect();
    Failure::new(Code::BAD_SETTING, first).with_detail(rest.join("\n"))
}

fn switch() -> BoolishValueParser {
    BoolishValueParser::new()
}

/// `512K`, `10M`, `1G`, or bytes.
fn size(text: &str) -> Result<u64, String> {
    let units = [('K', 1 << 10), ('M', 1 << 20), ('G', 1 << 30)];
    let upper = text.to_ascii_uppercase();
    let (digits, unit) = units
        .into_iter()
        .find_map(|(letter, unit)| Some((upper.strip_suffix(letter)?, unit)))
        .unwrap_or((&upper, 1));
    decimal(digits.as_bytes())
        .and_then(|number| number.checked_mul(unit))
        .ok_or_else(|| "not a size such as 512K, 10M or 1G".to_owned())
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text
        .parse()
        .map_err(|_| "not a number of seconds".to_owned())?;
    // 31 years are as good as no limit; no clock counts as far as a Duration does.
    let seconds = if seconds > 1e9 { 1e9 } else { seconds };
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}
