//! Answers that the listener gives itself: refusals of HTTP, failures with a code, and what a page is told.

use std::io;

use contract::handover::{Detail, ResponseForm};
use contract::page::STDERR_PLACE;
use contract::report::{self, Asked, Failure};
use wsgi_cgi_gateway::host::Reply;

use crate::cgi::response::{self, CgiResponse};
use crate::http::{Fields, Refusal, response_head};

/// Answers a request that breaks a rule of HTTP, or asks for what is not there.
pub fn refuse(reply: &mut Reply, refusal: &Refusal, more: Fields) -> io::Result<()> {
    let mut fields = more;
    fields.push("Content-Type", "text/html; charset=utf-8");
    let title = format!(
        "{} {}",
        refusal.status,
        response_head::reason(refusal.status)
    );
    let page = format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title>\n<h1>{title}</h1>\n<p>{}</p>\n</html>\n",
        report::escape(&refusal.reason)
    );
    reply.page(refusal.status, &fields, page.as_bytes())
}

/// Answers with the page of a failure.
pub fn fail(reply: &mut Reply, failure: &Failure, detail: Detail, more: Fields) -> io::Result<()> {
    let asked = Asked {
        variables: &[],
        form: ResponseForm::Cgi,
        detail,
    };
    let answer = report::response(failure, &asked);
    let Ok(Some((CgiResponse::Document(head), length))) = response::parse(&answer, true) else {
        return refuse(reply, &Refusal::new(500, failure.to_string()), more);
    };
    let mut fields = more;
    for (name, value) in head.for_client() {
        if !name.eq_ignore_ascii_case("Content-Length") {
            fields.push(name.clone(), value.clone());
        }
    }
    reply.page(
        head.status,
        &fields,
        answer.get(length..).unwrap_or_default(),
    )
}

/// A page with the last lines of its request's stderr, where it wants them.
pub fn with_lines(page: &[u8], lines: &[&str]) -> Vec<u8> {
    let mark = STDERR_PLACE.as_bytes();
    let Some(place) = page.windows(mark.len()).position(|window| window == mark) else {
        return page.to_vec();
    };
    let lines: Vec<_> = lines.iter().map(|line| report::escape(line)).collect();
    if lines.is_empty() {
        return page.to_vec();
    }
    let (before, behind) = page.split_at(place);
    let section = format!(
        "<section><h2>Last lines on stderr</h2>\n<pre>{}</pre></section>",
        lines.join("\n")
    );
    let behind = behind.get(mark.len()..).unwrap_or_default();
    [before, section.as_bytes(), behind].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_put_in_their_place_and_escaped() {
        let page = |text: &str| text.as_bytes().to_vec();
        let text = with_lines(&page("a<!--wsgi-cgi:stderr-->b"), &["<x>", "y"]);
        let text = String::from_utf8(text).unwrap();
        assert!(text.starts_with("a<section>") && text.ends_with("</section>b"));
        assert!(text.contains("&lt;x&gt;\ny"));
        assert_eq!(with_lines(&page("a"), &["x"]), b"a");
    }
}
