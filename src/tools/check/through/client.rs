//! Sends the questions, by a script in the application's own interpreter: the front has neither TLS nor a resolver.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::event::{PollFd, PollFlags};
use serde_json::json;

use super::questions::{Answer, Question};
use crate::runner::signals;
use crate::wait;

const CLIENT: &str = include_str!("client.py");

/// Less than a token's life.
const SECONDS: u64 = 110;

/// For a connection, and for each part of a reply.
const PATIENCE: u64 = 20;

/// How it ended.
pub enum Asked {
    /// With these answers.
    Answered(Vec<Answer>),
    /// A signal told us to end.
    Interrupted,
    /// The script itself failed.
    Failed(String),
}

/// What is asked where.
pub struct Plan<'a> {
    /// The application's address.
    pub url: &'a str,
    /// `--insecure`.
    pub is_insecure: bool,
    /// Where the script's sign goes.
    pub token_file: &'a Path,
    /// See there.
    pub questions: Vec<Question>,
}

/// Asks them in their order. `interrupted` is readable when a signal came.
pub fn ask(plan: &Plan<'_>, program: &OsStr, interrupted: &impl AsFd) -> io::Result<Asked> {
    let mut child = Command::new(program)
        .args(["-I", "-S", "-c", CLIENT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let text = json!({
        "url": plan.url,
        "insecure": plan.is_insecure,
        "token_file": plan.token_file,
        "questions": plan.questions,
        "seconds": SECONDS,
        "patience": PATIENCE,
    });
    // By a pipe: everybody sees a program's arguments.
    if let Some(mut input) = child.stdin.take() {
        let _ = input.write_all(text.to_string().as_bytes());
    }
    let Some(lines) = read(&mut child, interrupted)? else {
        let _ = child.kill();
        child.wait()?;
        return Ok(Asked::Interrupted);
    };
    let mut complaints = String::new();
    if let Some(mut errors) = child.stderr.take() {
        let _ = errors.read_to_string(&mut complaints);
    }
    let status = child.wait()?;
    let answers: Result<Vec<Answer>, _> = lines.lines().map(serde_json::from_str).collect();
    Ok(match answers {
        Ok(answers) if status.success() && !answers.is_empty() => Asked::Answered(answers),
        _ => {
            let last = complaints
                .trim_end()
                .lines()
                .last()
                .unwrap_or("it said nothing");
            Asked::Failed(format!(
                "{}: {status}: {last}",
                Path::new(program).display()
            ))
        }
    })
}

/// All that it writes, unless a signal comes first.
fn read(child: &mut Child, interrupted: &impl AsFd) -> io::Result<Option<String>> {
    let Some(stdout) = child.stdout.take() else {
        return Ok(Some(String::new()));
    };
    let mut stdout = File::from(OwnedFd::from(stdout));
    let mut bytes = Vec::new();
    let mut piece = vec![0; 64 << 10];
    loop {
        let mut polled = [
            PollFd::new(&stdout, PollFlags::IN),
            PollFd::new(interrupted, PollFlags::IN),
        ];
        wait::ready(&mut polled, None)?;
        if !polled[1].revents().is_empty() {
            return Ok(None);
        }
        match stdout.read(&mut piece) {
            Ok(0) => return Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
            Ok(count) => bytes.extend_from_slice(piece.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// The signals that end us, as bytes: the token file must be removed first.
pub fn interruptions() -> io::Result<impl AsFd> {
    signals::listen_for_end()
}
