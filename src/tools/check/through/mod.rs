//! `wsgi-cgi check --through URL`: asks the application's own process, through the web server, what it is given there.

mod client;
mod exchange;
mod facts;
mod findings;
mod questions;
mod report;
mod server;
#[cfg(test)]
mod tests;
mod ticket;
mod unanswered;

use std::env;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use contract::codes::Code;
use contract::handover::Source;
use contract::outcome::Outcome;
use contract::report::Failure;
use serde_json::json;

use self::client::Asked;
use self::facts::{Answers, Process, Told};
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
    let Some(judged) = judge(&plan.url, &answers) else {
        return Err(unanswered::failure(&plan.url, &answers, &beginning(&found)).into());
    };
    let report = &judged.report;
    let configuration = configuration(&judged, plan);
    show(&match plan.form {
        ReportForm::Json => report.json(&configuration, &json!(judged.told.environment)),
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
    let server = findings::server(&process, &told);
    let mut report = Report::default();
    findings::add_server(&mut report, server, &told, answers);
    findings::add_process(&mut report, server, &process, &told);
    exchange::add_request(&mut report, server, url, &told, answers);
    exchange::add_response(&mut report, server, answers);
    Some(Judged {
        server,
        told,
        report,
    })
}

/// The lines to paste; empty where nothing is to be changed.
fn configuration(judged: &Judged, plan: &ThroughPlan) -> String {
    let Judged {
        server,
        told,
        report,
    } = judged;
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
        let value = |name| findings::value(told, name);
        let (root, script) = (value("DOCUMENT_ROOT"), value("SCRIPT_FILENAME"));
        let name = match name {
            // Among the site's own files, where .htaccess is looked for.
            "apache" if !root.is_empty() && Path::new(&script).starts_with(root) => "htaccess",
            name => name,
        };
        let path = exchange::path(&plan.url);
        // It leads to the application without the script's own name.
        let file = script.rsplit('/').next().unwrap_or_default();
        let url = match path
            .strip_suffix(file)
            .map_or(path.as_str(), |folder| folder.trim_end_matches('/'))
        {
            "" => String::new(),
            url => format!("--url {} ", quoted(url)),
        };
        let application = quoted(&plan.application.to_string_lossy());
        let _ = writeln!(
            text,
            "The whole of it: wsgi-cgi config {name} {url}{application}"
        );
    }
    text
}

/// As a shell reads it.
fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-:~".contains(&byte);
    match !word.is_empty() && word.bytes().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
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
