//! Accepts connections, one thread for each, until it is told to stop.

use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown};
use rustix::process::Signal;
use wsgi_cgi_process::time_limits::SCRIPT_GRACE;

use super::incoming::Incoming;
use super::places::{BUSY, Places};
use super::sockets::Socket;
use super::{Host, connection};
use crate::cgi::Endpoints;
use crate::wait;

/// A connection's stack; a page of it is used.
const STACK: usize = 256 << 10;
/// For the request of a client that is sent away.
const PATIENCE: Duration = Duration::from_millis(100);
/// How often the end of the last requests, or of a connection that gives up its place, is looked for.
const PAUSE: Duration = Duration::from_millis(20);

/// Serves until `stop` says otherwise; then gives running requests `grace`, or until it says so again.
pub fn run(
    sockets: Vec<Socket>,
    host: &Arc<Host>,
    stop: &UnixStream,
    grace: Duration,
) -> io::Result<()> {
    stop.set_nonblocking(true)?;
    sockets.iter().try_for_each(Socket::make_ready)?;
    let places = Arc::new(Places::default());
    // When descriptors run out, this one makes room to say so.
    let mut reserve = Some(spare_descriptor()?);
    loop {
        let mut polled: Vec<_> = sockets
            .iter()
            .map(|socket| PollFd::new(socket, PollFlags::IN))
            .collect();
        polled.push(PollFd::new(stop, PollFlags::IN));
        wait::ready(&mut polled, None)?;
        let ready: Vec<bool> = polled
            .iter()
            .map(|socket| !socket.revents().is_empty())
            .collect();
        drop(polled);
        if matches!(told(stop), Some(0 | 1)) {
            break;
        }
        for (socket, _) in sockets.iter().zip(ready).filter(|(_, ready)| *ready) {
            match socket.accept() {
                Ok((stream, endpoints)) => start(stream.into(), endpoints, host, &places),
                // Its thread closes it; then the one that waits is accepted.
                Err(error) if is_exhaustion(&error) && places.make_room() => thread::sleep(PAUSE),
                Err(error) if is_exhaustion(&error) => refuse_one(socket, &mut reserve),
                // It went away again.
                Err(_) => {}
            }
        }
    }
    // First: who sees that the address is free may count on it.
    host.stop();
    sockets.iter().for_each(Socket::remove);
    drop(sockets);
    finish(host, stop, grace);
    Ok(())
}

fn start(socket: Arc<OwnedFd>, endpoints: Endpoints, host: &Arc<Host>, places: &Arc<Places>) {
    let Some(place) = places.take(socket.clone(), &endpoints.remote_address) else {
        return tell_busy(&socket, Duration::ZERO);
    };
    let incoming = Incoming::new(socket.clone(), Some(place));
    let host = host.clone();
    let started = thread::Builder::new().stack_size(STACK).spawn(move || {
        // Who waits for the last script needs nobody.
        drop(connection::serve(incoming, &endpoints, &host));
    });
    if started.is_err() {
        tell_busy(&socket, PATIENCE);
    }
}

/// What the client has sent is taken, so that the answer is not lost by a reset; for the rest of it there is no
/// time.
fn tell_busy(stream: &OwnedFd, patience: Duration) {
    let _ = rustix::net::send(stream, BUSY, SendFlags::DONTWAIT | SendFlags::NOSIGNAL);
    let _ = rustix::net::shutdown(stream, Shutdown::Write);
    let deadline = Instant::now() + patience;
    let mut piece = [0; 8192];
    while matches!(wait::readable(stream, Some(deadline)), Ok(true))
        && matches!(rustix::net::recv(stream, &mut piece, RecvFlags::DONTWAIT), Ok((count, _)) if count > 0)
    {
    }
}

fn spare_descriptor() -> io::Result<OwnedFd> {
    Ok(std::fs::File::open("/dev/null")?.into())
}

fn is_exhaustion(error: &io::Error) -> bool {
    let number = error.raw_os_error();
    [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM]
        .iter()
        .any(|errno| number == Some(errno.raw_os_error()))
}

/// Without a free descriptor a waiting connection would be polled for ever: it is told to come again.
fn refuse_one(socket: &Socket, reserve: &mut Option<OwnedFd>) {
    *reserve = None;
    if let Ok((stream, _)) = socket.accept() {
        tell_busy(&stream, PATIENCE);
    }
    *reserve = spare_descriptor().ok();
    if reserve.is_none() {
        thread::sleep(PAUSE);
    }
}

/// Takes one of the bytes that tell to end, if there is one; 0 where nobody is left to send any.
fn told(mut stop: &UnixStream) -> Option<usize> {
    stop.read(&mut [0]).ok()
}

/// Waits for the last requests; idle connections end with the process, or by their own limit.
fn finish(host: &Host, stop: &UnixStream, grace: Duration) {
    let children = || !host.slots.children.is_empty();
    // A script may still have work of its own when its request is over.
    let requests = || host.active.load(Ordering::Relaxed) > 0 || children();
    wait_while(&requests, stop, grace);
    host.slots.close();
    host.slots.children.signal_all(Signal::TERM);
    wait_while(&requests, stop, SCRIPT_GRACE);
    host.slots.children.signal_all(Signal::KILL);
    // To be reaped.
    wait_while(&children, stop, SCRIPT_GRACE);
}

/// Until `stop` says so again, at the longest.
fn wait_while(is_busy: &dyn Fn() -> bool, stop: &UnixStream, limit: Duration) {
    let deadline = Instant::now().checked_add(limit);
    while is_busy() && deadline.is_none_or(|deadline| Instant::now() < deadline) {
        if told(stop) == Some(1) {
            return;
        }
        thread::sleep(PAUSE);
    }
}
