//! One request in a process of its own: how it is started, and what it answers.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Seek, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use std::{env, os::unix::process::ExitStatusExt};

use contract::handover::variable;
use contract::outcome::Outcome;
use rustix::process::Pid;
use wsgi_cgi_process::Process;
use wsgi_cgi_process::wait::Waiting;

use super::asked::Request;
use crate::cgi::meta_variables::SERVE_CHILD;
use crate::cgi::response::{self, CgiResponse, Head};
use crate::doors::is_own_file;
use crate::runner::warm::of_deployment;
use crate::wait;

/// A process that answers.
pub struct Running {
    child: Child,
    stdout: ChildStdout,
    started: Instant,
    /// How long starting it took.
    pub spawn: Duration,
}

/// A whole response.
pub struct Answered {
    /// None where there is none.
    pub head: Option<Head>,
    /// Behind the head; all of it where there is no head.
    pub body: Vec<u8>,
    /// From the start to the head.
    pub to_head: Duration,
    /// From the start to the end.
    pub total: Duration,
    /// How the process ended.
    pub outcome: Outcome,
}

/// This program as a CGI process, with these options and APP, for a request.
pub fn command(arguments: &[OsString], request: &Request) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.args(arguments);
    set(&mut command, request);
    command.env(SERVE_CHILD, "1");
    // A record's, under Apache's `Action`: APP is what is meant, and never the file that PATH_TRANSLATED names.
    command.env_remove("REDIRECT_HANDLER");
    let script = variable(&request.variables, "SCRIPT_FILENAME");
    if script.is_some_and(|file| is_own_file(Path::new(OsStr::from_bytes(file)))) {
        command.env_remove("SCRIPT_FILENAME");
    }
    command
}

/// The environment of a CGI process: this one's, without what an earlier request may have left, and the request's.
pub fn set(command: &mut Command, request: &Request) {
    let own: Vec<_> = env::vars_os()
        .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
        .collect();
    let all = of_deployment(&own).chain(&request.variables);
    command
        .env_clear()
        .envs(all.map(|(name, value)| (OsStr::from_bytes(name), OsStr::from_bytes(value))));
}

/// A process's whole answer; what it tells goes to our stderr.
pub fn answer(command: Command, request: &Request) -> io::Result<Answered> {
    Running::start(command, request, Stdio::inherit())?.read(|_, _| Ok(()))
}

impl Running {
    /// Starts it.
    pub fn start(mut command: Command, request: &Request, stderr: Stdio) -> io::Result<Self> {
        let stdin = match request.body.is_empty() {
            true => Stdio::null(),
            false => {
                let mut body = tempfile::tempfile()?;
                body.write_all(&request.body)?;
                body.rewind()?;
                body.into()
            }
        };
        let started = Instant::now();
        let mut child = command
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()?;
        let spawn = started.elapsed();
        let stdout = child.stdout.take();
        Ok(Self {
            stdout: stdout.ok_or_else(|| io::Error::other("the child has no pipe"))?,
            child,
            started,
            spawn,
        })
    }

    /// Its stderr, if that was to be read.
    pub fn stderr(&mut self) -> Option<impl Read + Send + use<>> {
        self.child.stderr.take()
    }

    /// Reads it all; `seen` gets every piece of the body when it comes, and before them the head.
    pub fn read(
        mut self,
        mut seen: impl FnMut(&Head, &[u8]) -> io::Result<()>,
    ) -> io::Result<Answered> {
        let mut bytes = Vec::new();
        let mut head = None;
        let mut to_head = None;
        let mut piece = vec![0; 64 << 10];
        // The process ends its response with itself. What it has started may keep the pipe open.
        let process = Process::child(Pid::from_child(&self.child));
        loop {
            Waiting::until(None)
                .readable((), &self.stdout)
                .process((), &process)
                .wait()?;
            if !wait::is_readable(&self.stdout) {
                break;
            }
            let count = match self.stdout.read(&mut piece) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let from = bytes.len();
            bytes.extend_from_slice(piece.get(..count).unwrap_or_default());
            if let Some(head) = &head {
                seen(head, bytes.get(from..).unwrap_or_default())?;
            } else if let Ok(Some((CgiResponse::Document(found), length))) =
                response::parse(&bytes, false)
            {
                to_head = Some(self.started.elapsed());
                bytes.drain(..length);
                seen(&found, &bytes)?;
                head = Some(found);
            }
        }
        let total = self.started.elapsed();
        let status = self.child.wait()?;
        Ok(Answered {
            head,
            body: bytes,
            to_head: to_head.unwrap_or(total),
            total,
            outcome: outcome(status),
        })
    }
}

fn outcome(status: ExitStatus) -> Outcome {
    let byte = |number: i32| u8::try_from(number).unwrap_or(u8::MAX);
    match (status.code(), status.signal()) {
        (Some(code), _) => Outcome::from_byte(byte(code)).unwrap_or(Outcome::ApplicationFailed),
        (None, signal) => Outcome::Killed(byte(signal.unwrap_or_default())),
    }
}
