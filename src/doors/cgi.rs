//! The CGI door: one request from the environment and standard input, the response on standard output.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use contract::codes::Code;
use contract::handover::{BodyLength, Job, Observed, ResponseForm, Runs, Source, Verbosity};
use contract::outcome::Outcome;
use contract::report::{self, Asked, Failure};
use rustix::time::{ClockId, clock_gettime};

use crate::cgi::arguments::split_shebang_words;
use crate::cgi::meta_variables::{CHECKED, MetaVariables, SERVE_CHILD};
use crate::cgi::script::{ActionScript, Named, named, named_by_action};
use crate::cgi::script_name::{Handler, Rule, repair};
use crate::cli::{self, Refusal, Typed};
use crate::doors::self_test::{self, SelfTest};
use crate::doors::{application, interpreter};
use crate::plan::{Settings, Warm};
use crate::pragma;
use crate::python::discover::Interpreter;
use crate::record::Keeper;
use crate::runner::parent::{Ended, Progress};
use crate::runner::warm::{self, Answered, Seat, When};
use crate::runner::{Request, cold};
use crate::source::{self, Found};

/// Serves the request that the environment describes. `descriptors` are those that the server gave beyond the first
/// three, where a self-test may ask for them.
pub fn run(
    arguments: Vec<OsString>,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    descriptors: Vec<String>,
) -> Outcome {
    let variables = MetaVariables::from_environment(environment);
    let caller = match variables.is_cgi() || variables.get("REQUEST_METHOD").is_some() {
        true => Caller::Server,
        false => Caller::Person,
    };
    Door {
        front: std::process::id(),
        descriptors,
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
    /// For Server-Timing.
    started: u64,
    /// The process that has to end before the engine lets go of its descriptors; 0 if there is none.
    front: u32,
    /// How the response's head is written, whatever the script is called.
    form: Option<ResponseForm>,
    /// See [`run`].
    descriptors: Vec<String>,
    observed: Observed,
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
            started: monotonic_now(),
            front: 0,
            form: None,
            descriptors: Vec::new(),
            observed: Observed::No,
        }
    }

    fn enter(mut self, arguments: Vec<OsString>) -> Outcome {
        let found = self.find(arguments);
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
        let here = env::current_dir()
            .map_err(|error| Failure::new(Code::NO_DIRECTORY, error.to_string()))?;
        // First the environment's: what goes wrong below is told where it says.
        cli::apply_environment(|name| self.variables.get(name), &mut self.settings, &here)?;
        let executable = env::current_exe().ok();
        // Of a script's `#!` line, whoever started it.
        let arguments = split_shebang_words(arguments, pragma::first_line);
        let (typed, action) = match self.variables.take(SERVE_CHILD) {
            // They are the listener's: a query adds nothing to them.
            Some(kind) => {
                if kind == CHECKED.as_bytes() {
                    self.observed = Observed::Yes;
                }
                (cli::parse(&arguments)?, None)
            }
            None => self.believed(&arguments, executable.as_deref())?,
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
        let rule = self.repair(action.as_ref());
        Ok((found, rule))
    }

    /// Everything else that can be found out before anything is started.
    fn prepare(&self, found: Found) -> Result<Request, Failure> {
        let interpreter = self.interpreter(&found)?;
        self.request(found, interpreter)
    }

    /// The arguments that come from the deployment, and the script that Apache's `Action` names.
    fn believed(
        &self,
        arguments: &[OsString],
        executable: Option<&Path>,
    ) -> Result<(Typed, Option<ActionScript>), Refusal> {
        if !self.variables.is_cgi() {
            return Ok((cli::parse(arguments)?, None));
        }
        let executable = executable.unwrap_or(Path::new("/proc/self/exe"));
        let named = match named(&self.variables, executable, arguments) {
            Named::ByArguments(arguments) => {
                let typed = match cli::parse(&arguments) {
                    Err(Refusal::Answered(_)) => {
                        return Err(Failure::new(Code::NO_APPLICATION, "").into());
                    }
                    typed => typed?,
                };
                if typed.application.is_some() {
                    return Ok((typed, None));
                }
                // A wrapper script may be the handler of an `Action`.
                match named_by_action(&self.variables, executable) {
                    Named::ByAction(script) => return Ok((typed, Some(script))),
                    Named::StartedDirectly => return Ok((typed, None)),
                    other => other,
                }
            }
            other => other,
        };
        match named {
            Named::ByAction(script) => Ok((cli::parse(&[])?, Some(script))),
            Named::Missing(path) => {
                Err(Failure::new(Code::NO_SUCH_FILE, path.display().to_string()).into())
            }
            _ => Err(Failure::new(Code::STARTED_DIRECTLY, "").into()),
        }
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

    fn interpreter(&self, found: &Found) -> Result<Interpreter, Failure> {
        let executable = env::current_exe().ok();
        let executable = executable.as_deref();
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
                Code::BAD_CONTENT_LENGTH,
                format!("{:?}", String::from_utf8_lossy(&error.value)),
            )
        })?;
        if let Some(folder) = &self.settings.chdir
            && let Err(error) = std::fs::read_dir(folder)
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

    fn serve(&self, request: Request) -> Outcome {
        let body = request.job.body;
        let keeper = match Keeper::of(&self.settings, body) {
            Ok(keeper) => keeper.map(|keeper| keeper.running(&request.job)),
            Err(failure) => return self.end(&failure, body, None),
        };
        let ended = match self.run(request) {
            Ok(ended) => ended,
            Err(error) => {
                let failure = Failure::new(Code::SYSTEM, error.to_string());
                return self.end(&failure, body, keeper);
            }
        };
        if let Some(failure) = &ended.failure {
            self.tell(failure);
            // A person who has ended the run wants no page.
            let is_interrupted =
                self.caller == Caller::Person && matches!(ended.outcome, Outcome::Killed(_));
            if ended.progress < Progress::Answering && !is_interrupted {
                self.answer(failure);
            }
        }
        // Whoever was told to end did not fail; but Lighttpd says so as soon as it has the last byte.
        let own = ended.failure.as_ref().filter(|_| !ended.was_told_to_end);
        if let (Some(keeper), Some(failure)) = (keeper, ended.told.as_ref().or(own)) {
            keeper.keep(failure, self.variables.as_slice());
        }
        if ended.failure.is_some() {
            cold::drain_after_death(body);
        }
        ended.outcome
    }

    /// By a worker, where warm mode is wanted and can be; else cold, as the first request always is.
    fn run(&self, request: Request) -> io::Result<Ended> {
        // What is observed is the import, which a zygote has behind it.
        if self.settings.warm.wanted == Warm::Wanted && self.observed == Observed::No {
            let here = env::current_dir()?;
            let seat = Seat::of(&request, &here);
            let reason = match warm::serve(&request, &seat) {
                Ok(Answered::Served(ended)) => return Ok(ended),
                Ok(Answered::Cold(reason)) => reason,
                Err(error) => return Err(error),
            };
            self.say(&format!("runs cold: {reason}"));
            match warm::start(&request, &seat, When::Afterwards) {
                Ok(text) => self.say(&format!("for the next request: {text}")),
                Err(error) => self.say(&format!("no zygote can be started: {error}")),
            }
        }
        cold::serve(request)
    }

    /// Ends a request for which nothing was started.
    fn refuse(&self, failure: &Failure) -> Outcome {
        let body = self.variables.body_length().unwrap_or(BodyLength::Empty);
        let keeper = Keeper::of(&self.settings, body).ok().flatten();
        self.end(failure, body, keeper)
    }

    fn end(&self, failure: &Failure, body: BodyLength, keeper: Option<Keeper>) -> Outcome {
        self.tell(failure);
        // By hand, the lines on stderr are enough.
        if self.caller == Caller::Server {
            self.answer(failure);
            if let Some(keeper) = keeper {
                keeper.keep(failure, self.variables.as_slice());
            }
            cold::drain_after_death(body);
        }
        failure.code.entry().outcome
    }

    fn answer(&self, failure: &Failure) {
        let page = report::response(failure, &self.asked());
        // A server that has gone away needs no answer.
        let mut out = io::stdout().lock();
        let _ = out.write_all(&page).and_then(|()| out.flush());
    }

    fn tell(&self, failure: &Failure) {
        let log = self.settings.error_log.as_deref();
        let request = self_test::without_token(&self.asked().label());
        report::tell(failure, &request, log);
    }

    fn asked(&self) -> Asked<'_> {
        Asked {
            variables: self.variables.as_slice(),
            form: self.form(),
            detail: self.settings.detail,
        }
    }

    fn say(&self, text: &str) {
        if self.settings.verbosity == Verbosity::Verbose {
            report::tell_line(&format!("{text}\n"), None);
        }
    }
}
