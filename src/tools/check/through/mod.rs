//! `wsgi-cgi check --through URL`: asks the application's own process, through the web server, what it is given there.

mod client;
mod exchange;
mod facts;
mod findings;
mod questions;
mod report;
mod server;
mod ticket;
mod unanswered;

use std::env;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read, Write};

use contract::codes::Code;
use contract::handover::Source;
use contract::outcome::Outcome;
use contract::report::Failure;
use serde_json::json;

use self::client::Asked;
use self::facts::{Answers, Process};
use self::report::{Place, Report};
use self::server::Server;
use self::ticket::TokenFile;
use crate::cli::Refusal;
use crate::doors::cgi;
use crate::doors::self_test::{MARK, owner_of};
use crate::plan::{ReportForm, ThroughPlan};
use crate::source::Found;
use crate::terminal::{Manners, Progress};

/// SIGINT, which stands for any signal that ends us.
const INTERRUPTED: u8 = 2;

/// Enough of a file to be recognised.
const BEGINNING: u64 = 4096;

/// Asks, judges and tells.
pub fn check(plan: &ThroughPlan) -> Result<Outcome, Refusal> {
    let (found, folder, interpreter) = cgi::application(plan.arguments.clone(), env::vars_os())?;
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
    let (Some(told), Some(process)) =
        (answers.told("process"), answers.facts::<Process>("process"))
    else {
        return Err(unanswered::failure(&plan.url, &answers, &beginning(&found)).into());
    };
    let server = findings::server(&process, &told);
    let mut report = Report::default();
    findings::add_server(&mut report, server, &told, &answers);
    findings::add_process(&mut report, server, &process, &told);
    exchange::add_request(&mut report, server, &plan.url, &told, &answers);
    exchange::add_response(&mut report, server, &answers);
    let configuration = configuration(&report, server, plan);
    show(&match plan.form {
        ReportForm::Json => report.json(&configuration, &json!(told.environment)),
        ReportForm::Found | ReportForm::All => {
            let manners = Manners::of_output();
            let text = report.text(manners);
            match configuration.is_empty() {
                true => format!("{text}\n{}\n", manners.green("nothing to change")),
                false => format!(
                    "{text}\n{}\n{configuration}",
                    manners.bold("What to change")
                ),
            }
        }
    });
    Ok(match report.has_changes() {
        true => Outcome::ApplicationFailed,
        false => Outcome::Complete,
    })
}

/// The lines to paste; empty where nothing is to be changed.
fn configuration(report: &Report, server: Server, plan: &ThroughPlan) -> String {
    let mut text = String::new();
    let mut list = |title: &str, place| {
        let lines = report.lines(place);
        if lines.is_empty() {
            return;
        }
        let _ = writeln!(text, "{title}");
        for (_, line) in lines {
            let _ = writeln!(text, "    {line}");
        }
    };
    let title = match server {
        Server::ApacheCgid | Server::ApacheCgi | Server::LiteSpeed => {
            "In the <Directory> or .htaccess of the application (which needs AllowOverride All there):"
        }
        Server::Lighttpd => "In Lighttpd's configuration, for the application's address:",
        Server::Fcgiwrap => "In the location of nginx's configuration that has fastcgi_pass:",
        Server::Serve | Server::PythonLibrary | Server::Other => "In the server's configuration:",
    };
    list(title, Place::Server);
    list(
        "In the first lines of the application's file:",
        Place::Application,
    );
    if let Some(name) = server.config().filter(|_| !text.is_empty()) {
        let application = plan.application.to_string_lossy();
        let _ = writeln!(
            text,
            "The whole configuration: wsgi-cgi config {name} {application}"
        );
    }
    text
}

/// Of the application's file, if it is one.
fn beginning(found: &Found) -> String {
    let mut bytes = Vec::new();
    if let Source::File(path) = &found.source
        && let Ok(file) = File::open(path)
    {
        let _ = file.take(BEGINNING).read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn show(text: &str) {
    // A reader that has gone away has seen enough.
    let _ = io::stdout().write_all(text.as_bytes());
}
