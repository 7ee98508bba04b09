//! Runs the program as a web server does: a clean environment, a body, a deadline.

use std::ffi::{OsStr, OsString};
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::response::Response;
use super::{PROGRAM, app, python, warm};

/// Nothing here takes long; what does hangs.
const DEADLINE: Duration = Duration::from_secs(60);

/// A request, and how the program is called.
#[must_use]
#[derive(Clone)]
pub struct Run {
    program: OsString,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    directory: PathBuf,
    body: Vec<u8>,
}

/// What is left of a run that is over.
pub struct Done {
    pub status: ExitStatus,
    pub out: Vec<u8>,
    pub err: String,
}

impl Run {
    /// `wsgi-cgi APP` for an application of `tests/apps`, as a GET of `/`.
    pub fn of(application: &str) -> Self {
        Self::with_arguments(&[app(application)])
    }

    /// The program with these arguments, as a GET of `/`.
    pub fn with_arguments(arguments: &[impl AsRef<OsStr>]) -> Self {
        Self::by_hand(arguments)
            .variable("GATEWAY_INTERFACE", "CGI/1.1")
            .variable("SERVER_PROTOCOL", "HTTP/1.1")
            .variable("SERVER_NAME", "example.org")
            .variable("SERVER_PORT", "8080")
            .variable("SERVER_SOFTWARE", "Test/1")
            .variable("REQUEST_METHOD", "GET")
            .variable("SCRIPT_NAME", "")
            .variable("PATH_INFO", "/")
            .variable("QUERY_STRING", "")
    }

    /// The program with these arguments, without any CGI environment.
    pub fn by_hand(arguments: &[impl AsRef<OsStr>]) -> Self {
        Self {
            program: PROGRAM.into(),
            arguments: arguments
                .iter()
                .map(|argument| argument.as_ref().to_owned())
                .collect(),
            environment: vec![
                ("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into()),
                ("WSGI_CGI_PYTHON".into(), python::default().into()),
            ],
            directory: std::env::temp_dir(),
            body: Vec::new(),
        }
    }

    /// Another program: a script with our `#!` line, a wrapper.
    pub fn program(mut self, program: impl AsRef<OsStr>) -> Self {
        self.program = program.as_ref().to_owned();
        self
    }

    /// One more argument, before the others.
    pub fn option(mut self, option: impl AsRef<OsStr>) -> Self {
        self.arguments.insert(0, option.as_ref().to_owned());
        self
    }

    /// These words before all arguments.
    pub fn before(mut self, words: &[&str]) -> Self {
        let words = words.iter().map(OsString::from);
        self.arguments.splice(0..0, words);
        self
    }

    /// Sets a variable.
    pub fn variable(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self = self.without(name);
        self.environment
            .push((name.into(), value.as_ref().to_owned()));
        self
    }

    /// Removes a variable.
    pub fn without(mut self, name: &str) -> Self {
        self.environment.retain(|(key, _)| key != name);
        self
    }

    /// The working directory.
    pub fn directory(mut self, directory: &Path) -> Self {
        self.directory = directory.to_owned();
        self
    }

    /// A method, and a path with or without a query.
    pub fn request(self, method: &str, target: &str) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        self.variable("REQUEST_METHOD", method)
            .variable("PATH_INFO", path)
            .variable("QUERY_STRING", query)
    }

    /// A POST with this body.
    pub fn post(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        let length = self.body.len().to_string();
        self.variable("REQUEST_METHOD", "POST")
            .variable("CONTENT_LENGTH", length)
    }

    /// What is on standard input, without anything said about it.
    pub fn input(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.body = bytes.into();
        self
    }

    /// The command, for tests that hold its descriptors themselves. Under [`warm::is_wanted`] its zygote is
    /// there already, if the application can have one.
    pub fn command(&self) -> Command {
        if warm::is_wanted() {
            let starts = self.clone().program(PROGRAM).without("GATEWAY_INTERFACE");
            warm::start(&mut starts.plain_command(), &self.arguments);
        }
        let mut command = self.plain_command();
        command.args(&self.arguments);
        command
    }

    fn plain_command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .env_clear()
            .envs(self.environment.iter().cloned())
            .envs(warm::environment())
            .current_dir(&self.directory);
        command
    }

    /// Runs it to its end.
    #[track_caller]
    pub fn done(&self) -> Done {
        let mut command = self.command();
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        let mut output = child.stdout.take().unwrap();
        let mut errors = child.stderr.take().unwrap();
        let watch = Watch::over(&child);
        let (out, err) = thread::scope(|scope| {
            // A program that does not read its input closes it: no failure of the test.
            scope.spawn(move || input.write_all(&self.body));
            let err = scope.spawn(move || read_all(&mut errors));
            (read_all(&mut output), err.join().unwrap())
        });
        let status = child.wait().unwrap();
        drop(watch);
        let done = Done {
            status,
            out,
            err: String::from_utf8_lossy(&err).into_owned(),
        };
        assert!(status.signal() != Some(9), "it hung\n{done}");
        done
    }
}

fn read_all(from: &mut impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes).unwrap();
    bytes
}

/// Kills a child that is still there after the deadline.
pub struct Watch(#[allow(dead_code)] mpsc::Sender<()>);

impl Watch {
    pub fn over(child: &Child) -> Self {
        let (sender, receiver) = mpsc::channel::<()>();
        let pid = Pid::from_child(child);
        thread::spawn(move || {
            if receiver.recv_timeout(DEADLINE) == Err(mpsc::RecvTimeoutError::Timeout) {
                let _ = kill_process(pid, Signal::KILL);
            }
        });
        Self(sender)
    }
}

impl Done {
    /// The response; fails with the whole exchange if there is none.
    #[track_caller]
    pub fn response(&self) -> Response {
        match Response::parse(&self.out) {
            Some(response) => response,
            None => panic!("no CGI response\n{self}"),
        }
    }

    #[track_caller]
    pub fn assert_status(&self, expected: &str) -> &Self {
        let response = self.response();
        let status = response.fields.first().filter(|(name, _)| name == "Status");
        assert_eq!(
            status.map(|(_, value)| value.as_str()),
            Some(expected),
            "\n{self}"
        );
        self
    }

    #[track_caller]
    pub fn assert_body(&self, expected: impl AsRef<[u8]>) -> &Self {
        let expected = String::from_utf8_lossy(expected.as_ref()).into_owned();
        assert_eq!(self.response().text(), expected, "\n{self}");
        self
    }

    #[track_caller]
    pub fn assert_exit(&self, expected: i32) -> &Self {
        assert_eq!(self.status.code(), Some(expected), "\n{self}");
        self
    }

    /// Something stands on standard error.
    #[track_caller]
    pub fn assert_told(&self, expected: &str) -> &Self {
        assert!(
            self.err.contains(expected),
            "nothing of {expected:?}\n{self}"
        );
        self
    }

    /// Nothing went wrong and nothing was said.
    #[track_caller]
    pub fn assert_quiet(&self) -> &Self {
        assert_eq!(self.err, "", "\n{self}");
        self.assert_exit(0)
    }
}

impl std::fmt::Display for Done {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let out = &self.out[..self.out.len().min(4000)];
        writeln!(f, "--- {}\n--- stdout", self.status)?;
        writeln!(
            f,
            "{}\n--- stderr\n{}",
            String::from_utf8_lossy(out),
            self.err
        )
    }
}
