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
use std::io::{self, Read};
use std::sync::{Arc, mpsc};
use std::thread;

use contract::codes::Code;
use contract::outcome::Outcome;
use contract::report::{Failure, tell_line};

use self::function::{Function, Sink};
use self::report::{BAD_EVENT, Report};
use self::runtime_api::{Address, Api, Failed};
use crate::cli::{self, Refusal};
use crate::doors::{here, refuse};
use crate::runner::signals;

/// Serves events until the platform ends this process; or one.
pub fn run(arguments: &[OsString]) -> Outcome {
    let parsed = here().map_err(Refusal::from);
    let plan = match parsed.and_then(|here| cli::parse_lambda(arguments, &here)) {
        Ok(plan) => plan,
        Err(refusal) => return refuse(refusal),
    };
    let address = match env::var("AWS_LAMBDA_RUNTIME_API") {
        Err(_) => None,
        Ok(text) => match Address::parse(&text) {
            Ok(address) => Some(address),
            Err(reason) => {
                let reason = format!("AWS_LAMBDA_RUNTIME_API: {reason}");
                return refuse(Failure::new(Code::BAD_SETTING, reason).into());
            }
        },
    };
    let function = match Function::prepare(&plan) {
        Ok(function) => function,
        Err(refusal) => return refuse_events(refusal, address.as_ref()),
    };
    match address {
        Some(address) => serve(function, &address),
        None => answer_one(function),
    }
}

/// Ends before there was an event; the platform is told, if there is one.
fn refuse_events(refusal: Refusal, address: Option<&Address>) -> Outcome {
    if let (Refusal::Wrong(failure), Some(address)) = (&refusal, address) {
        let report = Report::of_failure(failure);
        tell_platform(Api::new(address.clone(), None).fail_init(&report));
    }
    refuse(refusal)
}

fn serve(mut function: Function, address: &Address) -> Outcome {
    if let Err(failure) = function.begin() {
        return refuse_events(failure.into(), Some(address));
    }
    let ended = signals::listen_for_end().and_then(|told| {
        // The first waits for the event that is being answered.
        signals::end_at_the_second()?;
        let told = Arc::new(told);
        let api = || Api::new(address.clone(), Some(told.clone()));
        match function.concurrency() {
            1 => take_events(&function, api()),
            number => take_at_once(function, (0..number).map(|_| api())),
        }
    });
    match ended {
        Ok(()) => Outcome::Complete,
        Err(error) => refuse(failure(&error).into()),
    }
}

/// Until they have all been told to end and have answered their events; or until the first of them fails.
fn take_at_once(function: Function, apis: impl Iterator<Item = Api>) -> io::Result<()> {
    let function = Arc::new(function);
    let (ends, ended) = mpsc::channel();
    for api in apis {
        let (function, ends) = (function.clone(), ends.clone());
        thread::Builder::new().spawn(move || ends.send(take_events(&function, api)))?;
    }
    drop(ends);
    ended.into_iter().collect()
}

fn failure(error: &io::Error) -> Failure {
    let code = match Failed::of(error) {
        Some(_) => Code::RUNTIME_API,
        None => Code::SYSTEM,
    };
    Failure::new(code, error.to_string())
}

/// Takes events until this process is told to end, or the API fails.
fn take_events(function: &Function, mut api: Api) -> io::Result<()> {
    while let Some(next) = api.next()? {
        let sink = Sink::Platform(&mut api, &next.id);
        match function.answer(&next.event, Some(&next), sink) {
            // It concerns this event only: the platform did not take what there was to say.
            Err(error) if Failed::of(&error).is_some_and(|failed| failed.is_refusal) => {
                tell_platform(Err(error));
            }
            answered => answered?,
        }
    }
    Ok(())
}

fn tell_platform(told: io::Result<()>) {
    if let Err(error) = told {
        let failure = Failure::new(Code::NOT_TOLD_PLATFORM, error.to_string());
        tell_line(&format!("{failure}\n"), None);
    }
}

fn answer_one(function: Function) -> Outcome {
    let mut event = Vec::new();
    let mut failed = None;
    let answered = io::stdin()
        .read_to_end(&mut event)
        .and_then(|_| function.answer(&event, None, Sink::Writer(&mut io::stdout(), &mut failed)));
    match (answered, failed) {
        (Err(error), _) => refuse(failure(&error).into()),
        (Ok(()), Some(report)) if report.kind == BAD_EVENT => Outcome::BadUsage,
        (Ok(()), Some(_)) => Outcome::ApplicationFailed,
        (Ok(()), None) => Outcome::Complete,
    }
}
