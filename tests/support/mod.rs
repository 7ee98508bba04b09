//! The one set of helpers: the program, its interpreters, and what it answers.

pub mod browser;
pub mod http;
pub mod lambda;
pub mod listener;
pub mod python;
pub mod response;
pub mod run;
pub mod server;
pub mod warm;
pub mod wire;

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The executable under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_wsgi-cgi");

/// An application of `tests/apps`.
pub fn app(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/apps")
        .join(name)
}

/// Waits for something that is sure to come; fails after a minute.
#[track_caller]
pub fn until(what: &str, mut happened: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !happened() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        thread::yield_now();
    }
}

/// Writes a file with this mode, by another process: had this one it open, a program started by a test beside us
/// would hold it for a moment, and nothing that is open for writing can be executed.
pub fn write_program(path: &Path, text: &str, mode: u32) {
    let mut tee = Command::new("tee")
        .arg(path)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = tee.stdin.take().unwrap();
    input.write_all(text.as_bytes()).unwrap();
    drop(input);
    assert!(tee.wait().unwrap().success());
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Runs a command that must succeed, or shows what it complained of; gives what it wrote.
#[track_caller]
pub fn output(command: &mut Command) -> Vec<u8> {
    let done = command.output().unwrap();
    let complaints = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{command:?}: {complaints}");
    done.stdout
}

/// Copies a program, by another process as well.
pub fn copy_program(from: &Path, to: &Path) {
    output(Command::new("cp").args([from, to]));
}
