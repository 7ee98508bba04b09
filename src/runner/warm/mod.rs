//! The warm runner: offers a request to a spare of the application's zygote, or says that it must run cold.

mod identity;
pub mod place;
pub mod resident;
mod start;

use std::fs;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Instant;

use contract::passing;
use contract::progress::{Progress, State};
use contract::warm::{Answer, Offer, REQUESTS};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout, socket_peercred};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use rustix::process::{Pid, geteuid, umask};
use rustix::stdio;
use wsgi_cgi_process::Process;
use wsgi_cgi_process::time_limits::{HANDOVER, HANDOVER_IF_BUSY};

pub use self::identity::{Identity, is_of_request, of_deployment};
pub use self::start::{When, is_vacant, refused_accept, start};

use super::parent::{Ended, Handed, Parent, REPORT_LIMIT};
use super::{Request, limits, signals};
use crate::wait;

/// Where the zygote of an application is.
pub struct Seat {
    /// Its identity.
    pub identity: Identity,
    /// Its folder, within the user's.
    pub folder: PathBuf,
}

/// What became of a request.
pub enum Answered {
    /// A worker had it.
    Served(Ended),
    /// Nobody had it, for this reason.
    Cold(String),
}

/// Why no worker has a request.
pub struct NoWorker {
    /// For a person.
    pub reason: String,
    /// There is a zygote, and it does not answer: the next request would wait in vain, too.
    pub is_silent: bool,
}

/// What is handed over beside the request itself.
pub struct Streams<'a> {
    /// Body, response and complaints.
    pub streams: [BorrowedFd<'a>; 3],
    /// The working folder.
    pub folder: BorrowedFd<'a>,
    /// The file mode creation mask.
    pub umask: u32,
}

impl Seat {
    /// For a request of this deployment. `here` is its working folder.
    pub fn of(request: &Request, here: &Path) -> Self {
        let environment = &request.job.environment;
        let variable = |name: &str| {
            let found = environment
                .iter()
                .find(|(found, _)| found == name.as_bytes());
            found.map(|(_, value)| value.as_slice())
        };
        let identity = Identity::of(request, request.chdir.as_deref().unwrap_or(here));
        let folder = place::folder(variable).join(&identity.name);
        Self { identity, folder }
    }
}

/// Serves the request on descriptors 0, 1 and 2 by a worker, and concludes it as the cold runner does.
pub fn serve(request: &Request, seat: &Seat) -> io::Result<Answered> {
    let deadline = request.timeout.map(|limit| Instant::now() + limit);
    let signals = signals::listen()?;
    let handed = match hand_over(request, seat)? {
        Ok(handed) => handed,
        Err(no_worker) => return Ok(Answered::Cold(no_worker.reason)),
    };
    let ended = Parent::of(handed, signals).wait_and_conclude(deadline, request)?;
    Ok(match ended {
        // It died before it began: nobody has done anything for this request.
        Ended {
            progress: State::Claimed,
            was_told_to_end: false,
            ..
        } => Answered::Cold("the worker died before it began".to_owned()),
        ended => Answered::Served(ended),
    })
}

/// This process's descriptors and folder. An error is one after which the request may have been taken.
fn hand_over(request: &Request, seat: &Seat) -> io::Result<Result<Handed, NoWorker>> {
    let folder = match open_folder(request.chdir.as_deref().unwrap_or(Path::new("."))) {
        Ok(folder) => folder,
        Err(error) => return Ok(Err(NoWorker::because(error.to_string()))),
    };
    let (stdin, stdout, stderr) = (stdio::stdin(), stdio::stdout(), stdio::stderr());
    let streams = Streams {
        streams: [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()],
        folder: folder.as_fd(),
        umask: mask(),
    };
    offer(request, seat, &streams)
}

/// The working folder, to be handed over.
pub fn open_folder(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(open(path, flags, Mode::empty())?)
}

/// This process's file mode creation mask. Without /proc it can only be read by setting it: then there must be no other
/// thread.
pub fn mask() -> u32 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let shown = status.lines().find_map(|line| line.strip_prefix("Umask:"));
    let shown = shown.and_then(|mask| u32::from_str_radix(mask.trim(), 8).ok());
    shown.unwrap_or_else(|| {
        let mask = umask(Mode::empty());
        umask(mask);
        mask.as_raw_mode()
    })
}

/// Offers a request to whoever waits first; gives the worker, or why there is none. An error is one after which the
/// request may have been taken.
pub fn offer(
    request: &Request,
    seat: &Seat,
    streams: &Streams<'_>,
) -> io::Result<Result<Handed, NoWorker>> {
    let reached =
        Contact::make(seat).map_err(|error| NoWorker::because(format!("no zygote: {error}")));
    let greeted = reached.and_then(|contact| {
        // Descriptors on their way to nobody would stay open: the web server would wait for them.
        contact.wait()?;
        (&contact.socket).read_exact(&mut [0])?;
        Ok((contact, Progress::offered()?))
    });
    let (contact, mut progress) = match greeted {
        Ok(greeted) => greeted,
        Err(no_worker) => return Ok(Err(no_worker)),
    };
    let offer = Offer {
        identity: seat.identity.bytes.clone(),
        umask: streams.umask,
        limits: limits::current(request.limits),
        job: request.job.clone(),
    };
    let [stdin, stdout, stderr] = streams.streams;
    let passed = [stdin, stdout, stderr, progress.counter(), streams.folder];
    let sent = passing::send(&contact.socket, &passed, &offer.encode());
    let answered = sent.map_err(NoWorker::from).and_then(|()| {
        contact.wait()?;
        Ok(answer(&contact.socket)?)
    });
    let (answer, passed) = match answered {
        Ok(answered) => answered,
        Err(no_worker) if progress.withdraw() => return Ok(Err(no_worker)),
        // It was taken in this very moment, and has been answered before.
        Err(_) => answer(&contact.socket)?,
    };
    match answer {
        Answer::Accepted(pid) => {
            // The kernel passes on as many as there is room for.
            let [process, status] = <[OwnedFd; 2]>::try_from(passed).map_err(|_| Errno::MFILE)?;
            let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
            let pid = pid.ok_or(io::ErrorKind::InvalidData)?;
            Ok(Ok(Handed {
                control: contact.socket,
                progress,
                process: Process::other(pid, process, Some(status)),
            }))
        }
        Answer::Declined(reason) => Ok(Err(NoWorker::because(reason))),
    }
}

fn answer(control: &UnixStream) -> io::Result<(Answer, Vec<OwnedFd>)> {
    let (passed, mut message) = passing::receive(control, Answer::ACCEPTANCE)?;
    Ok((Answer::read(&mut message)?, passed))
}

/// A request's connection to a zygote, whose spares take it up.
struct Contact {
    socket: UnixStream,
    zygote: Pid,
    since: Instant,
}

impl Contact {
    /// Connects to a zygote that is this user's.
    fn make(seat: &Seat) -> io::Result<Self> {
        let since = Instant::now();
        if let Some(parent) = seat.folder.parent() {
            place::check(parent)?;
        }
        let address = SocketAddrUnix::new(seat.folder.join(REQUESTS))?;
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        match connect(&socket, &address) {
            Err(Errno::AGAIN) => return Err(io::Error::other("too many requests wait for it")),
            connected => connected?,
        }
        let peer = socket_peercred(&socket)?;
        if peer.uid != geteuid() {
            return Err(io::Error::other("it belongs to somebody else"));
        }
        let socket = UnixStream::from(socket);
        socket.set_nonblocking(false)?;
        set_socket_timeout(&socket, Timeout::Send, Some(HANDOVER))?;
        set_socket_timeout(&socket, Timeout::Recv, Some(REPORT_LIMIT))?;
        Ok(Self {
            socket,
            zygote: peer.pid,
            since,
        })
    }

    /// Waits until there is something to read. On a busy machine a zygote that runs gets longer: if every request ran
    /// cold instead, it would stay busy.
    fn wait(&self) -> Result<(), NoWorker> {
        let is_there = |limit| wait::readable(&self.socket, Some(self.since + limit));
        if is_there(HANDOVER)? {
            return Ok(());
        }
        let reason = match is_stopped(self.zygote) {
            true => format!("its zygote, process {}, is stopped", self.zygote),
            false if is_there(HANDOVER_IF_BUSY)? => return Ok(()),
            false => "no spare took the request in time".to_owned(),
        };
        Err(NoWorker {
            reason,
            is_silent: true,
        })
    }
}

/// Whether a process does not run, as far as /proc says so: it is stopped, traced, or dead (proc_pid_stat(5)).
fn is_stopped(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").map(|(_, behind)| behind);
    state.is_some_and(|state| state.starts_with(['T', 't', 'Z', 'X']))
}

impl NoWorker {
    fn because(reason: String) -> Self {
        Self {
            reason,
            is_silent: false,
        }
    }
}

impl From<io::Error> for NoWorker {
    fn from(error: io::Error) -> Self {
        Self::because(format!("no spare took the request: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn the_mask_is_read_without_setting_it() {
        let shell = Command::new("/bin/sh")
            .args(["-c", "umask"])
            .output()
            .unwrap();
        let shown = String::from_utf8(shell.stdout).unwrap();
        assert_eq!(mask(), u32::from_str_radix(shown.trim(), 8).unwrap());
    }

    #[test]
    fn a_process_that_is_stopped_or_dead_is_known_by_its_state() {
        let mut child = Command::new("sleep")
            .arg("600")
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let process = Process::child(Pid::from_child(&child));
        assert!(!is_stopped(process.pid()));
        process.signal(rustix::process::Signal::STOP);
        let deadline = Instant::now() + std::time::Duration::from_secs(20);
        while !is_stopped(process.pid()) {
            assert!(Instant::now() < deadline, "it is not stopped");
        }
        process.signal(rustix::process::Signal::KILL);
        assert!(process.ends_by(Some(deadline)).unwrap());
        // It has ended, and nobody has waited for it.
        assert!(is_stopped(process.pid()));
        child.wait().unwrap();
    }
}
