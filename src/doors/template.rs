//! An application that has been found once, for requests that differ in their variables only.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use contract::codes::Code;
use contract::handover::{BodyLength, ResponseForm};
use contract::report::Failure;

use super::cgi;
use crate::cgi::meta_variables::{MetaVariables, SERVE_CHILD};
use crate::cgi::script_name::{Handler, repair};
use crate::cli::Refusal;
use crate::gateway::Variables;
use crate::runner::Request;
use crate::runner::warm::{Streams, mask, of_deployment, open_folder};

/// The application, its settings, and what every request of it is handed.
pub struct Template {
    /// Without a request's variables.
    pub request: Request,
    /// `--script-name`.
    script_name: Option<OsString>,
    folder: OwnedFd,
    umask: u32,
}

impl Template {
    /// Of these arguments, options and APP, in this process's environment.
    pub fn of(arguments: Vec<OsString>) -> Result<Self, Refusal> {
        // They are not a query's.
        let trusted = (SERVE_CHILD.into(), "1".into());
        let environment = env::vars_os().chain([trusted]);
        let (mut request, settings) = cgi::template(arguments, environment)?;
        request.job.environment = of_deployment(&request.job.environment).cloned().collect();
        request.job.form = ResponseForm::Cgi;
        let folder = request.chdir.as_deref().unwrap_or(Path::new("."));
        let cannot = |error: io::Error| {
            Failure::new(Code::NO_DIRECTORY, format!("{}: {error}", folder.display()))
        };
        Ok(Self {
            folder: open_folder(folder).map_err(cannot)?,
            request,
            script_name: settings.script_name,
            umask: mask(),
        })
    }

    /// A request with these variables, and a body of so many bytes.
    pub fn request(&self, variables: Variables, length: u64) -> Request {
        let deployment = self.request.job.environment.iter().cloned();
        let mut all: MetaVariables = deployment.chain(variables).collect();
        if let Some(prefix) = self.script_name.as_deref().map(OsStr::as_bytes) {
            repair(&mut all, Some(prefix), Handler::None);
        }
        all.complete();
        let mut request = self.request.clone();
        request.job.environment = all.into_vec();
        request.job.body = match length {
            0 => BodyLength::Empty,
            length => BodyLength::Exactly(length),
        };
        request
    }

    /// What is handed over beside the request.
    pub fn streams<'a>(&'a self, streams: [BorrowedFd<'a>; 3]) -> Streams<'a> {
        Streams {
            streams,
            folder: self.folder.as_fd(),
            umask: self.umask,
        }
    }
}
