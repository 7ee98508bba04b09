//! The folder of the sockets: whoever else has a hand in it, requests run cold and are answered.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use super::{Site, is_warm, telling, until_gone};
use crate::support::run::Done;

fn folder(site: &Site) -> PathBuf {
    let user = rustix::process::geteuid().as_raw();
    site.path("run").join(format!("wsgi-cgi-{user}"))
}

#[track_caller]
fn assert_cold(done: &Done, reason: &str) {
    assert!(!is_warm(done), "{done}");
    done.assert_status("200 OK").assert_body("fine");
    done.assert_told(reason);
}

fn site() -> Site {
    Site::with(&telling("'fine'"))
}

#[test]
fn a_folder_that_others_may_enter_is_not_used() {
    let site = site();
    fs::create_dir(folder(&site)).unwrap();
    fs::set_permissions(folder(&site), fs::Permissions::from_mode(0o755)).unwrap();
    assert_cold(&site.get(), "is open to others");
    assert_eq!(fs::read_dir(folder(&site)).unwrap().count(), 0);
}

#[test]
fn a_folder_of_somebody_else_is_not_used() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let site = site();
    fs::create_dir(folder(&site)).unwrap();
    fs::set_permissions(folder(&site), fs::Permissions::from_mode(0o700)).unwrap();
    chown(folder(&site), Some(65534), Some(65534)).unwrap();
    assert_cold(&site.get(), "belongs to somebody else");
}

#[test]
fn a_link_in_its_place_is_not_followed() {
    let site = site();
    fs::create_dir(site.path("elsewhere")).unwrap();
    fs::set_permissions(site.path("elsewhere"), fs::Permissions::from_mode(0o700)).unwrap();
    symlink(site.path("elsewhere"), folder(&site)).unwrap();
    assert_cold(&site.get(), "is no folder");
    assert_eq!(fs::read_dir(site.path("elsewhere")).unwrap().count(), 0);
}

#[test]
fn a_missing_or_unwritable_place_is_no_obstacle() {
    let site = site();
    let missing = site.request().variable("TMPDIR", site.path("missing"));
    assert_cold(&missing.done(), "no zygote can be started");
    let file = site
        .request()
        .variable("XDG_RUNTIME_DIR", site.path("app.py"));
    assert_cold(&file.done(), "no zygote can be started");
    // Longer than the name of a socket may be.
    let long = site.path(&"long".repeat(40));
    fs::create_dir(&long).unwrap();
    let long = site.request().variable("TMPDIR", long);
    assert_cold(&long.done(), "no zygote");
    // A full disk, and one that cannot be written to, even by root.
    let full = site.request().variable("XDG_RUNTIME_DIR", "/proc");
    assert_cold(&full.done(), "no zygote can be started");
}

/// Where the zygote's socket was, which is gone.
fn vacated(site: &Site) -> PathBuf {
    let mut seats = fs::read_dir(folder(site)).unwrap().flatten();
    let socket = seats.next().unwrap().path().join("requests");
    fs::remove_file(&socket).unwrap();
    socket
}

#[test]
fn a_zygote_whose_folder_was_removed_ends() {
    let site = site();
    site.start();
    let [alone] = site.zygotes()[..] else {
        panic!("{}", site.status());
    };
    fs::remove_dir_all(folder(&site)).unwrap();
    until_gone(alone);
    site.start();
    let [replaced] = site.zygotes()[..] else {
        panic!("{}", site.status());
    };
    fs::remove_dir_all(folder(&site)).unwrap();
    // The next one has the same names, which the end of the other does not take from it.
    site.start();
    until_gone(replaced);
    assert_eq!(site.warm(), "fine");
}

/// Nobody else could put it there; but a program of the same user might.
#[test]
fn a_socket_where_nobody_answers_delays_a_request_and_does_not_lose_it() {
    let site = site();
    site.start();
    let socket = vacated(&site);
    let _silent = UnixListener::bind(&socket).unwrap();
    assert_cold(&site.get(), "no spare took the request");
}

#[test]
fn a_socket_of_somebody_else_is_not_used() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let site = site();
    site.start();
    let socket = vacated(&site);
    let public = site.path("public");
    fs::create_dir(&public).unwrap();
    fs::set_permissions(&public, fs::Permissions::from_mode(0o777)).unwrap();
    fs::set_permissions(site.folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let script = "import socket, sys, time; s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(); print(); sys.stdout.flush(); time.sleep(60)";
    let mut other = std::process::Command::new("setpriv")
        .args([
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "/usr/bin/python3",
            "-c",
            script,
        ])
        .arg(public.join("socket"))
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = [0];
    std::io::Read::read_exact(other.stdout.as_mut().unwrap(), &mut line).unwrap();
    fs::rename(public.join("socket"), &socket).unwrap();
    assert_cold(&site.get(), "it belongs to somebody else");
    other.kill().unwrap();
    other.wait().unwrap();
}
