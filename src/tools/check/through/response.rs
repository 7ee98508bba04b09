//! What was seen, judged: what becomes of responses on their way.

use super::facts::Answers;
use super::process::lines;
use super::report::Report;
use super::server::{Need, Server};
use crate::doors::self_test::LENGTH;

/// Adds what becomes of a response.
pub fn add(report: &mut Report, server: Server, answers: &Answers) {
    match answers.reply("stream").map(|reply| reply.body.as_str()) {
        Some("first\nstreamed\n") => {
            report.good("response", "pieces", "are passed on as they are written")
        }
        Some("first\nbuffered\n") => report.change(
            ("response", "pieces"),
            "wait until the response is whole",
            "progress, event streams and long pages show nothing until the end",
            lines(server, Need::Streaming),
        ),
        _ => report.note(
            "response",
            "pieces",
            answers.instead("stream"),
            "a slow response did not come back as it was written",
        ),
    }
    let length = |name: &str| {
        let reply = answers.reply(name)?;
        Some(reply.field("content-length") == Some(&LENGTH.to_string()))
    };
    // Of one that is whole when it answers, a server knows the length itself.
    let is_kept = length("short");
    match is_kept {
        Some(true) => report.good("response", "Content-Length", "is kept"),
        Some(false) => report.change(
            ("response", "Content-Length"),
            "is thrown away",
            "downloads show no progress, and a response that was cut looks whole",
            lines(server, Need::ContentLength),
        ),
        None => report.fact("response", "Content-Length", answers.instead("short")),
    }
    match (length("head"), is_kept) {
        (Some(true), _) => report.good("response", "HEAD", "keeps its length"),
        (Some(false), Some(false)) => {
            report.fact("response", "HEAD", "has no length: the same line mends it")
        }
        (Some(false), _) => report.note(
            "response",
            "HEAD",
            "has no length",
            "a client cannot ask how long a page is",
        ),
        (None, _) => report.fact("response", "HEAD", answers.instead("head")),
    }
    match answers.reply("short").map(|reply| reply.is_whole) {
        Some(false) => report.good("response", "cut responses", "are seen as cut"),
        Some(true) => report.fact("response", "cut responses", "look whole to the client"),
        // The connection ended without a response: that is no way to take it for a whole one.
        None => report.good(
            "response",
            "cut responses",
            format!("do not look whole: {}", answers.instead("short")),
        ),
    }
    for (name, label) in [
        ("unread body", "unread body"),
        ("large unread body", "unread 3 MB"),
    ] {
        let status = answers.reply(name).map(|reply| reply.status);
        match (answers.told(name), status) {
            (Some(_), _) => report.good(
                "response",
                label,
                "the answer to a request whose body is not read arrives",
            ),
            (None, Some(413)) => report.fact("response", label, "status 413, as above"),
            (None, _) => {
                let instead = answers.instead(name);
                report.note(
                    "response",
                    label,
                    instead,
                    "an answer before the body is read (a refused upload) is lost",
                );
            }
        }
    }
}
