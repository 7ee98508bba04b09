//! The warm runner: offers a request to a spare of the application's zygote, or says that it must run cold.

mod identity;
pub mod place;
pub mod resident;
mod start;

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use contract::passing;
use contract::progress::{Progress, State};
use contract::warm::{Answer, Offer, REQUESTS};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout, socket_peercred};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use rustix::process::{Pid, geteuid, umask};
use rustix::stdio;

pub use self::identity::{Identity, is_of_request, of_deployment};
pub use self::start::{When, is_vacant, refused_accept, start};

use super::parent::{Ended, Parent, Worker};
use super::{Request, limits, signals};
use crate::wait;

/// No spare for so long: the request runs cold.
const PATIENCE: Duration = Duration::from_secs(1);

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

/// A worker that has a request, or is about to.
pub struct Handed {
    /// Its end of the handover.
    pub control: UnixStream,
    /// How far it got.
    pub progress: Progress,
    /// The process.
    pub worker: Worker,
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
        Err(reason) => return Ok(Answered::Cold(reason)),
    };
    let parent = Parent::of_worker(handed, signals);
    let ended = parent.wait_and_conclude(deadline, request)?;
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
fn hand_over(request: &Request, seat: &Seat) -> io::Result<Result<Handed, String>> {
    let folder = match open_folder(request.chdir.as_deref().unwrap_or(Path::new("."))) {
        Ok(folder) => folder,
        Err(error) => return Ok(Err(error.to_string())),
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

/// This process's file mode creation mask. It can only be read by setting it: there must be no other thread.
pub fn mask() -> u32 {
    let mask = umask(Mode::empty());
    umask(mask);
    mask.as_raw_mode()
}

/// Offers a request to whoever waits first; gives the worker, or why there is none.
pub fn offer(
    request: &Request,
    seat: &Seat,
    streams: &Streams<'_>,
) -> io::Result<Result<Handed, String>> {
    let reached = reach(seat).and_then(|control| Ok((control, Progress::offered()?)));
    let (control, mut progress) = match reached {
        Ok(reached) => reached,
        Err(error) => return Ok(Err(format!("no zygote: {error}"))),
    };
    let offer = Offer {
        identity: seat.identity.bytes.clone(),
        umask: streams.umask,
        limits: limits::current(request.limits),
        job: request.job.clone(),
    };
    let [stdin, stdout, stderr] = streams.streams;
    let passed = [stdin, stdout, stderr, progress.counter(), streams.folder];
    let sent = passing::send(&control, &passed, &offer.encode());
    let answered = sent.and_then(|()| answer(&control));
    let answered = match answered {
        Ok(answered) => Ok(answered),
        Err(error) if progress.withdraw() => Err(format!("no spare took the request: {error}")),
        // It was taken in this very moment, and has been answered before.
        Err(_) => Ok(answer(&control)?),
    };
    Ok(match answered {
        Ok((Answer::Accepted(pid), passed)) => {
            // The kernel passes on as many as there is room for.
            let [process, status] = <[OwnedFd; 2]>::try_from(passed).map_err(|_| Errno::MFILE)?;
            let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
            let pid = pid.ok_or(io::ErrorKind::InvalidData)?;
            Ok(Handed {
                control,
                progress,
                worker: Worker::new(pid, process, status),
            })
        }
        Ok((Answer::Declined(reason), _)) => Err(reason),
        Err(reason) => Err(reason),
    })
}

/// Connects to a zygote that is this user's.
fn reach(seat: &Seat) -> io::Result<UnixStream> {
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
    if socket_peercred(&socket)?.uid != geteuid() {
        return Err(io::Error::other("it belongs to somebody else"));
    }
    let mut socket = UnixStream::from(socket);
    socket.set_nonblocking(false)?;
    set_socket_timeout(&socket, Timeout::Send, Some(PATIENCE))?;
    set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE))?;
    // Descriptors on their way to nobody would stay open: the web server would wait for them.
    match socket.read_exact(&mut [0]) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            Err(io::Error::other("no spare took the request"))
        }
        greeted => greeted.map(|()| socket),
    }
}

fn answer(control: &UnixStream) -> io::Result<(Answer, Vec<OwnedFd>)> {
    if !wait::readable(control, Some(Instant::now() + PATIENCE))? {
        return Err(io::ErrorKind::TimedOut.into());
    }
    let (passed, mut message) = passing::receive(control, Answer::ACCEPTANCE)?;
    Ok((Answer::read(&mut message)?, passed))
}
