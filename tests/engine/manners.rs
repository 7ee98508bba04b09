//! Applications with bad manners: each gets a whole response or a clean cut, a reason, a remedy.

use crate::support::run::{Done, Run};

#[track_caller]
fn manner(name: &str) -> Done {
    Run::of(&format!("manners.py:{name}")).done()
}

#[test]
fn each_mistake_is_a_500_with_its_code_and_remedy() {
    let cases = [
        ("returns_str", "WC042", "return [text.encode()]"),
        ("returns_none", "WC044", "missing return statement"),
        ("returns_bytes", "WC043", "return [data]"),
        ("yields_str", "WC045", "encode text"),
        ("exits", "WC049", "sys.exit('enough')"),
        ("exits_at_once", "WC052", "exit status 7"),
        ("raises", "WC040", "ValueError: a secret reason"),
        ("never_starts", "WC041", "start_response"),
        ("crashes", "WC053", "SIGSEGV"),
    ];
    for (name, code, told) in cases {
        let done = manner(name);
        done.assert_status("500 Internal Server Error")
            .assert_told(code)
            .assert_told(told)
            .assert_exit(1);
        done.assert_told("what to do: ");
        let page = done.response().text();
        assert!(
            page.contains(code) && !page.contains("secret") && page.ends_with("</html>\n"),
            "\n{done}"
        );
        let length = done.response().field("Content-Length").map(str::to_owned);
        assert_eq!(length, Some(page.len().to_string()), "\n{done}");
    }
}

#[test]
fn a_failure_after_the_head_cuts_the_body() {
    for (name, told) in [
        ("raises_in_the_middle", "WC040"),
        ("exits_at_once_in_the_middle", "WC052"),
    ] {
        manner(name)
            .assert_status("200 OK")
            .assert_body("first")
            .assert_told(told)
            .assert_exit(1);
    }
}

#[test]
fn a_crash_shows_the_python_stack() {
    manner("crashes")
        .assert_told("Segmentation fault")
        .assert_told("manners.py");
}

#[test]
fn what_is_printed_cannot_reach_the_response() {
    let done = manner("prints");
    done.assert_body("clean").assert_exit(0);
    for word in ["printed", "echoed", "written"] {
        done.assert_told(word);
    }
}

#[test]
fn the_traceback_is_in_the_page_only_with_debug() {
    let run = || Run::of("manners.py:raises");
    for run in [
        run().option("--debug"),
        run().variable("WSGI_CGI_DEBUG", "1"),
    ] {
        let page = run.done().response().text();
        assert!(
            page.contains("manners.py") && page.contains("a secret reason"),
            "{page}"
        );
    }
}

#[test]
fn failures_and_wsgi_errors_go_to_the_error_log_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("error.log");
    let run =
        |name: &str| Run::of(&format!("manners.py:{name}")).variable("WSGI_CGI_ERROR_LOG", &log);
    let failed = run("raises").request("GET", "/page").done();
    run("complains")
        .done()
        .assert_told("one line\nhalf a line\n\u{20ac} \\udcff\n")
        .assert_exit(0);
    let text = std::fs::read_to_string(&log).unwrap();
    // Before it, in warm mode, there is what the zygote tells of itself.
    assert!(text.contains(&failed.err), "{text}\n{failed}");
    assert!(
        text.contains("(GET /page)") && text.contains("half a line\n"),
        "{text}"
    );
}
