//! The listener: HTTP/1.1 from clients, a process for each request, and its response back.

mod afterwards;
mod body;
mod child;
mod connection;
mod exchange;
mod incoming;
mod listener;
mod log;
mod outgoing;
mod pace;
mod places;
mod program;
mod relay;
mod reply;
mod script;
mod script_answer;
mod site;
mod slots;
mod sockets;
mod trouble;

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

pub use rustix::process::{Pid, Signal};

pub use self::child::{Child, Process};
pub use self::log::Entry;
pub use self::program::Program;
pub use self::reply::Reply;
pub use self::script::{Author, Script};
pub use self::site::{Finish, Request, Site};
pub use self::slots::Slot;
pub use self::sockets::{Socket, endpoints};
pub use self::trouble::{Cause, Failure, Trouble};

use self::incoming::Incoming;
use self::slots::Slots;
use crate::cgi::Endpoints;

/// What hosts programs over HTTP/1.1.
///
/// A request's body is read whole before its process is started, and a response that the client does not take is kept:
/// a slow client holds no process. A client that leaves ends its process, with all that this has started.
///
/// How strictly requests are read, and how long clients may take, is in [`http::limits`](crate::http::limits).
///
/// ```
/// use std::io::{Read, Write};
/// use std::net::{TcpListener, TcpStream};
/// use std::thread;
///
/// use wsgi_cgi_gateway::host::{Host, Limits, Program};
///
/// let mut program = Program::new("/bin/sh").script_name("/hello");
/// let page = "echo Content-Type: text/plain; echo; echo \"Hello from $SCRIPT_NAME to $PATH_INFO\"";
/// program.script.arguments = vec!["-c".into(), page.into()];
///
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let address = listener.local_addr()?;
/// thread::spawn(|| Host::new(program, Limits::default()).serve(listener));
///
/// let mut client = TcpStream::connect(address)?;
/// client.write_all(b"GET /hello/you HTTP/1.0\r\n\r\n")?;
/// let mut answer = String::new();
/// client.read_to_string(&mut answer)?;
/// assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"));
/// assert!(answer.ends_with("\r\n\r\nHello from /hello to /you\n"));
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Host {
    site: Arc<dyn Site>,
    limits: Limits,
    slots: Arc<Slots>,
    /// Requests that are being answered.
    active: AtomicUsize,
    /// No request comes after the present ones.
    stopping: AtomicBool,
    number: AtomicU64,
}

/// How much a [`Host`] does at once, and how long it waits for its scripts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many processes run at once, at least one. One that works on after its response counts until it ends.
    pub processes: usize,
    /// How many requests wait for one; more are answered 503.
    pub queue: usize,
    /// The largest body of a request, in bytes; a larger one is answered 413.
    pub body: u64,
    /// How long a process may run; then its group is ended, and if there is no answer yet, that is 504. None: for ever.
    pub time: Option<Duration>,
    /// How long a client that has ended its own side in the middle of its answer may get nothing; None where that end
    /// means nothing.
    pub half_closed: Option<Duration>,
    /// How long a connection waits for its next request; zero for one request a connection.
    pub keep_alive: Duration,
}

impl Default for Limits {
    /// Twice as many processes as cores, and 16 requests waiting for each; 1 GiB; one minute; one second; 130 seconds,
    /// which is longer than nginx and Caddy keep an idle connection to a server.
    fn default() -> Self {
        let processes = thread::available_parallelism().map_or(2, |cores| 2 * cores.get());
        Self {
            processes,
            queue: 16 * processes,
            body: 1 << 30,
            time: Some(Duration::from_secs(60)),
            half_closed: Some(Duration::from_secs(1)),
            keep_alive: Duration::from_secs(130),
        }
    }
}

impl Host {
    /// For this site. Nothing happens yet.
    pub fn new(site: impl Site + 'static, limits: Limits) -> Self {
        Self {
            site: Arc::new(site),
            slots: Arc::new(Slots::new(limits.processes.max(1), limits.queue)),
            limits,
            active: AtomicUsize::new(0),
            stopping: AtomicBool::new(false),
            number: AtomicU64::new(0),
        }
    }

    /// Serves a listener as long as this process lives. One thread runs for each connection, and one for each process
    /// that outlives its response.
    pub fn serve(self, listener: impl Into<Socket>) -> io::Result<()> {
        let (_never, stop) = UnixStream::pair()?;
        self.serve_until(vec![listener.into()], &stop, Duration::ZERO)
    }

    /// Serves listeners until `stop` has a byte to read, or its other end is closed. Then no connection is accepted any
    /// more; requests that run have `grace` to end, or until another byte comes. Then no process is started any more, and
    /// what is left is ended by SIGTERM, and three seconds later by SIGKILL. The threads of connections without a request
    /// end by themselves, within [`Limits::keep_alive`].
    pub fn serve_until(
        self,
        listeners: Vec<Socket>,
        stop: &UnixStream,
        grace: Duration,
    ) -> io::Result<()> {
        listener::run(listeners, &Arc::new(self), stop, grace)
    }

    /// Serves one connection, a stream socket, to its end, and waits for a script that works on after the last answer.
    pub fn serve_connection(&self, socket: OwnedFd, endpoints: &Endpoints) {
        if let Some(script) = connection::serve(Incoming::new(socket.into(), None), endpoints, self)
        {
            // One that panicked has ended, too.
            let _ = script.join();
        }
    }

    /// From here on, each connection ends with the request that it is at.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    fn next_number(&self) -> u64 {
        self.number.fetch_add(1, Ordering::Relaxed) + 1
    }
}
