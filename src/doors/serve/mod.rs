//! The listener: HTTP/1.1 for one application or a folder of scripts, a process for each request.
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing)]

mod access_log;
mod failure_page;
mod folder;
mod handover;
mod health;
mod hosting;
pub mod inetd;
mod platform;
mod site;
mod sockets;
mod static_files;
mod static_reply;
mod syslog;

use std::env;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use contract::codes::Code;
use contract::handover::{Detail, Source};
use contract::outcome::Outcome;
use contract::report::{self, Failure};
use wsgi_cgi_gateway::host::{Author, Host, Limits, Script, Socket};

use self::access_log::AccessLog;
use self::folder::Folder;
use self::handover::ZygoteRest;
use self::site::{Content, Debug, Site};
use self::static_files::Mount;
use crate::cgi::meta_variables::{MetaVariables, SERVE_CHILD};
use crate::cli::{self, Refusal, Typed};
use crate::doors::{application, here, interpreter, refuse};
use crate::gateway::Place;
use crate::plan::{Listing, ServePlan, Warm};
use crate::runner::{signals, warm};
use crate::source::{self, Found};

/// A client that ended its side in the middle of its answer may still be reading: it gets what comes within this time.
const HALF_CLOSED: Duration = Duration::from_secs(1);

/// What a child gets of our own environment, beside the variables `WSGI_CGI_*` and `LC_*`.
const PASSED_ON: [&str; 13] = [
    "PATH",
    "HOME",
    "LANG",
    "TZ",
    "TMPDIR",
    "VIRTUAL_ENV",
    "PYENV_VERSION",
    "LD_LIBRARY_PATH",
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONOPTIMIZE",
    "PYTHONWARNINGS",
    "PYTHONUTF8",
    "SSL_CERT_FILE",
];

/// Serves until it is told to stop. `inherited` are the sockets that systemd passed.
pub fn run(arguments: &[OsString], inherited: Vec<OwnedFd>) -> Outcome {
    let prepared = here().map_err(Refusal::from).and_then(|here| {
        let (plan, typed) = cli::parse_serve(arguments, &here)?;
        Ok(prepare(&plan, typed, inherited, &here)?)
    });
    match prepared {
        Ok(prepared) => match prepared.serve() {
            Ok(()) => Outcome::Complete,
            Err(error) => refuse(Failure::new(Code::SYSTEM, error.to_string()).into()),
        },
        Err(refusal) => refuse(refusal),
    }
}

struct Prepared {
    sockets: Vec<Socket>,
    host: Host,
    grace: Duration,
    signals: UnixStream,
}

impl Prepared {
    fn serve(self) -> io::Result<()> {
        self.host
            .serve_until(self.sockets, &self.signals, self.grace)
    }
}

fn prepare(
    plan: &ServePlan,
    typed: Typed,
    inherited: Vec<OwnedFd>,
    here: &Path,
) -> Result<Prepared, Failure> {
    let wrong = |error: anyhow::Error| Failure::new(Code::CANNOT_LISTEN, format!("{error:#}"));
    let system = |error: io::Error| Failure::new(Code::SYSTEM, error.to_string());
    if let Some(reason) = warm::refused_accept() {
        return Err(Failure::new(Code::CANNOT_LISTEN, reason));
    }
    let (mut site, described) = site(plan, typed, here)?;
    let mut sockets = inherited
        .into_iter()
        .map(sockets::inherit)
        .collect::<anyhow::Result<Vec<_>>>()
        .map_err(wrong)?;
    for bind in &plan.binds {
        sockets.push(sockets::bind(bind).map_err(wrong)?);
    }
    if sockets.is_empty() {
        let (default, reason) = platform::address()?;
        sockets.push(sockets::bind(&default).map_err(wrong)?);
        if let Some(reason) = reason {
            report::tell_line(&format!("{reason}\n"), None);
        }
    }
    if sockets.iter().all(Socket::is_loopback) {
        site.debug = site.debug.at_loopback();
    }
    let signals = signals::listen_for_end().map_err(system)?;
    let addresses: Vec<_> = sockets.iter().map(ToString::to_string).collect();
    report::tell_line(&format!("{} {described}\n", addresses.join(" ")), None);
    Ok(Prepared {
        sockets,
        host: Host::new(site, limits(plan)),
        grace: plan.grace,
        signals,
    })
}

/// What is served, by which rules; and a sentence about it.
fn site(plan: &ServePlan, typed: Typed, here: &Path) -> Result<(Site, String), Failure> {
    let environment = environment(plan);
    let (content, described) = content(plan, typed, here, &environment)?;
    let mounts = plan.mounts.iter().map(|mount| static_mount(mount, here));
    let warm = match content {
        Content::Application { .. } => plan.settings.warm.wanted,
        // Its own settings say.
        Content::Folder(_) => Warm::Off,
    };
    let site = Site {
        content,
        mounts: mounts.collect::<Result<_, _>>()?,
        health: plan.health.clone(),
        environment,
        warm,
        debug: match plan.debug {
            Some(true) => Debug::Fixed(Detail::Shown),
            Some(false) => Debug::Fixed(Detail::Hidden),
            None => Debug::Unsaid,
        },
        verbosity: plan.settings.verbosity,
        umask: warm::mask(),
        zygote_rest: ZygoteRest::default(),
        log: AccessLog::new(plan.log_format),
    };
    Ok((site, described))
}

fn limits(plan: &ServePlan) -> Limits {
    Limits {
        processes: plan.max_processes,
        queue: plan.max_queue,
        body: plan.max_body,
        time: plan.settings.timeout,
        half_closed: Some(HALF_CLOSED),
        keep_alive: plan.keep_alive,
    }
}

fn static_mount(text: &OsStr, here: &Path) -> Result<Mount, Failure> {
    let wrong = |reason: String| {
        Failure::new(
            Code::BAD_SETTING,
            format!("--static {}: {reason}", text.display()),
        )
    };
    let mount = Mount::parse(text, here).map_err(wrong)?;
    match mount.directory.is_dir() {
        true => Ok(mount),
        false => Err(wrong("there is no such folder".into())),
    }
}

/// What every child gets: a short list of our own variables, and those that the user names.
fn environment(plan: &ServePlan) -> Vec<(OsString, OsString)> {
    let is_passed_on = |name: &OsStr| {
        let name = name.as_bytes();
        PASSED_ON.iter().any(|passed| passed.as_bytes() == name)
            || name.starts_with(b"LC_")
            || (name.starts_with(b"WSGI_CGI_") && name != SERVE_CHILD.as_bytes())
    };
    let mut variables: Vec<_> = env::vars_os()
        .filter(|(name, _)| is_passed_on(name))
        .collect();
    variables.extend(plan.environment.iter().cloned());
    variables
}

/// What is served, and a sentence about it.
fn content(
    plan: &ServePlan,
    typed: Typed,
    here: &Path,
    environment: &[(OsString, OsString)],
) -> Result<(Content, String), Failure> {
    let program = PathBuf::from("/proc/self/exe");
    let path = here.join(&plan.application);
    let folder = |listing| {
        let limits = plan.settings.limits;
        let folder = Folder::new(&path, listing, program.clone(), plan.words.clone(), limits);
        let described = format!("serves the scripts in {}", path.display());
        match folder {
            Ok(folder) => Ok((Content::Folder(folder), described)),
            Err(error) => Err(source::unreadable(&path, &error)),
        }
    };
    if plan.listing == Listing::On {
        return folder(Listing::On);
    }
    let variables = MetaVariables::from_environment(environment.iter().cloned());
    let mut settings = plan.settings.clone();
    let executable = env::current_exe().ok();
    let found = source::find(&plan.application, here);
    match found {
        Err(failure) if failure.code == Code::EMPTY_DIRECTORY => folder(Listing::Off),
        found => {
            let found = application::configure(found, typed, &mut settings, here)?;
            let interpreter =
                interpreter::choose(&variables, &settings, &found, executable.as_deref())?;
            let described = format!(
                "serves {} with {}, one process per request",
                plan.application.display(),
                interpreter::described(&interpreter)
            );
            Ok((only(plan, &found, here, program), described))
        }
    }
}

/// One application for every address.
fn only(plan: &ServePlan, found: &Found, here: &Path, program: PathBuf) -> Content {
    let mut arguments = plan.words.clone();
    let (file, directory) = match &found.source {
        Source::File(file) => {
            // As it was given: a link may lead to another release tomorrow.
            arguments.push(here.join(&plan.application).into());
            (Some(file), found.directory.clone())
        }
        // A module is looked up from here, as it would be by hand.
        Source::Module { .. } => {
            arguments.push(plan.application.clone());
            (None, here.to_owned())
        }
    };
    let name = file.and_then(|file| file.file_name()).unwrap_or_default();
    Content::Application {
        script: Script {
            program,
            arguments,
            environment: vec![(SERVE_CHILD.into(), "1".into())],
            is_nph: name.as_bytes().starts_with(b"nph-"),
            directory: directory.clone(),
            author: Author::Ourselves,
        },
        place: Place {
            script_name: Vec::new(),
            path_info: Vec::new(),
            script_filename: file.map(|file| file.as_os_str().as_bytes().to_vec()),
            document_root: directory.as_os_str().as_bytes().to_vec(),
        },
    }
}
