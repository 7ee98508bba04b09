//! The environ that an application would get: a small application of our own, in the interpreter of that one, shows it.

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;

use super::Ended;
use super::asked::Request;
use super::child::{self, command};
use crate::doors::refuse;
use crate::doors::template::Template;
use crate::plan::RequestPlan;

const APPLICATION: &str = include_str!("environ.py");

/// Shows it, a line for each key.
pub fn show(plan: &RequestPlan, request: &Request) -> io::Result<Ended> {
    let template = match Template::of(plan.arguments.clone()) {
        Ok(template) => template,
        Err(refusal) => return Ok(Ended::As(refuse(refusal))),
    };
    let mut file = tempfile::Builder::new()
        .prefix("environ")
        .suffix(".py")
        .tempfile()?;
    file.write_all(APPLICATION.as_bytes())?;
    let mut arguments = plan.arguments.clone();
    // Options count from the left: this one is the last.
    arguments.pop();
    let mut python = OsString::from("--python=");
    python.push(&template.request.interpreter.program);
    arguments.extend([python, file.path().into()]);
    let answered = child::answer(command(&arguments, request), request)?;
    // What it says of its own file is not what the application would see.
    let own = file.path().as_os_str().as_bytes();
    for line in answered.body.split_inclusive(|byte| *byte == b'\n') {
        if !line.windows(own.len()).any(|window| window == own) {
            io::stdout().write_all(line)?;
        }
    }
    Ok(Ended::As(answered.outcome))
}
