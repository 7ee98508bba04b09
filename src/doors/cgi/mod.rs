//! The CGI door: one request from the environment and standard input, the response on standard output.

mod believed;
mod job;
mod running;

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use contract::codes::Code;
use contract::handover::{Observed, ResponseForm, Verbosity};
use contract::outcome::Outcome;
use contract::report::{self, Failure};
use rustix::time::{ClockId, clock_gettime};

use crate::cgi::arguments::split_shebang_words;
use crate::cgi::meta_variables::{ASKED, CHECKED, MetaVariables, SERVE_CHILD};
use crate::cgi::script::ActionScript;
use crate::cgi::script_name::{Handler, Rule, repair};
use crate::cli::{self, Refusal};
use crate::doors::self_test::{self, SelfTest};
use crate::doors::{application, complaints, here, interpreter, is_own_file};
use crate::plan::Settings;
use crate::pragma;
use crate::python::discover::Interpreter;
use crate::runner::Request;
use crate::source::{self, Found};

/// Serves the request that the environment describes. `descriptors` are those that the server gave beyond the first
/// three, where a self-test may ask for them.
pub fn run(
    arguments: Vec<OsString>,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    descriptors: Vec<String>,
) -> Outcome {
    let variables = MetaVariables::from_environment(environment);
    let hides_complaints = variables.is_cgi() && complaints::reach_the_client();
    if hides_complaints {
        complaints::go_to(&[Path::new("/dev/null")]);
    }
    let caller = match variables.is_cgi() || variables.get("REQUEST_METHOD").is_some() {
        true => Caller::Server,
        false => Caller::Person,
    };
    Door {
        front: std::process::id(),
        descriptors,
        hides_complaints,
        ..Door::new(caller, variables)
    }
    .enter(arguments)
}

/// The same for a caller in this process, which reads the response to its end and goes on: nobody waits for this
/// process to end first. `form` is how the response's head is written.
pub fn run_within(
    arguments: Vec<OsString>,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    form: ResponseForm,
) -> Outcome {
    Door {
        form: Some(form),
        ..Door::new(Caller::Server, MetaVariables::from_environment(environment))
    }
    .enter(arguments)
}

/// The request that these arguments and this environment describe, without serving it.
pub fn request(
    arguments: Vec<OsString>,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Request, Refusal> {
    template(arguments, environment).map(|(request, _)| request)
}

/// The same, with the settings that made it.
pub fn template(
    arguments: Vec<OsString>,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<(Request, Settings), Refusal> {
    let variables = MetaVariables::from_environment(environment);
    let mut door = Door {
        started: 0,
        ..Door::new(Caller::Server, variables)
    };
    let (found, rule) = door.find(arguments)?;
    if door.self_test(&found, rule).is_some() {
        // It asks about a process that is started for it, not about this one.
        return Err(Failure::new(Code::SYSTEM, "a self-test").into());
    }
    let request = door.prepare(found)?;
    Ok((request, door.settings))
}

/// The application of these arguments, its folder, and its interpreter.
pub fn application(
    arguments: Vec<OsString>,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<(Found, PathBuf, Interpreter), Refusal> {
    let variables = MetaVariables::from_environment(environment);
    let mut door = Door::new(Caller::Server, variables);
    let (found, _) = door.find(arguments)?;
    let interpreter = door.interpreter(&found)?;
    let folder = interpreter::folder(&found, &door.settings).to_owned();
    Ok((found, folder, interpreter))
}

/// Who started the program.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Caller {
    /// With a CGI environment, or at least a REQUEST_METHOD.
    Server,
    /// By hand, without any.
    Person,
}

struct Door {
    caller: Caller,
    variables: MetaVariables,
    settings: Settings,
    /// Our own, resolved.
    executable: Option<PathBuf>,
    /// For Server-Timing.
    started: u64,
    /// The process that has to end before the engine lets go of its descriptors; 0 if there is none.
    front: u32,
    /// How the response's head is written, whatever the script is called.
    form: Option<ResponseForm>,
    /// See [`run`].
    descriptors: Vec<String>,
    observed: Observed,
    /// Descriptor 2 was the client's, and leads to the error log or nowhere now.
    hides_complaints: bool,
    /// A zygote has been asked for this request.
    was_asked: bool,
}

/// Nanoseconds of the monotonic clock, which the engine reads, too.
fn monotonic_now() -> u64 {
    let now = Duration::try_from(clock_gettime(ClockId::Monotonic)).unwrap_or_default();
    u64::try_from(now.as_nanos()).unwrap_or(0)
}

impl Door {
    fn new(caller: Caller, variables: MetaVariables) -> Self {
        Self {
            caller,
            variables,
            settings: Settings::default(),
            executable: env::current_exe().ok(),
            started: monotonic_now(),
            front: 0,
            form: None,
            descriptors: Vec::new(),
            observed: Observed::No,
            hides_complaints: false,
            was_asked: false,
        }
    }

    fn enter(mut self, arguments: Vec<OsString>) -> Outcome {
        let found = self.find(arguments);
        if let Some(log) = self.settings.error_log.as_deref()
            && self.hides_complaints
        {
            complaints::go_to(&[log]);
        }
        if let Ok((found, rule)) = &found
            && let Some(test) = self.self_test(found, *rule)
        {
            // A server that has gone away needs no answer.
            let _ = test.answer(&self.variables, self.form(), &self.descriptors);
            return Outcome::Complete;
        }
        match found.and_then(|(found, _)| Ok(self.prepare(found)?)) {
            Ok(request) => self.serve(request),
            Err(Refusal::Answered(text)) => {
                let _ = io::stdout().write_all(text.as_bytes());
                Outcome::Complete
            }
            Err(Refusal::Wrong(failure)) => self.refuse(&failure),
        }
    }

    fn form(&self) -> ResponseForm {
        self.form.unwrap_or_else(|| self.variables.response_form())
    }

    fn self_test(&self, found: &Found, rule: Rule) -> Option<SelfTest> {
        let folder = interpreter::folder(found, &self.settings);
        self_test::asked(&self.variables, rule, folder, found.owner)
    }

    /// The application, its settings, and the request as it is meant.
    fn find(&mut self, arguments: Vec<OsString>) -> Result<(Found, Rule), Refusal> {
        let here = here()?;
        // First the environment's: what goes wrong below is told where it says.
        cli::apply_environment(|name| self.variables.get(name), &mut self.settings, &here)?;
        let kind = self.variables.take(SERVE_CHILD);
        let kind = kind.filter(|_| !self.script().is_some_and(is_own_file));
        let kind = kind.unwrap_or_default();
        let is_checked = kind == CHECKED.as_bytes();
        if is_checked {
            self.observed = Observed::Yes;
        }
        self.was_asked = kind == ASKED.as_bytes();
        let is_child = is_checked || self.was_asked || kind == b"1";
        let (typed, action) = match is_child || !self.variables.is_cgi() {
            // They are the listener's, or a person's: a query adds nothing to them.
            true => {
                let arguments = split_shebang_words(arguments, pragma::first_line);
                (cli::parse(&arguments)?, None)
            }
            false => self.believed(arguments)?,
        };
        if self.caller == Caller::Person
            && let Some(failure) = typed.mistyped_command()
        {
            return Err(failure.into());
        }
        let application = match (&action, &typed.application) {
            (Some(action), _) => action.file.as_os_str(),
            (None, Some(application)) => application,
            (None, None) => return Err(Failure::new(Code::NO_APPLICATION, "").into()),
        };
        let found = source::find(application, &here);
        let found = application::configure(found, typed, &mut self.settings, &here)?;
        if !self.variables.is_cgi()
            && let Some(reason) = self.variables.malformed()
        {
            return Err(Failure::new(Code::BAD_VARIABLE, reason).into());
        }
        let rule = self.repair(action.as_ref());
        Ok((found, rule))
    }

    fn repair(&mut self, action: Option<&ActionScript>) -> Rule {
        let handler = match action {
            Some(action) => Handler::Action {
                extra_path: &action.extra_path,
            },
            None => Handler::None,
        };
        let option = self.settings.script_name.as_deref().map(OsStr::as_bytes);
        let rule = repair(&mut self.variables, option, handler);
        self.say(&rule.to_string());
        if self.caller == Caller::Person {
            if self.variables.get("PATH_INFO").is_none() {
                self.variables.set("PATH_INFO", "/");
            }
            let path = String::from_utf8_lossy(self.variables.get("PATH_INFO").unwrap_or_default());
            let text = format!("no CGI environment (REQUEST_METHOD): answering GET {path}\n");
            report::tell_line(&text, None);
        }
        self.variables.complete();
        rule
    }

    fn say(&self, text: &str) {
        if self.settings.verbosity == Verbosity::Verbose {
            report::tell_line(&format!("{text}\n"), None);
        }
    }
}
