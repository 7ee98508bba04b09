//! A response, shown as curl shows it.

use std::fs::File;
use std::io::{self, Write};
use std::process::Stdio;

use super::Ended;
use super::asked::Request;
use super::child::{Answered, Running, command};
use crate::cgi::response::Head;
use crate::http::response_head::reason;
use crate::plan::{RequestPlan, Showing};

/// Sends the request, and shows the response as it comes.
pub fn show(plan: &RequestPlan, request: &Request) -> io::Result<Ended> {
    let running = Running::start(command(&plan.arguments, request), request, Stdio::inherit())?;
    let mut screen = Screen::new(&plan.showing)?;
    let answered = running.read(|head, piece| screen.show(head, piece))?;
    Ok(ended(&answered, &plan.showing))
}

/// What is said of it to the shell.
pub fn ended(answered: &Answered, showing: &Showing) -> Ended {
    match &answered.head {
        Some(head) if showing.fail && head.status >= 400 => Ended::HttpError,
        _ => Ended::As(answered.outcome),
    }
}

/// Where a response is shown.
pub struct Screen<'a> {
    showing: &'a Showing,
    out: Box<dyn Write>,
    has_head: bool,
}

impl<'a> Screen<'a> {
    /// Standard output, or a file.
    pub fn new(showing: &'a Showing) -> io::Result<Self> {
        let out: Box<dyn Write> = match &showing.output {
            None => Box::new(io::stdout()),
            Some(file) => Box::new(File::create(file).map_err(|error| {
                io::Error::new(error.kind(), format!("{}: {error}", file.display()))
            })?),
        };
        Ok(Self {
            showing,
            out,
            has_head: false,
        })
    }

    /// Shows the next piece, and before the first one the head.
    pub fn show(&mut self, head: &Head, piece: &[u8]) -> io::Result<()> {
        if !self.has_head {
            self.has_head = true;
            if self.showing.head {
                self.out.write_all(&shown(head))?;
            }
        }
        if !(self.showing.fail && head.status >= 400) {
            self.out.write_all(piece)?;
        }
        self.out.flush()
    }
}

/// A head as it would go over a connection.
fn shown(head: &Head) -> Vec<u8> {
    let phrase = head
        .reason
        .as_deref()
        .unwrap_or_else(|| reason(head.status));
    let mut text = format!("HTTP/1.1 {} {phrase}\r\n", head.status).into_bytes();
    for (name, value) in head.for_client() {
        text.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
    }
    text.extend(b"\r\n");
    text
}
