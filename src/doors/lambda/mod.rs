//! The Lambda door: events from the runtime API, or one from standard input, as requests; responses as JSON.

mod context;
mod event;
mod function;
mod home;
mod report;
mod response;
mod runtime_api;
mod stream;
mod worker;

use std::env;
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::thread;

use contract::codes::Code;
use contract::outcome::Outcome;
use contract::report::{Failure, tell, tell_line};

use self::function::{Function, Sink};
use self::report::{BAD_EVENT, Report};
use self::runtime_api::{Address, Api};
use crate::cli::{self, Refusal};
use crate::runner::signals;

/// Serves events until the platform ends this process; or one.
pub fn run(arguments: &[OsString]) -> Outcome {
    let prepared = env::current_dir()
        .map_err(|error| Failure::new(Code::NO_DIRECTORY, error.to_string()).into())
        .and_then(|here| cli::parse_lambda(arguments, &here));
    let plan = match prepared {
        Ok(plan) => plan,
        Err(refusal) => return refuse(refusal, None),
    };
    let address = match env::var("AWS_LAMBDA_RUNTIME_API") {
        Err(_) => None,
        Ok(text) => match Address::parse(&text) {
            Ok(address) => Some(address),
            Err(reason) => {
                let reason = format!("AWS_LAMBDA_RUNTIME_API: {reason}");
                return refuse(Failure::new(Code::BAD_SETTING, reason).into(), None);
            }
        },
    };
    let function = match Function::prepare(&plan) {
        Ok(function) => function,
        Err(refusal) => return refuse(refusal, address),
    };
    match address {
        Some(address) => serve(function, &address),
        None => answer_one(function),
    }
}

/// Ends before there was an event; the platform is told, if there is one.
fn refuse(refusal: Refusal, address: Option<Address>) -> Outcome {
    let failure = match refusal {
        Refusal::Answered(text) => {
            let _ = io::stdout().write_all(text.as_bytes());
            return Outcome::Complete;
        }
        Refusal::Wrong(failure) => failure,
    };
    tell(&failure, "", None);
    if let Some(address) = address {
        tell_platform(Api::new(address, None).fail_init(&Report::of_failure(&failure)));
    }
    failure.code.entry().outcome
}

fn serve(mut function: Function, address: &Address) -> Outcome {
    if let Err(failure) = function.begin() {
        return refuse(failure.into(), Some(address.clone()));
    }
    let signals = match signals::listen_for_end() {
        Ok(signals) => Arc::new(signals),
        Err(error) => return refuse(system(&error).into(), Some(address.clone())),
    };
    let function = Arc::new(function);
    let api = || Api::new(address.clone(), Some(signals.clone()));
    for _ in 1..function.concurrency() {
        let (function, api) = (function.clone(), api());
        // What it has to say, the others find out, too.
        thread::spawn(move || take_events(&function, api));
    }
    match take_events(&function, api()) {
        // The application's process ends with its exit handlers, which have some seconds.
        Ok(()) => Outcome::Complete,
        Err(error) => {
            let failure = system(&error);
            tell(&failure, "", None);
            failure.code.entry().outcome
        }
    }
}

fn system(error: &io::Error) -> Failure {
    Failure::new(Code::SYSTEM, error.to_string())
}

/// Takes events until this process is told to end, or the API fails.
fn take_events(function: &Function, mut api: Api) -> io::Result<()> {
    while let Some(next) = api.next()? {
        let sink = Sink::Platform(&mut api, &next.id);
        match function.answer(&next.event, Some(&next), sink) {
            // It concerns this event only: the platform did not take what there was to say.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => tell_platform(Err(error)),
            answered => answered?,
        }
    }
    Ok(())
}

fn tell_platform(told: io::Result<()>) {
    if let Err(error) = told {
        tell_line(&format!("the platform could not be told: {error}\n"), None);
    }
}

fn answer_one(function: Function) -> Outcome {
    let mut event = Vec::new();
    let mut failed = None;
    let answered = io::stdin()
        .read_to_end(&mut event)
        .and_then(|_| function.answer(&event, None, Sink::Writer(&mut io::stdout(), &mut failed)));
    match (answered, failed) {
        (Err(error), _) => {
            let failure = system(&error);
            tell(&failure, "", None);
            failure.code.entry().outcome
        }
        (Ok(()), Some(report)) if report.kind == BAD_EVENT => Outcome::BadUsage,
        (Ok(()), Some(_)) => Outcome::ApplicationFailed,
        (Ok(()), None) => Outcome::Complete,
    }
}
