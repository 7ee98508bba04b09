//! The watchdog door: one request from the variables of OpenFaaS's classic watchdog, the body on standard output.

mod filter;
mod variables;

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Seek, Write};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use contract::codes::Code;
use contract::handover::{Detail, ResponseForm};
use contract::outcome::Outcome;
use contract::report::{self, Asked, Failure};
use rustix::stdio;

use self::filter::Filter;
use self::variables::{Body, Request};
use crate::cgi::meta_variables::SERVE_CHILD;
use crate::cgi::response;
use crate::cli::{self, Refusal};
use crate::doors::{cgi, complaints, here, refuse};
use crate::plan::WatchdogPlan;

/// Answers the one request.
pub fn run(arguments: &[OsString]) -> Outcome {
    let parsed = here().map_err(Refusal::from);
    let plan = match parsed.and_then(|here| cli::parse_watchdog(arguments, &here)) {
        Ok(plan) => plan,
        Err(refusal) => return refuse(refusal),
    };
    let environment: Vec<_> = env::vars_os().collect();
    keep_complaints_out_of_the_page(&environment);
    let form = plan.form;
    serve(plan, &environment).unwrap_or_else(|failure| answer_for(&failure, form))
}

fn serve(plan: WatchdogPlan, environment: &[(OsString, OsString)]) -> Result<Outcome, Failure> {
    let system = |error: io::Error| Failure::new(Code::SYSTEM, error.to_string());
    let request = Request::read(environment)?;
    let length = match &request.body {
        Body::Known(length) => *length,
        // An application reads by the length: it gets one.
        Body::UntilEnd => replace_stdin(&mut io::stdin()).map_err(system)?,
        Body::Given(body) => replace_stdin(&mut body.as_slice()).map_err(system)?,
    };
    let has_body = length > 0 || !matches!(request.event.method.as_str(), "GET" | "DELETE");
    let variables = request
        .event
        .variables(has_body.then_some(length))
        .map_err(|reason| Failure::new(Code::BAD_EVENT, reason))?;
    let text = OsString::from_vec;
    let variables = variables
        .into_iter()
        .map(|(name, value)| (text(name), text(value)));
    let environment = request
        .deployment
        .into_iter()
        .chain(variables)
        .chain([(SERVE_CHILD.into(), "1".into())]);
    if plan.form == ResponseForm::Nph {
        // The response itself says how it went.
        cgi::run_within(plan.arguments, environment, ResponseForm::Nph);
        return Ok(Outcome::Complete);
    }
    let filter = Filter::start().map_err(system)?;
    let outcome = cgi::run_within(plan.arguments, environment, ResponseForm::Cgi);
    let seen = filter.finish().map_err(system)?;
    Ok(match outcome {
        Outcome::Complete => seen,
        failed => failed,
    })
}

/// The page of a request for which nothing was started.
fn answer_for(failure: &Failure, form: ResponseForm) -> Outcome {
    report::tell(failure, "", None);
    let asked = Asked {
        variables: &[],
        form,
        detail: Detail::Hidden,
    };
    let page = report::response(failure, &asked);
    let head = match form {
        ResponseForm::Nph => 0,
        ResponseForm::Cgi => match response::parse(&page, true) {
            Ok(Some((_, length))) => length,
            _ => 0,
        },
    };
    let _ = io::stdout().write_all(page.get(head..).unwrap_or_default());
    failure.code.entry().outcome
}

/// With `combine_output`, which is the watchdog's default, it hands out what stands on stderr. Its own stderr is its
/// log.
fn keep_complaints_out_of_the_page(environment: &[(OsString, OsString)]) {
    let value = |name: &str| {
        let found = environment.iter().find(|(found, _)| found == name);
        found.map(|(_, value)| value.as_os_str())
    };
    let is_combined = value("combine_output") != Some(OsStr::new("false"));
    if value("Http_Method").is_none() || !(is_combined || complaints::reach_the_client()) {
        return;
    }
    let parent = rustix::process::getppid().map_or(0, |pid| pid.as_raw_nonzero().get());
    let log = format!("/proc/{parent}/fd/2");
    complaints::go_to(&[Path::new(&log), Path::new("/dev/null")]);
}

/// Makes this the body, and gives its length.
fn replace_stdin(body: &mut impl Read) -> io::Result<u64> {
    let mut file = tempfile::tempfile()?;
    let length = io::copy(body, &mut file)?;
    file.rewind()?;
    stdio::dup2_stdin(file)?;
    Ok(length)
}
