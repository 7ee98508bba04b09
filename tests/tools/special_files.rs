//! A FIFO where a file is expected would keep whoever opens it waiting for ever.

use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::process::Command;

use super::checked::{Folder, GOOD};
use crate::support::run::{Done, Run};
use crate::support::{output, python};

const COMPLAINT: &str = "it is not a regular file";

fn fifo(path: &Path) {
    let _ = fs::remove_file(path);
    output(Command::new("mkfifo").arg(path));
}

/// A good application with a virtualenv and its requirements; `name` is a FIFO.
fn folder(name: &str) -> Folder {
    let files = [("app.py", GOOD), ("requirements.txt", "")];
    let folder = Folder::with(&files);
    python::virtualenv(&python::default(), &folder.path(".venv"));
    fifo(&folder.path(name));
    folder
}

/// Both streams: `check` reports on the first.
fn text(done: &Done) -> String {
    String::from_utf8_lossy(&done.out).into_owned() + &done.err
}

fn run(folder: &Folder, words: &[&str]) -> Done {
    let run = match words {
        ["cgi", rest @ ..] => Run::with_arguments(rest),
        words => Run::by_hand(words),
    };
    run.without("WSGI_CGI_PYTHON")
        .directory(&folder.path(""))
        .done()
}

#[test]
fn a_fifo_in_place_of_a_file_is_named_and_keeps_nobody_waiting() {
    for name in ["app.py", ".venv/pyvenv.cfg", ".venv/bin/python"] {
        let folder = folder(name);
        for words in [
            &["cgi", "app.py"][..],
            &["cgi", "."],
            &["request", "app.py"],
            &["check", "app.py"],
            &["check", "--no-run", "app.py"],
            &["warm", "start", "app.py"],
        ] {
            let done = run(&folder, words);
            let text = text(&done);
            let is_told = text.contains(COMPLAINT) && text.contains(name);
            assert!(is_told, "{words:?} with {name}: {done}");
            assert!(!done.status.success() || words[0] == "cgi", "{done}");
        }
    }
    // Another file of a folder that is named, and what the server's configuration is made from.
    for name in ["wsgi.py", "passenger_wsgi.py"] {
        let folder = Folder::with(&[]);
        fifo(&folder.path(name));
        for words in [
            &["cgi", "."][..],
            &["config", "apache", "."],
            &["init", "--yes"],
        ] {
            let done = run(&folder, words);
            let text = text(&done);
            assert!(text.contains(COMPLAINT) && text.contains(name), "{done}");
        }
    }
}

#[test]
fn a_fifo_in_the_place_of_what_init_writes_is_in_the_way() {
    let folder = Folder::with(&[("app.py", GOOD)]);
    let place = folder.path(".htaccess");
    fifo(&place);
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    fs::set_permissions(&place, mode).unwrap();
    run(&folder, &["init", "--yes"])
        .assert_exit(2)
        .assert_told(".htaccess: another one is there");
    run(&folder, &["init", "--yes", "--force"]).assert_quiet();
    let kept = fs::metadata(folder.path(".htaccess.bak")).unwrap();
    assert!(kept.file_type().is_fifo() && place.is_file());
}

/// What `check` looks into for secrets and `#!` lines, and the engine for paths and byte code.
#[test]
fn a_fifo_among_other_files_is_passed_over() {
    for name in [
        "settings.py",
        "key.pem",
        "requirements.txt",
        "pyproject.toml",
        "run.cgi",
    ] {
        let folder = folder(name);
        let found = folder.check(&["--document-root", "."]);
        found.exits(1);
    }
    let folder = folder("x");
    let find = "import sysconfig; print(sysconfig.get_path('purelib'), end='')";
    let packages = output(Command::new(folder.path(".venv/bin/python")).args(["-c", find]));
    let pth = Path::new(std::str::from_utf8(&packages).unwrap()).join("own.pth");
    fifo(&pth);
    run(&folder, &["cgi", "app.py"])
        .assert_body("hello ")
        .assert_told("own.pth: ")
        .assert_told(COMPLAINT);
    fs::remove_file(&pth).unwrap();
    // The byte code of an application.
    run(&folder, &["cgi", "app.py"]).assert_quiet();
    for entry in fs::read_dir(folder.path("__pycache__")).unwrap() {
        fifo(&entry.unwrap().path());
    }
    run(&folder, &["cgi", "app.py"])
        .assert_quiet()
        .assert_body("hello ");
}
