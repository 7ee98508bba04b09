//! What the application asks for, and what its interpreter has.

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::catalogue::Kind;
use super::process;
use super::report::{Report, quoted};
use super::subject::Subject;
use super::user::by_owner_of;
use crate::cgi::meta_variables::SERVE_CHILD;
use crate::plan::Depth;

const PROBE: &str = include_str!("requirements.py");

/// For reading what is installed.
const LIMIT: Duration = Duration::from_secs(60);

/// Asks the application's interpreter; reports its version, too.
pub fn check(subject: &Subject, report: &mut Report) {
    let Some(interpreter) = &subject.interpreter else {
        return;
    };
    report.begin("Packages");
    if subject.plan.depth == Depth::Static {
        let version = interpreter.version;
        let version = version.map(|(major, minor)| format!("{major}.{minor}"));
        report.fact("version", version);
        report.note("not compared: --no-run starts no interpreter");
        return;
    }
    let other = subject.other_user();
    let mut command = process::command(&interpreter.program, other);
    command
        .args(["-I", "-B", "-c", PROBE])
        .arg(&subject.folder)
        .arg(subject.file.as_deref().unwrap_or("".as_ref()))
        .stdin(Stdio::null())
        .current_dir("/");
    if subject.owner.is_some() {
        command.env_clear().envs(process::shared_environment());
    }
    command.env(SERVE_CHILD, process::kind(""));
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
                if let Some(remedy) = installing(subject, &package) {
                    hit.mend(remedy);
                }
            }
            _ => {}
        }
    }
    // Without an answer, the interpreter itself is what is wrong: the import tells.
    if let Some(package) = told["lacks"].as_str() {
        let what = format!("{package} is not installed");
        let hit = report.add(Kind::NOT_COMPARED, what);
        if let Some(remedy) = installing(subject, package) {
            hit.mend(remedy);
        }
    }
}

/// The command that installs a package for the application; none for what names no package, such as an option of
/// pip or an address: an exception's text may hold anything. The Pythons of distributions refuse packages (PEP 668):
/// without a virtualenv, one is made where it is found.
pub fn installing(subject: &Subject, package: &str) -> Option<String> {
    let interpreter = subject
        .interpreter
        .as_ref()
        .filter(|_| is_requirement(package))?;
    let (python, package) = (quoted(&interpreter.program), quoted(package));
    let own = interpreter.virtualenv.as_ref();
    let changed = own.map_or(&subject.folder, |own| &own.prefix);
    let command = match own {
        Some(own) if own.prefix.join("bin/pip").exists() => {
            format!("{python} -m pip install {package}")
        }
        Some(_) => format!("{python} -m ensurepip && {python} -m pip install {package}"),
        None => {
            let own = quoted(subject.folder.join(".venv"));
            format!("{python} -m venv {own} && {own}/bin/python -m pip install {package}")
        }
    };
    Some(by_owner_of(subject.judged(changed), &command))
}

/// A name (PEP 508), perhaps with extras, versions and a marker, but without an address.
fn is_requirement(text: &str) -> bool {
    let is_known =
        |char: char| char.is_ascii_alphanumeric() || "._- []()<>=!~,;*'\"".contains(char);
    text.starts_with(|first: char| first.is_ascii_alphanumeric()) && text.chars().all(is_known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_packages_are_installed() {
        for text in [
            "flask",
            "Django>=4,<5",
            "requests[socks]>=2 ; python_version > '3'",
            "zope.interface",
        ] {
            assert!(is_requirement(text), "{text}");
        }
        for text in [
            "",
            "--index-url=http://x",
            "-r",
            "git+https://x/y",
            "name @ https://x/y",
            "./folder",
            ".",
            "a\nb",
            "a\u{202e}b",
            "$(id)",
            "a`id`",
        ] {
            assert!(!is_requirement(text), "{text:?}");
        }
    }
}
