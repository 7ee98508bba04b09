//! `wsgi-cgi check --through URL`: asks the application's own process, through the web server, what it is given there.

mod client;
mod configuration;
mod facts;
mod process;
mod questions;
mod report;
mod request;
mod response;
mod server;
#[cfg(test)]
mod tests;
mod ticket;
mod unanswered;

use std::env;
use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::path::Path;

use contract::codes::Code;
use contract::files;
use contract::handover::Source;
use contract::outcome::Outcome;
use contract::report::Failure;
use serde_json::json;

use self::client::Asked;
use self::configuration::Whole;
use self::facts::{Answers, Process, Told};
use self::report::Report;
use self::server::Server;
use self::ticket::TokenFile;
use crate::cli::Refusal;
use crate::doors::self_test::{MARK, owner_of};
use crate::doors::{cgi, here};
use crate::plan::{ReportForm, ThroughPlan};
use crate::source::Found;
use crate::terminal::{Manners, Progress};

/// SIGINT, which stands for any signal that ends us.
const INTERRUPTED: u8 = 2;

/// Enough of a file to be recognised.
const BEGINNING: u64 = 4096;

/// Asks, judges and tells.
pub fn check(plan: &ThroughPlan) -> Result<Outcome, Refusal> {
    let asked = &plan.asked;
    let arguments = asked.words.iter().chain([&asked.application]).cloned();
    let (found, folder, interpreter) = cgi::application(arguments.collect(), env::vars_os())?;
    let system = |error: io::Error| Failure::new(Code::SYSTEM, error.to_string());
    // Before the token file is there.
    let interrupted = client::interruptions().map_err(system)?;
    let owner = owner_of(&folder, found.owner).unwrap_or_default();
    let file = TokenFile::create(&folder, owner)?;
    let questions = client::Plan {
        url: &plan.url,
        is_insecure: plan.is_insecure,
        token_file: &file.path,
        questions: questions::all(&format!("{MARK}{}/", file.token)),
    };
    let progress = Progress::of(&format!("asking {}", plan.url));
    let asked = client::ask(&questions, interpreter.program.as_os_str(), &interrupted);
    drop((progress, file));
    let answers = match asked.map_err(system)? {
        Asked::Answered(answers) => Answers(answers),
        Asked::Interrupted => return Ok(Outcome::Killed(INTERRUPTED)),
        Asked::Failed(reason) => return Err(Failure::new(Code::SYSTEM, reason).into()),
    };
    let Some(judged) = judge(&plan.url, &answers) else {
        return Err(unanswered::failure(&plan.url, &answers, &beginning(&found)).into());
    };
    let whole = Whole::of(&judged, &plan.url, &found.source);
    let here = here()?;
    show(&match plan.form {
        ReportForm::Json => {
            let command = whole.map(|whole| whole.command(&plan.asked));
            let lines = configuration::lines(judged.server, &judged.report);
            judged
                .report
                .json(&lines, command.as_deref(), &json!(judged.told.environment))
        }
        ReportForm::Found | ReportForm::All => text(plan, &judged, whole.as_ref(), &here),
    });
    Ok(match judged.report.has_changes() {
        true => Outcome::ApplicationFailed,
        false => Outcome::Complete,
    })
}

/// For a person.
fn text(plan: &ThroughPlan, judged: &Judged, whole: Option<&Whole>, here: &Path) -> String {
    let manners = Manners::of_output();
    let mut text = judged.report.text(manners);
    let lines = configuration::lines(judged.server, &judged.report);
    let _ = match lines.is_empty() {
        true => writeln!(text, "\n{}", manners.green("nothing to change")),
        false => write!(text, "\n{}\n{lines}", manners.bold("What to change")),
    };
    let Some(whole) = whole else {
        return text;
    };
    if !lines.is_empty() || plan.form == ReportForm::All {
        let command = whole.command(&plan.asked);
        let _ = writeln!(text, "The whole of it, new: {}", manners.bold(&command));
    }
    if plan.form == ReportForm::All {
        let _ = match whole.text(&plan.asked, here) {
            Ok(configuration) => write!(text, "\n{configuration}"),
            Err(failure) => writeln!(text, "which cannot be written: {failure}"),
        };
    }
    text
}

/// What was seen, judged.
struct Judged {
    server: Server,
    told: Told,
    report: Report,
}

/// Judges the answers; none where the self-test did not answer.
fn judge(url: &str, answers: &Answers) -> Option<Judged> {
    let told = answers.told("process")?;
    let process = answers.facts::<Process>("process")?;
    let server = server::of(&process, &told);
    let mut report = Report::default();
    server::add(&mut report, server, &told, answers);
    process::add(&mut report, server, &process, &told);
    request::add(&mut report, server, url, &told, answers);
    response::add(&mut report, server, answers);
    Some(Judged {
        server,
        told,
        report,
    })
}

/// Of the application's file, if it is one.
fn beginning(found: &Found) -> String {
    let mut bytes = Vec::new();
    if let Source::File(path) = &found.source
        && let Ok((file, _)) = files::open(path)
    {
        let _ = file.take(BEGINNING).read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn show(text: &str) {
    // A reader that has gone away has seen enough.
    let _ = io::stdout().write_all(text.as_bytes());
}
