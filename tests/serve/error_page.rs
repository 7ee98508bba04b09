//! The error page as a person sees it, in a real browser; and who does not see it.

use crate::support::browser::Browser;
use crate::support::listener::Setup;

#[test]
fn a_browser_shows_it_and_opens_the_variables_at_a_click() {
    let listener = Setup::of("failures.py:raises").start();
    let browser = Browser::start();
    browser.open(&format!("http://127.0.0.1:{}/some/page", listener.port));
    assert_eq!(browser.value("document.title"), "500 Internal Server Error");
    let text = browser.value("document.body.innerText").to_string();
    for expected in [
        "could not <b>compute</b>",
        "ZeroDivisionError",
        "Last lines on stderr",
        "a line on <stderr>",
    ] {
        assert!(text.contains(expected), "{expected:?} in {text}");
    }
    // Nothing of the application became markup, and nothing was fetched.
    let injected = "document.querySelectorAll('script, img, b b').length";
    assert_eq!(browser.value(injected), 0);
    // The icon is the browser's own idea.
    let fetched = "performance.getEntriesByType('resource').map(entry => entry.name)";
    let fetched = browser.value(fetched);
    let fetched = fetched.as_array().unwrap();
    assert!(
        fetched
            .iter()
            .all(|name| name.as_str().unwrap().ends_with("/favicon.ico")),
        "{fetched:?}"
    );
    let cell = "Array.from(document.querySelectorAll('td')).find(td => td.textContent == 'markup')";
    let is_visible = format!("{cell}.checkVisibility()");
    assert_eq!(browser.value(&is_visible), false);
    browser.click("details.frame[open] details summary");
    assert_eq!(browser.value(&is_visible), true);
    let row = browser.value(&format!("{cell}.parentNode.innerText"));
    assert!(row.to_string().contains("<script>"), "{row}");
}

#[test]
fn it_is_shown_on_this_machine_only_and_not_through_a_proxy() {
    let listener = Setup::of("failures.py:raises").start();
    let page = |fields: &[(&str, &str)]| {
        let reply = listener.connect().exchange("GET", "/", fields, b"");
        assert_eq!(reply.status, 500);
        reply.text()
    };
    assert!(page(&[]).contains("ZeroDivisionError"));
    for fields in [
        [("X-Forwarded-For", "10.0.0.1")],
        [("Forwarded", "for=10.0.0.1")],
        [("Via", "1.1 proxy")],
        [("Host", "rebound.example")],
    ] {
        let page = page(&fields);
        assert!(
            page.contains("WC040") && !page.contains("Zero"),
            "{fields:?}"
        );
    }
}

#[test]
fn debug_decides_where_it_is_given() {
    let page = |setup: Setup, fields: &[(&str, &str)]| {
        let listener = setup.start();
        listener.connect().exchange("GET", "/", fields, b"").text()
    };
    let setup = Setup::of("failures.py:raises");
    assert!(!page(setup.clone().option("--debug=false"), &[]).contains("Zero"));
    assert!(!page(setup.clone().variable("WSGI_CGI_DEBUG", "0"), &[]).contains("Zero"));
    assert!(page(setup.option("--debug"), &[("Via", "1.1 proxy")]).contains("Zero"));
}

#[test]
fn server_timing_has_every_part() {
    let listener = Setup::of("failures.py:answers").option("--debug").start();
    let reply = listener.connect().exchange("GET", "/", &[], b"");
    let parts: Vec<_> = reply
        .all("Server-Timing")
        .flat_map(|value| value.split(", "))
        .filter_map(|part| Some(part.split_once(";dur=")?.0))
        .collect();
    assert_eq!(
        parts,
        ["interpreter", "import", "application", "spawn", "total"]
    );
}
