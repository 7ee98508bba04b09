//! `wsgi-cgi check`: the application itself. Each fault is found, and nothing else.

use std::fs;

use super::checked::{Folder, Found, GOOD};
use crate::doors::request::validate;
use crate::frameworks::site;
use crate::support::python;
use crate::support::run::Run;

/// An application with these lines before it.
fn importing(lines: &str) -> String {
    format!("{lines}\n{GOOD}")
}

/// An application that answers so.
fn answering(status: &str, headers: &str, body: &str) -> String {
    format!(
        "def app(environ, start_response):\n    start_response({status:?}, {headers})\n    return {body}\n"
    )
}

#[test]
fn nothing_is_found_where_nothing_is_wrong() {
    let folder = Folder::with(&[("app.py", GOOD)]);
    folder
        .check(&[])
        .is(&[])
        .exits(0)
        .fact("application", "app.py")
        .fact("interpreter", "python3")
        .fact("version", "3.")
        .fact("virtualenv", "null");
    // It changes nothing: not even byte code is kept.
    assert_eq!(fs::read_dir(folder.path("")).unwrap().count(), 1);
    let text = Run::by_hand(&["check", "-v", "app.py"])
        .directory(&folder.path(""))
        .done();
    let out = String::from_utf8_lossy(&text.out).into_owned();
    for part in ["ok Requests", "GET /: 200", "nothing found; "] {
        assert!(out.contains(part) && !out.contains('\u{1b}'), "{out}");
    }
    let short = Run::by_hand(&["check", "app.py"])
        .directory(&folder.path(""))
        .done();
    assert!(!String::from_utf8_lossy(&short.out).contains("GET /"));
}

#[test]
fn every_interpreter_can_be_checked() {
    let folder = Folder::with(&[("app.py", &importing("print('hello')"))]);
    for interpreter in python::all() {
        let found = folder.check(&["--python", interpreter.to_str().unwrap()]);
        found.is(&["WC152"]).fact("version", "3.");
    }
}

#[test]
fn the_examples_are_clean() {
    for (example, application) in [("hello", "app.py"), ("flask", "app.py"), ("django", ".")] {
        let site = site::Site::copy_of(example, application);
        if example == "django" {
            site.python(&["manage.py", "migrate", "--verbosity=0"], &[]);
        }
        let run = Run::by_hand(&["check", "--json", application])
            .without("WSGI_CGI_PYTHON")
            .directory(&site.path(""));
        Found::by(&run).is(&[]).fact("virtualenv", ".venv");
    }
}

#[test]
fn what_an_import_does_is_told() {
    for (lines, code, told) in [
        ("print('hello')", "WC152", "app.py, line 1"),
        (
            "import sys\nsys.stderr.write('careful')",
            "WC153",
            "app.py, line 2",
        ),
        (
            "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
            "WC154",
            "app.py, line 2",
        ),
        (
            "import socket\nkept = socket.socket()",
            "WC154",
            "a socket is open",
        ),
        (
            "import subprocess\nsubprocess.run(['true'])",
            "WC155",
            "app.py, line 2",
        ),
        ("import helper", "WC156", "helper"),
    ] {
        let folder = Folder::with(&[("app.py", &importing(lines))]);
        folder.write("helper.py", "import time; time.sleep(1.1)\n", 0o644);
        folder.check(&[]).is(&[code]).tells(told);
    }
}

#[test]
fn an_application_that_cannot_be_loaded_is_told_with_its_remedy() {
    for (text, code, status, told) in [
        (
            "import no_such_package",
            "WC150",
            1,
            "-m pip install no_such_package",
        ),
        ("def app(:", "WC150", 1, "WC030"),
        ("application = 3", "WC150", 3, "WC013"),
        ("import sys\nsys.exit('no')", "WC158", 1, "__main__"),
        (
            "raise KeyError('SETTING')",
            "WC150",
            1,
            "app.py\\\", line 1",
        ),
    ] {
        let folder = Folder::with(&[("app.py", text)]);
        let found = folder.check(&[]).is(&[code]).exits(status);
        found.tells(told.replace('\\', "").as_str());
    }
}

#[test]
fn what_never_ends_is_ended() {
    let waits = "from helper import wait\nwait()\n";
    let in_request = "from helper import wait\ndef app(environ, start_response):\n    wait()\n";
    for text in [waits, in_request] {
        let folder = Folder::with(&[("app.py", text)]);
        folder.write(
            "helper.py",
            "import time\ndef wait(): time.sleep(600)\n",
            0o644,
        );
        folder
            .check(&["--timeout", "1"])
            .is(&["WC157"])
            .tells("helper.py\", line 2");
    }
}

/// More than a pipe or this program keeps; and its own process group, which is not this program's.
#[test]
fn what_an_application_does_to_its_process_does_not_end_the_check() {
    let much = "import sys\ndef app(environ, start_response):\n".to_owned()
        + "    for _ in range(20): sys.stderr.write('e' * (1 << 20) + '\\n')\n"
        + "    start_response('200 OK', [('Content-Type', 'text/plain')])\n"
        + "    return [b'x' * (1 << 20)] * 20\n";
    Folder::with(&[("app.py", &much)]).check(&[]).is(&[]);
    let ends = "import os\ndef app(environ, start_response):\n    os.killpg(0, 9)\n";
    let found = Folder::with(&[("app.py", ends)]).check(&[]);
    found.is(&["WC160"]).tells("SIGKILL");
    // A stream of its own stays.
    let own =
        "import io, sys\nsys.stderr = own = io.StringIO()\ndef app(environ, start_response):\n"
            .to_owned()
            + "    assert sys.stderr is own\n"
            + "    start_response('200 OK', [('Content-Type', 'text/plain')])\n    return [b'x']\n";
    let checked = Folder::with(&[("app.py", &own)]).check(&[]);
    checked.is(&[]);
}

#[test]
fn a_rule_that_is_broken_is_named() {
    let text = "[('Content-Type', 'text/plain')]";
    for (application, codes, told) in [
        (answering("200 OK", text, "'text'"), ["WC160"], "WC042"),
        (answering("103 Early Hints", "[]", "[]"), ["WC160"], "WC046"),
        (
            answering("200 OK", "[('Connection', 'close')]", "[b'']"),
            ["WC160"],
            "Connection",
        ),
        (
            answering("200 OK", "[]", "[b'x']"),
            ["WC161"],
            "No Content-Type header found",
        ),
        (
            "def app(environ, start_response):\n    environ['wsgi.input'].read()\n".to_owned()
                + "    start_response('200 OK', [('Content-Type', 'text/plain')])\n    return [b'']\n",
            ["WC162"],
            "POST /",
        ),
        (
            format!(
                "import sys\n{}",
                answering("500 Oh", text, "[sys.stderr.write('why') and b'']")
            ),
            ["WC163"],
            "\"detail\":[\"why\"]",
        ),
        // An assertion of the application's own is no rule of WSGI.
        (
            "def app(environ, start_response):\n    assert False, 'mine'\n".to_owned(),
            ["WC160"],
            "mine",
        ),
    ] {
        let folder = Folder::with(&[("app.py", &application)]);
        folder.check(&[]).is(&codes).tells(told);
    }
}

/// Flask's 204 has a type, a bare redirect has none: PEP 3333 allows both.
#[test]
fn what_only_the_validator_forbids_is_no_fault() {
    for (status, headers) in [
        ("204 No Content", "[('Content-Type', 'text/html')]"),
        ("302 Found", "[('Location', 'http://localhost/there')]"),
    ] {
        let folder = Folder::with(&[("app.py", &answering(status, headers, "[]"))]);
        folder.check(&[]).is(&[]).exits(0);
    }
}

#[test]
fn a_fault_in_one_request_names_it() {
    let text =
        "def app(environ, start_response):\n    if environ['REQUEST_METHOD'] == 'POST': 1 / 0\n"
            .to_owned()
            + GOOD.split_once('\n').unwrap().1;
    let folder = Folder::with(&[("app.py", &text)]);
    let found = folder.check(&[]).is(&["WC160"]).tells("ZeroDivisionError");
    found
        .tells("\"place\":\"POST /\"")
        .tells("request -d a=1 --debug");
}

#[test]
fn what_only_a_scanner_would_see_is_a_hint() {
    let text =
        "def app(environ, start_response):\n    environ['PATH_INFO'].encode('latin-1').decode()\n"
            .to_owned()
            + GOOD.split_once('\n').unwrap().1;
    let folder = Folder::with(&[("app.py", &text)]);
    folder.check(&[]).is(&["WC160"]).exits(0).tells("%FF%FE");
}

#[test]
fn headers_that_servers_drop_are_named() {
    let with = |more: &str| {
        let headers = format!("[('Content-Type', 'text/plain')] + {more}");
        answering("200 OK", &headers, "[b'x']")
    };
    for (application, codes, told) in [
        (
            with("[('Set-Cookie', 'a=' + 'x' * 8000)]"),
            &["WC170"][..],
            "Set-Cookie has 80",
        ),
        (
            with("[('X-%d' % n, 'x' * 7000) for n in range(10)]"),
            &["WC171"],
            "bytes",
        ),
        (
            with("[('Date', 'Sat, 21 Nov 2026 14:00:00 GMT')]"),
            &["WC172"],
            "Date",
        ),
        (
            with("[('ETag', '\"a\"'), ('ETag', '\"b\"')]"),
            &["WC173"],
            "ETag, 2 times",
        ),
        (with("[('Location', '/there')]"), &["WC174"], "GET /"),
    ] {
        let folder = Folder::with(&[("app.py", &application)]);
        folder.check(&[]).is(codes).tells(told);
    }
}

#[test]
fn only_files_are_looked_at_where_nothing_may_run() {
    let text = "open('ran', 'w')\n".to_owned() + GOOD;
    let folder = Folder::with(&[("app.py", &text), ("requirements.txt", "none-such")]);
    // Nor is the interpreter started.
    let python = folder.path("python");
    let line = format!("#!/bin/sh\n>'{}'\n", folder.path("started").display());
    folder.write("python", &line, 0o755);
    let words = ["--no-run", "--python", python.to_str().unwrap()];
    folder.check(&words).is(&[]);
    assert!(!folder.path("ran").exists() && !folder.path("started").exists());
    folder.check(&words[1..]);
    assert!(folder.path("started").exists());
    // A Python of Debian has no `packaging` to compare them by.
    fs::remove_file(folder.path("requirements.txt")).unwrap();
    folder.check(&[]).is(&[]);
    assert!(folder.path("ran").exists());
}

#[test]
fn what_is_not_there_and_what_cannot_be_read_have_their_exit_status() {
    let folder = Folder::with(&[("app.py", GOOD)]);
    folder
        .check_of(&[], "none.py")
        .is(&["WC101"])
        .exits(3)
        .tells("none.py");
    folder
        .check(&["--python", "/none"])
        .is(&["WC102"])
        .exits(3)
        .tells("/none");
    for words in [
        &["--user", "nobody-has-this-name"][..],
        &["--as-cgi=iis"],
        &["--sideways"],
    ] {
        folder
            .run(&[words, &["app.py"]].concat())
            .done()
            .assert_exit(2);
    }
}

#[test]
fn a_report_is_what_its_schema_says() {
    let folder = Folder::with(&[("app.py", "import no_such_package")]);
    let done = folder.run(&["app.py"]).done();
    assert!(validate("check.json", str::from_utf8(&done.out).unwrap()));
    assert!(!validate(
        "check.json",
        "{\"findings\": [{}], \"facts\": {}}"
    ));
}
