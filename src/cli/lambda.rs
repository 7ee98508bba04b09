//! The command line of `lambda`.

use std::ffi::OsString;
use std::path::Path;

use clap::Parser;
use contract::codes::Code;
use contract::report::Failure;

use super::{Options, Refusal, refusal, switch};
use crate::plan::{Isolation, LambdaPlan, Sending};

const ABOUT: &str =
    "Runs an application on AWS Lambda: a custom runtime's loop, or one event on standard input.";

const DETAILS: &str = "\
With AWS_LAMBDA_RUNTIME_API in the environment it takes events from there, one
after another. Without, it reads one event from standard input and writes one
result to standard output.

Events of API Gateway (REST and HTTP APIs, payload formats 1.0 and 2.0),
function URLs and load balancers are known by their shape. The application is
imported once; each event is answered by a process that is forked for it, so
that none can spoil the next. Event and context stand in the environ under the
names that apig-wsgi, serverless-wsgi and awsgi use.

The file named bootstrap in a deployment package:
  #!/bin/sh
  exec \"$LAMBDA_TASK_ROOT/wsgi-cgi\" lambda \"$LAMBDA_TASK_ROOT/$_HANDLER\"

By hand:
  wsgi-cgi lambda app.py < event.json

Exit status: 0 the event was answered, by whatever HTTP status; 1 it failed, or
the runtime API did; 2 wrong usage, or no event; 3 application or interpreter
not found.";

#[derive(Parser)]
#[command(name = "wsgi-cgi lambda", bin_name = "wsgi-cgi lambda", about = ABOUT, after_help = DETAILS, args_override_self = true)]
pub(super) struct LambdaLine {
    /// Answer all events in one process, which imported the application: faster, without isolation
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = switch(), hide_possible_values = true, value_name = "BOOL", env = "WSGI_CGI_SAME_PROCESS", hide_env = true)]
    same_process: Option<bool>,
    /// Send responses as they are made (function URLs with InvokeMode RESPONSE_STREAM)
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = switch(), hide_possible_values = true, value_name = "BOOL", env = "WSGI_CGI_STREAM", hide_env = true)]
    stream: Option<bool>,
    /// POST events that are no HTTP to this path, as JSON: queues, timers; else they fail
    #[arg(long, value_name = "PATH", env = "WSGI_CGI_EVENTS", hide_env = true)]
    events: Option<String>,
    #[command(flatten)]
    options: Options,
    /// The application
    #[arg(value_name = "APP")]
    application: OsString,
}

/// Reads the command line behind `lambda`; relative paths count from `here`.
pub fn parse_lambda(arguments: &[OsString], here: &Path) -> Result<LambdaPlan, Refusal> {
    let program = OsString::from("wsgi-cgi lambda");
    let words = std::iter::once(&program).chain(arguments);
    let line = LambdaLine::try_parse_from(words).map_err(|error| refusal(&error))?;
    if let Some(path) = &line.events
        && !path.starts_with('/')
    {
        let reason = format!("--events {path:?}: not a path such as /events");
        return Err(Failure::new(Code::BAD_SETTING, reason).into());
    }
    Ok(LambdaPlan {
        arguments: line.options.call(&line.application, here),
        isolation: match line.same_process {
            Some(true) => Isolation::None,
            _ => Isolation::Process,
        },
        sending: match line.stream {
            Some(true) => Sending::Streamed,
            _ => Sending::Buffered,
        },
        events: line.events,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_switch_is_on_off_or_not_given() {
        let plan = |words: &[&str]| {
            let words: Vec<_> = words.iter().map(OsString::from).collect();
            parse_lambda(&words, Path::new("/")).ok()
        };
        let isolation = |words: &[&str]| plan(words).map(|plan| plan.isolation);
        assert_eq!(
            isolation(&["--same-process", "a.py"]),
            Some(Isolation::None)
        );
        assert_eq!(
            isolation(&["--same-process=1", "a.py"]),
            Some(Isolation::None)
        );
        assert_eq!(
            isolation(&["--same-process=no", "a.py"]),
            Some(Isolation::Process)
        );
        assert_eq!(isolation(&["a.py"]), Some(Isolation::Process));
        assert_eq!(isolation(&["--same-process=maybe", "a.py"]), None);
        assert!(plan(&["--events", "jobs", "a.py"]).is_none());
    }
}
