//! Every form of APP, and every place that a web server takes it from.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::support::run::Run;
use crate::support::{PROGRAM, app, copy_program, write_program};

/// An application that answers with `word`, under the name `name`.
fn source(name: &str, word: &str) -> String {
    format!(
        "def {name}(environ, start_response):\n    start_response('200 OK', [])\n    return [b'{word}']\n"
    )
}

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
    }
    folder
}

fn script(path: &Path, text: &str) -> PathBuf {
    write_program(path, text, 0o755);
    path.to_owned()
}

/// PATH with our program in its first folder, under the name `wsgi-cgi`.
fn search_path() -> String {
    let own = Path::new(PROGRAM).parent().unwrap();
    format!("{}:/usr/local/bin:/usr/bin:/bin", own.display())
}

#[test]
fn every_form_of_app_answers() {
    let application = source("application", "application");
    let app_py = source("app", "app");
    let factory = format!(
        "def create_app():\n    return app_\n{}",
        source("app_", "made")
    );
    let files = [
        ("one.py", application.as_str()),
        ("two.wsgi", &app_py),
        ("factory.py", &factory),
        ("any name at all", &application),
        ("package/__init__.py", "mark = 'package'\n"),
        (
            "package/inner.py",
            "from . import mark\nimport package.inner\n",
        ),
        (
            "package/web.py",
            &format!("from . import mark\nfrom package import inner\n{application}"),
        ),
        ("folder/wsgi.py", &application),
        ("django/manage.py", ""),
        ("django/mysite/__init__.py", ""),
        ("django/mysite/settings.py", ""),
        (
            "django/mysite/wsgi.py",
            &format!("import mysite.settings\n{application}"),
        ),
        (
            "class.py",
            "class application:\n    def __init__(self, e, s):\n        s('200 OK', [])\n    def __iter__(self):\n        yield b'class'\n",
        ),
    ];
    let folder = folder(&files);
    let cases = [
        ("one.py", "application"),
        ("./one.py", "application"),
        ("one.py:application", "application"),
        ("two.wsgi", "app"),
        ("factory.py", "made"),
        ("factory.py:create_app()", "made"),
        ("factory.py:app_", "made"),
        ("any name at all", "application"),
        ("one", "application"),
        ("one:application", "application"),
        ("package.web", "application"),
        ("package.web:application", "application"),
        ("package/web.py", "application"),
        ("folder", "application"),
        ("folder/", "application"),
        ("django", "application"),
        ("django/mysite/wsgi.py", "application"),
        ("class.py", "class"),
    ];
    for (name, expected) in cases {
        let done = Run::with_arguments(&[name]).directory(folder.path()).done();
        done.assert_body(expected).assert_quiet();
    }
}

#[test]
fn modules_are_looked_up_in_the_folder_of_chdir() {
    let folder = folder(&[
        ("there/one.py", &source("application", "there")),
        ("here/x", ""),
    ]);
    let done = Run::with_arguments(&["one"])
        .option(format!("--chdir={}", folder.path().join("there").display()))
        .directory(&folder.path().join("here"))
        .done();
    done.assert_body("there").assert_quiet();
}

#[test]
fn one_object_of_a_known_framework_is_found_under_any_name() {
    let framework = "class Bottle:\n    def __call__(self, e, s):\n        s('200 OK', [])\n        return [b'known']\n";
    let folder = folder(&[
        ("bottle.py", framework),
        (
            "site1.py",
            "from bottle import Bottle\nmine = Bottle()\nagain = mine\n",
        ),
    ]);
    Run::with_arguments(&["site1.py"])
        .directory(folder.path())
        .done()
        .assert_body("known")
        .assert_quiet();
}

#[test]
fn a_link_to_a_script_counts_as_the_script() {
    let folder = folder(&[
        (
            "real/app.py",
            &format!("import beside\n{}", source("app", "linked")),
        ),
        ("real/beside.py", ""),
    ]);
    let link = folder.path().join("app.cgi");
    symlink(folder.path().join("real/app.py"), &link).unwrap();
    Run::with_arguments(&[&link])
        .done()
        .assert_body("linked")
        .assert_quiet();
}

#[test]
fn a_module_of_the_standard_librarys_name_does_no_harm() {
    let folder = folder(&[
        ("io.py", &source("app", "mine")),
        ("code.py", &source("app", "mine")),
    ]);
    for name in ["io.py", "code.py"] {
        Run::with_arguments(&[folder.path().join(name)])
            .done()
            .assert_body("mine")
            .assert_quiet();
    }
}

#[test]
fn app_run_at_the_end_of_the_file_starts_nothing() {
    let text = format!(
        "{}if __name__ == '__main__':\n    raise SystemExit('a server')\n",
        source("app", "no server")
    );
    let folder = folder(&[("app.py", &text)]);
    Run::with_arguments(&[folder.path().join("app.py")])
        .done()
        .assert_body("no server")
        .assert_quiet();
}

#[test]
fn a_script_may_be_a_shebang_of_ours() {
    let folder = tempfile::tempdir().unwrap();
    let lines = [
        "#!/usr/bin/env wsgi-cgi".to_owned(),
        format!("#!{PROGRAM}"),
        "#!/usr/bin/env -S wsgi-cgi --debug --timeout=30".to_owned(),
        // The kernel passes both words as one.
        format!("#!{PROGRAM} --debug --timeout=30"),
    ];
    for (index, line) in lines.iter().enumerate() {
        if line.len() > 127 {
            continue;
        }
        let text = format!("{line}\n{}", source("application", "shebang"));
        let file = script(&folder.path().join(format!("script{index}")), &text);
        let arguments: [&str; 0] = [];
        let run = Run::with_arguments(&arguments)
            .program(&file)
            .variable("PATH", search_path())
            .variable("SCRIPT_FILENAME", &file);
        run.done().assert_body("shebang").assert_quiet();
        let file = script(
            &folder.path().join(format!("broken{index}")),
            &format!("{line}\nraise ValueError('why')\n"),
        );
        let page = run.program(&file).done().response().text();
        assert_eq!(page.contains("why"), line.contains("--debug"), "{line}");
    }
}

#[test]
fn a_bare_name_is_looked_up_in_the_working_directory() {
    // suexec starts scripts so.
    let folder = folder(&[("app.cgi", &source("application", "bare"))]);
    Run::with_arguments(&["app.cgi"])
        .directory(folder.path())
        .done()
        .assert_body("bare")
        .assert_quiet();
}

#[test]
fn a_wrapper_script_may_name_the_application() {
    let folder = folder(&[("app.py", &source("application", "wrapped"))]);
    let text = format!(
        "#!/bin/sh\nexec {PROGRAM} --debug {}/app.py\n",
        folder.path().display()
    );
    let wrapper = script(&folder.path().join("wrapper.cgi"), &text);
    let words: [&str; 2] = ["--python=/evil", "word"];
    let run = Run::with_arguments(&words).program(&wrapper);
    run.variable("SCRIPT_FILENAME", &wrapper)
        .done()
        .assert_body("wrapped")
        .assert_quiet();
}

#[test]
fn lighttpds_assignment_names_the_script_as_argument() {
    let folder = folder(&[("app.wsgi", &source("application", "assigned"))]);
    let file = folder.path().join("app.wsgi");
    let run = Run::with_arguments(&[&file])
        .variable("SCRIPT_FILENAME", &file)
        .variable("REDIRECT_STATUS", "200");
    // Even if the client knows the path.
    run.variable("QUERY_STRING", file.as_os_str())
        .done()
        .assert_body("assigned")
        .assert_quiet();
}

#[test]
fn apaches_action_names_the_script_by_path_translated() {
    let text = "def application(e, s):\n    s('200 OK', [])\n    return [(e['SCRIPT_NAME'] + ' ' + e['PATH_INFO']).encode()]\n";
    let folder = folder(&[("foo.wsgi", text)]);
    let translated = folder.path().join("foo.wsgi/pi");
    let arguments: [&str; 0] = [];
    let run = Run::with_arguments(&arguments)
        .variable("SCRIPT_FILENAME", PROGRAM)
        .variable("SCRIPT_NAME", "/bin/wsgi-cgi")
        .variable("PATH_INFO", "/foo.wsgi/pi")
        .variable("REQUEST_URI", "/foo.wsgi/pi")
        .variable("PATH_TRANSLATED", &translated)
        .variable("REDIRECT_HANDLER", "wsgi")
        .variable("REDIRECT_STATUS", "200");
    run.done().assert_body("/foo.wsgi /pi").assert_quiet();
    let missing = run
        .variable("PATH_TRANSLATED", folder.path().join("none.wsgi"))
        .done();
    missing
        .assert_status("500 Internal Server Error")
        .assert_told("WC010")
        .assert_exit(3);
}

/// CVE-2012-1823, CVE-2024-4577: a query without `=` becomes arguments.
#[test]
fn arguments_that_are_the_querys_words_are_never_believed() {
    let folder = folder(&[
        ("evil.py", &source("application", "evil")),
        ("app.py", &source("application", "good")),
    ]);
    let evil = folder.path().join("evil.py").display().to_string();
    for query in [
        evil.clone(),
        format!("--debug+{evil}"),
        format!("--debug%00+{evil}%00"),
        format!("--python%00+/no/such/python%00+{evil}"),
        "serve".into(),
        "-v".into(),
        "--help%00".into(),
    ] {
        // Apache cuts its words at a NUL.
        let words: Vec<_> = query
            .split('+')
            .map(|word| word.replace("%00", ""))
            .collect();
        let direct = Run::with_arguments(&words).variable("QUERY_STRING", &query);
        let done = direct.done();
        done.assert_status("500 Internal Server Error")
            .assert_told("WC004")
            .assert_exit(2);
        let done = Run::with_arguments(&words)
            .variable("SCRIPT_FILENAME", PROGRAM)
            .variable("REDIRECT_STATUS", "200")
            .done();
        done.assert_told("WC003").assert_exit(2);

        // In front of APP they are refused, behind it they are not read.
        let app = folder.path().join("app.py").display().to_string();
        let in_front = [words.clone(), vec![app.clone()]].concat();
        Run::with_arguments(&in_front)
            .variable("QUERY_STRING", &query)
            .done()
            .assert_told("WC004")
            .assert_exit(2);
        let behind = [vec![app], words].concat();
        Run::with_arguments(&behind)
            .variable("QUERY_STRING", &query)
            .done()
            .assert_body("good")
            .assert_quiet();
    }
}

/// Where `/proc` is not mounted, the program knows itself by the name that it was started with.
#[test]
fn the_program_as_script_runs_nothing_without_proc() {
    let folder = folder(&[("evil.py", &source("application", "evil"))]);
    let script = folder.path().join("wsgi-cgi");
    copy_program(Path::new(PROGRAM), &script);
    let without_proc = "mount -t tmpfs none /proc && exec \"$@\"";
    for name in [script.to_str().unwrap(), "./wsgi-cgi", "wsgi-cgi"] {
        let words = ["-rm", "sh", "-c", without_proc, "sh", name, "evil.py"];
        let run = Run::with_arguments(&words)
            .program("unshare")
            .directory(folder.path())
            .variable("PATH", format!("{}:/usr/bin:/bin", folder.path().display()))
            .variable("SCRIPT_FILENAME", &script);
        // Whatever hands over arguments that are not the query's.
        run.done().assert_told("WC003").assert_exit(2);
    }
}

#[test]
fn by_hand_it_answers_get_and_says_so() {
    let done = Run::by_hand(&[app("manners.py:hello")]).done();
    done.assert_status("200 OK")
        .assert_body("hello\n")
        .assert_told("answering GET /")
        .assert_exit(0);
    let told = Run::by_hand(&[app("requests.py:variables")])
        .variable("QUERY_STRING", "PATH_INFO")
        .done();
    told.assert_body("PATH_INFO='/' '/'\n");
}

#[test]
fn a_non_parsed_header_script_gets_the_full_response() {
    let file = app("manners.py:hello");
    let done = Run::with_arguments(&[file])
        .variable("SCRIPT_FILENAME", "/srv/cgi-bin/nph-app.cgi")
        .done();
    let out = String::from_utf8_lossy(&done.out);
    assert!(
        out.starts_with("HTTP/1.1 200 OK\r\nConnection: close\r\n"),
        "\n{done}"
    );
}
