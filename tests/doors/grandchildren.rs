//! A process that has ended is over, though what it has started keeps its pipes open.

use std::ffi::OsStr;
use std::fs;
use std::process::Stdio;

use crate::support::app;
use crate::support::run::{Run, Watch};

/// `COMMAND APP TARGET`
fn crashing(command: &str, target: Option<&str>) -> Run {
    let application = app("manners.py:crashes_beside_a_grandchild");
    let mut words = vec![command.as_ref(), application.as_os_str()];
    words.extend(target.map(OsStr::new));
    Run::by_hand(&words)
}

#[test]
fn a_watchdog_ends() {
    let folder = tempfile::tempdir().unwrap();
    let sign = folder.path().join("sign");
    let run = crashing("watchdog", None)
        .variable("Http_Method", "GET")
        .variable("Http_Path", "/")
        .variable("Http_Query", &sign);
    let done = run.done();
    fs::write(&sign, "").unwrap();
    done.assert_exit(1);
    let page = String::from_utf8_lossy(&done.out).into_owned();
    assert!(page.contains("WC053"), "{done}");
}

#[test]
fn a_request_ends() {
    let folder = tempfile::tempdir().unwrap();
    let sign = folder.path().join("sign");
    let target = format!("/?{}", sign.display());
    let mut running = crashing("request", Some(&target))
        .command()
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let watch = Watch::over(&running);
    assert_eq!(running.wait().unwrap().code(), Some(1));
    drop(watch);
    fs::write(&sign, "").unwrap();
}
