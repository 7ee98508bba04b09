//! The request that the runner is given: which interpreter runs it, and the job that the engine does.

use std::{fs, io};

use contract::codes::Code;
use contract::handover::{Job, Runs, Source};
use contract::report::Failure;

use super::Door;
use crate::doors::{application, interpreter};
use crate::python::discover::Interpreter;
use crate::runner::Request;
use crate::source::Found;

impl Door {
    /// Everything else that can be found out before anything is started.
    pub fn prepare(&self, found: Found) -> Result<Request, Failure> {
        let interpreter = self.interpreter(&found)?;
        self.request(found, interpreter)
    }

    pub fn interpreter(&self, found: &Found) -> Result<Interpreter, Failure> {
        let executable = self.executable.as_deref();
        let interpreter = interpreter::choose(&self.variables, &self.settings, found, executable)?;
        for skipped in &interpreter.skipped {
            self.say(&skipped.to_string());
        }
        self.say(&interpreter::described(&interpreter));
        Ok(interpreter)
    }

    fn request(&self, found: Found, interpreter: Interpreter) -> Result<Request, Failure> {
        let body = self.variables.body_length().map_err(|error| {
            Failure::new(
                Code::BAD_VARIABLE,
                format!(
                    "CONTENT_LENGTH {:?}: not a number of bytes",
                    String::from_utf8_lossy(&error.value)
                ),
            )
        })?;
        if let Some(folder) = &self.settings.chdir
            && let Err(error) = fs::read_dir(folder)
            && error.kind() != io::ErrorKind::PermissionDenied
        {
            return Err(Failure::new(
                Code::NO_DIRECTORY,
                format!("{}: {error}", folder.display()),
            ));
        }
        let is_module = interpreter::is_module(&found);
        let source = match (found.source, &self.settings.chdir) {
            (Source::Module { name, .. }, Some(folder)) if is_module => Source::Module {
                name,
                directory: folder.clone(),
            },
            (source, _) => source,
        };
        Ok(Request {
            job: Job {
                byte_code: application::byte_code(&self.variables, &source),
                source,
                callable: found.callable,
                environment: self.variables.clone().into_vec(),
                body,
                form: self.form(),
                detail: self.settings.detail,
                verbosity: self.settings.verbosity,
                error_log: self.settings.error_log.clone(),
                path: self.settings.path.clone(),
                packages: interpreter::packages(&interpreter),
                interpreter: interpreter::described(&interpreter),
                site: self.settings.site,
                front: self.front,
                started: self.started,
                runs: Runs::Once,
                observed: self.observed,
                invocation: None,
            },
            interpreter,
            chdir: self.settings.chdir.clone(),
            timeout: self.settings.timeout,
            limits: self.settings.limits,
            record: self.settings.record.clone(),
            warm: self.settings.warm.clone(),
        })
    }
}
