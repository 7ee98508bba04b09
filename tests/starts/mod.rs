//! The five-minute starts: what each page tells to type is typed, on a machine of its own, and the page appears.

mod page;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::support::{PROGRAM, output, python};

/// What the pages install by pip: their machine reaches no other.
const PACKAGES: [&str; 1] = ["flask"];

fn house() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The packages as files, as an index gives them.
fn wheels() -> &'static Path {
    static WHEELS: OnceLock<PathBuf> = OnceLock::new();
    WHEELS.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("starts");
        let wheels = folder.join(python::version());
        if !wheels.exists() {
            let own = folder.join("pip");
            output(
                Command::new(python::default())
                    .args(["-m", "venv"])
                    .arg(&own),
            );
            let mut pip = Command::new(own.join("bin/pip"));
            pip.args(["download", "--quiet", "--dest"]);
            output(pip.arg(folder.join("part")).args(PACKAGES));
            fs::rename(folder.join("part"), &wheels).unwrap();
        }
        wheels
    })
}

/// In namespaces of its own. Root may, but not in every container.
fn alone() -> Command {
    let mut command = Command::new("unshare");
    command.args([
        "--mount",
        "--net",
        "--pid",
        "--fork",
        "--mount-proc",
        "--kill-child",
    ]);
    command
}

/// The page's steps, on a machine that is fresh but for the programs it installs.
#[track_caller]
fn follow(page: &str) {
    follow_at(page, "true");
}

/// The same, on a host that this script, run by root, has prepared.
#[track_caller]
fn follow_at(page: &str, host: &str) {
    let probe = alone()
        .args(["mount", "-t", "tmpfs", "tmpfs", "/mnt"])
        .output();
    if !probe.unwrap().status.success() {
        eprintln!(
            "{page}: not followed: that takes a machine of its own, and this user may not make namespaces"
        );
        return;
    }
    let steps = page::steps(&house().join(page));
    assert!(steps.len() >= 2, "{page} has hardly a step");
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("script");
    fs::write(&script, page::script(&steps)).unwrap();
    let mut machine = alone();
    machine
        .arg("sh")
        .arg(house().join("tests/starts/machine.sh"));
    let done = machine
        .args([Path::new(PROGRAM), wheels(), &script])
        .arg(host)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{page}: {}\n{said}", done.status);
}

#[test]
fn apache() {
    follow("docs/start/apache.md");
}

#[test]
fn lighttpd() {
    follow("docs/start/lighttpd.md");
}

#[test]
fn nginx() {
    follow("docs/start/nginx.md");
}

#[test]
fn systemd() {
    follow("docs/start/systemd.md");
}

#[test]
fn lambda() {
    follow("docs/start/lambda.md");
}

#[test]
fn openfaas() {
    follow("docs/start/openfaas.md");
}

#[test]
fn shared_hosting() {
    follow_at(
        "docs/start/shared-hosting.md",
        include_str!("shared-hosting.sh"),
    );
}
