//! The inetd door: one HTTP request on descriptors 0 and 1, by the listener's rules, then the end.

use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{IpAddr, TcpStream};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::thread::{self, JoinHandle};

use contract::codes::Code;
use contract::handover::Detail;
use contract::outcome::Outcome;
use contract::report::{self, Failure};
use rustix::stdio;
use wsgi_cgi_gateway::host::{self, Child, Host, Limits, Reply, Script, Slot, Trouble};

use super::failure_page::fail;
use super::syslog::Syslog;
use super::{limits, site};
use crate::cli::{self, Refusal};
use crate::doors::complaints::{self, is_same_channel};
use crate::doors::here;
use crate::gateway::{Address, Endpoints, Place, Variables};
use crate::http::Fields;

/// What others say of the peer and of our own side where descriptor 0 does not: systemd, socat, ncat, tcpserver.
const REMOTE_ADDRESS: [&str; 4] = [
    "REMOTE_ADDR",
    "SOCAT_PEERADDR",
    "NCAT_REMOTE_ADDR",
    "TCPREMOTEIP",
];
const REMOTE_PORT: [&str; 4] = [
    "REMOTE_PORT",
    "SOCAT_PEERPORT",
    "NCAT_REMOTE_PORT",
    "TCPREMOTEPORT",
];
const SERVER_ADDRESS: [&str; 3] = ["SOCAT_SOCKADDR", "NCAT_LOCAL_ADDR", "TCPLOCALIP"];
const SERVER_PORT: [&str; 3] = ["SOCAT_SOCKPORT", "NCAT_LOCAL_PORT", "TCPLOCALPORT"];

/// Answers the one request.
pub fn run(arguments: &[OsString]) -> Outcome {
    // Before anything is said: what stands on descriptor 2 may be the client's.
    let complaints = match complaints::reach_the_client() {
        true => Syslog::in_place_of_stderr().ok(),
        false => None,
    };
    let outcome = match Client::connected() {
        Ok(client) => client.serve(arguments),
        Err(error) => {
            let failure = Failure::new(Code::SYSTEM, error.to_string());
            report::tell(&failure, "", None);
            failure.code.entry().outcome
        }
    };
    if let Some(complaints) = complaints {
        complaints.finish();
    }
    outcome
}

struct Client {
    socket: OwnedFd,
    endpoints: Endpoints,
    bridge: Option<JoinHandle<()>>,
}

impl Client {
    fn connected() -> io::Result<Self> {
        let is_connection = is_same_channel(stdio::stdin(), stdio::stdout());
        let (socket, bridge) = match is_connection {
            true => (rustix::io::fcntl_dupfd_cloexec(stdio::stdin(), 3)?, None),
            false => bridge().map(|(socket, output)| (socket, Some(output)))?,
        };
        Ok(Self {
            endpoints: endpoints(&socket),
            socket,
            bridge,
        })
    }

    fn serve(self, arguments: &[OsString]) -> Outcome {
        let prepared = here().map_err(Refusal::from).and_then(|here| {
            let (plan, typed) = cli::parse_inetd(arguments, &here)?;
            let (mut site, _) = site(&plan, typed, &here)?;
            let mut limits = limits(&plan);
            if is_loopback(&self.endpoints.server_address) {
                site.debug = site.debug.at_loopback();
            }
            if self.bridge.is_some() {
                // That the input has ended says nothing about who reads the output.
                limits.half_closed = None;
            }
            Ok(Host::new(site, limits))
        });
        let outcome = match prepared {
            Ok(host) => {
                host.stop();
                host.serve_connection(self.socket, &self.endpoints);
                Outcome::Complete
            }
            Err(Refusal::Answered(text)) => {
                // A person asks for help at a terminal, or through a pipe.
                let _ = io::stdout().write_all(text.as_bytes());
                return Outcome::Complete;
            }
            Err(Refusal::Wrong(failure)) => {
                report::tell(&failure, "", None);
                let outcome = failure.code.entry().outcome;
                refuse(self.socket, failure);
                outcome
            }
        };
        if let Some(output) = self.bridge {
            let _ = output.join();
        }
        outcome
    }
}

/// The page of a failure from before any request was read.
fn refuse(socket: OwnedFd, failure: Failure) {
    let host = Host::new(Nothing(failure), Limits::default());
    host.stop();
    host.serve_connection(socket, &Endpoints::default());
}

/// What is served where nothing can be: why, which has been told.
struct Nothing(Failure);

impl host::Site for Nothing {
    fn find(
        &self,
        _: &host::Request<'_>,
        _: &Address,
        _: BorrowedFd<'_>,
        reply: &mut Reply,
    ) -> Result<Option<(Script, Place)>, Trouble> {
        fail(reply, &self.0, Detail::Hidden, Fields::default())?;
        Ok(None)
    }

    fn start(
        &self,
        _: &host::Request<'_>,
        _: &Script,
        _: &Variables,
        _: OwnedFd,
        _: Slot,
    ) -> io::Result<Child> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn script_says(&self, _: u64, _: &str) {}

    fn host_says(&self, _: u64, _: &str) {}
}

fn is_loopback(address: &str) -> bool {
    address
        .parse::<IpAddr>()
        .is_ok_and(|address| address.to_canonical().is_loopback())
}

/// A socket for a client whose two directions are two descriptors (a pipe, `ncat -e`), and the thread that writes
/// what is sent to it.
fn bridge() -> io::Result<(OwnedFd, JoinHandle<()>)> {
    let (ours, theirs) = UnixStream::pair()?;
    let (mut to_input, mut from_output) = (ours.try_clone()?, ours);
    thread::Builder::new().spawn(move || {
        let _ = io::copy(&mut io::stdin(), &mut to_input);
        let _ = to_input.shutdown(std::net::Shutdown::Write);
    })?;
    let output = thread::Builder::new().spawn(move || {
        let _ = copy_at_once(&mut from_output, &mut io::stdout());
        // The client sees the end now, and ends its own side.
        let _ = File::options()
            .write(true)
            .open("/dev/null")
            .map(stdio::dup2_stdout);
        // Who writes on finds nobody.
        let _ = from_output.shutdown(std::net::Shutdown::Both);
    })?;
    Ok((theirs.into(), output))
}

/// Every piece is written when it is there: a response may come slowly.
fn copy_at_once(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    let mut piece = vec![0; 64 << 10];
    loop {
        match from.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(count) => {
                to.write_all(piece.get(..count).unwrap_or_default())?;
                to.flush()?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn endpoints(socket: &OwnedFd) -> Endpoints {
    let stream = socket.try_clone().map(TcpStream::from);
    if let Ok(stream) = stream
        && let Ok(remote) = stream.peer_addr()
    {
        let _ = stream.set_nodelay(true);
        return host::endpoints(&stream, remote);
    }
    let variable = |names: &[&str], is_valid: fn(&str) -> bool| {
        let mut values = names.iter().filter_map(env::var_os);
        let found = values.find_map(|value| value.into_string().ok().filter(|text| is_valid(text)));
        found.unwrap_or_default()
    };
    let is_address = |text: &str| text.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    let is_port = |text: &str| text.parse::<u16>().is_ok();
    let plain = |text: String| text.trim_matches(['[', ']']).to_owned();
    let port = variable(&SERVER_PORT, is_port);
    Endpoints {
        remote_address: plain(variable(&REMOTE_ADDRESS, is_address)),
        remote_port: variable(&REMOTE_PORT, is_port),
        server_address: plain(variable(&SERVER_ADDRESS, is_address)),
        server_port: if port.is_empty() { "80".into() } else { port },
    }
}
