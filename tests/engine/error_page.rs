//! The page of a failing application: everything that its author needs under `--debug`, nothing without.

use crate::support::run::{Done, Run};

#[track_caller]
fn page(name: &str, option: &str) -> (Done, String) {
    let run = Run::of(&format!("failures.py:{name}"))
        .option(option)
        .variable("HTTP_COOKIE", "session=chocolate")
        .variable("HTTP_ACCEPT", "<img src=x>")
        .variable("DATABASE_URL", "postgres://deployment");
    let done = run.done();
    let text = done.response().text();
    (done, text)
}

#[test]
fn shows_the_exceptions_their_calls_lines_and_variables() {
    let (done, page) = page("raises", "--debug");
    done.assert_status("500 Internal Server Error");
    for expected in [
        "RuntimeError: could not &lt;b&gt;compute&lt;/b&gt;",
        "ZeroDivisionError: division by zero",
        "direct cause",
        "failures.py:13</code> in <b>compute</b>",
        "return value / 0 if",
        "<tr><td>value</td><td>1</td></tr>",
        "&lt;script&gt;document.title",
        "&lt;repr failed: NoRepr&gt;",
        "<tr><td>db_password</td><td>••••••</td></tr>",
        "&#39;SECRET_KEY&#39;: &#39;••••••&#39;",
        "Traceback (most recent call last)",
        "<tr><td>REQUEST_METHOD</td><td>GET</td></tr>",
        "&lt;img src=x&gt;",
        "<tr><td>HTTP_COOKIE</td><td>••••••</td></tr>",
    ] {
        assert!(page.contains(expected), "{expected:?} is missing\n{done}");
    }
    let length = done.response().field("Content-Length").map(str::to_owned);
    assert_eq!(length, Some(page.len().to_string()));
    assert_eq!(done.response().field("X-CGI-Failure"), Some("WC040"));
}

#[test]
fn needs_nothing_from_elsewhere_and_shows_no_secret() {
    let (done, page) = page("raises", "--debug");
    for unwanted in [
        "<script",
        "<img",
        "<link",
        "src=\"",
        "href=",
        "url(",
        "@import",
        "hunter2",
        "hunter3",
        "chocolate",
    ] {
        assert!(!page.contains(unwanted), "{unwanted:?}\n{done}");
    }
    assert!(!page.contains("<tr><td>DATABASE_URL"), "{done}");
}

#[test]
fn a_visitor_sees_none_of_it() {
    for option in ["--debug=false", "-v"] {
        let (done, page) = page("raises", option);
        for unwanted in [
            "ZeroDivision",
            "compute",
            "failures.py",
            "REQUEST_METHOD",
            "<!--",
        ] {
            assert!(!page.contains(unwanted), "{unwanted:?}\n{done}");
        }
        assert_eq!(done.response().field("X-CGI-Failure"), None, "{done}");
        assert_eq!(done.response().field("Server-Timing"), None, "{done}");
    }
}

#[test]
fn a_thousand_calls_are_shortened() {
    let (done, page) = page("recurses", "--debug");
    assert!(page.contains("RecursionError"), "{done}");
    assert!(page.contains("calls are left out"), "{done}");
    let frames = page.matches("<details class=\"frame\"").count();
    assert!((20..=50).contains(&frames), "{frames} frames");
}

#[test]
fn a_syntax_error_shows_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("broken.py");
    std::fs::write(&file, "first = 1\n\ndef application(:\n    pass\n").unwrap();
    let done = Run::with_arguments(&["--debug".as_ref(), file.as_os_str()]).done();
    let page = done.response().text();
    assert!(page.contains("WC030"), "{done}");
    assert!(page.contains("broken.py:3</code>"), "{done}");
    assert!(
        page.contains("<span class=\"at\">    3  def application(:</span>"),
        "{done}"
    );
}

#[test]
fn a_missing_package_shows_the_import() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("app.py");
    std::fs::write(&file, "import os\nimport no_such_package\n").unwrap();
    let done = Run::with_arguments(&["--debug".as_ref(), file.as_os_str()]).done();
    let page = done.response().text();
    assert!(
        page.contains("WC031") && page.contains("app.py:2</code>"),
        "{done}"
    );
    assert!(page.contains("interpreter: "), "{done}");
}

#[test]
fn debug_tells_how_long_each_part_took() {
    let (done, _) = page("answers", "--debug");
    let response = done.response();
    let timing = response.field("Server-Timing").unwrap_or_default();
    let names: Vec<_> = timing
        .split(", ")
        .filter_map(|part| part.split_once(";dur="))
        .filter(|(_, time)| time.parse::<f64>().is_ok_and(|time| time >= 0.0))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(names, ["interpreter", "import", "application"], "{done}");
    assert_eq!(
        page("answers", "--debug=false")
            .0
            .response()
            .field("Server-Timing"),
        None
    );
}
