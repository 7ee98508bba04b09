//! A few requests: whether the application keeps the rules of WSGI, and whether servers pass on its answers.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;

use contract::report::Failure;

use super::catalogue::{Kind, Severity};
use super::child::{Answer, Around, Place, ask};
use super::import::{last, never_ends};
use super::report::{Report, quoted};
use super::subject::Subject;
use crate::doors::request::asked::Request;
use crate::gateway;
use crate::plan::{Asked, Data};
use crate::terminal::Progress;

/// Apache answers 500 to a line over 8190 bytes, Lighttpd 502 to a head over 65535.
const LINE_LIMIT: usize = 8000;
const HEAD_LIMIT: usize = 65535;

/// Only scanners send this.
const ODD: &str = "GET /%FF%FE/a%20b";

/// One request, as a person would write it.
pub struct Probe {
    pub name: &'static str,
    pub request: Request,
}

/// Those that are sent; the first is the simplest.
pub fn probes() -> Result<Vec<Probe>, Failure> {
    let probe = |name, method: &str, target: &str, body: Option<&str>| {
        let request = Request::of(&Asked {
            method: Some(method.to_owned()),
            target: target.into(),
            headers: Vec::new(),
            data: if body.is_some() {
                Data::Text
            } else {
                Data::None
            },
            values: body.into_iter().map(OsString::from).collect(),
            cookie: None,
            user: None,
        })?;
        Ok(Probe { name, request })
    };
    let mut probes = vec![
        probe("GET /", "GET", "/", None)?,
        probe("HEAD /", "HEAD", "/", None)?,
        probe("POST /", "POST", "/", Some("a=1&b=%C3%A4"))?,
        probe("OPTIONS /", "OPTIONS", "/", None)?,
        probe(
            "GET /wsgi-cgi-check/none",
            "GET",
            "/wsgi-cgi-check/none?a=1",
            None,
        )?,
        probe(ODD, "GET", "/%FF%FE/a%20b;c=%C3%A4?%FF=%zz&=", None)?,
        probe("GET http://localhost/", "GET", "/", None)?,
    ];
    // The absolute form is the same page (RFC 9112 section 3.2.2).
    if let Some(last) = probes.last_mut() {
        gateway::set(
            &mut last.request.variables,
            b"REQUEST_URI",
            b"http://localhost/",
        );
    }
    Ok(probes)
}

/// What was found, by its code and what it is in this case.
type Found = BTreeMap<(&'static str, String), Case>;

struct Case {
    kind: Kind,
    requests: Vec<&'static str>,
    detail: Vec<String>,
}

fn note(found: &mut Found, request: &'static str, kind: Kind, what: String, detail: &[String]) {
    let key = (kind.finding().code, what);
    let case = found.entry(key).or_insert_with(|| Case {
        kind,
        requests: Vec::new(),
        detail: last(detail),
    });
    case.requests.push(request);
}

/// Sends them all; the first has been answered already.
pub fn check(
    subject: &Subject,
    probes: &[Probe],
    first: Answer,
    report: &mut Report,
) -> io::Result<()> {
    let mut found = Found::new();
    let mut headers = Found::new();
    let mut first = Some(first);
    report.begin("Requests");
    for Probe { name, request } in probes {
        let _progress = Progress::of(name);
        let send = |around| ask(subject, request, around, Place::Server);
        let observed = match first.take() {
            Some(answer) => answer,
            None => send(Around::Observer)?,
        };
        let rules = rules(&observed);
        // The validator may have been in the way: what counts is the answer without it.
        let is_doubtful = !rules.is_empty() || observed.failure.is_some() || observed.status >= 500;
        let answer = match is_doubtful && !observed.is_late {
            true => send(Around::Nothing)?,
            false => observed,
        };
        if answer.is_late {
            never_ends(subject, &answer, name, report);
            break;
        }
        report.note(format!("{name}: {}", answer.status));
        match &answer.failure {
            Some(failed) => {
                let entry = failed.code.entry();
                let what = format!("{} {}: {}", entry.code, entry.sentence, failed.reason);
                note(&mut found, name, Kind::REQUEST_FAILED, what, &failed.detail);
            }
            None => {
                for (kind, rule) in rules {
                    if is_opinion(&rule, answer.status) {
                        continue;
                    }
                    note(&mut found, name, kind, rule, &[]);
                }
                if answer.status >= 500 || answer.status == 0 {
                    let what = format!("status {}", answer.status);
                    note(&mut found, name, Kind::ANSWERS_5XX, what, &answer.said);
                }
                for (kind, what) in judge(&answer) {
                    note(&mut headers, name, kind, what, &[]);
                }
            }
        }
    }
    tell(subject, found, report);
    report.begin("Response headers");
    tell(subject, headers, report);
    Ok(())
}

fn tell(subject: &Subject, found: Found, report: &mut Report) {
    for ((_, what), case) in found {
        let hit = report.add(case.kind, what);
        hit.at(case.requests.join(", ")).detail(case.detail);
        if case.requests == [ODD] {
            hit.severity(Severity::Hint);
        }
        let first = case.requests.first().and_then(|name| name.split_once(' '));
        let remedy = case.kind.finding().remedy;
        if let Some((method, path)) = first
            && remedy.starts_with("wsgi-cgi request")
        {
            let application = quoted(&subject.application);
            let data = if method == "POST" { " -d a=1" } else { "" };
            let method = if ["GET", "POST"].contains(&method) {
                String::new()
            } else {
                format!(" -X {method}")
            };
            let remedy = remedy.replace("APP", &application).replace("PATH", path);
            let words = format!("wsgi-cgi request{method}{data}");
            hit.mend_path(
                subject.judged(&subject.folder),
                remedy.replacen("wsgi-cgi request", &words, 1),
            );
        }
    }
}

/// What the validator objected to. What it says of the environ is no affair of the application.
fn rules(answer: &Answer) -> Vec<(Kind, String)> {
    let told = answer
        .report
        .as_ref()
        .and_then(|report| report["rules"].as_array());
    let rules = told.into_iter().flatten().filter_map(|rule| {
        let text = rule["rule"].as_str()?.to_owned();
        match rule["kind"].as_str()? {
            "input" if text.contains("len(args)") => {
                Some((Kind::READS_WITHOUT_SIZE, String::new()))
            }
            "rule" | "input" => Some((Kind::BREAKS_WSGI, text)),
            _ => None,
        }
    });
    let mut rules: Vec<_> = rules.collect();
    rules.dedup();
    rules
}

/// The validator wants a Content-Type of every redirect, and none of 204 and 304: PEP 3333 says neither, and frameworks
/// do otherwise.
fn is_opinion(rule: &str, status: u16) -> bool {
    rule.contains("Content-Type header found") && matches!(status, 204 | 300..=399)
}

/// What servers would do with this head.
fn judge(answer: &Answer) -> Vec<(Kind, String)> {
    let mut found = Vec::new();
    let named = |wanted: &str| {
        let fields = answer.fields.iter();
        fields
            .filter(|(name, _)| name.eq_ignore_ascii_case(wanted))
            .count()
    };
    for (name, value) in &answer.fields {
        let length = name.len() + 2 + value.len();
        if length > LINE_LIMIT {
            found.push((Kind::LONG_HEADER, format!("{name} has {length} bytes")));
        }
    }
    if answer.head_length > HEAD_LIMIT {
        let what = format!("they have {} bytes", answer.head_length);
        found.push((Kind::LARGE_HEAD, what));
    }
    for name in ["Date", "Server"] {
        if named(name) > 0 {
            found.push((Kind::SERVERS_OWN_HEADER, name.to_owned()));
        }
    }
    for name in ["Content-Type", "Content-Range", "Location", "ETag"] {
        if named(name) > 1 {
            found.push((
                Kind::REPEATED_HEADER,
                format!("{name}, {} times", named(name)),
            ));
        }
    }
    if answer.status == 200 && named("Location") > 0 {
        found.push((Kind::LOCATION_WITH_200, String::new()));
    }
    found
}
