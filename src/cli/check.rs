//! The command line of `check`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{CommandFactory, FromArgMatches, Parser};

use super::through::address;
use super::{Options, Refusal, refusal};
use crate::plan::{CheckPlan, Checking, Depth, ReportForm, Server, ThroughPlan};

const ABOUT: &str = "Finds what will go wrong under a web server, and says what to do about it.";

const DETAILS: &str = "\
The application is imported and answers a few requests (GET, HEAD and POST of
/, a page that is missing, odd addresses), each in a process of its own without
a terminal: what its import and these requests do, they do. Nothing else is
changed. With --no-run, neither the application nor its interpreter is started.
Root runs the application of another user as that user.

Examples:
  wsgi-cgi check app.py                                 as you, as you are
  sudo wsgi-cgi check --as-cgi app.py                   as Apache's user
  sudo wsgi-cgi check --as-cgi=lighttpd --user web .    as Lighttpd's user web
  wsgi-cgi check --as-cgi=suexec ~/public_html/app.cgi  as suexec
  wsgi-cgi check --document-root /var/www app.cgi       secrets in sight
  wsgi-cgi check --through https://example.org/ app.py  by the web server
  wsgi-cgi check --json app.py                          for a program

Exit status: 0 nothing was found, or hints only; 1 errors or warnings,
something to change; 2 wrong usage; 3 application or interpreter not found, or
not reached.";

/// Options of a request that change nothing here; they are read all the same.
const NO_MATTER: [&str; 7] = [
    "debug",
    "error_log",
    "script_name",
    "warm",
    "warm_idle",
    "warm_rehearse",
    "warm_spares",
];

const LIMIT: Duration = Duration::from_secs(30);

#[derive(Parser)]
#[command(name = "wsgi-cgi check", bin_name = "wsgi-cgi check", about = ABOUT, after_help = DETAILS, args_override_self = true)]
pub(super) struct CheckLine {
    /// Run it with this web server's environment and user [default: apache]
    #[arg(
        long,
        value_name = "apache|lighttpd|suexec",
        value_enum,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "apache",
        hide_possible_values = true,
        help_heading = "What is checked"
    )]
    as_cgi: Option<Server>,
    /// The user that the web server runs scripts as [default: www-data, apache, http or nobody; suexec: the owner]
    #[arg(long, value_name = "NAME", help_heading = "What is checked")]
    user: Option<String>,
    /// The folder whose files the web server hands out [default: the folder of a CGI script]
    #[arg(long, value_name = "DIR", help_heading = "What is checked")]
    document_root: Option<PathBuf>,
    /// Look at files only: no import, no requests, no comparison of packages
    #[arg(long, help_heading = "What is checked")]
    no_run: bool,
    /// Ask the web server, at this address of the application, what it gives scripts; to be run on its host
    #[arg(long, value_name = "URL", value_parser = address, help_heading = "Through the web server",
        conflicts_with_all = ["as_cgi", "user", "document_root", "no_run"])]
    through: Option<String>,
    /// Accept any certificate, such as a self-signed one
    #[arg(long, requires = "through", help_heading = "Through the web server")]
    insecure: bool,
    /// Write a JSON object: findings and facts
    #[arg(long, help_heading = "What is shown")]
    json: bool,
    #[command(
        flatten,
        next_help_heading = "How the application is run, as without check"
    )]
    options: Options,
    /// The application
    #[arg(value_name = "APP")]
    application: OsString,
}

/// Reads the command line behind `check`; relative paths count from `here`.
pub fn parse_check(arguments: &[OsString], here: &Path) -> Result<Checking, Refusal> {
    let program = OsString::from("wsgi-cgi check");
    let words = std::iter::once(&program).chain(arguments);
    let mut command = CheckLine::command();
    for name in NO_MATTER {
        command = command.mut_arg(name, |option| option.hide(true));
    }
    let line = command
        .mut_arg("verbose", |option| option.help("Show what is right, too"))
        .mut_arg("timeout", |option| {
            option.help("How long the import, and each request, may take [default: 30]")
        })
        .try_get_matches_from(words)
        .and_then(|matches| CheckLine::from_arg_matches(&matches))
        .map_err(|error| refusal(&error))?;
    let form = match (line.json, line.options.verbose) {
        (true, _) => ReportForm::Json,
        (false, Some(true)) => ReportForm::All,
        (false, _) => ReportForm::Found,
    };
    if let Some(url) = line.through {
        return Ok(Checking::Through(Box::new(ThroughPlan {
            url,
            is_insecure: line.insecure,
            form,
            asked: line.options.asked(line.application, here),
        })));
    }
    Ok(Checking::Here(CheckPlan {
        form,
        limit: line
            .options
            .timeout
            .filter(|limit| !limit.is_zero())
            .unwrap_or(LIMIT),
        words: line.options.words(here),
        application: line.application,
        server: line.as_cgi,
        user: line.user,
        document_root: line.document_root.map(|folder| here.join(folder)),
        depth: if line.no_run {
            Depth::Static
        } else {
            Depth::Full
        },
    }))
}
