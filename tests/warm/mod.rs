//! Warm mode: fresh, separate, private, and never worse than cold.

mod ending;
mod faults;
mod freshness;
mod listening;
mod places;
mod refusals;
mod separation;
mod starting;

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::support::run::{Done, Run};
use crate::support::until;

/// A folder with an application, and a place for its zygotes that no other test has.
pub struct Site {
    pub folder: TempDir,
}

impl Site {
    /// With this text in `app.py`.
    pub fn with(source: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let site = Self { folder };
        site.write("app.py", source);
        fs::create_dir(site.path("run")).unwrap();
        site
    }

    /// A path within the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// A request, in warm mode.
    pub fn request(&self) -> Run {
        self.place(Run::with_arguments(&[self.path("app.py")]))
            .variable("WSGI_CGI_WARM", "1")
            .variable("WSGI_CGI_VERBOSE", "1")
    }

    /// Another command, at the same place.
    pub fn command(&self, words: &[&str]) -> Run {
        self.place(Run::by_hand(words))
    }

    fn place(&self, run: Run) -> Run {
        run.directory(self.folder.path())
            .variable("TMPDIR", self.path("run"))
    }

    /// Starts the zygote that `request` would use; fails if there cannot be one.
    #[track_caller]
    pub fn start_for(&self, request: &Run) {
        let done = request
            .clone()
            .without("GATEWAY_INTERFACE")
            .before(&["warm", "start"])
            .done();
        done.assert_exit(0);
    }

    /// Starts the zygote of a plain request.
    #[track_caller]
    pub fn start(&self) {
        self.start_for(&self.request());
    }

    /// A GET of `/`.
    #[track_caller]
    pub fn get(&self) -> Done {
        self.request().done()
    }

    /// The text that a worker answers.
    #[track_caller]
    pub fn warm(&self) -> String {
        by_worker(&self.request()).response().text()
    }

    /// The processes of its zygotes, in no order.
    pub fn zygotes(&self) -> Vec<u32> {
        let status = self.status();
        status
            .lines()
            .filter_map(|line| line.trim().strip_prefix("process"))
            .map(|number| number.trim().parse().unwrap())
            .collect()
    }

    /// What `warm status` says.
    pub fn status(&self) -> String {
        String::from_utf8(self.command(&["warm", "status"]).done().out).unwrap()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = self
            .command(&["warm", "stop"])
            .command()
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .status();
    }
}

/// Whether a worker has answered.
pub fn is_warm(done: &Done) -> bool {
    !done.err.contains("runs cold")
}

/// A request that a worker answers. On a machine that is busy, none may be there in time: it is asked again.
#[track_caller]
pub fn by_worker(request: &Run) -> Done {
    let mut done = request.done();
    for _ in 0..5 {
        if !done.err.contains("no spare took the request") {
            break;
        }
        done = request.done();
    }
    assert!(is_warm(&done), "{done}");
    done
}

/// Waits until a process is gone.
#[track_caller]
pub fn until_gone(pid: u32) {
    until("a process to end", || {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.is_empty() || stat.contains(") Z ")
    });
}

/// An application that tells what `expression` is.
pub fn telling(expression: &str) -> String {
    format!(
        "import os, sys\n\
         def application(environ, start_response):\n    \
             start_response('200 OK', [('Content-Type', 'text/plain')])\n    \
             return [str({expression}).encode()]\n"
    )
}
