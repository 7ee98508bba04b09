//! The command line of `check --through`.

use std::ffi::OsString;
use std::path::Path;

use clap::Parser;
use contract::codes::Code;
use contract::report::Failure;

use super::{Options, Refusal, refusal};
use crate::plan::{Shown, ThroughPlan};

const ABOUT: &str =
    "Asks the application's own process, through the web server, what it is given there.";

const DETAILS: &str = "\
URL is the address of the application. The check runs on the web server's host, as the owner of the application's
file or as root: a token file beside it opens the self-test for as long as the check runs. The application is not run.

Examples:
  wsgi-cgi check --through https://example.org/app.cgi ~/public_html/app.cgi
  wsgi-cgi check --through http://localhost/ --json /srv/site/app.py

Exit status: 0 nothing to change; 1 something to change; 2 wrong usage; 3 the application was not reached.";

#[derive(Parser)]
#[command(name = "wsgi-cgi check", bin_name = "wsgi-cgi check", about = ABOUT, after_help = DETAILS, args_override_self = true)]
struct ThroughLine {
    /// Ask through the web server, at this address of the application
    #[arg(long, value_name = "URL")]
    through: String,
    /// Accept any certificate, such as a self-signed one
    #[arg(long)]
    insecure: bool,
    /// Write a JSON object
    #[arg(long)]
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
pub fn parse_through(arguments: &[OsString], here: &Path) -> Result<ThroughPlan, Refusal> {
    let program = OsString::from("wsgi-cgi check");
    let words = std::iter::once(&program).chain(arguments);
    let line = ThroughLine::try_parse_from(words).map_err(|error| refusal(&error))?;
    Ok(ThroughPlan {
        url: address(&line.through)?,
        is_insecure: line.insecure,
        shown: if line.json { Shown::Json } else { Shown::Text },
        arguments: line.options.call(&line.application, here),
        application: line.application,
    })
}

/// Nothing else than http://HOST/PATH, so that a path may be added.
fn address(url: &str) -> Result<String, Failure> {
    let wrong =
        |reason: &str| Failure::new(Code::BAD_SETTING, format!("--through {url}: {reason}"));
    let behind = ["http://", "https://"]
        .iter()
        .find_map(|scheme| url.strip_prefix(scheme));
    let Some(behind) = behind else {
        return Err(wrong("an address begins with http:// or https://"));
    };
    if behind.is_empty() || behind.starts_with(['/', ':', '?', '#']) {
        return Err(wrong("the host's name is missing"));
    }
    if !url.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(wrong(
            "blanks and letters beyond ASCII are written as %20 and the like",
        ));
    }
    if url.contains(['?', '#']) {
        return Err(wrong("leave out what follows ? or #"));
    }
    Ok(url.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_place_to_which_a_path_can_be_added() {
        for right in [
            "http://localhost",
            "https://example.org:8443/app.cgi",
            "http://[::1]/a%20b/",
        ] {
            assert_eq!(address(right).unwrap(), right);
        }
        let wrong = [
            "example.org",
            "ftp://example.org/",
            "http://",
            "http:///a",
            "http://h/a?b",
            "http://h/a b",
            "http://h/\r\nX: y",
        ];
        for url in wrong {
            assert_eq!(
                address(url).err().map(|failure| failure.code),
                Some(Code::BAD_SETTING),
                "{url}"
            );
        }
    }
}
