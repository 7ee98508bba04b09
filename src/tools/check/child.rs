//! One request in a CGI process of this program, as the web server would start it; and what it told.

use std::env;
use std::io::{self, Seek, Write};
use std::process::Command;
use std::time::{Duration, Instant};

use contract::codes::Code;
use serde_json::Value;

use super::process;
use super::server::{bytes, texts};
use super::subject::Subject;
use crate::bytes::decimal;
use crate::cgi::meta_variables::{CHECKED, SERVE_CHILD};
use crate::doors::request::asked::Request;
use crate::doors::request::child::set;
use crate::doors::request::timing::{Import, import};
use crate::gateway;

/// For the process to end a late application by itself.
const MARGIN: Duration = Duration::from_secs(5);

/// Whether the validator stands around the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Around {
    /// It does, and the import is observed.
    Observer,
    /// It is asked as a web server would.
    Nothing,
}

/// Whose environment the process has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The web server's, if one is simulated.
    Server,
    /// This process's.
    Shell,
}

/// What came back.
pub struct Answer {
    /// 0 where there was no response.
    pub status: u16,
    /// Names and values, as they were written.
    pub fields: Vec<(String, Vec<u8>)>,
    /// Of the head, in bytes.
    pub head_length: usize,
    /// What the engine told of a failure.
    pub failure: Option<Failed>,
    /// What the observer told.
    pub report: Option<Value>,
    /// In the order in which they were finished.
    pub imports: Vec<Import>,
    /// It was ended after the time limit.
    pub is_late: bool,
    /// What the application wrote to stderr.
    pub said: Vec<String>,
}

/// A failure as it stood on stderr.
pub struct Failed {
    pub code: Code,
    /// The specifics, in one line.
    pub reason: String,
    /// Traceback and stack.
    pub detail: Vec<String>,
}

/// Asks the application. An error is the system's, which could not start the process.
pub fn ask(
    subject: &Subject,
    request: &Request,
    around: Around,
    place: Place,
) -> io::Result<Answer> {
    let limit = subject.plan.limit;
    let settings = [
        ("warm", "false".to_owned()),
        ("debug", "false".to_owned()),
        ("error-log", "/dev/null".to_owned()),
        ("record", String::new()),
        ("timeout", limit.as_secs_f64().to_string()),
    ];
    let mut command = program(subject, &settings)?;
    environment(&mut command, subject, request, place);
    if subject.starter.is_some() {
        // What it starts is this program again: it takes them from here.
        for (name, value) in settings {
            let name = name.to_ascii_uppercase().replace('-', "_");
            command.env(format!("WSGI_CGI_{name}"), value);
        }
    }
    let kind = match around {
        Around::Observer => CHECKED,
        Around::Nothing => "1",
    };
    command.env(SERVE_CHILD, process::kind(kind));
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    if around == Around::Observer {
        command.env("PYTHONPROFILEIMPORTTIME", "1");
    }
    let mut input = tempfile::tempfile()?;
    input.write_all(&request.body)?;
    input.rewind()?;
    command.stdin(input);
    match process::run(command, Instant::now() + limit + MARGIN) {
        Ok(done) => {
            let mut answer = heard(&String::from_utf8_lossy(&done.errors));
            answer.is_late |= done.is_late;
            head(&done.output, &mut answer);
            Ok(answer)
        }
        // The script cannot be started: its fault.
        Err(error) if subject.starter.is_some() => {
            let mut answer = heard("");
            answer.failure = Some(Failed {
                code: Code::CANNOT_START,
                reason: format!("{}: {error}", subject.application.display()),
                detail: Vec::new(),
            });
            Ok(answer)
        }
        Err(error) => Err(error),
    }
}

/// This program, or a wrapper script that starts it.
fn program(subject: &Subject, settings: &[(&str, String)]) -> io::Result<Command> {
    let other = subject.other_user();
    if let Some(wrapper) = subject.file.as_ref().filter(|_| subject.starter.is_some()) {
        return Ok(process::command(wrapper, other));
    }
    // By its path: another user may not have the right to it.
    let mut command = process::command(&env::current_exe()?, other);
    let settings = settings.iter();
    command
        .args(&subject.plan.words)
        .args(settings.map(|(name, value)| format!("--{name}={value}")))
        .arg(&subject.application);
    Ok(command)
}

fn environment(command: &mut Command, subject: &Subject, request: &Request, place: Place) {
    set(command, request);
    if subject.owner.is_some() {
        let request = request.variables.iter().map(texts);
        command
            .env_clear()
            .envs(process::shared_environment())
            .envs(request);
    }
    let server = subject.plan.server.filter(|_| place == Place::Server);
    if let Some(server) = server {
        let mut variables = request.variables.clone();
        for (name, value) in server.environment().into_iter().map(bytes) {
            gateway::set(&mut variables, &name, &value);
        }
        if let Some(file) = &subject.file {
            let name = file.as_os_str().as_encoded_bytes();
            gateway::set(&mut variables, b"SCRIPT_FILENAME", name);
        }
        command.env_clear().envs(variables.iter().map(texts));
    }
    // The script's folder (RFC 3875 section 7.2), which another user may be in; a module is looked up where we are.
    if subject.file.is_some() && (server.is_some() || subject.other_user().is_some()) {
        command.current_dir(&subject.folder);
    }
}

/// What stands on stderr: lines of importtime, the observer's, and the engine's.
fn heard(text: &str) -> Answer {
    let mut answer = Answer {
        status: 0,
        fields: Vec::new(),
        head_length: 0,
        failure: None,
        report: None,
        imports: Vec::new(),
        is_late: false,
        said: Vec::new(),
    };
    let mut stack: Vec<String> = Vec::new();
    let mut is_importing = true;
    for line in text.lines() {
        if let Some(told) = line.strip_prefix("\u{1e}wsgi-cgi check ") {
            match told {
                // What comes before and after is not the application's import.
                "begin" => answer.imports.clear(),
                "end" => is_importing = false,
                json => answer.report = serde_json::from_str(json).ok(),
            }
        } else if let Some(found) = import(line) {
            answer.imports.extend(found.ok().filter(|_| is_importing));
        } else if let Some(failed) = failed(line) {
            answer.is_late |= failed.code == Code::TIMED_OUT;
            answer.failure.get_or_insert(failed);
        } else if line.starts_with("  File \"") && !line.contains(", in ") {
            // faulthandler's, before the failure is told.
            stack.push(line.trim().to_owned());
        } else if let Some(failure) = &mut answer.failure
            && let Some(line) = line.strip_prefix("  ")
        {
            // The remedy ends it.
            if !line.starts_with("what to do: ") {
                failure.detail.push(line.to_owned());
            }
        } else if !line.is_empty() && !line.starts_with("  what to do: ") {
            answer.said.push(line.to_owned());
        }
    }
    if let Some(failure) = &mut answer.failure
        && failure.detail.is_empty()
    {
        failure.detail = stack;
    }
    answer
}

/// `[2026-01-31T12:00:00Z] wsgi-cgi: WC040 the sentence: the reason (GET /)`
fn failed(line: &str) -> Option<Failed> {
    // The application may have begun the line.
    let (_, text) = line.split_once("Z] wsgi-cgi: ")?;
    let code = Code::all().find(|code| text.starts_with(code.entry().code))?;
    // What has no status has changed no answer.
    let code = Some(code).filter(|code| !code.entry().status.is_empty())?;
    let rest = text.split_once(code.entry().sentence)?.1;
    let rest = rest.rsplit_once(" (").map_or(rest, |(reason, _)| reason);
    Some(Failed {
        code,
        reason: rest.trim_start_matches(": ").to_owned(),
        detail: Vec::new(),
    })
}

/// Reads the head as it is, whatever a gateway would say of it.
fn head(response: &[u8], answer: &mut Answer) {
    let mut rest = response;
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let (line, behind) = rest.split_at(end + 1);
        rest = behind;
        let line = line.trim_ascii_end();
        if line.is_empty() {
            answer.head_length = response.len() - rest.len();
            return;
        }
        let is_status_line = line.starts_with(b"HTTP/1.1 ");
        let separator = if is_status_line { b' ' } else { b':' };
        let at = line.iter().position(|byte| *byte == separator);
        let (name, value) = line.split_at(at.unwrap_or(line.len()));
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        if is_status_line || name.eq_ignore_ascii_case(b"Status") {
            let number = value.get(..3).and_then(decimal).unwrap_or(0);
            answer.status = u16::try_from(number).unwrap_or(0);
        } else {
            let name = String::from_utf8_lossy(name).into_owned();
            answer.fields.push((name, value.to_vec()));
        }
    }
    // It has ended within its head.
    answer.status = 0;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_taken_apart() {
        let text = "import time: self [us] | cumulative | imported package\n\
                    import time:       5 |          7 |     os.path\n\
                    printed by somebody\n\
                    \u{1e}wsgi-cgi check {\"rules\": []}\n\
                    begun[2026-01-31T12:00:00Z] wsgi-cgi: WC040 the application raised an exception: KeyError: 'a' (GET /)\n\
                    \x20 Traceback\n\
                    \x20 what to do: mend it\n";
        let answer = heard(text);
        let failure = answer.failure.unwrap();
        assert_eq!(failure.reason, "KeyError: 'a'");
        assert_eq!(failure.detail, ["Traceback"]);
        assert_eq!(answer.said, ["printed by somebody"]);
        assert_eq!(answer.imports.first().map(|import| import.depth), Some(2));
        assert!(answer.report.is_some() && !answer.is_late);
    }

    /// A complaint beside an answer, such as one of an import that is slow.
    #[test]
    fn what_changes_no_answer_is_no_failure() {
        for code in ["WC058", "WC071"] {
            let code = Code::all()
                .find(|known| known.entry().code == code)
                .unwrap();
            let sentence = code.entry().sentence;
            let answer = heard(&format!(
                "[2026-01-31T12:00:00Z] wsgi-cgi: {} {sentence}: x (GET /)\n  what to do: wait\n",
                code.entry().code
            ));
            assert!(answer.failure.is_none() && !answer.is_late);
            assert_eq!(answer.said.len(), 1);
        }
    }

    #[test]
    fn a_head_is_read_as_it_is() {
        let mut answer = heard("");
        head(b"Status: 201 Made\r\nA: 1\r\nA: 2\r\n\r\nbody", &mut answer);
        assert_eq!((answer.status, answer.head_length), (201, 32));
        assert_eq!(answer.fields.len(), 2);
        head(b"HTTP/1.1 404 No\r\n\r\n", &mut answer);
        assert_eq!(answer.status, 404);
    }
}
