//! The command line of `watchdog`.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use clap::Parser;
use contract::handover::ResponseForm;

use super::{Options, Refusal, refusal};
use crate::plan::WatchdogPlan;

const ABOUT: &str = "Answers one request of OpenFaaS's classic watchdog: its variables and standard input in, the body on \
     standard output.";

const DETAILS: &str = "\
The classic watchdog tells the request by variables (Http_Method, Http_Path,
Http_Query, a Http_Name for each header). It answers 200 with what is written,
and 500 where the exit status is not 0; no header can be told, but for its own
setting content_type. With combine_output (its default) stderr would stand in
the page: what there is to say then goes to the watchdog's own log, or to
--error-log.

In a Dockerfile:
  ENV fprocess=\"wsgi-cgi watchdog /home/app/app.py\"
  ENV content_type=\"text/html; charset=utf-8\"
  ENV combine_output=\"false\"

of-watchdog's HTTP mode carries everything: fprocess=\"wsgi-cgi serve --warm
app.py\", upstream_url=\"http://127.0.0.1:8000\".

Exit status: 0 the status was below 500; 1 it was not, or the application
failed; 2 and 3 as for wsgi-cgi APP.";

#[derive(Parser)]
#[command(name = "wsgi-cgi watchdog", bin_name = "wsgi-cgi watchdog", about = ABOUT, after_help = DETAILS, args_override_self = true)]
pub(super) struct WatchdogLine {
    /// Write the whole HTTP response, head and all, for a template that reads it; the exit status is 0
    #[arg(long)]
    http: bool,
    #[command(flatten)]
    options: Options,
    /// The application
    #[arg(value_name = "APP")]
    application: OsString,
}

/// Reads the command line behind `watchdog`; relative paths count from `here`.
pub fn parse_watchdog(arguments: &[OsString], here: &Path) -> Result<WatchdogPlan, Refusal> {
    let program = OsString::from("wsgi-cgi watchdog");
    let words = std::iter::once(&program).chain(arguments);
    let line = WatchdogLine::try_parse_from(words).map_err(|error| refusal(&error))?;
    Ok(WatchdogPlan {
        arguments: line.options.call(&line.application, here),
        form: match line.http {
            true => ResponseForm::Nph,
            false => ResponseForm::Cgi,
        },
    })
}

impl Options {
    /// The command line of a CGI program with these options; relative paths count from `here`.
    pub(super) fn call(&self, application: &OsStr, here: &Path) -> Vec<OsString> {
        let mut words = self.words(here);
        if let Some(on) = self.debug {
            words.push(format!("--debug={on}").into());
        }
        words.push(application.to_owned());
        words
    }
}
