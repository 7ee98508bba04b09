//! What was seen, judged: what becomes of requests on their way.

use super::super::report::quoted;
use super::facts::{Answers, Body, Told};
use super::process::lines;
use super::questions;
use super::report::{Place, Report};
use super::server::{Need, Server};
use crate::cgi::request_uri::percent_decode;

/// Where it may be: the application finds it under the first name, whichever it is.
const AUTHORIZATION: [&str; 3] = [
    "HTTP_AUTHORIZATION",
    "REDIRECT_HTTP_AUTHORIZATION",
    "Authorization",
];

/// Adds what becomes of a request.
pub fn add(report: &mut Report, server: Server, url: &str, told: &Told, answers: &Answers) {
    add_mount(report, url, told);
    let has = |name: &str, variables: &[&str]| {
        let told = answers.told(name)?;
        // A name without a value is as good as none.
        let is_given = |name: &&str| {
            told.environment
                .get(*name)
                .is_some_and(|value| value.as_deref() != Some(""))
        };
        Some(variables.iter().any(is_given))
    };
    match has("authorization", &AUTHORIZATION) {
        Some(true) => report.good("request", "Authorization", "arrives"),
        Some(false) => report.change(
            ("request", "Authorization"),
            "is kept back by the server",
            "the application can check no password and no token",
            lines(server, Need::Authorization),
        ),
        None => {
            let instead = answers.instead("authorization");
            report.note(
                "request",
                "Authorization",
                instead,
                "the server itself looks at it, before the application",
            );
        }
    }
    match has("underscore", &["HTTP_X_WSGI_CGI"]) {
        Some(true) => report.fact(
            "request",
            "names with _",
            "arrive, and cannot be told from names with -",
        ),
        Some(false) => report.good("request", "names with _", "are dropped"),
        None => report.fact("request", "names with _", answers.instead("underscore")),
    }
    match has("proxy", &["HTTP_PROXY"]) {
        Some(false) => report.good("request", "Proxy", "is dropped"),
        Some(true) => report.change(
            ("request", "Proxy"),
            "arrives as HTTP_PROXY",
            "wsgi-cgi removes it; other programs on this server take a visitor's word for their proxy (httpoxy)",
            lines(server, Need::Proxy),
        ),
        None => report.fact("request", "Proxy", answers.instead("proxy")),
    }
    add_paths(report, server, answers);
    add_body(report, server, "body", "body of 200 KiB", answers);
    add_body(report, server, "large body", "body of 3 MB", answers);
    add_body(report, server, "chunked body", "chunked body", answers);
}

/// The path of the application's address, decoded, without a slash at its end.
pub fn path(url: &str) -> String {
    let path = url.splitn(4, '/').nth(3).unwrap_or_default();
    let path = String::from_utf8_lossy(&percent_decode(path.as_bytes())).into_owned();
    match path.trim_matches('/') {
        "" => String::new(),
        path => format!("/{path}"),
    }
}

fn add_mount(report: &mut Report, url: &str, told: &Told) {
    let address = &told.address;
    let expected = path(url);
    let shown = |name: &str| {
        if name.is_empty() {
            "empty".to_owned()
        } else {
            name.to_owned()
        }
    };
    let found = format!("{}{}", address.script_name, address.before);
    let rule = format!("{} ({})", address.rule, address.meaning);
    if address.before.is_empty() && address.script_name == expected {
        report.good(
            "request",
            "SCRIPT_NAME",
            format!("{}, as the address has it", shown(&expected)),
        );
    } else {
        let value = match address.before.as_str() {
            "" => format!(
                "{}, and the address has {}",
                shown(&found),
                shown(&expected)
            ),
            before => format!(
                "{}, and PATH_INFO begins with {before}",
                shown(&address.script_name)
            ),
        };
        let lines = vec![(Place::Application, script_name(&expected))];
        report.change(
            ("request", "SCRIPT_NAME"),
            value,
            "links that the application makes lead elsewhere, and its pages are not found",
            lines,
        );
    }
    match address.rule.as_str() {
        "BeforeEscapedPathInfo" | "Unexplained" | "NoAddress" => report.note(
            "request",
            "its rule",
            rule,
            "a rewriting rule of the server changed the address: compare it with what wsgi-cgi config writes",
        ),
        _ => report.fact("request", "its rule", rule),
    }
}

/// The line that sets it. A line of settings has no quotes.
fn script_name(expected: &str) -> String {
    match expected {
        "" => "# wsgi-cgi: script-name=/".to_owned(),
        name if name.contains(char::is_whitespace) => {
            format!(
                "# in a wrapper script: exec wsgi-cgi --script-name {} APP",
                quoted(name)
            )
        }
        name => format!("# wsgi-cgi: script-name={name}"),
    }
}

fn add_paths(report: &mut Report, server: Server, answers: &Answers) {
    let ends = |name: &str, end: &str| {
        answers
            .told(name)
            .map(|told| told.address.path_info.ends_with(end))
    };
    match ends("slashes", "/a//b") {
        Some(true) => report.fact("request", "// in a path", "stays"),
        Some(false) => report.fact("request", "// in a path", "becomes one /"),
        None => report.fact("request", "// in a path", answers.instead("slashes")),
    }
    let decoded = ends("encoded slash", "/a/b");
    match (decoded, ends("encoded slash", "/a%2Fb")) {
        (Some(true), _) => report.fact("request", "%2F in a path", "becomes /"),
        (_, Some(true)) => report.fact("request", "%2F in a path", "stays"),
        (Some(false), _) => report.fact("request", "%2F in a path", "is changed"),
        (None, _) => {
            let lines: Vec<_> = server.lines(Need::EncodedSlash).to_vec();
            let value = match lines.last() {
                Some(line) => format!(
                    "{}; {line} in the virtual host lets it pass",
                    answers.instead("encoded slash")
                ),
                None => answers.instead("encoded slash"),
            };
            report.note(
                "request",
                "%2F in a path",
                value,
                "only an application with such addresses needs it",
            );
        }
    }
}

fn add_body(
    report: &mut Report,
    server: Server,
    name: &'static str,
    label: &'static str,
    answers: &Answers,
) {
    let Some(body) = answers.facts::<Body>(name) else {
        let status = answers.reply(name).map(|reply| reply.status);
        let instead = answers.instead(name);
        return match status {
            Some(413) => report.change(
                ("request", label),
                "status 413: too large for the server",
                "uploads of this size fail",
                lines(server, Need::LargeBody),
            ),
            Some(411) => report.note(
                "request",
                label,
                instead,
                "the server wants a length; browsers always send one",
            ),
            _ => report.note("request", label, instead, "requests like this one fail"),
        };
    };
    let sent = questions::length(name);
    let is_same = body.bytes == sent && body.is_intact;
    let kind = body.descriptor.as_deref().unwrap_or("closed");
    match is_same {
        true => {
            let how = match body.how.as_str() {
                "length" => "with its length",
                _ => "without a length, to its end",
            };
            report.good(
                "request",
                label,
                format!("arrives whole, {how}; descriptor 0: {kind}"),
            );
        }
        false => {
            let value = format!("{} of {} bytes arrive", body.bytes, sent);
            report.note(
                "request",
                label,
                value,
                "what the application reads is not what was sent",
            );
        }
    }
}
