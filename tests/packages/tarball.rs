//! The tarball: unpacked, installed and removed by its own script, without root.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::{assert_works, built, files_in, house};
use crate::support::output;

/// Unpacks it; gives the folder with the script.
fn unpack(folder: &Path) -> PathBuf {
    // Whoever may be asked to install it.
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    let mut tar = Command::new("tar");
    output(tar.arg("-xzf").arg(&built().tarball).arg("-C").arg(folder));
    let mut entries = fs::read_dir(folder).unwrap();
    entries.next().unwrap().unwrap().path()
}

/// Runs the script by a program that stands before it, in a home of its own.
fn install<S: AsRef<OsStr>>(before: &[&str], unpacked: &Path, home: &Path, words: &[S]) -> Output {
    let mut command = Command::new(before.first().unwrap_or(&"env"));
    command
        .args(before.iter().skip(1))
        .arg(unpacked.join("install.sh"));
    let path = format!("/usr/bin:/bin:{}", home.join("in-path/bin").display());
    command
        .args(words)
        .current_dir(home)
        .env_clear()
        .env("HOME", home)
        .env("PATH", path);
    command.output().unwrap()
}

#[track_caller]
fn said(done: &Output, status: i32) -> String {
    let text = [&done.stdout[..], &done.stderr[..]].concat();
    let text = String::from_utf8(text).unwrap();
    assert_eq!(done.status.code(), Some(status), "{text}");
    text
}

#[test]
fn the_script_installs_into_a_home_and_removes_everything() {
    let (folder, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (unpacked, home) = (unpack(folder.path()), home.path());
    for (words, prefix) in [(&[][..], ".local"), (&["in-path"][..], "in-path")] {
        // The second one replaces the first.
        for _ in 0..2 {
            let text = said(&install(&[], &unpacked, home, words), 0);
            let hint = text.contains("is not in PATH");
            assert_eq!(hint, prefix == ".local", "{text}");
        }
        let prefix = home.join(prefix);
        assert_works(&prefix.join("bin/wsgi-cgi"));
        let files = files_in(&prefix);
        for file in [
            "share/man/man1/wsgi-cgi-serve.1.gz",
            "share/bash-completion/completions/wsgi-cgi",
            "share/doc/wsgi-cgi/examples/hello/app.py",
        ] {
            assert!(files.iter().any(|found| found == file), "{file}: {files:?}");
        }
        fs::write(prefix.join("bin/other"), "").unwrap();
        let words = [&["--uninstall"], words].concat();
        said(&install(&[], &unpacked, home, &words), 0);
        assert_eq!(files_in(&prefix), ["bin/other"]);
        let text = said(&install(&[], &unpacked, home, &words), 1);
        assert!(text.contains("nothing of wsgi-cgi is installed"), "{text}");
    }
}

/// Whatever the umask: those who run it are others.
#[test]
fn what_is_installed_is_for_all() {
    let (folder, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let unpacked = unpack(folder.path());
    let before = ["sh", "-c", "umask 077; exec \"$0\" \"$@\""];
    said(&install(&before, &unpacked, home.path(), &["all"]), 0);
    let mut find = Command::new("find");
    let private = output(
        find.arg(home.path().join("all"))
            .args(["!", "-perm", "-o=r"]),
    );
    assert_eq!(String::from_utf8_lossy(&private), "");
    let mode = |path| fs::metadata(home.path().join(path)).unwrap().mode() & 0o777;
    assert_eq!((mode("all/bin"), mode("all/bin/wsgi-cgi")), (0o755, 0o755));
}

#[test]
fn the_script_says_what_is_in_its_way() {
    let (folder, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (unpacked, home) = (unpack(folder.path()), home.path());
    let text = said(&install(&["setarch", "i686"], &unpacked, home, &[""; 0]), 1);
    assert!(text.contains("this machine is i686"), "{text}");
    // Root may write everywhere.
    let nobody = match rustix::process::geteuid().is_root() {
        true => &["setpriv", "--reuid=65534", "--clear-groups"][..],
        false => &[],
    };
    fs::set_permissions(home, fs::Permissions::from_mode(0o555)).unwrap();
    let text = said(&install(nobody, &unpacked, home, &[""; 0]), 1);
    assert!(text.contains(".local: no permission to write"), "{text}");
    let text = said(&install(&[], &unpacked, home, &["--no-such"]), 2);
    assert!(text.contains("Usage"), "{text}");
    assert_eq!(files_in(home), [""; 0]);
}

#[test]
fn shellcheck_finds_nothing_in_the_scripts() {
    let mut find = Command::new("git");
    let files = output(find.current_dir(house()).args([
        "grep",
        "-lE",
        "^#!.*[ /](ba)?sh$",
        "--",
        ":!*.md",
    ]));
    let files = String::from_utf8(files).unwrap();
    assert!(files.lines().count() > 10, "{files}");
    let mut check = Command::new("shellcheck");
    output(check.current_dir(house()).args(files.lines()));
}
