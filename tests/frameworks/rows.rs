//! The table's rows: what is asked of every framework's example.

use super::browser::{Browser, MOUNT, get, head, post_file, post_form};
use super::table::Framework;

const STYLE: &str = include_str!("../../examples/flask/static/style.css");
/// Of `some_bytes()`, by sha256sum.
const DIGEST: &str = "fa7deae4b0504401a056ca3b1e6007902a7e681efda07fd7ca8819760caeff95";

pub fn the_page_links_below_the_mount(framework: &Framework) {
    let site = framework.site();
    let answer = Browser::at(&site).send(get("/"));
    answer.assert_status(200).assert_quiet();
    answer.assert_says(framework.heading);
    for link in ["/hello/Zo%C3%AB", "/search?q=cr%C3%A8me", "/visits"] {
        let link = format!("{MOUNT}{link}");
        assert_eq!(
            answer.text().matches(&link).count(),
            1,
            "{link} in\n{answer}"
        );
    }
    let text = answer.text();
    let mut links = text.split("href=\"").skip(1);
    assert!(
        links.all(|link| link
            .trim_start_matches("http://localhost")
            .starts_with(MOUNT)),
        "{answer}"
    );
}

pub fn the_path_is_decoded(framework: &Framework) {
    let site = framework.site();
    let answer = Browser::at(&site).send(get("/hello/Zoë <b>"));
    answer.assert_status(200).assert_quiet();
    answer.assert_says("<p>Hello, Zoë &lt;b&gt;!</p>");
}

pub fn the_query_is_decoded(framework: &Framework) {
    let site = framework.site();
    let query = "q=cr%C3%A8me+br%C3%BBl%C3%A9e%20%26+%3Cb%3E";
    let answer = Browser::at(&site).send(get("/search").query(query));
    answer.assert_status(200).assert_quiet();
    answer.assert_says("<p>You searched for: crème brûlée &amp; &lt;b&gt;</p>");
}

pub fn a_form_redirects_below_the_mount(framework: &Framework) {
    let site = framework.site();
    let mut browser = Browser::at_the_forms_of(&site);
    let answer = browser.send(post_form("/hello", "name=Zo%C3%AB"));
    answer.assert_status(303).assert_quiet();
    let location = answer
        .field("Location")
        .trim_start_matches("http://localhost");
    assert_eq!(location, "/mount/hello/Zo%C3%AB");
}

pub fn an_upload_arrives_whole(framework: &Framework) {
    let site = framework.site();
    let mut browser = Browser::at_the_forms_of(&site);
    let answer = browser.send(post_file("/upload", "photo.jpg", &some_bytes()));
    answer.assert_status(200).assert_quiet();
    for part in ["photo.jpg", "300000", DIGEST] {
        answer.assert_says(part);
    }
}

pub fn a_session_lasts(framework: &Framework) {
    let site = framework.site();
    let mut browser = Browser::at(&site);
    for visit in 1..=3 {
        let answer = browser.send(get("/visits"));
        answer.assert_status(200).assert_quiet();
        assert!(answer.field("Content-Type").starts_with("application/json"));
        let text = answer.text().replace(' ', "");
        assert_eq!(
            text.trim(),
            format!(r#"{{"visits":{visit}}}"#),
            "\n{answer}"
        );
    }
    let stranger = Browser::at(&site).send(get("/visits"));
    assert!(stranger.text().trim().ends_with("1}"), "{stranger}");
}

pub fn an_unknown_path_is_404(framework: &Framework) {
    let site = framework.site();
    let answer = Browser::at(&site).send(get("/nowhere"));
    answer.assert_status(404);
    answer.done.assert_exit(0);
}

pub fn a_failure_is_told_to_the_log_only(framework: &Framework) {
    let secret = "hunter2";
    let site = framework.site();
    let site = ["SECRET_KEY", "DJANGO_SECRET_KEY"]
        .into_iter()
        .fold(site, |site, name| site.with_variable(name, secret));
    let answer = Browser::at(&site).send(get("/fail"));
    answer.assert_status(500);
    answer.done.assert_exit(framework.exit_of_failure);
    let folder = site.path("");
    for private in [
        "Traceback",
        "on purpose",
        "RuntimeError",
        secret,
        folder.to_str().unwrap(),
    ] {
        assert!(!answer.text().contains(private), "{private} in\n{answer}");
    }
    for told in [
        "raise RuntimeError",
        "RuntimeError: this page fails on purpose",
    ] {
        answer.assert_told(told);
    }
}

pub fn pieces_are_sent_one_by_one(framework: &Framework) {
    let site = framework.site();
    let writes = Browser::at(&site).writes(get("/count"));
    let [first, second, third] = writes.as_slice() else {
        panic!("{} writes: {writes:?}", writes.len());
    };
    assert!(
        first.starts_with("Status: 200 ") && first.ends_with("\r\n\r\n1\n"),
        "{first:?}"
    );
    assert_eq!([second, third], ["2\n", "3\n"]);
}

pub fn a_file_is_sent_whole(framework: &Framework) {
    let site = framework.site();
    let Some(path) = framework.style_sheet else {
        Browser::at(&site)
            .send(get("/static/style.css"))
            .assert_status(404);
        return;
    };
    let answer = Browser::at(&site).send(get(path));
    answer.assert_status(200).assert_quiet();
    assert!(
        answer.field("Content-Type").starts_with("text/css"),
        "{answer}"
    );
    for length in answer.fields("Content-Length") {
        assert_eq!(length, STYLE.len().to_string());
    }
    assert_eq!(answer.text(), STYLE);
}

pub fn head_has_no_body(framework: &Framework) {
    let site = framework.site();
    let answer = Browser::at(&site).send(head("/"));
    answer.assert_status(200).assert_quiet();
    assert_eq!(answer.text(), "");
}

pub fn wsgiref_has_no_complaint(framework: &Framework) {
    no_complaint_of(
        "from wsgiref.validate import validator as checked",
        framework,
    );
}

pub fn webtest_has_no_complaint(framework: &Framework) {
    no_complaint_of("from webtest.lint import middleware as checked", framework);
}

#[track_caller]
fn no_complaint_of(checker: &str, framework: &Framework) {
    let site = framework.site_checked_by(checker);
    let mut browser = Browser::at_the_forms_of(&site);
    for (status, request) in [
        (200, head("/")),
        (200, get("/hello/Zoë")),
        (303, post_form("/hello", "name=Zo%C3%AB")),
        (200, post_file("/upload", "photo.jpg", &some_bytes())),
        (200, get("/count")),
        (404, get("/nowhere")),
    ] {
        let answer = browser.send(request);
        answer.assert_status(status);
        assert!(!answer.log().contains("Assertion"), "{answer}");
        answer.done.assert_exit(0);
    }
    if let Some(path) = framework.style_sheet {
        let answer = browser.send(get(path));
        answer.assert_status(200).assert_quiet();
        assert_eq!(answer.text(), STYLE);
    }
}

/// Bytes of every value, with no regular repetition in sight of a buffer's size.
fn some_bytes() -> Vec<u8> {
    (0..300_000_u64)
        .map(|index| (index * index % 251) as u8)
        .collect()
}
