//! The sockets that a listener accepts from: addresses, unix sockets, and those that systemd passed on.

use std::fmt;
use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use rustix::net::{AddressFamily, sockopt};

use crate::gateway::Endpoints;
use crate::plan::Bind;

/// One socket that accepts connections.
pub enum Socket {
    /// IPv4 or IPv6.
    Tcp(TcpListener),
    /// A socket file; removed at the end if we made it.
    Unix(UnixListener, Option<PathBuf>),
}

impl Socket {
    /// Opens what `--bind` says.
    pub fn bind(bind: &Bind) -> anyhow::Result<Self> {
        let socket = match bind {
            Bind::Address(address) => {
                let listener = TcpListener::bind(address)
                    .with_context(|| format!("cannot listen on {address}"))?;
                Self::Tcp(listener)
            }
            Bind::Unix(path) => {
                let listener = bind_unix(path)
                    .with_context(|| format!("cannot listen on unix:{}", path.display()))?;
                Self::Unix(listener, Some(path.clone()))
            }
        };
        socket.ready()
    }

    /// Takes up a socket that was passed to this process (sd_listen_fds(3)).
    pub fn inherit(descriptor: OwnedFd) -> anyhow::Result<Self> {
        if !sockopt::socket_acceptconn(&descriptor).context("systemd passed what is no socket")? {
            bail!("systemd passed a socket that does not listen (Accept=no is needed)");
        }
        let socket = match sockopt::socket_domain(&descriptor)? {
            AddressFamily::UNIX => Self::Unix(descriptor.into(), None),
            AddressFamily::INET | AddressFamily::INET6 => Self::Tcp(descriptor.into()),
            family => bail!(
                "systemd passed a socket of another family ({})",
                family.as_raw()
            ),
        };
        socket.ready()
    }

    /// A connection that went away between poll and accept must not hold the others.
    fn ready(self) -> anyhow::Result<Self> {
        match &self {
            Self::Tcp(listener) => listener.set_nonblocking(true)?,
            Self::Unix(listener, _) => listener.set_nonblocking(true)?,
        }
        Ok(self)
    }

    /// The next connection, and where it comes from.
    pub fn accept(&self) -> io::Result<(OwnedFd, Endpoints)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, remote) = listener.accept()?;
                // Head and body of an answer go in as few packets as they can; none waits for another.
                stream.set_nodelay(true)?;
                let endpoints = endpoints(&stream, remote);
                Ok((stream.into(), endpoints))
            }
            Self::Unix(listener, _) => {
                let (stream, _) = listener.accept()?;
                Ok((stream.into(), unix_endpoints()))
            }
        }
    }

    /// Whether only this machine can reach it by the network. Behind a unix socket there is a web server.
    pub fn is_loopback(&self) -> bool {
        match self {
            Self::Tcp(listener) => listener
                .local_addr()
                .is_ok_and(|address| address.ip().to_canonical().is_loopback()),
            Self::Unix(..) => false,
        }
    }

    /// Removes what was made for it.
    pub fn remove(&self) {
        if let Self::Unix(_, Some(path)) = self {
            let _ = fs::remove_file(path);
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(listener) => listener.as_fd(),
            Self::Unix(listener, _) => listener.as_fd(),
        }
    }
}

/// The address as a person would type it.
impl fmt::Display for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(listener) => match listener.local_addr() {
                Ok(address) => write!(f, "http://{address}/"),
                Err(_) => write!(f, "a socket without a name"),
            },
            Self::Unix(listener, path) => {
                let name = listener.local_addr().ok();
                let name = name.as_ref().and_then(|name| name.as_pathname());
                match name.or(path.as_deref()) {
                    Some(path) => write!(f, "unix:{}", path.display()),
                    None => write!(f, "a unix socket without a name"),
                }
            }
        }
    }
}

/// A socket file whose server is gone is in the way, and nobody's.
fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    let is_refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    if is_socket && UnixStream::connect(path).is_err_and(is_refused) {
        fs::remove_file(path)?;
    }
    UnixListener::bind(path)
}

/// Both ends of a connection.
pub fn endpoints(stream: &TcpStream, remote: SocketAddr) -> Endpoints {
    let local = stream.local_addr().ok();
    // An IPv4 client of a socket for both is an IPv4 client.
    let address = |address: SocketAddr| address.ip().to_canonical().to_string();
    Endpoints {
        remote_address: address(remote),
        remote_port: remote.port().to_string(),
        server_address: local.map(address).unwrap_or_default(),
        server_port: local.map_or("80".into(), |local| local.port().to_string()),
    }
}

fn unix_endpoints() -> Endpoints {
    Endpoints {
        server_port: "80".into(),
        ..Endpoints::default()
    }
}
