//! The command lines of `serve` and `inetd`.

use std::env;
use std::ffi::{OsStr, OsString};
use std::net::Ipv4Addr;
use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Parser};
use contract::codes::Code;
use contract::report::Failure;

use super::{Options, Refusal, Typed, apply_environment, refusal, seconds, size, switch};
use crate::cgi::meta_variables::MetaVariables;
use crate::cgi::request_uri::percent_decode;
use crate::plan::{Bind, Listing, LogFormat, ServePlan, Settings};

const ABOUT: &str =
    "Serves an application, or a folder of scripts, over HTTP/1.1: one process per request.";

const DETAILS: &str = "\
Every request starts a CGI process, as a web server would: what works here
works there, and a change of the code shows at the next request. At a terminal,
the page of a failure shows its traceback to a browser on this machine. Behind
a proxy, as a service and in a container only --debug shows it, to everybody.

DIR is a folder of scripts as a web server's cgi-bin: executable files in any
language, and .wsgi or .py files with an application. A folder with a wsgi.py,
app.py or manage.py is an application, unless --list is given.

Examples:
  wsgi-cgi serve app.py
  wsgi-cgi serve --bind 127.0.0.1:0 --static /static=static mysite.wsgi
  wsgi-cgi serve --bind unix:/run/app.sock --max-processes 8 app.py
  wsgi-cgi serve --list cgi-bin

It ends on Ctrl-C or SIGTERM when the running requests are answered; on a
second one at once.";

const INETD_ABOUT: &str =
    "Answers one HTTP request on standard input, with the listener's strictness, and ends.";

const INETD_DETAILS: &str = "\
For inetd and xinetd (nowait), systemd sockets with Accept=yes, socat, and ncat
-e: the connection is descriptors 0 and 1. Where it is 2, too, complaints go to
syslog. The peer's address comes from the socket, else from what systemd,
socat, ncat or tcpserver say in the environment. Unit files: wsgi-cgi config
systemd-inetd.

Examples:
  systemd-socket-activate -l 127.0.0.1:8000 -a --inetd wsgi-cgi inetd app.py
  socat TCP-LISTEN:8000,bind=127.0.0.1,fork EXEC:'wsgi-cgi inetd app.py'
  printf 'GET / HTTP/1.0\\r\\n\\r\\n' | wsgi-cgi inetd app.py

Exit status: 0 the request was answered, by whatever status; 2 wrong usage; 3
application or interpreter not found (the client gets a page all the same).";

// The groups of options in --help.
const LISTENER: &str = "The listener";
const REQUESTS: &str = "Requests";

#[derive(Parser)]
#[command(name = "wsgi-cgi serve", bin_name = "wsgi-cgi serve", about = ABOUT, after_help = DETAILS, args_override_self = true)]
pub(super) struct ServeLine {
    /// Where to listen: HOST:PORT (port 0: any), [::1]:PORT, unix:PATH (repeatable) [default: 127.0.0.1:8000, or PORT
    /// of the environment, or the sockets that systemd passes]
    #[arg(
        long,
        value_name = "ADDR",
        env = "WSGI_CGI_BIND",
        value_parser = bind,
        hide_env = true,
        help_heading = LISTENER,
    )]
    bind: Vec<Bind>,
    /// Requests that run at once [default: twice the cores]; others wait, and addresses take turns
    #[arg(
        long,
        value_name = "N",
        env = "WSGI_CGI_MAX_PROCESSES",
        hide_env = true,
        help_heading = LISTENER,
    )]
    max_processes: Option<NonZeroUsize>,
    /// Requests that wait; beyond, the answer is 503 [default: 16 for each process]
    #[arg(
        long,
        value_name = "N",
        env = "WSGI_CGI_MAX_QUEUE",
        hide_env = true,
        help_heading = LISTENER,
    )]
    max_queue: Option<usize>,
    /// How long running requests have after Ctrl-C or SIGTERM
    #[arg(
        long,
        value_name = "SECONDS",
        env = "WSGI_CGI_GRACE",
        hide_env = true,
        default_value = "10",
        value_parser = seconds,
        help_heading = LISTENER,
    )]
    grace: Duration,
    /// How long a connection waits for its next request; 0: one request a connection
    #[arg(
        long,
        value_name = "SECONDS",
        env = "WSGI_CGI_KEEP_ALIVE",
        hide_env = true,
        default_value = "130",
        value_parser = seconds,
        help_heading = LISTENER,
    )]
    keep_alive: Duration,
    /// Answer this path without the application: 200 as long as requests are taken
    #[arg(
        long,
        value_name = "PATH",
        env = "WSGI_CGI_HEALTH_PATH",
        hide_env = true,
        help_heading = LISTENER,
    )]
    health_path: Option<OsString>,
    /// DIR is a folder of scripts, and its folders are listed
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = switch(), hide_possible_values = true, value_name = "BOOL", env = "WSGI_CGI_LIST", hide_env = true, help_heading = LISTENER)]
    list: Option<bool>,
    #[command(flatten)]
    site: SiteOptions,
    #[command(flatten)]
    options: Options,
    /// The application, or the folder of scripts
    #[arg(value_name = "APP|DIR")]
    application: OsString,
}

#[derive(Parser)]
#[command(name = "wsgi-cgi inetd", bin_name = "wsgi-cgi inetd", about = INETD_ABOUT, after_help = INETD_DETAILS, args_override_self = true)]
pub(super) struct InetdLine {
    #[command(flatten)]
    site: SiteOptions,
    #[command(flatten)]
    options: Options,
    /// The application
    #[arg(value_name = "APP")]
    application: OsString,
}

/// What HTTP requests may be, beside what every request may be.
#[derive(Args)]
struct SiteOptions {
    /// The largest request body: 512K, 10M, 1G; beyond, the answer is 413
    #[arg(
        long,
        value_name = "SIZE",
        env = "WSGI_CGI_MAX_BODY",
        hide_env = true,
        default_value = "1G",
        value_parser = size,
        help_heading = REQUESTS,
    )]
    max_body: u64,
    /// One more variable for the application; without VALUE, as it is here (repeatable)
    #[arg(long = "env", value_name = "NAME[=VALUE]", help_heading = REQUESTS)]
    environment: Vec<OsString>,
    /// Serve the files of DIR below URL (repeatable)
    #[arg(
        long = "static",
        value_name = "URL=DIR",
        env = "WSGI_CGI_STATIC",
        hide_env = true,
        help_heading = REQUESTS,
    )]
    mounts: Vec<OsString>,
    /// How each request is logged on stderr: text, combined (Apache's) or json
    #[arg(
        long,
        value_name = "FORMAT",
        hide_possible_values = true,
        value_enum,
        env = "WSGI_CGI_LOG_FORMAT",
        hide_env = true,
        default_value_t = LogFormat::Text,
        help_heading = REQUESTS,
    )]
    log_format: LogFormat,
}

/// Reads the command line behind `serve`; relative paths count from `here`.
pub fn parse_serve(arguments: &[OsString], here: &Path) -> Result<(ServePlan, Typed), Refusal> {
    let program = OsString::from("wsgi-cgi serve");
    let words = std::iter::once(&program).chain(arguments);
    let line = ServeLine::try_parse_from(words).map_err(|error| refusal(&error))?;
    let (plan, typed) = plan(line.application, line.site, line.options, here)?;
    let processes = match line.max_processes {
        Some(number) => number.get(),
        None => std::thread::available_parallelism().map_or(2, |cores| 2 * cores.get()),
    };
    let plan = ServePlan {
        binds: line.bind,
        max_processes: processes,
        max_queue: line.max_queue.unwrap_or(16 * processes),
        grace: line.grace,
        keep_alive: line.keep_alive,
        health: line.health_path.map(health).transpose()?,
        listing: match line.list {
            Some(true) => Listing::On,
            _ => Listing::Off,
        },
        ..plan
    };
    Ok((plan, typed))
}

/// Reads the command line behind `inetd`; relative paths count from `here`.
pub fn parse_inetd(arguments: &[OsString], here: &Path) -> Result<(ServePlan, Typed), Refusal> {
    let program = OsString::from("wsgi-cgi inetd");
    let words = std::iter::once(&program).chain(arguments);
    let line = InetdLine::try_parse_from(words).map_err(|error| refusal(&error))?;
    plan(line.application, line.site, line.options, here)
}

/// For one request at a time.
fn plan(
    application: OsString,
    site: SiteOptions,
    options: Options,
    here: &Path,
) -> Result<(ServePlan, Typed), Refusal> {
    let variables = MetaVariables::from_environment(env::vars_os());
    let mut settings = Settings::default();
    apply_environment(|name| variables.get(name), &mut settings, here)?;
    let debug = match (options.debug, variables.get("WSGI_CGI_DEBUG")) {
        (Some(on), _) => Some(on),
        // The children read it, too.
        (None, Some(_)) => Some(settings.detail == contract::handover::Detail::Shown),
        (None, None) => None,
    };
    options.clone().apply(&mut settings, here, "--python");
    let environment = site.environment.iter().map(|word| variable(word));
    let plan = ServePlan {
        application,
        words: options.words(here),
        settings,
        debug,
        binds: Vec::new(),
        max_processes: 1,
        max_queue: 0,
        max_body: site.max_body,
        grace: Duration::ZERO,
        keep_alive: Duration::ZERO,
        environment: environment
            .collect::<Result<Vec<_>, _>>()?
            .into_iter()
            .flatten()
            .collect(),
        mounts: site.mounts,
        health: None,
        listing: Listing::Off,
        log_format: site.log_format,
    };
    let typed = Typed {
        application: None,
        options,
        is_followed: false,
    };
    Ok((plan, typed))
}

/// A path as it is compared: decoded.
fn health(path: OsString) -> Result<Vec<u8>, Failure> {
    match path.as_bytes() {
        [b'/', _, ..] => Ok(percent_decode(path.as_bytes())),
        _ => Err(Failure::new(
            Code::BAD_SETTING,
            format!("--health-path {path:?}: not a path such as /healthz"),
        )),
    }
}

/// `NAME=VALUE`, or `NAME` for what it is here; nothing if it is not set here.
fn variable(word: &OsStr) -> Result<Option<(OsString, OsString)>, Failure> {
    let bytes = word.as_bytes();
    let equals = bytes.iter().position(|byte| *byte == b'=');
    let (name, value) = bytes.split_at(equals.unwrap_or(bytes.len()));
    if name.is_empty() {
        let reason = format!("--env {word:?}: a name is missing");
        return Err(Failure::new(Code::BAD_SETTING, reason));
    }
    let name = OsStr::from_bytes(name).to_owned();
    let value = match value.get(1..) {
        Some(value) => Some(OsStr::from_bytes(value).to_owned()),
        None => env::var_os(&name),
    };
    Ok(value.map(|value| (name, value)))
}

pub(super) fn bind(text: &str) -> Result<Bind, String> {
    if let Some(path) = text.strip_prefix("unix:") {
        return match path {
            "" => Err("a path is missing behind unix:".into()),
            path => Ok(Bind::Unix(PathBuf::from(path))),
        };
    }
    // A bare port is one of this machine's.
    let port = text.strip_prefix("localhost:").unwrap_or(text);
    if let Ok(port) = port.parse::<u16>() {
        return Ok(Bind::Address((Ipv4Addr::LOCALHOST, port).into()));
    }
    // Other names are for a resolver, which is no part of a static executable (see build.rs).
    match text.parse() {
        Ok(address) => Ok(Bind::Address(address)),
        Err(_) => Err("not ADDRESS:PORT, [ADDRESS]:PORT, localhost:PORT, PORT or unix:PATH".into()),
    }
}

impl Options {
    /// The options as they would be typed, for another process of this program; but not `--debug`, which
    /// depends on the request.
    pub(super) fn words(&self, here: &Path) -> Vec<OsString> {
        let mut settings = Settings::default();
        self.clone().apply(&mut settings, here, "--python");
        let mut words = Vec::new();
        let mut word = |name: &str, value: &OsStr| {
            let mut word = OsString::from(format!("--{name}="));
            word.push(value);
            words.push(word);
        };
        if let Some(python) = &settings.python {
            word("python", python.path.as_os_str());
        }
        if let Some(folder) = &settings.chdir {
            word("chdir", folder.as_os_str());
        }
        for folder in &settings.path {
            word("path", folder.as_os_str());
        }
        if let Some(prefix) = &self.script_name {
            word("script-name", prefix);
        }
        if let Some(limit) = self.timeout {
            word("timeout", limit.as_secs_f64().to_string().as_ref());
        }
        if let Some(file) = &settings.error_log {
            word("error-log", file.as_os_str());
        }
        if let Some(folder) = &settings.record {
            word("record", folder.as_os_str());
        }
        if let Some(on) = self.site {
            word("site", on.to_string().as_ref());
        }
        if let Some(on) = self.warm {
            word("warm", on.to_string().as_ref());
        }
        if let Some(time) = self.warm_idle {
            word("warm-idle", time.as_secs_f64().to_string().as_ref());
        }
        if let Some(path) = &self.warm_rehearse {
            word("warm-rehearse", path);
        }
        if let Some(number) = self.warm_spares {
            word("warm-spares", number.to_string().as_ref());
        }
        if let Some(on) = self.verbose {
            word("verbose", on.to_string().as_ref());
        }
        words.extend(settings.limits.words());
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(words: &[&str]) -> Result<ServePlan, String> {
        let words: Vec<_> = words.iter().map(OsString::from).collect();
        let parsed = parse_serve(&words, Path::new("/here"));
        parsed
            .map(|(plan, _)| plan)
            .map_err(|refusal| match refusal {
                Refusal::Answered(text) => text,
                Refusal::Wrong(failure) => failure.to_string(),
            })
    }

    #[test]
    fn every_form_of_bind() {
        let plan = plan(&[
            "--bind",
            "127.0.0.1:0",
            "--bind=[::1]:80",
            "--bind",
            "unix:/run/x",
            "--bind",
            "8080",
            "--bind=localhost:1",
            "app.py",
        ]);
        let address = |text: &str| Bind::Address(text.parse().unwrap());
        let expected = [
            address("127.0.0.1:0"),
            address("[::1]:80"),
            Bind::Unix("/run/x".into()),
            address("127.0.0.1:8080"),
            address("127.0.0.1:1"),
        ];
        assert_eq!(plan.unwrap().binds, expected);
        for wrong in ["localhost", "unix:", "a:b", "example:80", "1.2.3.4:99999"] {
            assert!(self::plan(&["--bind", wrong, "app.py"]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_child_is_given_the_same_options_with_absolute_paths() {
        let plan = plan(&[
            "--path",
            "lib",
            "--timeout",
            "1.5",
            "--max-memory=1G",
            "--debug",
            "--python",
            "venv/bin/python",
            "-v",
            "app.py",
        ]);
        let expected = [
            "--python=/here/venv/bin/python",
            "--path=/here/lib",
            "--timeout=1.5",
            "--verbose=true",
            "--max-memory=1073741824",
        ];
        let plan = plan.unwrap();
        assert_eq!(plan.words, expected);
        assert_eq!(plan.debug, Some(true));
    }

    #[test]
    fn sizes() {
        for (text, expected) in [
            ("0", 0),
            ("10", 10),
            ("2k", 2048),
            ("3M", 3 << 20),
            ("1g", 1 << 30),
        ] {
            assert_eq!(size(text), Ok(expected), "{text}");
        }
        for text in ["", "G", "-1", "1.5G", "1T", "99999999999G"] {
            assert!(size(text).is_err(), "{text}");
        }
    }
}
