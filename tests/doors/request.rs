//! `wsgi-cgi request`: what curl would send and show, without a server.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::frameworks::site::virtualenv;
use crate::support::lambda::tools;
use crate::support::run::{Done, Run};
use crate::support::{app, output, write_program};

/// `request WORDS APP TARGET`
pub fn asks(words: &[&str], application: &str, target: &str) -> Run {
    let application = app(application);
    let mut all = vec![OsStr::new("request")];
    all.extend(words.iter().map(OsStr::new));
    all.push(application.as_os_str());
    all.extend((!target.is_empty()).then_some(OsStr::new(target)));
    Run::by_hand(&all)
}

/// The environ that the application got.
#[track_caller]
pub fn environ(done: &Done) -> Value {
    done.assert_exit(0);
    serde_json::from_slice(&done.out).unwrap_or_else(|error| panic!("{error}\n{done}"))
}

#[track_caller]
fn check(words: &[&str], target: &str, input: &[u8], expected: &[(&str, &str)]) {
    let done = asks(words, "environ_json.py", target).input(input).done();
    let environ = environ(&done);
    for (name, value) in expected {
        let found = environ.get(*name).and_then(Value::as_str);
        assert_eq!(found.unwrap_or("(absent)"), *value, "{name} of {words:?}");
    }
}

#[test]
fn the_address_is_a_path_or_a_url() {
    check(
        &[],
        "",
        b"",
        &[
            ("REQUEST_METHOD", "GET"),
            ("PATH_INFO", "/"),
            ("HTTP_HOST", "localhost"),
            ("SERVER_NAME", "localhost"),
            ("CONTENT_LENGTH", "(absent)"),
            ("REMOTE_ADDR", "127.0.0.1"),
        ],
    );
    check(
        &[],
        "a b/\u{e9}/./x/../c?q=\u{e9}&r=%20#frag",
        b"",
        &[
            ("PATH_INFO", "/a b/\u{c3}\u{a9}/c"),
            ("REQUEST_URI", "/a%20b/%C3%A9/./x/../c?q=%C3%A9&r=%20"),
            ("QUERY_STRING", "q=%C3%A9&r=%20"),
        ],
    );
    check(
        &[],
        "https://example.org:8443?a=1",
        b"",
        &[
            ("wsgi.url_scheme", "https"),
            ("HTTP_HOST", "example.org:8443"),
            ("SERVER_PORT", "8443"),
            ("PATH_INFO", "/"),
            ("QUERY_STRING", "a=1"),
        ],
    );
    asks(&[], "environ_json.py", "http:///x")
        .done()
        .assert_exit(2);
}

#[test]
fn headers_are_added_replaced_and_taken_back() {
    let words = [
        "-H",
        "X-A: 1",
        "-H",
        "X-A:2",
        "-H",
        "Accept:",
        "-H",
        "X-Empty;",
        "-H",
        "User-Agent: me",
        "-b",
        "c=1; d=2",
        "-u",
        "name:pass word",
    ];
    check(
        &words,
        "",
        b"",
        &[
            ("HTTP_X_A", "1, 2"),
            ("HTTP_ACCEPT", "(absent)"),
            ("HTTP_X_EMPTY", ""),
            ("HTTP_USER_AGENT", "me"),
            ("HTTP_COOKIE", "c=1; d=2"),
            ("HTTP_AUTHORIZATION", "Basic bmFtZTpwYXNzIHdvcmQ="),
        ],
    );
    for wrong in ["no colon", "X A: 1", "X-A: a\r\nB: c"] {
        asks(&["-H", wrong], "environ_json.py", "")
            .done()
            .assert_exit(2);
    }
}

#[test]
fn data_is_sent_as_curl_sends_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("data.txt");
    fs::write(&file, "one\r\ntwo\n").unwrap();
    let at_file = format!("@{}", file.display());
    let form = "application/x-www-form-urlencoded";
    for (words, input, body, content_type, method) in [
        (&["-d", "a=1", "-d", "b=2"][..], "", "a=1&b=2", form, "POST"),
        (&["-d", &at_file], "", "onetwo", form, "POST"),
        (
            &["--data-binary", &at_file],
            "",
            "one\r\ntwo\n",
            form,
            "POST",
        ),
        (&["-d", "@-", "-X", "PUT"], "in\nput", "input", form, "PUT"),
        (&["--json", "{}"], "", "{}", "application/json", "POST"),
        (
            &["-d", "a", "-H", "Content-Type: text/x"],
            "",
            "a",
            "text/x",
            "POST",
        ),
    ] {
        let length = body.len().to_string();
        let expected = [
            ("wsgi.input", body),
            ("CONTENT_TYPE", content_type),
            ("REQUEST_METHOD", method),
            ("CONTENT_LENGTH", &length),
        ];
        check(words, "", input.as_bytes(), &expected);
    }
    asks(&["-d", "@/no/such/file"], "environ_json.py", "")
        .done()
        .assert_exit(2)
        .assert_told("/no/such/file");
}

/// Read by a real framework's parser.
#[test]
fn a_multipart_form_arrives() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("photo.png");
    fs::write(&file, b"\x89PNG\r\n--").unwrap();
    let application = folder.path().join("app.py");
    let text = "
import json
from werkzeug.wrappers import Request, Response
@Request.application
def application(request):
    files = {name: [file.filename, file.content_type, file.read().hex()] for name, file in request.files.items()}
    return Response(json.dumps({'form': request.form.to_dict(flat=False), 'files': files}))
";
    fs::write(&application, text).unwrap();
    let words: Vec<&OsStr> = ["request", "-F", "a=1", "-F", "a=2", "-F"]
        .map(OsStr::new)
        .to_vec();
    let part = |rest: &str| format!("file=@{}{rest}", file.display());
    for (rest, name, kind) in [
        ("", "photo.png", "image/png"),
        (";type=text/x;filename=other\".txt", "other\".txt", "text/x"),
    ] {
        let part = part(rest);
        let mut words = words.clone();
        words.extend([OsStr::new(&part), application.as_os_str()]);
        let run = Run::by_hand(&words).variable("WSGI_CGI_PYTHON", virtualenv());
        let told = environ(&run.done());
        assert_eq!(told["form"]["a"], json!(["1", "2"]));
        assert_eq!(
            told["files"]["file"],
            json!([name, kind, "89504e470d0a2d2d"])
        );
    }
}

#[test]
fn the_response_is_shown_as_curl_shows_it() {
    let done = asks(&["-i"], "responses.py", "/?cookies").done();
    let text = String::from_utf8_lossy(&done.out).into_owned();
    assert!(text.starts_with("HTTP/1.1 201 Created\r\n"), "{text}");
    assert!(
        text.contains("\r\nSet-Cookie: a=1; Path=/\r\nSet-Cookie: b=2\r\n"),
        "{text}"
    );
    assert!(
        text.ends_with("\r\n\r\nmade") && !text.contains("Status:"),
        "{text}"
    );

    let head = asks(&["-I"], "responses.py", "/?utf8").done();
    let text = String::from_utf8_lossy(&head.out).into_owned();
    assert!(
        text.ends_with("\r\n\r\n") && text.starts_with("HTTP/1.1 200 OK"),
        "{text}"
    );

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("out.png");
    let done = asks(&["-o", file.to_str().unwrap()], "responses.py", "/?png").done();
    assert_eq!(
        (done.out.as_slice(), fs::read(&file).unwrap()),
        (&b""[..], b"\x89PNG".to_vec())
    );
}

#[test]
fn the_exit_status_tells_whose_fault_it_was() {
    let failing = asks(&[], "failures.py:raises", "").done();
    failing.assert_exit(1).assert_told("WC040");
    assert!(String::from_utf8_lossy(&failing.out).contains("WC040"));
    let told = asks(&["-f"], "failures.py:raises", "").done();
    told.assert_exit(22);
    assert!(told.out.is_empty(), "{told}");
    asks(&[], "missing.py", "").done().assert_exit(3);
    asks(&["--repeat", "x"], "responses.py", "")
        .done()
        .assert_exit(2);
    asks(&["--timeout=0.5"], "sleeps.py", "/?60")
        .done()
        .assert_exit(124);
}

#[test]
fn the_environ_is_shown_without_running_the_application() {
    let done = asks(&["--env", "-H", "X-A: 1"], "failures.py:no_such", "/a?b").done();
    done.assert_exit(0);
    let text = String::from_utf8_lossy(&done.out).into_owned();
    for line in [
        "HTTP_X_A = '1'",
        "PATH_INFO = '/a'",
        "QUERY_STRING = 'b'",
        "wsgi.run_once = True",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}:\n{text}");
    }
    assert!(text.lines().is_sorted(), "{text}");
}

#[test]
fn the_time_is_told_in_parts_with_the_slowest_imports() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("slow_module.py"),
        "import time; time.sleep(0.2)\n",
    )
    .unwrap();
    let application = folder.path().join("app.py");
    let text = "import sys, time, slow_module\ndef application(environ, start_response):\n    \
        print('a line of its own', file=sys.stderr)\n    time.sleep(0.1)\n    \
        start_response('200 OK', [('Content-Type', 'text/plain'), ('Server-Timing', 'own;dur=1')])\n    \
        yield b'one'\n    time.sleep(0.1)\n    yield b'two'\n";
    fs::write(&application, text).unwrap();
    let words = [
        "request".as_ref(),
        "--time".as_ref(),
        application.as_os_str(),
    ];
    let done = Run::by_hand(&words).done();
    done.assert_exit(0).assert_told("a line of its own");
    assert_eq!(done.out, b"onetwo");
    let time = |part: &str| -> f64 {
        let line = done
            .err
            .lines()
            .find(|line| line.split_whitespace().nth(1) == Some(part));
        let line = line.unwrap_or_else(|| panic!("no {part}\n{done}"));
        line.split_whitespace().next().unwrap().parse().unwrap()
    };
    assert!(
        time("import") >= 200.0 && time("application") >= 100.0 && time("output") >= 50.0,
        "{done}"
    );
    assert!(
        time("total") >= time("import") + time("application") + time("output"),
        "{done}"
    );
    let slowest = done.err.lines().find(|line| line.ends_with("slow_module"));
    assert!(
        slowest.is_some() && !done.err.contains("import time:"),
        "{done}"
    );

    let words = [
        "request".as_ref(),
        "--repeat=3".as_ref(),
        application.as_os_str(),
    ];
    let done = Run::by_hand(&words).done();
    let text = String::from_utf8_lossy(&done.out).into_owned();
    assert!(text.contains("of 3 requests"), "{text}");
    let import = text
        .lines()
        .find(|line| line.contains("importing"))
        .unwrap();
    let numbers: Vec<f64> = import
        .split_whitespace()
        .take(3)
        .map(|word| word.parse().unwrap())
        .collect();
    assert!(numbers.is_sorted() && numbers[0] >= 200.0, "{text}");
}

#[test]
fn ways_to_run_an_application_are_compared() {
    let folder = tempfile::tempdir().unwrap();
    let application = folder.path().join("app.py");
    let write = |body: &str| {
        let text = format!(
            "import os\ndef application(environ, start_response):\n    \
             start_response('200 OK', [('Content-Type', 'text/plain'), ('X-A', '1')])\n    return [{body}]\n"
        );
        fs::write(&application, text).unwrap();
    };
    let compare = |modes: &str| {
        let words = [
            "request".as_ref(),
            "--compare".as_ref(),
            OsStr::new(modes),
            application.as_os_str(),
        ];
        Run::by_hand(&words)
            .variable("XDG_RUNTIME_DIR", folder.path())
            .done()
    };
    write("b'the same'");
    let done = compare("cold,warm,wsgiref");
    done.assert_exit(0);
    let text = String::from_utf8_lossy(&done.out).into_owned();
    assert!(
        text.ends_with("the same response\n") && text.lines().count() == 4,
        "{text}"
    );

    write("b'run once' if environ['wsgi.run_once'] else b'never', str(os.getpid()).encode() * 0");
    compare("cold,wsgiref").assert_exit(0);
    write(
        "b'line 1\\nline ' + (b'2' if 'wsgi_cgi' in repr(environ['wsgi.file_wrapper']) else b'3')",
    );
    let done = compare("cold,wsgiref");
    done.assert_exit(1);
    let text = String::from_utf8_lossy(&done.out).into_owned();
    for line in [
        "wsgiref differs from cold:",
        "the bodies differ from line 2 on:",
        "- line 2",
        "+ line 3",
    ] {
        assert!(
            text.lines().any(|found| found.trim() == line),
            "{line}:\n{text}"
        );
    }
    let stop = ["warm".as_ref(), "stop".as_ref(), application.as_os_str()];
    Run::by_hand(&stop)
        .variable("XDG_RUNTIME_DIR", folder.path())
        .done();
}

/// Its schema's validator, by somebody else.
pub fn validate(schema: &str, text: &str) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("instance.json");
    fs::write(&file, text).unwrap();
    let schema = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("docs/schemas")
        .join(schema);
    let program = "import json, sys, jsonschema\nschema, instance = (json.load(open(name)) for name in sys.argv[1:])\n\
        jsonschema.Draft202012Validator.check_schema(schema)\n\
        print(jsonschema.Draft202012Validator(schema).is_valid(instance))";
    let mut python = Command::new(tools().join("bin/python"));
    python.args(["-c", program]).args([schema, file]);
    output(&mut python) == b"True\n"
}

/// A reader that goes away is no failure.
#[test]
fn it_works_in_a_pipe() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("pipe.sh");
    let text = format!(
        "#!/bin/bash\nset -o pipefail\n{} request {} '/?10000000' | head -c 3\necho \" ${{PIPESTATUS[0]}}\"\n",
        env!("CARGO_BIN_EXE_wsgi-cgi"),
        app("responses.py").display()
    );
    write_program(&script, &text, 0o755);
    let mut command = Command::new(&script);
    command.env("WSGI_CGI_PYTHON", "/usr/bin/python3");
    assert_eq!(output(&mut command), b"xxx 0\n");
}
