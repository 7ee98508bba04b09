//! `start_response`, `write`, and how the head leaves.

use crate::support::run::{Done, Run};

#[track_caller]
fn manner(name: &str) -> Done {
    Run::of(&format!("manners.py:{name}")).done()
}

#[test]
fn status_stands_first_and_a_single_block_gets_its_length() {
    let done = manner("hello");
    let expected = "Status: 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n\r\nhello\n";
    assert_eq!(String::from_utf8_lossy(&done.out), expected, "\n{done}");
    done.assert_quiet();
}

#[test]
fn a_second_call_is_an_error_unless_it_passes_exc_info() {
    manner("starts_twice")
        .assert_status("500 Internal Server Error")
        .assert_told("WC048")
        .assert_exit(1);
    manner("replaces_the_head")
        .assert_status("503 Busy")
        .assert_body("replaced")
        .assert_quiet();
}

#[test]
fn exc_info_after_the_head_has_left_is_raised_again() {
    let done = manner("replaces_the_head_too_late");
    done.assert_status("200 OK")
        .assert_body("first")
        .assert_told("KeyError: 'too late'")
        .assert_exit(1);
}

#[test]
fn it_may_be_called_late_from_inside_a_generator() {
    manner("starts_late")
        .assert_status("200 OK")
        .assert_body("late")
        .assert_quiet();
}

#[test]
fn what_is_written_comes_before_what_is_returned() {
    manner("writes_and_returns")
        .assert_body("written then returned")
        .assert_quiet();
}

#[test]
fn repeated_fields_stay_apart() {
    let done = manner("several");
    let response = done.response();
    assert_eq!(
        response.all("Set-Cookie").collect::<Vec<_>>(),
        ["a=1", "b=2"]
    );
    done.assert_body("ab").assert_quiet();
}

#[test]
fn an_empty_body_has_length_zero() {
    let done = manner("empty");
    assert_eq!(
        done.response().field("Content-Length"),
        Some("0"),
        "\n{done}"
    );
    done.assert_body("").assert_quiet();
}

#[test]
fn no_body_goes_out_where_there_is_none() {
    let done = manner("no_content");
    assert_eq!(done.out, b"Status: 204 No Content\r\n\r\n", "\n{done}");
    done.assert_quiet();
    manner("not_modified")
        .assert_status("304 Not Modified")
        .assert_body("")
        .assert_quiet();

    let head = |name: &str| {
        Run::of(&format!("manners.py:{name}"))
            .request("HEAD", "/")
            .done()
    };
    let done = head("hello");
    assert_eq!(
        done.response().field("Content-Length"),
        Some("6"),
        "\n{done}"
    );
    done.assert_body("").assert_quiet();
    // It never ends, but for HEAD nothing of it is wanted.
    head("writes_for_ever")
        .assert_body("")
        .assert_told("closed")
        .assert_exit(0);
    head("raises")
        .assert_status("500 Internal Server Error")
        .assert_body("");
}

#[test]
fn the_declared_length_is_kept() {
    manner("too_short")
        .assert_body("short")
        .assert_told("WC050")
        .assert_told("5 bytes")
        .assert_exit(1);
    manner("too_long")
        .assert_body("long")
        .assert_told("WC051")
        .assert_exit(0);
}

#[test]
fn close_is_called_exactly_once_whatever_happens() {
    for (name, exit) in [
        ("closes", 0),
        ("closes_badly", 0),
        ("closes_after_an_error", 1),
    ] {
        let done = manner(name);
        assert_eq!(done.err.matches("closed\n").count(), 1, "\n{done}");
        done.assert_exit(exit);
    }
    manner("closes_badly")
        .assert_body("body")
        .assert_told("WC055")
        .assert_told("in close");
}

/// CVE-2023-38709, CVE-2024-24795: response splitting.
#[test]
fn a_bad_head_is_refused_and_the_culprit_named() {
    let done = manner("splits_the_response");
    done.assert_status("500 Internal Server Error")
        .assert_told("X-Bad")
        .assert_exit(1);
    assert!(
        !String::from_utf8_lossy(&done.out).contains("stolen"),
        "\n{done}"
    );
    manner("hops")
        .assert_told("Connection belongs to the server")
        .assert_exit(1);
    manner("headers_are_no_list")
        .assert_told("of type dict")
        .assert_exit(1);
    for status in ["", "OK", "20", "99 Low", "103 Early", "200OK"] {
        let run = Run::of("manners.py:bad_status")
            .variable("QUERY_STRING", status)
            .done();
        run.assert_status("500 Internal Server Error")
            .assert_told("WC046")
            .assert_exit(1);
    }
}
