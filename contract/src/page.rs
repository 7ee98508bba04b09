//! The page that tells a failure to a visitor, or shows it to its author: one file, nothing from elsewhere.

use std::fmt::Write;

use crate::handover::Detail;
use crate::report::{Failure, escape};
use crate::secrets::is_secret;
use crate::trace::{Exception, Frame, Relation};

/// Where a listener puts the last lines that the request wrote to stderr.
pub const STDERR_PLACE: &str = "<!--wsgi-cgi:stderr-->";

const STYLE: &str = "\
:root{color-scheme:light dark;--line:#8884;--soft:#8881;--mark:#e5484d33}\
body{font:16px/1.5 system-ui,sans-serif;max-width:70em;margin:2em auto;padding:0 1em}\
h1{font-size:1.4em}h2{font-size:1.1em;margin-top:2em}\
pre,code,td{font-family:ui-monospace,monospace;font-size:.9em}\
pre{background:var(--soft);padding:.8em;overflow:auto;border-radius:4px}\
.failure{border-left:4px solid #e5484d;padding:.2em 1em}\
.frame{border:1px solid var(--line);border-radius:4px;margin:.6em 0}\
.frame>summary,.inner{padding:.4em .8em}.frame pre{margin:.4em 0}\
.at{background:var(--mark);display:inline-block;min-width:100%}\
table{border-collapse:collapse;width:100%}td{border-top:1px solid var(--line);padding:.2em .6em;vertical-align:top;word-break:break-word}\
td:first-child{white-space:nowrap;width:1%}summary{cursor:pointer}";

/// Stands for a value that is not shown.
pub const MASK: &str = "••••••";

/// The variables that describe a request; the others are the deployment's.
const REQUEST_VARIABLES: [&str; 19] = [
    "AUTH_TYPE",
    "CONTENT_LENGTH",
    "CONTENT_TYPE",
    "DOCUMENT_ROOT",
    "GATEWAY_INTERFACE",
    "HTTPS",
    "PATH_INFO",
    "PATH_TRANSLATED",
    "QUERY_STRING",
    "REMOTE_ADDR",
    "REMOTE_HOST",
    "REMOTE_IDENT",
    "REMOTE_PORT",
    "REMOTE_USER",
    "REQUEST_METHOD",
    "REQUEST_SCHEME",
    "REQUEST_URI",
    "SCRIPT_FILENAME",
    "SCRIPT_NAME",
];

/// The page. Without `Detail::Shown` it has the code, and nothing of the application.
pub fn page(failure: &Failure, detail: Detail, variables: &[(Vec<u8>, Vec<u8>)]) -> String {
    let entry = failure.code.entry();
    let title = escape(entry.status);
    let body = match detail {
        Detail::Hidden => format!(
            "<p>The page could not be made. If this is your site: look for <b>{0}</b> in the web server's \
             error log or in the file given by <code>--error-log</code>; <code>wsgi-cgi explain {0}</code> tells what \
             it means; <code>--debug</code> shows the reason here.</p>",
            entry.code
        ),
        Detail::Shown => shown(failure, variables),
    };
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style></head>\n\
         <body><h1>{title}</h1>\n{body}\n</body></html>\n"
    )
}

fn shown(failure: &Failure, variables: &[(Vec<u8>, Vec<u8>)]) -> String {
    let mut page = format!(
        "<div class=\"failure\"><p><b>{}</b></p>\n<p>What to do: {}</p></div>\n",
        escape(&failure.to_string()),
        escape(failure.code.entry().remedy)
    );
    for exception in &failure.trace {
        write_exception(&mut page, exception);
    }
    if !failure.detail.is_empty() {
        // Where there are frames, the text is for copying.
        let open = if failure.trace.is_empty() {
            " open"
        } else {
            ""
        };
        let _ = writeln!(
            page,
            "<details{open}><summary>As text</summary><pre>{}</pre></details>",
            escape(&failure.detail)
        );
    }
    page.push_str(STDERR_PLACE);
    write_request(&mut page, variables);
    page
}

fn write_exception(page: &mut String, exception: &Exception) {
    let sentence = match exception.relation {
        Relation::First => "",
        Relation::Cause => "<p>The exception above was the direct cause of this one:</p>\n",
        Relation::Context => {
            "<p>While the exception above was handled, another one occurred:</p>\n"
        }
    };
    let _ = writeln!(page, "{sentence}<h2>{}</h2>", escape(&exception.text));
    let last = exception.frames.len();
    for (number, frame) in exception.frames.iter().enumerate() {
        let open = if number + 1 == last { " open" } else { "" };
        write_frame(page, frame, open);
    }
}

fn write_frame(page: &mut String, frame: &Frame, open: &str) {
    if frame.left_out > 0 {
        let _ = writeln!(page, "<p>… {} calls are left out …</p>", frame.left_out);
    }
    let function = match frame.function.as_str() {
        "" => String::new(),
        name => format!(" in <b>{}</b>", escape(name)),
    };
    let _ = writeln!(
        page,
        "<details class=\"frame\"{open}><summary><code>{}:{}</code>{function}</summary><div class=\"inner\">",
        escape(&frame.file),
        frame.line
    );
    if !frame.source.is_empty() {
        page.push_str("<pre>");
        for (number, line) in &frame.source {
            let text = format!("{number:>5}  {}", escape(line));
            let _ = match *number == frame.line {
                true => writeln!(page, "<span class=\"at\">{text}</span>"),
                false => writeln!(page, "{text}"),
            };
        }
        page.push_str("</pre>");
    }
    if !frame.locals.is_empty() {
        page.push_str("<details><summary>Local variables</summary><table>\n");
        for (name, value) in &frame.locals {
            write_row(page, name, value);
        }
        page.push_str("</table></details>");
    }
    page.push_str("</div></details>\n");
}

fn write_request(page: &mut String, variables: &[(Vec<u8>, Vec<u8>)]) {
    let is_of_request = |name: &str| {
        REQUEST_VARIABLES.contains(&name)
            || name.starts_with("HTTP_")
            || name.starts_with("SERVER_")
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut rows: Vec<_> = variables
        .iter()
        .map(|(name, value)| (text(name), text(value)))
        .filter(|(name, _)| is_of_request(name))
        .collect();
    if rows.is_empty() {
        return;
    }
    rows.sort();
    page.push_str("<h2>The request</h2>\n<details><summary>Meta-variables</summary><table>\n");
    for (name, value) in rows {
        write_row(page, &name, &value);
    }
    page.push_str("</table></details>\n");
}

fn write_row(page: &mut String, name: &str, value: &str) {
    let value = match is_secret(name) {
        true => MASK.to_owned(),
        false => escape(value),
    };
    let _ = writeln!(page, "<tr><td>{}</td><td>{value}</td></tr>", escape(name));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codes::Code;

    fn failure() -> Failure {
        let frame = Frame {
            file: "/srv/<app>.py".into(),
            line: 7,
            function: "view".into(),
            source: vec![(6, "before()".into()), (7, "a < b & c".into())],
            locals: vec![
                ("title".into(), "'<script>'".into()),
                ("db_password".into(), "'hunter2'".into()),
            ],
            left_out: 3,
        };
        let exception = |relation| Exception {
            relation,
            text: "ValueError: <b>".into(),
            frames: vec![frame.clone()],
        };
        let mut failure = Failure::new(Code::RAISED, "ValueError: <b>").with_detail("the <text>");
        failure.trace = vec![exception(Relation::First), exception(Relation::Cause)];
        failure
    }

    #[test]
    fn everything_is_shown_and_nothing_is_markup() {
        let variable =
            |name: &str, value: &str| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
        let variables = [
            variable("HTTP_ACCEPT", "<img>"),
            variable("HTTP_COOKIE", "session"),
            variable("DATABASE_URL", "deployment"),
        ];
        let page = page(&failure(), Detail::Shown, &variables);
        for expected in [
            "a &lt; b &amp; c",
            "<span class=\"at\">    7",
            "&#39;&lt;script&gt;&#39;",
            "/srv/&lt;app&gt;.py:7",
            "direct cause",
            "3 calls are left out",
            "the &lt;text&gt;",
            "&lt;img&gt;",
        ] {
            assert!(page.contains(expected), "{expected}\n{page}");
        }
        for secret in [
            "hunter2",
            "session<",
            "deployment",
            "<img",
            "<script",
            "http://",
            "https://",
            "src=",
        ] {
            assert!(!page.contains(secret), "{secret}");
        }
        assert_eq!(page.matches(STDERR_PLACE).count(), 1);
    }

    #[test]
    fn a_visitor_sees_none_of_it() {
        let page = page(
            &failure(),
            Detail::Hidden,
            &[(b"HTTP_A".to_vec(), b"b".to_vec())],
        );
        for hidden in ["view</b>", "ValueError", "HTTP_A", "before()", "<!--"] {
            assert!(!page.contains(hidden), "{hidden}");
        }
    }
}
