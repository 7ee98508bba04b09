//! The one set of helpers: the program, its interpreters, and what it answers.

pub mod browser;
pub mod http;
pub mod listener;
pub mod python;
pub mod response;
pub mod run;
pub mod server;
pub mod warm;
pub mod wire;

use std::path::{Path, PathBuf};
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
