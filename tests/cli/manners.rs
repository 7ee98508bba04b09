//! What a person at a terminal is told: plainly, in one line first, and what was probably meant.

use std::fs;

use crate::support::PROGRAM;
use crate::support::run::Run;

#[test]
fn a_mistyped_name_is_answered_by_what_was_meant() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("app.py"), "").unwrap();
    let said = [
        (&["serv", "app.py"][..], 2, "did you mean: wsgi-cgi serve"),
        (&["requets", "app.py"], 2, "did you mean: wsgi-cgi request"),
        (&["ap.py"], 3, "did you mean app.py?"),
        (&["--timeuot=3", "app.py"], 2, "--timeout"),
    ];
    for (arguments, exit, meant) in said {
        let done = Run::by_hand(arguments).directory(folder.path()).done();
        done.assert_exit(exit).assert_told(meant);
    }
}

/// A module may be called nearly as a command is.
#[test]
fn a_name_that_is_like_a_commands_is_an_application() {
    let folder = tempfile::tempdir().unwrap();
    let text = "def app(environ, start_response):\n    start_response('204 No Content', [])\n    return []\n";
    fs::write(folder.path().join("checks.py"), text).unwrap();
    let done = Run::by_hand(&["checks"]).directory(folder.path()).done();
    done.assert_status("204 No Content").assert_exit(0);
}

#[test]
fn a_terminal_needs_no_time_stamp_and_a_log_does() {
    let folder = tempfile::tempdir().unwrap();
    let command = format!("{PROGRAM} none.py");
    // util-linux's: runs a command at a terminal of its own.
    let script = Run::by_hand(&["-qec", &command, "/dev/null"]).program("script");
    let seen = script.directory(folder.path()).done();
    let seen = String::from_utf8(seen.out).unwrap();
    assert!(seen.starts_with("wsgi-cgi: WC010 "), "{seen}");
    let logged = Run::by_hand(&["none.py"]).directory(folder.path()).done();
    assert!(logged.err.starts_with("[20"), "{}", logged.err);
}
