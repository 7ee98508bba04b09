//! Complaints of a process whose stderr is its client's connection: line by line to syslog (syslog(3)).

use std::io::{self, BufRead, BufReader, PipeReader};
use std::os::unix::net::UnixDatagram;
use std::process;
use std::thread::{self, JoinHandle};

use rustix::stdio;

/// Facility daemon (3), severity notice (5).
const NOTICE: u8 = 3 * 8 + 5;

/// Takes what is written to descriptor 2.
pub struct Syslog(JoinHandle<()>);

impl Syslog {
    /// From here on descriptor 2 is a pipe.
    pub fn in_place_of_stderr() -> io::Result<Self> {
        let (reads, writes) = io::pipe()?;
        let socket = UnixDatagram::unbound()?;
        let thread = thread::Builder::new().spawn(move || pass_on(reads, &socket))?;
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

/// RFC 3164, without the time stamp, which the log's own keeper adds (section 4.3.2). The C library's function would
/// bring its time zones and its `scanf` into the executable.
fn pass_on(reads: PipeReader, socket: &UnixDatagram) {
    for line in BufReader::new(reads).split(b'\n').map_while(Result::ok) {
        let text = String::from_utf8_lossy(&line);
        let message = format!("<{NOTICE}>wsgi-cgi[{}]: {}", process::id(), text.trim_end());
        let _ = socket.send_to(message.as_bytes(), "/dev/log");
    }
}
