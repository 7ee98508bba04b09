//! `wsgi-cgi check`: what the application asks for, and what its interpreter has.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::checked::{Folder, GOOD};
use crate::frameworks::site;
use crate::support::{output, python};

#[test]
fn packages_are_compared_with_what_the_application_asks_for() {
    // The one that frameworks share has pip, and so the means to compare.
    let python = site::virtualenv().join("bin/python");
    let python = python.to_str().unwrap();
    let flask = "# a comment\n-r more.txt\nFlask>=1 ; python_version > '3'\n";
    for (name, text, codes, told) in [
        ("requirements.txt", flask, &[][..], ""),
        (
            "requirements.txt",
            "no-such-package>=1 --hash=sha256:0\n",
            &["WC140"],
            "pip install 'no-such-package>=1'",
        ),
        (
            "requirements.txt",
            "no-such-package; python_version > '3'\n",
            &["WC140"],
            r"python_version > '\\''3'\\''",
        ),
        ("requirements.txt", "Flask<1\n", &["WC141"], "not <1"),
        (
            "requirements.txt",
            "no-such-package; sys_platform == 'win32'\n",
            &[],
            "",
        ),
        (
            "pyproject.toml",
            "[project]\nrequires-python = '<3'\ndependencies = ['Flask']\n",
            &["WC142"],
            "asks for Python <3",
        ),
        (
            "pyproject.toml",
            "[project]\ndependencies = ['no-such-package']\n",
            &["WC140"],
            "pyproject.toml",
        ),
    ] {
        let folder = Folder::with(&[("app.py", GOOD), (name, text), ("more.txt", "Django\n")]);
        let found = folder.check(&["--python", python]).is(codes);
        found.tells(if codes.is_empty() { "" } else { told });
    }
    let script =
        "# /// script\n# requires-python = '>=3.99'\n# dependencies = ['no-such-package']\n# ///\n";
    let folder = Folder::with(&[("app.py", &(script.to_owned() + GOOD))]);
    folder.check(&["--python", python]).is(&["WC142", "WC140"]);
}

/// A distribution's Python refuses packages; a virtualenv beside the application is found by itself.
#[test]
fn a_missing_package_goes_into_a_virtualenv() {
    let folder = Folder::with(&[("it's app.py", "import no_such_package")]);
    let found = folder.check_of(&[], "it's app.py").is(&["WC150"]);
    found
        .tells("/.venv && ")
        .tells("/.venv/bin/python -m pip install no_such_package");
}

#[test]
fn what_cannot_be_compared_is_said() {
    let folder = Folder::with(&[("app.py", GOOD), ("requirements.txt", "Flask\n")]);
    python::virtualenv(&python::default(), &folder.path(".venv"));
    // Its remedy brings pip first.
    let found = folder.check(&[]).is(&["WC143"]).exits(0);
    found.tells("-m ensurepip && ");
    // An installed package that asks for another Python.
    let find = [
        "-c",
        "import sysconfig; print(sysconfig.get_path('purelib'))",
    ];
    let packages = output(Command::new(folder.path(".venv/bin/python")).args(find));
    let packages = PathBuf::from(String::from_utf8(packages).unwrap().trim());
    for (name, text) in [
        (
            "old-1.dist-info/METADATA",
            "Metadata-Version: 2.1\nName: old\nVersion: 1\nRequires-Python: <3\n",
        ),
        ("packaging/__init__.py", ""),
    ] {
        fs::create_dir_all(packages.join(name).parent().unwrap()).unwrap();
        fs::write(packages.join(name), text).unwrap();
    }
    folder.check(&[]).is(&["WC143"]);
}
