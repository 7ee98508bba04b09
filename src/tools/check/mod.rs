//! `wsgi-cgi check`: what will go wrong under a web server, found before it does.

mod access;
pub mod catalogue;
mod child;
mod import;
mod packages;
mod permissions;
mod process;
mod report;
mod requests;
mod script;
mod served;
mod server;
mod shebang;
mod subject;
mod through;
pub mod user;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;

use clap::ValueEnum;
use contract::codes::Code;
use contract::outcome::Outcome;
use contract::report::Failure;
use rustix::process::geteuid;

use self::catalogue::Kind;
use self::child::{Around, Place, ask};
use self::import::Imported;
use self::report::{Report, quoted};
use self::subject::Subject;
use crate::cli::{self, Refusal};
use crate::doors::{here, refuse};
use crate::plan::{CheckPlan, Checking, Depth, ReportForm};
use crate::terminal::{Manners, Progress};

/// `arguments` stand behind `check`.
pub fn run(arguments: &[OsString]) -> Outcome {
    let checked =
        here()
            .map_err(Refusal::from)
            .and_then(|here| match cli::parse_check(arguments, &here)? {
                Checking::Here(plan) => check(plan, &here),
                Checking::Through(plan) => through::check(&plan),
            });
    checked.unwrap_or_else(refuse)
}

fn check(plan: CheckPlan, here: &Path) -> Result<Outcome, Refusal> {
    let (form, depth) = (plan.form, plan.depth);
    let mut report = Report::default();
    let subject = Subject::find(plan, here, &mut report)?;
    {
        let _progress = Progress::of("looking at files");
        shebang::check(&subject, &mut report);
        permissions::check(&subject, &mut report);
        served::check(&subject, &mut report);
    }
    {
        let _progress = Progress::of("asking the interpreter for its packages");
        packages::check(&subject, &mut report);
    }
    let is_there = !report.has(Kind::NO_APPLICATION) && !report.has(Kind::NO_INTERPRETER);
    let mut outcome = Outcome::Complete;
    if depth == Depth::Full && is_there {
        outcome = run_it(&subject, &mut report)?;
    }
    let text = match form {
        ReportForm::Json => report.json(),
        ReportForm::Found => report.text(Manners::of_output(), false),
        ReportForm::All => report.text(Manners::of_output(), true),
    };
    // A reader that has gone away has seen enough.
    let _ = io::stdout().write_all(text.as_bytes());
    Ok(match () {
        () if !is_there || outcome == Outcome::NotFound => Outcome::NotFound,
        () if report.is_bad() => Outcome::ApplicationFailed,
        () => Outcome::Complete,
    })
}

/// The import and the requests.
fn run_it(subject: &Subject, report: &mut Report) -> Result<Outcome, Failure> {
    let failed = |error: io::Error| Failure::new(Code::SYSTEM, error.to_string());
    let probes = requests::probes()?;
    let Some(first) = probes.first() else {
        return Ok(Outcome::Complete);
    };
    if let Some(user) = subject.other_user().filter(|_| !geteuid().is_root()) {
        report.begin("User");
        let what = format!("as user {}, and not as {}", geteuid().as_raw(), user.name);
        report
            .add(Kind::CANNOT_CHANGE_USER, what)
            .mend(as_root(&subject.plan));
    }
    let progress = Progress::of(&format!("importing {}", subject.application.display()));
    let answer = ask(subject, &first.request, Around::Observer, Place::Server).map_err(failed)?;
    drop(progress);
    if let Some(failure) = &answer.failure
        && failure.code == Code::CANNOT_START
    {
        // A folder that cannot be entered has been told.
        match &subject.starter {
            _ if report.has(Kind::OUT_OF_REACH) => {}
            None => out_of_reach(&failure.reason, report),
            Some(_) => {
                report.begin("Import");
                report.add(Kind::IMPORT_FAILED, &failure.reason);
            }
        }
        return Ok(Outcome::ApplicationFailed);
    }
    let imported = import::check(subject, &first.request, &answer, report).map_err(failed)?;
    match imported {
        Imported::Not(outcome) => Ok(outcome),
        Imported::Well => {
            requests::check(subject, &probes, answer, report).map_err(failed)?;
            Ok(Outcome::Complete)
        }
    }
}

/// The same check, by root.
fn as_root(plan: &CheckPlan) -> String {
    let mut words: Vec<OsString> = ["sudo", "wsgi-cgi", "check"].map(OsString::from).into();
    let server = plan.server.and_then(|server| server.to_possible_value());
    words.extend(server.map(|server| format!("--as-cgi={}", server.get_name()).into()));
    words.extend(plan.user.iter().map(|user| format!("--user={user}").into()));
    if let Some(root) = &plan.document_root {
        words.extend(["--document-root".into(), root.clone().into()]);
    }
    words.extend(plan.words.iter().chain([&plan.application]).cloned());
    words.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

fn out_of_reach(reason: &str, report: &mut Report) {
    let program = std::env::current_exe().unwrap_or_default();
    let shown = quoted(&program);
    report.begin("Program");
    report
        .add(Kind::PROGRAM_OUT_OF_REACH, reason)
        .at(program.display())
        .mend(format!("install -m 755 {shown} /usr/local/bin/wsgi-cgi"));
}
