//! The command line of `warm`.

use std::ffi::OsString;

use clap::{Parser, Subcommand};

use super::{Refusal, refusal};

const ABOUT: &str = "Shows, starts and ends the preloaded processes of warm mode (this user's).";

const DETAILS: &str = "\
A process is one application in one environment: that of a web server differs
from a shell's, so that `warm start` tells whether an application can be
warmed, and the web server's first request starts its own.

Exit status of start: 0 it is there; 1 it cannot be.";

#[derive(Parser)]
#[command(name = "wsgi-cgi warm", bin_name = "wsgi-cgi warm", about = ABOUT, after_help = DETAILS)]
pub(super) struct WarmLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// What runs: application, interpreter, age, requests, memory, and why it would end
    Status {
        /// Only this application: a file or a module
        #[arg(value_name = "APP")]
        application: Option<OsString>,
    },
    /// Ends them; requests that run are finished
    Stop {
        /// Only this application: a file or a module
        #[arg(value_name = "APP")]
        application: Option<OsString>,
    },
    /// Starts the one that a request with these options would use, and waits until it is there
    Start {
        /// Options and APP, as for a request
        #[arg(
            value_name = "OPTIONS and APP",
            trailing_var_arg = true,
            allow_hyphen_values = true,
            required = true
        )]
        arguments: Vec<OsString>,
    },
}

/// What is to be done with zygotes.
#[derive(Clone, Debug)]
pub enum WarmPlan {
    /// Show those of this application, or all.
    Status(Option<OsString>),
    /// End them.
    Stop(Option<OsString>),
    /// Start one, by the command line of a request.
    Start(Vec<OsString>),
}

/// Reads the command line behind `warm`.
pub fn parse_warm(arguments: &[OsString]) -> Result<WarmPlan, Refusal> {
    let program = OsString::from("wsgi-cgi warm");
    match WarmLine::try_parse_from(std::iter::once(&program).chain(arguments)) {
        Ok(line) => Ok(match line.command {
            Command::Status { application } => WarmPlan::Status(application),
            Command::Stop { application } => WarmPlan::Stop(application),
            Command::Start { arguments } => WarmPlan::Start(arguments),
        }),
        Err(error) => Err(refusal(&error)),
    }
}
