//! The same request in several ways: whether warm mode, and we at all, answer as others do.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use contract::handover::{Packages, Source};
use contract::report::{printable, printable_line};

use super::asked::Request;
use super::child::{self, Answered, command, set};
use super::{Ended, milliseconds};
use crate::cgi::response::Head;
use crate::doors::refuse;
use crate::doors::template::Template;
use crate::http::response_head::reason;
use crate::plan::{Mode, RequestPlan};
use crate::terminal::Progress;

const HANDLER: &str = include_str!("wsgiref_handler.py");

/// Lines of a body that are shown where they differ.
const LINES: usize = 10;

/// Differ by nature: the time, and what tells how long something took.
const IGNORED: [&str; 2] = ["date", "server-timing"];

/// Sends it in each way, the first being what the others are compared with.
pub fn run(plan: &RequestPlan, request: &Request, modes: &[Mode]) -> io::Result<Ended> {
    let mut answers = Vec::new();
    for mode in modes {
        let _progress = Progress::of(&format!("asking: {}", mode.name()));
        let answered = match mode {
            Mode::Cold => {
                let arguments = with(plan, "--warm=false");
                child::answer(command(&arguments, request), request)?
            }
            Mode::Warm => {
                let arguments = with(plan, "--warm");
                start_zygote(&arguments)?;
                child::answer(command(&arguments, request), request)?
            }
            Mode::Wsgiref => match by_wsgiref(plan, request)? {
                Ok(answered) => answered,
                Err(ended) => return Ok(ended),
            },
        };
        answers.push((*mode, answered));
    }
    let mut out = io::stdout().lock();
    for (mode, answered) in &answers {
        let status = answered
            .head
            .as_ref()
            .map_or("no response".to_owned(), |head| {
                format!("{} {}", head.status, reason(head.status))
            });
        let milliseconds = milliseconds(answered.total);
        let (name, length) = (mode.name(), answered.body.len());
        writeln!(
            out,
            "{name:<8} {status:<24} {length:>9} bytes {milliseconds:>8.1} ms"
        )?;
    }
    let Some(((first, expected), others)) = answers.split_first() else {
        return Ok(Ended::Different);
    };
    let mut is_same = true;
    for (mode, answered) in others {
        let text = differences(expected, answered);
        if !text.is_empty() {
            is_same = false;
            write!(
                out,
                "\n{} differs from {}:\n{text}",
                mode.name(),
                first.name()
            )?;
        }
    }
    Ok(match is_same {
        false => Ended::Different,
        true => {
            writeln!(out, "the same response")?;
            Ended::As(expected.outcome)
        }
    })
}

fn with(plan: &RequestPlan, option: &str) -> Vec<OsString> {
    let mut arguments = plan.arguments.clone();
    arguments.insert(arguments.len().saturating_sub(1), option.into());
    arguments
}

/// Waits until there is one for this application; where there cannot be, it has told why.
fn start_zygote(arguments: &[OsString]) -> io::Result<()> {
    Command::new("/proc/self/exe")
        .args(["warm", "start"])
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .map(drop)
}

/// By Python's own CGI handler, in the same interpreter.
fn by_wsgiref(plan: &RequestPlan, request: &Request) -> io::Result<Result<Answered, Ended>> {
    let template = match Template::of(plan.arguments.clone()) {
        Ok(template) => template,
        Err(refusal) => return Ok(Err(Ended::As(refuse(refusal)))),
    };
    let job = &template.request.job;
    let (folder, source) = match &job.source {
        Source::File(file) => (file.parent().unwrap_or(Path::new("/")), file.as_os_str()),
        Source::Module { name, directory } => (directory.as_path(), name.as_ref()),
    };
    // A virtualenv's own program knows its packages.
    let program = match &job.packages {
        Packages::System => template.request.interpreter.program.clone(),
        Packages::Virtualenv(prefix) | Packages::VirtualenvAndSystem(prefix) => {
            prefix.join("bin/python")
        }
    };
    let mut command = Command::new(program);
    command
        .args(["-c", HANDLER])
        .arg(folder)
        .arg(source)
        .arg(job.callable.as_deref().unwrap_or_default())
        .args(&job.path);
    set(&mut command, request);
    if let Some(folder) = &template.request.chdir {
        command.current_dir(folder);
    }
    child::answer(command, request).map(Ok)
}

/// What differs, for a person; empty if nothing does.
fn differences(expected: &Answered, found: &Answered) -> String {
    let mut text = String::new();
    let (Some(one), Some(other)) = (&expected.head, &found.head) else {
        if expected.head.is_some() != found.head.is_some() {
            text.push_str("  one of them is no response\n");
        }
        return text;
    };
    if one.status != other.status {
        let _ = writeln!(text, "  status {}, not {}", other.status, one.status);
    }
    let (one, other) = (fields(one), fields(other));
    for field in one.iter().filter(|field| !other.contains(field)) {
        let _ = writeln!(text, "  - {field}");
    }
    for field in other.iter().filter(|field| !one.contains(field)) {
        let _ = writeln!(text, "  + {field}");
    }
    if expected.body != found.body {
        text.push_str(&bodies(&expected.body, &found.body));
    }
    text
}

fn fields(head: &Head) -> Vec<String> {
    let mut lines: Vec<_> = head
        .for_client()
        .map(|(name, value)| (name.to_ascii_lowercase(), String::from_utf8_lossy(value)))
        .filter(|(name, _)| !IGNORED.contains(&name.as_str()))
        .map(|(name, value)| printable_line(&format!("{name}: {value}")))
        .collect();
    lines.sort();
    lines
}

/// The lines from the first that differs on.
fn bodies(expected: &[u8], found: &[u8]) -> String {
    let (Ok(one), Ok(other)) = (str::from_utf8(expected), str::from_utf8(found)) else {
        let at = expected
            .iter()
            .zip(found)
            .take_while(|(one, other)| one == other)
            .count();
        return format!("  the bodies differ from byte {at} on\n");
    };
    let same = one
        .lines()
        .zip(other.lines())
        .take_while(|(one, other)| one == other)
        .count();
    let mut text = format!("  the bodies differ from line {} on:\n", same + 1);
    let mut list = |sign: char, body: &str| {
        for line in body.lines().skip(same).take(LINES) {
            let short: String = printable(line).chars().take(200).collect();
            let _ = writeln!(text, "  {sign} {short}");
        }
    };
    list('-', one);
    list('+', other);
    text
}
