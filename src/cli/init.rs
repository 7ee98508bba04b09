//! The command line of `init`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Parser;

use super::config::MountOptions;
use super::{Options, Refusal, refusal};
use crate::plan::config::{Consent, Existing, InitPlan, Server};

const ABOUT: &str = "Writes what a web server needs to run the application in a folder: a script, and the server's configuration.";

const DETAILS: &str = "\
It shows what it will write, and asks. The script (app.cgi) starts the
application with the virtualenv that is found beside it. For Apache on a shared
host (htaccess) a .htaccess file sends every address to it, and keeps sources,
settings and databases from visitors. Run again, it changes nothing that is as
it should be.

Examples:
  wsgi-cgi init                                       Apache, in this folder
  wsgi-cgi init --yes --url /shop ~/public_html/shop  without a question
  wsgi-cgi init --server lighttpd                     for another server

Exit status: 0 all is there; 2 nothing was written.";

#[derive(Parser)]
#[command(name = "wsgi-cgi init", bin_name = "wsgi-cgi init", about = ABOUT, after_help = DETAILS, args_override_self = true)]
pub(super) struct InitLine {
    /// The application's folder [default: this one]
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Write without asking
    #[arg(short, long, help_heading = "Writing")]
    yes: bool,
    /// Replace files that are there; they are kept as NAME.bak
    #[arg(long, help_heading = "Writing")]
    force: bool,
    /// The server whose configuration is written
    #[arg(
        long,
        value_name = "SERVER",
        value_enum,
        default_value = "htaccess",
        hide_possible_values = true
    )]
    server: Server,
    #[command(flatten)]
    mount: MountOptions,
    #[command(flatten, next_help_heading = "The application")]
    options: Options,
}

/// Reads the command line behind `init`; relative paths count from `here`.
pub fn parse_init(arguments: &[OsString], here: &Path) -> Result<InitPlan, Refusal> {
    let program = OsString::from("wsgi-cgi init");
    let words = std::iter::once(&program).chain(arguments);
    let line = InitLine::try_parse_from(words).map_err(|error| refusal(&error))?;
    let folder = line
        .folder
        .map_or_else(|| here.to_owned(), |folder| here.join(folder));
    Ok(InitPlan {
        asked: line.options.asked(folder.into(), here),
        server: line.server,
        has_url: line.mount.url.is_some(),
        mount: line.mount.meant(here),
        existing: match line.force {
            true => Existing::Replaced,
            false => Existing::Kept,
        },
        consent: match line.yes {
            true => Consent::Given,
            false => Consent::Asked,
        },
    })
}
