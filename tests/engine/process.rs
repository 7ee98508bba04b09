//! What the application's process and its environ are made of.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::support::run::Run;
use crate::support::warm;
use crate::support::{app, python};

fn variables(run: Run, names: &str) -> String {
    let done = run.variable("QUERY_STRING", names).done();
    done.assert_quiet();
    done.response().text()
}

#[test]
fn values_are_bytes_as_latin_1_and_types_are_exact() {
    let done = Run::of("requests.py:environ_types")
        .variable("PATH_INFO", OsStr::from_bytes(b"/\xc3\xa9\xff"))
        .variable("ANY_OTHER", OsStr::from_bytes(b"\xe2\x82\xac"))
        .done();
    let expected = "version: (1, 0)\nurl_scheme: 'http'\nmultithread: False\nmultiprocess: True\nrun_once: True\n";
    done.assert_body(expected).assert_quiet();
    let run =
        Run::of("requests.py:variables").variable("PATH_INFO", OsStr::from_bytes(b"/\xc3\xa9\xff"));
    assert_eq!(
        variables(run, "PATH_INFO"),
        "PATH_INFO='/\\xc3\\xa9\\xff' '/\\xe9\\udcff'\n"
    );
}

#[test]
fn the_scheme_is_https_however_the_server_says_so() {
    for (name, value, scheme) in [
        ("HTTPS", "on", "https"),
        ("HTTPS", "ON", "https"),
        ("HTTPS", "1", "https"),
        ("HTTPS", "off", "http"),
        ("REQUEST_SCHEME", "https", "https"),
    ] {
        let done = Run::of("requests.py:environ_types")
            .variable(name, value)
            .done();
        assert!(
            done.response()
                .text()
                .contains(&format!("url_scheme: '{scheme}'")),
            "{name}={value}\n{done}"
        );
    }
}

/// Httpoxy, CVE-2016-5385: the client's `Proxy` header must not become the proxy of the application.
#[test]
fn no_spelling_of_http_proxy_reaches_the_application() {
    let run = Run::of("requests.py:proxies")
        .variable("HTTP_PROXY", "http://evil")
        .variable("Http_Proxy", "http://evil");
    run.done().assert_body("[]\n").assert_quiet();
}

#[test]
fn what_the_server_left_out_is_supplied() {
    let run = Run::of("requests.py:variables")
        .without("SERVER_NAME")
        .without("PATH_INFO")
        .variable("HTTP_HOST", "www.example.org:8080")
        .variable("REDIRECT_HTTP_AUTHORIZATION", "Basic eA==")
        .variable("HTTP_CONTENT_LENGTH", "5");
    let told = variables(
        run,
        "SERVER_NAME,PATH_INFO,HTTP_AUTHORIZATION,HTTP_CONTENT_LENGTH,REQUEST_METHOD,OMP_NUM_THREADS",
    );
    let expected = "SERVER_NAME='www.example.org' 'www.example.org'\nPATH_INFO='' ''\n\
                    HTTP_AUTHORIZATION='Basic eA==' 'Basic eA=='\nHTTP_CONTENT_LENGTH=None None\n\
                    REQUEST_METHOD='GET' 'GET'\nOMP_NUM_THREADS='1' '1'\n";
    assert_eq!(told, expected);
}

#[test]
fn the_process_is_the_applications_own() {
    let file = app("requests.py");
    let folder = file.parent().unwrap().display().to_string();
    let done = Run::of("requests.py:process").done();
    let told = done.response().text();
    for expected in [
        "stdin: /dev/null".to_owned(),
        "stdout is stderr: True".to_owned(),
        format!("argv: ['{}']", file.display()),
        "main: None".to_owned(),
        "own name: requests True".to_owned(),
        format!("first on the path: {folder}"),
        "utf-8: 1 utf-8".to_owned(),
        format!("cwd: {}", std::env::temp_dir().display()),
    ] {
        assert!(
            told.lines().any(|line| line == expected),
            "no {expected:?}\n{done}"
        );
    }
}

/// SURVEY section 0, row 16: fcgiwrap leaks its connection as descriptor 3.
#[test]
fn inherited_descriptors_are_closed() {
    // The shell gives its child descriptors 3 and 7.
    let command = format!("exec {} \"$@\" 3<&0 7</dev/null", crate::support::PROGRAM);
    let arguments = [
        "-c".into(),
        command.into(),
        "sh".into(),
        app("requests.py:descriptors").into_os_string(),
    ];
    let done = Run::with_arguments(&arguments).program("/bin/sh").done();
    done.assert_body("[]\n").assert_quiet();
}

#[test]
fn pythons_own_variables_are_honoured() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("app.py");
    let text = "import sys, warnings\n\
                def application(environ, start_response):\n    start_response('200 OK', [])\n    \
                flags = sys.flags\n    return [repr((flags.optimize, sys.dont_write_bytecode, sys.warnoptions)).encode()]\n";
    std::fs::write(&file, text).unwrap();
    let done = Run::with_arguments(&[&file])
        .variable("PYTHONOPTIMIZE", "2")
        .variable("PYTHONDONTWRITEBYTECODE", "1")
        .variable("PYTHONWARNINGS", "ignore,error::UserWarning")
        .done();
    done.assert_body("(2, True, ['ignore', 'error::UserWarning'])")
        .assert_quiet();
    assert!(!folder.path().join("__pycache__").exists());
}

/// Plain Python checks byte code by second and size only.
#[test]
fn two_edits_within_a_second_show_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("app.py");
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
    for digit in 0..5 {
        let text =
            format!("def application(e, s):\n    s('200 OK', [])\n    return [b'{digit}']\n");
        std::fs::write(&file, text).unwrap();
        std::fs::File::options()
            .write(true)
            .open(&file)
            .unwrap()
            .set_modified(time)
            .unwrap();
        Run::with_arguments(&[&file])
            .done()
            .assert_body(digit.to_string())
            .assert_quiet();
    }
    assert!(
        folder.path().join("__pycache__").exists(),
        "nothing is cached at all"
    );
}

/// A visitor could read it there.
#[test]
fn no_byte_code_is_kept_among_files_that_the_server_hands_out() {
    let folder = tempfile::tempdir().unwrap();
    let text = "def application(e, s):\n    s('200 OK', [])\n    return [b'x']\n";
    for name in ["app.py", "app.cgi"] {
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        let run = Run::with_arguments(&[&file]);
        run.clone()
            .variable("SCRIPT_FILENAME", &file)
            .done()
            .assert_quiet();
        run.variable("DOCUMENT_ROOT", folder.path())
            .done()
            .assert_quiet();
    }
    Run::with_arguments(&[folder.path().join("app.cgi")])
        .done()
        .assert_quiet();
    assert!(!folder.path().join("__pycache__").exists());
}

#[test]
fn a_failing_sitecustomize_is_told_and_does_not_end_the_run() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("sitecustomize.py"), "1 / 0\n").unwrap();
    let done = Run::of("manners.py:hello")
        .option(folder.path())
        .option("--path")
        .done();
    done.assert_body("hello\n").assert_exit(0);
    // In warm mode it is the zygote's, and nobody's request.
    if !warm::is_wanted() {
        done.assert_told("error in sitecustomize");
    }
}

#[test]
fn a_folder_of_the_path_option_comes_before_the_interpreters() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("wsgiref.py"), "answer = b'mine'\n").unwrap();
    let file = folder.path().join("elsewhere").join("app.py");
    std::fs::create_dir(file.parent().unwrap()).unwrap();
    std::fs::write(
        &file,
        "import wsgiref\ndef app(e, s):\n    s('200 OK', [])\n    return [wsgiref.answer]\n",
    )
    .unwrap();
    let run = Run::with_arguments(&[&file])
        .option(folder.path())
        .option("--path");
    run.done().assert_body("mine").assert_quiet();
    assert!(python::default().exists());
}
