//! The sockets that a listener accepts from.

use std::fmt;
use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use crate::cgi::Endpoints;

/// One socket that accepts connections.
pub enum Socket {
    /// IPv4 or IPv6.
    Tcp(TcpListener),
    /// A socket file; removed at the end if its path is given.
    Unix(UnixListener, Option<PathBuf>),
}

impl Socket {
    /// A connection that went away between poll and accept must not hold the others.
    pub(super) fn make_ready(&self) -> io::Result<()> {
        match self {
            Self::Tcp(listener) => listener.set_nonblocking(true),
            Self::Unix(listener, _) => listener.set_nonblocking(true),
        }
    }

    /// The next connection, and where it comes from.
    pub(super) fn accept(&self) -> io::Result<(OwnedFd, Endpoints)> {
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
    pub(super) fn remove(&self) {
        if let Self::Unix(_, Some(path)) = self {
            let _ = fs::remove_file(path);
        }
    }
}

impl From<TcpListener> for Socket {
    fn from(listener: TcpListener) -> Self {
        Self::Tcp(listener)
    }
}

impl From<UnixListener> for Socket {
    fn from(listener: UnixListener) -> Self {
        Self::Unix(listener, None)
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
