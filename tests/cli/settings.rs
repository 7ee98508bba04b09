//! Options on the command line, in the script and in the environment, and which of them wins.

use std::fs;
use std::path::Path;

use crate::support::run::Run;

const TELLS: &str = "def application(e, s):\n    s('200 OK', [])\n    \
                     import os, sys\n    return [repr((e['SCRIPT_NAME'], e['PATH_INFO'], os.getcwd())).encode()]\n";

fn written(folder: &Path, pragma: &str, text: &str) -> Run {
    let file = folder.join("app.py");
    fs::write(&file, format!("{pragma}\n{text}")).unwrap();
    Run::with_arguments(&[file])
        .variable("SCRIPT_NAME", "/server")
        .variable("REQUEST_URI", "/server/x")
        .variable("PATH_INFO", "/x")
}

#[test]
fn the_command_line_wins_over_the_pragma_and_that_over_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let prefix = |done: crate::support::run::Done| {
        let text = done.response().text();
        text.split('\'').nth(1).unwrap().to_owned()
    };
    let pragma = "# wsgi-cgi: script-name=/pragma";
    let environment = |run: Run| run.variable("WSGI_CGI_SCRIPT_NAME", "/environment");
    assert_eq!(prefix(written(folder.path(), "", TELLS).done()), "/server");
    assert_eq!(
        prefix(environment(written(folder.path(), "", TELLS)).done()),
        "/environment"
    );
    assert_eq!(
        prefix(environment(written(folder.path(), pragma, TELLS)).done()),
        "/pragma"
    );
    let run = environment(written(folder.path(), pragma, TELLS)).option("--script-name=/typed");
    assert_eq!(prefix(run.done()), "/typed");
}

#[test]
fn a_switch_can_be_turned_off_again() {
    let folder = tempfile::tempdir().unwrap();
    let shown = |run: Run| run.done().response().text().contains("ZeroDivisionError");
    let run = || written(folder.path(), "# wsgi-cgi: debug", "1 / 0\n");
    assert!(shown(run()));
    assert!(!shown(run().option("--debug=false")));
    assert!(shown(
        written(folder.path(), "", "1 / 0\n").variable("WSGI_CGI_DEBUG", "yes")
    ));
    assert!(!shown(
        run().option("--debug=off").variable("WSGI_CGI_DEBUG", "1")
    ));
}

#[test]
fn paths_in_a_pragma_count_from_the_scripts_folder() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path(), "# wsgi-cgi: error-log=own.log", "1 / 0\n")
        .done()
        .assert_exit(1);
    assert!(
        fs::read_to_string(folder.path().join("own.log"))
            .unwrap()
            .contains("WC032")
    );
}

#[test]
fn chdir_and_several_paths_are_taken() {
    let folder = tempfile::tempdir().unwrap();
    let there = folder.path().join("there");
    for name in ["one", "two"] {
        fs::create_dir_all(there.join(name)).unwrap();
        fs::write(there.join(name).join(format!("{name}_.py")), "").unwrap();
    }
    let paths = format!("{0}/one:{0}/two", there.display());
    let run = written(folder.path(), "import one_, two_", TELLS).variable("WSGI_CGI_PATH", paths);
    let done = run.option(format!("--chdir={}", there.display())).done();
    assert!(
        done.response()
            .text()
            .contains(&format!("'{}'", there.display())),
        "\n{done}"
    );
    let missing = written(folder.path(), "", TELLS)
        .option("--chdir=/nonexistent")
        .done();
    missing
        .assert_status("500 Internal Server Error")
        .assert_told("WC018")
        .assert_exit(3);
}

#[test]
fn a_setting_that_cannot_be_read_is_an_error_that_names_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let plain = || written(folder.path(), "", TELLS);
    let cases = [
        (plain().option("--timeout=soon"), "soon"),
        (plain().option("--time-out=3"), "--timeout"),
        (
            plain().variable("WSGI_CGI_TIMEOUT", "soon"),
            "WSGI_CGI_TIMEOUT",
        ),
        (
            plain().variable("WSGI_CGI_DEBUG", "perhaps"),
            "WSGI_CGI_DEBUG",
        ),
    ];
    for (run, told) in cases {
        run.done()
            .assert_status("500 Internal Server Error")
            .assert_told("WC002")
            .assert_told(told)
            .assert_exit(2);
    }
    let run = written(folder.path(), "# wsgi-cgi: colour=blue", TELLS).done();
    run.assert_status("500 Internal Server Error")
        .assert_told("the script's wsgi-cgi line")
        .assert_exit(2);
}

/// Nothing that a client can set is a setting.
#[test]
fn headers_and_query_are_no_settings() {
    let folder = tempfile::tempdir().unwrap();
    let run = written(folder.path(), "", "1 / 0\n")
        .variable("HTTP_WSGI_CGI_DEBUG", "1")
        .variable("QUERY_STRING", "WSGI_CGI_DEBUG=1");
    assert!(!run.done().response().text().contains("ZeroDivisionError"));
}

#[test]
fn verbose_tells_the_choice_and_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let run = written(folder.path(), "", TELLS);
    run.clone()
        .option("-v")
        .done()
        .assert_told("WSGI_CGI_PYTHON")
        .assert_told("SCRIPT_NAME")
        .assert_exit(0);
    run.without("WSGI_CGI_PYTHON")
        .option("-v")
        .done()
        .assert_told("PATH")
        .assert_exit(0);
}
