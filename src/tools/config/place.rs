//! What every configuration is made of: this program, the application with its options, and where it is to be.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use contract::codes::Code;
use contract::handover::Source;
use contract::report::{Failure, is_steering};

use crate::cgi::meta_variables::MetaVariables;
use crate::cli;
use crate::doors::interpreter;
use crate::plan::config::{Application, Mounting};
use crate::plan::{Settings, Warm};
use crate::pragma;
use crate::python::discover::Interpreter;
use crate::source::{self, Found};

/// An application of this machine, and the site that it is to be a part of.
#[derive(Clone, Debug)]
pub struct Place {
    /// This executable.
    pub program: String,
    /// APP; every path is absolute.
    pub target: Target,
    /// The options that were typed; paths are absolute.
    pub typed: Vec<String>,
    /// The virtualenv, or an interpreter where no web server would look, if one was found and none was typed.
    pub python: Option<String>,
    /// A virtualenv was found or named.
    pub has_virtualenv: bool,
    /// The file that names the packages, if there is one.
    pub requirements: Option<Requirements>,
    /// `--timeout`.
    pub timeout: Option<Duration>,
    /// `--warm`.
    pub warm: Warm,
    /// `--error-log` was given.
    pub has_error_log: bool,
    /// The application's folder.
    pub folder: String,
    /// What the site's files are called.
    pub label: String,
    /// The script that a web server runs.
    pub script: String,
    /// Where the application is to be.
    pub mount: Mounting,
}

/// What names an application's packages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requirements {
    /// `requirements.txt`.
    List,
    /// `pyproject.toml`.
    Project,
}

/// APP, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A file or a folder, with the name behind the colon.
    Path {
        /// Below the application's folder; empty for the folder itself.
        relative: String,
        /// `:name`, or empty.
        callable: String,
    },
    /// `module:name`, looked up from the application's folder.
    Module(String),
}

impl Place {
    /// Finds the application and its interpreter; relative paths count from `here`. That no interpreter is found is no
    /// error: the server may be another machine.
    pub fn find(asked: &Application, mount: &Mounting, here: &Path) -> Result<Self, Failure> {
        let here = fs::canonicalize(here).unwrap_or_else(|_| here.to_owned());
        let found = source::find(&asked.application, &here)?;
        let executable = env::current_exe().map_err(|error| {
            Failure::new(Code::SYSTEM, format!("no path of this program: {error}"))
        })?;
        let variables = MetaVariables::from_environment(env::vars_os());
        // Like a request: the script's own settings, then those that were typed.
        let mut settings = Settings::default();
        if let Source::File(file) = &found.source {
            let words = pragma::read(file).map_err(|error| source::unreadable(file, &error))?;
            cli::apply_pragma(&words, &mut settings, &found.directory)?;
        }
        settings.python = asked.settings.python.clone().or(settings.python);
        settings.chdir = asked.settings.chdir.clone().or(settings.chdir);
        let is_named = settings.python.is_some();
        let python = interpreter::choose(&variables, &settings, &found, Some(&executable)).ok();
        let (folder, target) = target(&asked.application, &found, &here)?;
        let script = mount.script.clone();
        let script = script.unwrap_or_else(|| Path::new(&folder).join("app.cgi"));
        let words: Result<Vec<_>, _> = asked.words.iter().map(|word| text(word)).collect();
        Ok(Self {
            program: text(executable.as_os_str())?,
            target,
            typed: words?,
            has_virtualenv: python
                .as_ref()
                .is_some_and(|python| python.virtualenv.is_some()),
            python: python
                .and_then(|python| packages(&python))
                .filter(|_| !is_named)
                .map(|python| text(&python))
                .transpose()?,
            timeout: asked.settings.timeout,
            warm: asked.settings.warm.wanted,
            has_error_log: asked.settings.error_log.is_some(),
            requirements: requirements(&folder),
            label: label(&folder),
            folder,
            script: text(script.as_os_str())?,
            mount: mount.clone(),
        })
    }

    /// Options and APP, as they are typed on this machine, behind `own`, which say what nobody has typed.
    pub fn command(&self, own: &[String]) -> Vec<String> {
        let name = |word: &String| word.split('=').next().unwrap_or_default().to_owned();
        let is_typed = |word: &&String| !self.typed.iter().any(|typed| name(typed) == name(word));
        let mut words: Vec<_> = own.iter().filter(is_typed).cloned().collect();
        words.extend(
            self.python
                .iter()
                .map(|python| format!("--python={python}")),
        );
        words.extend(self.typed.iter().cloned());
        match &self.target {
            Target::Module(_) if !self.typed.iter().any(|word| word.starts_with("--chdir=")) => {
                words.push(format!("--chdir={}", self.folder));
            }
            _ => {}
        }
        words.push(self.target.below(&self.folder));
        words
    }

    /// The same for a copy of the application's folder on another machine.
    pub fn command_in(&self, folder: &str) -> Result<Vec<String>, Failure> {
        let is_local = |word: &&String| {
            let names = ["--python=", "--chdir=", "--path=", "--error-log="];
            names.iter().any(|name| word.starts_with(name))
        };
        if let Some(word) = self.typed.iter().find(is_local) {
            let reason = format!(
                "{word} is a path of this machine, and the copy of {} has none",
                self.folder
            );
            return Err(Failure::new(Code::CANNOT_CONFIGURE, reason));
        }
        let mut words = self.typed.clone();
        if matches!(self.target, Target::Module(_)) {
            words.push(format!("--chdir={folder}"));
        }
        words.push(self.target.below(folder));
        Ok(words)
    }

    /// The site's address, for people.
    pub fn address(&self) -> String {
        let host = self.mount.name.as_deref().unwrap_or("localhost");
        let port = match self.mount.port.map(|port| port.number) {
            None | Some(80) => String::new(),
            Some(number) => format!(":{number}"),
        };
        format!("http://{host}{port}{}/", self.mount.url)
    }

    /// The script's folder and name.
    pub fn script_parts(&self) -> (&str, &str) {
        match self.script.rsplit_once('/') {
            Some(("", name)) => ("/", name),
            Some(parts) => parts,
            None => (".", &self.script),
        }
    }
}

impl Target {
    /// APP, where the application's folder is `folder`.
    pub fn below(&self, folder: &str) -> String {
        match self {
            Self::Path { relative, callable } if relative.is_empty() => {
                format!("{folder}{callable}")
            }
            Self::Path { relative, callable } => format!("{folder}/{relative}{callable}"),
            Self::Module(name) => name.clone(),
        }
    }
}

/// The application's folder, and APP in it. A link stays one: it may lead to another release tomorrow.
fn target(application: &OsStr, found: &Found, here: &Path) -> Result<(String, Target), Failure> {
    let text_of = |path: &Path| text(path.as_os_str());
    let callable = found.callable.as_ref().map(|name| format!(":{name}"));
    let callable = callable.unwrap_or_default();
    let typed = text(application)?;
    let path = match here.join(application).exists() {
        true => typed.as_str(),
        false => typed.strip_suffix(&callable).unwrap_or(&typed),
    };
    let path = without_parents(&here.join(path));
    if path.is_dir() {
        // The file in it, so that no request has to look for it.
        let file = match &found.source {
            Source::File(file) => file.strip_prefix(&path).ok(),
            Source::Module { .. } => None,
        };
        let relative = file
            .map(|file| text(file.as_os_str()))
            .transpose()?
            .unwrap_or_default();
        return Ok((text_of(&path)?, Target::Path { relative, callable }));
    }
    match (&found.source, path.parent(), path.file_name()) {
        (Source::File(_), Some(folder), Some(name)) => {
            let relative = text(name)?;
            Ok((text_of(folder)?, Target::Path { relative, callable }))
        }
        (Source::Module { directory, .. }, ..) => Ok((text_of(directory)?, Target::Module(typed))),
        _ => Ok((
            text_of(&found.directory)?,
            Target::Path {
                relative: typed,
                callable,
            },
        )),
    }
}

/// Without `.`, and without `..` where the system says what it means.
fn without_parents(path: &Path) -> PathBuf {
    let path: PathBuf = path.components().collect();
    match path
        .components()
        .any(|part| part == std::path::Component::ParentDir)
    {
        true => fs::canonicalize(&path).unwrap_or(path),
        false => path,
    }
}

/// What `--python` is to say. Without a virtualenv, an interpreter that every web server finds needs no name: one that
/// is made later is then used.
fn packages(interpreter: &Interpreter) -> Option<OsString> {
    match &interpreter.virtualenv {
        Some(own) => Some(own.prefix.clone().into()),
        None => {
            let folder = interpreter.program.parent().unwrap_or(Path::new(""));
            let is_found = ["/usr/local/bin", "/usr/bin", "/bin"]
                .map(Path::new)
                .contains(&folder);
            (!is_found).then(|| interpreter.program.clone().into())
        }
    }
}

/// What can be written into a text file's line.
pub fn text(name: &OsStr) -> Result<String, Failure> {
    match name.to_str().filter(|name| !name.contains(is_steering)) {
        Some(name) => Ok(name.to_owned()),
        None => Err(Failure::new(
            Code::CANNOT_CONFIGURE,
            format!(
                "{name:?} holds control characters or others that are not seen, or is no UTF-8: choose another name"
            ),
        )),
    }
}

fn requirements(folder: &str) -> Option<Requirements> {
    let has = |name: &str| Path::new(folder).join(name).exists();
    match () {
        () if has("requirements.txt") => Some(Requirements::List),
        () if has("pyproject.toml") => Some(Requirements::Project),
        () => None,
    }
}

/// The folder's name, as far as every server and systemd take it for a file's.
fn label(folder: &str) -> String {
    let name = folder.rsplit('/').next().unwrap_or_default();
    let parts = name.split(|char: char| !char.is_ascii_alphanumeric() && char != '_');
    let parts: Vec<_> = parts.filter(|part| !part.is_empty()).collect();
    match parts.is_empty() {
        true => "site".into(),
        false => parts.join("-"),
    }
}
