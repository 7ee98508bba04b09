//! Complaints of a process whose stderr is its client's connection: line by line to syslog (syslog(3)).

use std::io::{self, BufRead, BufReader, PipeReader};
use std::thread::{self, JoinHandle};

use nix::syslog::{Facility, LogFlags, Severity, openlog, syslog};
use rustix::stdio;

/// Takes what is written to descriptor 2.
pub struct Syslog(JoinHandle<()>);

impl Syslog {
    /// From here on descriptor 2 is a pipe.
    pub fn in_place_of_stderr() -> io::Result<Self> {
        let (reads, writes) = io::pipe()?;
        openlog(Some(c"wsgi-cgi"), LogFlags::LOG_PID, Facility::LOG_DAEMON)?;
        let thread = thread::Builder::new().spawn(move || pass_on(reads))?;
        stdio::dup2_stderr(writes)?;
        Ok(Self(thread))
    }

    /// Waits until everything is told. Nothing more is.
    pub fn finish(self) {
        let nothing = std::fs::File::options().write(true).open("/dev/null");
        if nothing.is_ok_and(|nothing| stdio::dup2_stderr(nothing).is_ok()) {
            let _ = self.0.join();
        }
    }
}

fn pass_on(reads: PipeReader) {
    for line in BufReader::new(reads).split(b'\n').map_while(Result::ok) {
        let text = String::from_utf8_lossy(&line);
        let _ = syslog(Severity::LOG_NOTICE, &text.trim_end());
    }
}
