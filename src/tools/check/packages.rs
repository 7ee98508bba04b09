//! What the application asks for, and what its interpreter has.

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::catalogue::Kind;
use super::process;
use super::report::{Report, quoted};
use super::subject::Subject;
use crate::cgi::meta_variables::SERVE_CHILD;

const PROBE: &str = include_str!("requirements.py");

/// For reading what is installed.
const LIMIT: Duration = Duration::from_secs(60);

/// Asks the application's interpreter; reports its version, too.
pub fn check(subject: &Subject, report: &mut Report) {
    let Some(interpreter) = &subject.interpreter else {
        return;
    };
    report.begin("Packages");
    let other = subject.other_user();
    let mut command = process::command(&interpreter.program, other);
    command
        .args(["-I", "-B", "-c", PROBE])
        .arg(&subject.folder)
        .arg(subject.file.as_deref().unwrap_or("".as_ref()))
        .stdin(Stdio::null())
        .current_dir("/")
        .env(SERVE_CHILD, process::kind("", other));
    let read = process::run(command, Instant::now() + LIMIT);
    let told = read
        .ok()
        .and_then(|done| serde_json::from_slice(&done.output).ok());
    let told: Value = told.unwrap_or_default();
    let text = |value: &Value, name: &str| value[name].as_str().unwrap_or_default().to_owned();
    report.fact("version", told["version"].as_str());
    for source in told["sources"].as_array().into_iter().flatten() {
        report.note(source.as_str().unwrap_or_default());
    }
    for found in told["found"].as_array().into_iter().flatten() {
        let (what, package) = (text(found, "what"), text(found, "package"));
        let kind = match found["kind"].as_str() {
            Some("missing") => Kind::REQUIREMENT_MISSING,
            Some("version") => Kind::REQUIREMENT_VERSION,
            Some("python") => Kind::PYTHON_VERSION,
            _ => Kind::NOT_COMPARED,
        };
        let hit = report.add(kind, what);
        hit.at(text(found, "place"));
        match kind {
            Kind::REQUIREMENT_MISSING | Kind::REQUIREMENT_VERSION => {
                hit.mend(installing(subject, &package).unwrap_or_default());
            }
            _ => {}
        }
    }
    // Without an answer, the interpreter itself is what is wrong: the import tells.
    if let Some(package) = told["lacks"].as_str() {
        let what = format!("{package} is not installed");
        let remedy = installing(subject, package).unwrap_or_default();
        report.add(Kind::NOT_COMPARED, what).mend(remedy);
    }
}

/// The command that installs a package for the application. The Pythons of distributions refuse packages (PEP 668):
/// without a virtualenv, one is made where it is found.
pub fn installing(subject: &Subject, package: &str) -> Option<String> {
    let interpreter = subject.interpreter.as_ref()?;
    let (python, package) = (quoted(&interpreter.program), quoted(package));
    Some(match &interpreter.virtualenv {
        Some(own) if own.prefix.join("bin/pip").exists() => {
            format!("{python} -m pip install {package}")
        }
        Some(_) => format!("{python} -m ensurepip && {python} -m pip install {package}"),
        None => {
            let own = quoted(subject.folder.join(".venv"));
            format!("{python} -m venv {own} && {own}/bin/python -m pip install {package}")
        }
    })
}
