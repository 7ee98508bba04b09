//! What is checked: the application, where it lies, who runs it, and by which interpreter.

use std::env;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use contract::codes::Code;
use contract::handover::Source;
use contract::report::Failure;
use rustix::process::geteuid;

use super::access::link_of_other;
use super::catalogue::{Kind, Severity};
use super::report::{Report, quoted};
use super::script;
use super::user::User;
use crate::cgi::meta_variables::MetaVariables;
use crate::cli::{self, Refusal};
use crate::doors::{application, interpreter};
use crate::plan::{CheckPlan, Settings};
use crate::pragma;
use crate::python::discover::{Distrust, Interpreter};
use crate::source::{self, Found};

/// What is known of an application before it is run.
pub struct Subject {
    pub plan: CheckPlan,
    /// The application's file, if it is one.
    pub file: Option<PathBuf>,
    /// What was typed as APP, as a path.
    pub typed: PathBuf,
    /// Its folder.
    pub folder: PathBuf,
    /// Whether the web server starts the file itself.
    pub is_script: bool,
    /// What runs it, if it is a wrapper script: its application is known to it alone.
    pub starter: Option<String>,
    /// Whom the web server runs it as, where that is known.
    pub user: Option<User>,
    /// Whose the application is, where we are root and it is not root's: nothing of it runs as root.
    pub owner: Option<User>,
    /// None where none can be used.
    pub interpreter: Option<Interpreter>,
    /// APP for another process, wherever that is started.
    pub application: OsString,
}

/// What choosing an interpreter needs, and gives.
struct Choice {
    found: Found,
    interpreter: Result<Interpreter, Failure>,
}

impl Subject {
    /// Finds application and interpreter, and reports what stands in the way.
    pub fn find(plan: CheckPlan, here: &Path, report: &mut Report) -> Result<Self, Refusal> {
        report.begin("Application");
        let typed = plain(&here.join(&plan.application));
        let environment = environment(&plan);
        let choice = match choose(&plan, here, environment) {
            Ok(choice) => Some(choice),
            Err(Refusal::Wrong(failure)) => {
                let remedy = failure.code.entry().remedy;
                report
                    .add(Kind::NO_APPLICATION, failure.to_string())
                    .mend(remedy);
                None
            }
            Err(refusal) => return Err(refusal),
        };
        let found = choice.as_ref().map(|choice| &choice.found);
        let file = match found.map(|found| &found.source) {
            Some(Source::File(file)) => Some(file.clone()),
            Some(Source::Module { .. }) => None,
            None => typed.is_file().then(|| typed.clone()),
        };
        let folder = match (found, &file) {
            (Some(found), _) => found.directory.clone(),
            (None, Some(file)) => file.parent().unwrap_or(Path::new("/")).to_owned(),
            (None, None) => here.to_owned(),
        };
        // A link is one with the name of a callable behind it, too.
        let typed = match found.and_then(|found| found.callable.as_ref()) {
            Some(callable) if !typed.exists() => {
                let text = typed.as_os_str().as_bytes();
                let text = text.strip_suffix(format!(":{callable}").as_bytes());
                text.map_or(typed.clone(), |text| OsStr::from_bytes(text).into())
            }
            _ => typed,
        };
        report.fact("application", described(found, &typed));
        let is_script = file.as_deref().is_some_and(script::is_one);
        let place = file.as_deref().unwrap_or(&folder);
        let user = User::of_server(plan.server, plan.user.as_deref(), place).map_err(|name| {
            let reason = format!("--user {name}: there is no such user");
            Refusal::Wrong(Failure::new(Code::BAD_SETTING, reason))
        })?;
        if let Some(server) = plan.server {
            report.fact("server", server.name());
        }
        let owner = User::stranger(place, &typed, &folder).filter(|_| geteuid().is_root());
        if let Some(user) = user.as_ref().or(owner.as_ref()) {
            report.fact("user", user.name.clone());
        }
        let starter = file.as_deref().and_then(script::starter);
        if let Some(starter) = &starter {
            report.fact("wrapper", format!("run by {starter}"));
        }
        let mut subject = Self {
            starter,
            application: absolute(found, &plan.application),
            file,
            typed,
            folder,
            is_script,
            user,
            owner,
            interpreter: None,
            plan,
        };
        if let Some(choice) = choice.filter(|_| subject.starter.is_none()) {
            subject.interpreter(choice, here, report);
        }
        Ok(subject)
    }

    fn interpreter(&mut self, choice: Choice, here: &Path, report: &mut Report) {
        report.begin("Interpreter");
        match choice.interpreter {
            Err(failure) => {
                let mut detail = failure
                    .detail
                    .lines()
                    .map(str::to_owned)
                    .collect::<Vec<_>>();
                detail.retain(|line| !line.is_empty());
                report
                    .add(Kind::NO_INTERPRETER, failure.to_string())
                    .mend(failure.code.entry().remedy)
                    .detail(detail);
            }
            Ok(interpreter) => {
                report.note(interpreter::described(&interpreter));
                report.fact("interpreter", interpreter.program.display().to_string());
                report.fact("chosen", interpreter.reason.clone());
                let own = interpreter.virtualenv.as_ref();
                report.fact(
                    "virtualenv",
                    own.map(|own| own.prefix.display().to_string()),
                );
                for skipped in &interpreter.skipped {
                    let owner = self.user.as_ref().or(self.owner.as_ref());
                    let owner = owner.map_or("USER", |user| &user.name);
                    let prefix = &skipped.prefix;
                    let hit = report.add(Kind::VIRTUALENV_PASSED_OVER, skipped.to_string());
                    hit.at(prefix.display());
                    match &skipped.why {
                        Distrust::Writable { path } => {
                            hit.mend_path(path, format!("chmod -R o-w {}", quoted(path)))
                        }
                        Distrust::Owner { path, .. } if path.starts_with(prefix) => hit.mend(format!(
                            "chown -R {owner} {}   # if you know what is in it",
                            quoted(prefix)
                        )),
                        // Its Python is somebody else's.
                        Distrust::Owner { .. } => hit.mend(format!(
                            "/usr/bin/python3 -m venv --clear {}   # and install its packages again",
                            quoted(prefix)
                        )),
                    };
                }
                self.compare(&interpreter, here, report);
                self.interpreter = Some(interpreter);
            }
        }
    }

    /// Whether shell and web server choose the same.
    fn compare(&self, chosen: &Interpreter, here: &Path, report: &mut Report) {
        let other = match self.plan.server {
            Some(_) => own_environment(),
            None => crate::plan::Server::Apache.environment(),
        };
        let Ok(Choice {
            interpreter: Ok(other),
            ..
        }) = choose(&self.plan, here, other)
        else {
            return;
        };
        if other.program == chosen.program {
            return;
        }
        let (shell, server) = match self.plan.server {
            Some(_) => (&other, chosen),
            None => (chosen, &other),
        };
        let what = format!(
            "your shell: {}; the web server: {}",
            interpreter::described(shell),
            interpreter::described(server)
        );
        let program = shell.program.display().to_string();
        let line = format!("# wsgi-cgi: python={program}");
        let remedy = match &self.file {
            // A setting in a script has no blanks.
            _ if program.contains(char::is_whitespace) => format!(
                "in a wrapper script: exec wsgi-cgi --python {} {}",
                quoted(&program),
                quoted(&self.application)
            ),
            Some(file) => {
                let has_shebang =
                    pragma::first_line(file).is_some_and(|line| line.starts_with(b"#!"));
                let place = if has_shebang { "1a" } else { "1i" };
                let command = quoted(format!("{place} {line}"));
                format!("sed -i {command} {}", quoted(file))
            }
            None => format!("put this line into the script: {line}"),
        };
        let hit = report.add(Kind::OTHER_INTERPRETER, what);
        match &self.file {
            Some(file) if remedy.starts_with("sed ") => hit.mend_path(self.judged(file), remedy),
            _ => hit.mend(remedy),
        };
        // Nobody has said that it is for a web server.
        if self.plan.server.is_none() {
            hit.severity(Severity::Hint);
        }
    }

    /// Whether requests are run as somebody else. Suexec's user is the file's owner: where that is root, in a folder
    /// of somebody else, nothing runs as root.
    pub fn other_user(&self) -> Option<&User> {
        let is_meant = |user: &&User| user.uid != 0 || self.plan.user.is_some();
        let user = self.user.as_ref().filter(is_meant);
        let user = user.or(self.owner.as_ref())?;
        (user.uid != geteuid().as_raw()).then_some(user)
    }

    /// By what a command that changes `path`, a file or folder of the application, is judged: by the link, if
    /// somebody else has made one that leads there.
    pub fn judged<'a>(&'a self, path: &'a Path) -> &'a Path {
        match link_of_other(&self.typed) {
            Some(_) => &self.typed,
            None => path,
        }
    }

    /// The folder whose files the web server hands out; and whether somebody said so.
    pub fn served(&self) -> Option<(&Path, bool)> {
        match &self.plan.document_root {
            Some(folder) => Some((folder, true)),
            None => self.is_script.then_some((&self.folder, false)),
        }
    }
}

/// The environment that the application will have.
fn environment(plan: &CheckPlan) -> Vec<(OsString, OsString)> {
    match plan.server {
        Some(server) => server.environment(),
        None => own_environment(),
    }
}

fn own_environment() -> Vec<(OsString, OsString)> {
    env::vars_os().collect()
}

fn choose(
    plan: &CheckPlan,
    here: &Path,
    environment: Vec<(OsString, OsString)>,
) -> Result<Choice, Refusal> {
    let variables = MetaVariables::from_environment(environment);
    let mut settings = Settings::default();
    cli::apply_environment(|name| variables.get(name), &mut settings, here)?;
    let found = source::find(&plan.application, here);
    let typed = cli::parse(&plan.words)?;
    let mut found = application::configure(found, typed, &mut settings, here)?;
    found.directory = plain(&found.directory);
    let executable = env::current_exe().ok();
    Ok(Choice {
        interpreter: interpreter::choose(&variables, &settings, &found, executable.as_deref()),
        found,
    })
}

fn described(found: Option<&Found>, typed: &Path) -> String {
    let Some(found) = found else {
        return typed.display().to_string();
    };
    let place = match &found.source {
        Source::File(file) => file.display().to_string(),
        Source::Module { name, directory } => format!("{name} in {}", plain(directory).display()),
    };
    match &found.callable {
        Some(name) => format!("{place}, {name}"),
        None => place,
    }
}

/// Without the point of `.`, as people write it.
fn plain(path: &Path) -> PathBuf {
    path.components().collect()
}

/// APP for a process with another working folder; a module's name stays what it is.
fn absolute(found: Option<&Found>, typed: &OsString) -> OsString {
    let Some(found) = found else {
        return typed.clone();
    };
    let mut word = match &found.source {
        Source::File(file) => file.clone().into_os_string(),
        Source::Module { .. } if found.owner.is_some() => found.directory.clone().into(),
        Source::Module { .. } => return typed.clone(),
    };
    if let Some(callable) = &found.callable {
        word.push(":");
        word.push(callable);
    }
    word
}
