//! What every configuration is made of: this program, the application with its options, and where it is to be.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use contract::codes::Code;
use contract::handover::Source;
use contract::report::Failure;

use crate::cgi::meta_variables::MetaVariables;
use crate::doors::interpreter;
use crate::plan::Warm;
use crate::plan::config::{Application, Mounting};
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
    /// The interpreter, or its virtualenv, if one was found and none was typed.
    pub python: Option<String>,
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
        let python = match asked.settings.python {
            Some(_) => None,
            None => {
                interpreter::choose(&variables, &asked.settings, &found, Some(&executable)).ok()
            }
        };
        let (folder, target) = target(&asked.application, &found, &here)?;
        let script = mount.script.clone();
        let script = script.unwrap_or_else(|| Path::new(&folder).join("app.cgi"));
        let words: Result<Vec<_>, _> = asked.words.iter().map(|word| text(word)).collect();
        Ok(Self {
            program: text(executable.as_os_str())?,
            target,
            typed: words?,
            python: python.map(|python| text(&packages(&python))).transpose()?,
            timeout: asked.settings.timeout,
            warm: asked.settings.warm.wanted,
            has_error_log: asked.settings.error_log.is_some(),
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
            return Err(Failure::new(Code::BAD_SETTING, reason));
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
        let relative = String::new();
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

fn packages(interpreter: &Interpreter) -> OsString {
    match &interpreter.virtualenv {
        Some(own) => own.prefix.clone().into(),
        None => interpreter.program.clone().into(),
    }
}

/// What can be written into a text file's line.
pub fn text(name: &OsStr) -> Result<String, Failure> {
    match name
        .to_str()
        .filter(|name| !name.contains(char::is_control))
    {
        Some(name) => Ok(name.to_owned()),
        None => Err(Failure::new(
            Code::BAD_SETTING,
            format!(
                "{name:?} holds control characters, or is no UTF-8: no server can be told it; choose another name"
            ),
        )),
    }
}

/// The folder's name, as far as every server and systemd take it for a file's.
fn label(folder: &str) -> String {
    let name = folder.rsplit('/').next().unwrap_or_default();
    let is_plain = |char: char| char.is_ascii_alphanumeric() || "-_".contains(char);
    let name: String = name
        .chars()
        .map(|char| if is_plain(char) { char } else { '-' })
        .collect();
    match name.trim_matches('-') {
        "" => "site".into(),
        name => name.to_owned(),
    }
}
