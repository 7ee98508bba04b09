//! The sockets that `serve` is told to accept from: addresses, unix sockets, and those that systemd passed on.

use std::fs;
use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use anyhow::{Context, bail};
use rustix::net::{AddressFamily, sockopt};
use wsgi_cgi_gateway::host::Socket;

use crate::plan::Bind;

/// Opens what `--bind` says.
pub fn bind(bind: &Bind) -> anyhow::Result<Socket> {
    Ok(match bind {
        Bind::Address(address) => {
            let listener = TcpListener::bind(address)
                .with_context(|| format!("cannot listen on {address}"))?;
            Socket::Tcp(listener)
        }
        Bind::Unix(path) => {
            let listener = bind_unix(path)
                .with_context(|| format!("cannot listen on unix:{}", path.display()))?;
            Socket::Unix(listener, Some(path.clone()))
        }
    })
}

/// Takes up a socket that was passed to this process (sd_listen_fds(3)).
pub fn inherit(descriptor: OwnedFd) -> anyhow::Result<Socket> {
    if !sockopt::socket_acceptconn(&descriptor).context("systemd passed what is no socket")? {
        bail!("systemd passed a socket that does not listen (Accept=no is needed)");
    }
    Ok(match sockopt::socket_domain(&descriptor)? {
        AddressFamily::UNIX => Socket::Unix(descriptor.into(), None),
        AddressFamily::INET | AddressFamily::INET6 => Socket::Tcp(descriptor.into()),
        family => bail!(
            "systemd passed a socket of another family ({})",
            family.as_raw()
        ),
    })
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
