//! Errors before the application runs: under CGI a whole 500, a reason, a remedy, an exit status.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::support::response::Response;
use crate::support::run::Run;
use crate::support::{app, copy_program, python, write_program};

struct Case<'a> {
    file: &'a str,
    text: &'a str,
    application: &'a str,
    code: &'a str,
    told: &'a str,
    exit: i32,
}

const fn case<'a>(
    text: &'a str,
    application: &'a str,
    code: &'a str,
    told: &'a str,
    exit: i32,
) -> Case<'a> {
    Case {
        file: "app.py",
        text,
        application,
        code,
        told,
        exit,
    }
}

#[test]
fn each_is_told_with_its_code_and_a_whole_response() {
    let cases = [
        case("", "none.py", "WC010", "none.py", 3),
        case("", ".", "WC012", "", 3),
        case(
            "x = 1\ndef view(): pass\n",
            "app.py",
            "WC013",
            "which has: view",
            3,
        ),
        case(
            "def view(): pass\n",
            "app.py:wiev",
            "WC013",
            "which has: view",
            3,
        ),
        case(
            "application = 'text'\n",
            "app.py:application",
            "WC014",
            "of type str",
            3,
        ),
        case(
            "def create_app(name): pass\n",
            "app.py",
            "WC015",
            "TypeError",
            1,
        ),
        case(
            "",
            "no_such.module",
            "WC016",
            "No module named 'no_such'",
            3,
        ),
        case(
            "async def app(scope, receive, send): pass\n",
            "app.py",
            "WC017",
            "function",
            3,
        ),
        case(
            "def app(e, s)\n    pass\n",
            "app.py",
            "WC030",
            "def app(e, s)\n               ",
            1,
        ),
        case(
            "import no_such_package\n",
            "app.py",
            "WC031",
            "No module named 'no_such_package'",
            1,
        ),
        case("1 / 0\n", "app.py", "WC032", "ZeroDivisionError", 1),
        case(
            "import sys\nsys.exit(3)\n",
            "app.py",
            "WC033",
            "sys.exit(3)",
            1,
        ),
    ];
    for case in cases {
        let folder = tempfile::tempdir().unwrap();
        let file = if case.application == "." {
            "readme"
        } else {
            case.file
        };
        fs::write(folder.path().join(file), case.text).unwrap();
        let log = folder.path().join("error.log");
        let done = Run::with_arguments(&[case.application])
            .directory(folder.path())
            .variable("WSGI_CGI_ERROR_LOG", &log)
            .request("GET", "/page")
            .done();
        done.assert_status("500 Internal Server Error")
            .assert_exit(case.exit);
        done.assert_told(case.code)
            .assert_told(case.told)
            .assert_told("what to do: ")
            .assert_told("(GET /page)");
        assert!(done.response().text().contains(case.code), "\n{done}");
        assert_eq!(fs::read_to_string(&log).unwrap(), done.err, "\n{done}");
        // The first line says it all.
        assert!(
            done.err.lines().next().unwrap().contains(case.code),
            "\n{done}"
        );
    }
}

#[test]
fn a_missing_package_names_the_interpreter_and_how_it_was_chosen() {
    let folder = tempfile::tempdir().unwrap();
    let own = python::virtualenv(&python::default(), &folder.path().join(".venv"));
    fs::write(folder.path().join("app.py"), "import no_such_package\n").unwrap();
    let done = Run::with_arguments(&[folder.path().join("app.py")])
        .without("WSGI_CGI_PYTHON")
        .done();
    done.assert_told(&own.display().to_string())
        .assert_told("beside the application");
}

#[test]
fn a_file_that_may_not_be_read_is_told_with_the_user() {
    if !rustix::process::geteuid().is_root() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("app.py");
        fs::write(&file, "").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o000)).unwrap();
        let done = Run::with_arguments(&[file]).done();
        done.assert_status("500 Internal Server Error")
            .assert_told("WC011")
            .assert_exit(3);
        return;
    }
    // Root may read everything: another user is asked for by setpriv (util-linux).
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = folder.path().join("wsgi-cgi");
    copy_program(crate::support::PROGRAM.as_ref(), &program);
    let file = folder.path().join("app.py");
    fs::write(&file, "").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o000)).unwrap();
    let arguments = [
        "--reuid=65534",
        "--clear-groups",
        "--",
        program.to_str().unwrap(),
        file.to_str().unwrap(),
    ];
    let done = Run::with_arguments(&arguments).program("setpriv").done();
    done.assert_status("500 Internal Server Error")
        .assert_told("WC011")
        .assert_told("user id 65534")
        .assert_exit(3);
}

#[test]
fn interpreters_that_cannot_be_used_are_told() {
    let run = || Run::with_arguments(&[app("manners.py:hello")]);
    let none = run()
        .without("WSGI_CGI_PYTHON")
        .variable("PATH", "/nonexistent")
        .done();
    none.assert_status("500 Internal Server Error")
        .assert_told("WC020")
        .assert_told("/nonexistent")
        .assert_exit(3);
    let missing = run().option("--python=/nonexistent/python3").done();
    missing
        .assert_told("WC020")
        .assert_told("/nonexistent/python3")
        .assert_exit(3);

    let folder = tempfile::tempdir().unwrap();
    let old = folder.path().join("python3.8");
    copy_program("/bin/true".as_ref(), &old);
    let done = run().option(format!("--python={}", old.display())).done();
    done.assert_status("500 Internal Server Error")
        .assert_told("WC021")
        .assert_told("3.8")
        .assert_exit(3);

    // What is behind an unknown name is found out by running it.
    let odd = folder.path().join("odd");
    write_program(&odd, "#!/bin/sh\necho no Python >&2\nexit 5\n", 0o755);
    let done = run().option(format!("--python={}", odd.display())).done();
    done.assert_status("500 Internal Server Error")
        .assert_told("WC022")
        .assert_told("exit status 5")
        .assert_exit(3);
}

#[test]
fn by_hand_an_error_is_told_on_stderr_only() {
    let done = Run::by_hand(&["/no/such/app.py"]).done();
    done.assert_told("WC010").assert_exit(3);
    assert_eq!(done.out, b"", "\n{done}");
    let nothing: [&str; 0] = [];
    Run::by_hand(&nothing)
        .done()
        .assert_told("WC001")
        .assert_exit(2);
    Run::by_hand(&["--no-such-option"])
        .done()
        .assert_told("--no-such-option")
        .assert_exit(2);
}

#[test]
fn a_head_request_for_a_failure_has_no_body() {
    let done = Run::with_arguments(&["/no/such/app.py"])
        .request("HEAD", "/")
        .done();
    assert_eq!(Response::parse(&done.out).unwrap().body, b"", "\n{done}");
}

#[test]
fn help_and_version_go_to_standard_output() {
    let done = Run::by_hand(&["--help"]).done();
    let help = String::from_utf8(done.out.clone()).unwrap();
    for option in [
        "--python",
        "--chdir",
        "--path",
        "--script-name",
        "--timeout",
        "--debug",
        "--error-log",
        "--site",
    ] {
        assert!(help.contains(option), "{option}\n{done}");
    }
    done.assert_quiet();
    let done = Run::by_hand(&["--version"]).done();
    // Only a release names its commit, too.
    let version = concat!(
        "wsgi-cgi ",
        env!("CARGO_PKG_VERSION"),
        " (engine ABI abi3-py39)\n"
    );
    assert_eq!(String::from_utf8_lossy(&done.out), version, "\n{done}");
    assert!(include_str!("../../engine/Cargo.toml").contains("abi3-py39"));
}

/// A server mends what it sends; a person mistypes.
#[test]
fn a_malformed_variable_by_hand_is_an_error() {
    for (name, value) in [
        ("CONTENT_LENGTH", "1s"),
        ("PATH_INFO", "users"),
        ("SCRIPT_NAME", "x"),
        ("SERVER_PORT", "http"),
        ("SERVER_PROTOCOL", "HTTP/"),
        ("REQUEST_METHOD", "GE T"),
    ] {
        let run = Run::by_hand(&[app("manners.py:hello")]).variable(name, value);
        let done = run.done();
        done.assert_told("WC060").assert_told(name).assert_exit(2);
        let posted = run.variable("REQUEST_METHOD", "GE T").done();
        posted.assert_status("400 Bad Request").assert_exit(2);
    }
    let served = Run::of("manners.py:hello").variable("CONTENT_LENGTH", "1s");
    served
        .done()
        .assert_status("400 Bad Request")
        .assert_exit(0);
}
