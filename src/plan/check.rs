//! What `check` is to do.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use super::config::Application;

/// What is checked.
#[derive(Clone, Debug)]
pub enum Checking {
    /// The application, from here.
    Here(CheckPlan),
    /// What a web server gives it.
    Through(Box<ThroughPlan>),
}

/// `check --through`.
#[derive(Clone, Debug)]
pub struct ThroughPlan {
    /// The application's address.
    pub url: String,
    /// Whether any certificate will do.
    pub is_insecure: bool,
    /// How the report is written.
    pub form: ReportForm,
    /// The application, with its options.
    pub asked: Application,
}

/// One call of `check`, from here.
#[derive(Clone, Debug)]
pub struct CheckPlan {
    /// APP, as it was given.
    pub application: OsString,
    /// Its options, as they would be typed; paths are absolute.
    pub words: Vec<OsString>,
    /// The web server whose environment is simulated.
    pub server: Option<Server>,
    /// The user that it runs scripts as.
    pub user: Option<String>,
    /// The folder whose files it hands out.
    pub document_root: Option<PathBuf>,
    /// How much is run.
    pub depth: Depth,
    /// How long the import, and each request, may take.
    pub limit: Duration,
    /// How the report is written.
    pub form: ReportForm,
}

/// A web server, as it starts scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Server {
    /// PATH, and no other variable of a shell.
    Apache,
    /// No variable at all but the request's.
    Lighttpd,
    /// Apache with suexec, as on shared hosts: as the script's owner.
    Suexec,
}

/// How much is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Files are looked at.
    Static,
    /// The application is imported, and answers requests.
    Full,
}

/// How a report is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportForm {
    /// For a person: what was found.
    Found,
    /// The same, and what is right.
    All,
    /// For a program.
    Json,
}
