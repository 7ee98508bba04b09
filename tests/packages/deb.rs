//! The .deb, unpacked as dpkg does it.

use std::path::Path;
use std::process::Command;

use super::{assert_works, built, files_in, shown};
use crate::support::output;

#[test]
fn the_deb_holds_what_a_debian_package_should_and_works() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    output(
        Command::new("dpkg-deb")
            .arg("-x")
            .arg(&built().deb)
            .arg(root),
    );
    assert_works(&root.join("usr/bin/wsgi-cgi"));
    let files = files_in(root);
    for file in [
        "usr/share/bash-completion/completions/wsgi-cgi",
        "usr/share/zsh/vendor-completions/_wsgi-cgi",
        "usr/share/fish/vendor_completions.d/wsgi-cgi.fish",
        "usr/share/doc/wsgi-cgi/examples/flask/app.py",
        "usr/share/doc/wsgi-cgi/cgi-bin/hello.cgi",
        "usr/share/doc/wsgi-cgi/docs/reference.md",
        "usr/share/doc/wsgi-cgi/copyright",
        "usr/share/doc/wsgi-cgi/changelog.gz",
        "usr/share/doc/wsgi-cgi/changelog.Debian.gz",
    ] {
        assert!(files.iter().any(|found| found == file), "{file}: {files:?}");
    }
    let pages = root.join("usr/share/man/man1");
    for page in [
        "wsgi-cgi.1.gz",
        "wsgi-cgi-serve.1.gz",
        "wsgi-cgi-warm-stop.1.gz",
    ] {
        assert!(shown(&pages.join(page)).contains("SYNOPSIS"), "{page}");
    }
}

#[test]
fn lintian_finds_nothing() {
    let mut lintian = Command::new("lintian");
    let said = output(
        lintian
            .args(["--allow-root", "--fail-on=error,warning"])
            .arg(&built().deb),
    );
    assert_eq!(String::from_utf8_lossy(&said), "");
}

/// Into a folder that is no more than dpkg's own list of packages.
#[test]
fn dpkg_installs_and_removes_it() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let own = root.join("var/lib/dpkg");
    for folder in ["info", "updates", "triggers"] {
        std::fs::create_dir_all(own.join(folder)).unwrap();
    }
    std::fs::write(own.join("status"), "").unwrap();
    let dpkg = |words: &[&str], what: &Path| {
        let mut dpkg = Command::new("dpkg");
        // Python is not in this root.
        dpkg.args(["--force-not-root", "--force-depends", "--log=/dev/null"]);
        output(dpkg.arg("--root").arg(root).args(words).arg(what));
    };
    dpkg(&["--install"], &built().deb);
    assert_works(&root.join("usr/bin/wsgi-cgi"));
    dpkg(&["--purge"], Path::new("wsgi-cgi"));
    assert!(!root.join("usr").exists());
}
