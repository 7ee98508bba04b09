//! What a listener hosts, as far as hosts differ: which script answers, how it is started, and what is told.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use super::child::Child;
use super::log::Entry;
use super::reply::Reply;
use super::script::Script;
use super::slots::Slot;
use super::trouble::{Failure, Trouble};
use crate::cgi::response::Head;
use crate::cgi::{Address, Endpoints, Place, Variables};
use crate::http::head::RequestHead;
use crate::http::response_head::reason;
use crate::http::{Fields, Refusal};

/// A request that is being answered.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Which one, counted from 1: its name in a log.
    pub number: u64,
    /// Request line and fields.
    pub head: &'a RequestHead,
    /// Both ends of its connection.
    pub endpoints: &'a Endpoints,
    /// When its head was there.
    pub started: Instant,
    /// Whether the listener is about to end.
    pub is_stopping: bool,
}

/// Makes another body of a document's, and of the last lines that its script wrote to stderr.
pub type Finish = fn(&[u8], &[&str]) -> Vec<u8>;

/// What is behind the addresses of a [`Host`](super::Host). [`Program`](super::Program) is the plain one.
///
/// One thread runs for each connection: all of this is called from many at once.
///
/// A folder of scripts, each by its name:
///
/// ```
/// use std::io::{self, Read, Write};
/// use std::os::fd::{BorrowedFd, OwnedFd};
/// use std::os::unix::net::UnixStream;
/// use std::path::PathBuf;
///
/// use wsgi_cgi_gateway::cgi::{Address, Endpoints, Place, Variables};
/// use wsgi_cgi_gateway::host::{Child, Host, Limits, Reply, Request, Script, Site, Slot, Trouble};
/// use wsgi_cgi_gateway::http::Refusal;
///
/// struct Folder(PathBuf);
///
/// impl Site for Folder {
///     fn find(
///         &self,
///         _: &Request<'_>,
///         address: &Address,
///         _: BorrowedFd<'_>,
///         _: &mut Reply,
///     ) -> Result<Option<(Script, Place)>, Trouble> {
///         let nothing = || Refusal::new(404, "There is no such script.");
///         let path = std::str::from_utf8(&address.path).map_err(|_| nothing())?;
///         let name = path.split('/').nth(1).unwrap_or_default();
///         // No dots at the start: `..` cannot come, but `.htaccess` can.
///         if !name.ends_with(".cgi") || name.starts_with('.') {
///             return Err(nothing().into());
///         }
///         let file = self.0.join(name);
///         if !file.is_file() {
///             return Err(nothing().into());
///         }
///         let (script_name, path_info) = path.split_at(1 + name.len());
///         let place = Place {
///             script_name: script_name.into(),
///             path_info: path_info.into(),
///             ..Place::default()
///         };
///         Ok(Some((Script::new(file), place)))
///     }
///
///     fn start(
///         &self,
///         _: &Request<'_>,
///         script: &Script,
///         variables: &Variables,
///         body: OwnedFd,
///         slot: Slot,
///     ) -> io::Result<Child> {
///         slot.spawn(script, variables, body)
///     }
///
///     fn script_says(&self, number: u64, line: &str) {
///         eprintln!("request {number}: {line}");
///     }
///
///     fn host_says(&self, number: u64, line: &str) {
///         eprintln!("request {number}, the host: {line}");
///     }
/// }
///
/// let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");
/// let host = Host::new(Folder(folder.into()), Limits::default());
///
/// // One connection, without a listener.
/// let (mut client, server) = UnixStream::pair()?;
/// client.write_all(b"GET /hello.cgi/you HTTP/1.0\r\n\r\n")?;
/// host.serve_connection(server.into(), &Endpoints::default());
/// let mut answer = String::new();
/// client.read_to_string(&mut answer)?;
/// assert!(answer.contains("\r\n\r\nHello from /hello.cgi, "));
/// # Ok::<(), io::Error>(())
/// ```
pub trait Site: Send + Sync {
    /// The script for an address, and its place in it; None where the answer is in `reply` already. It is asked before
    /// the body is read, and again for the path of a local redirect, with a head as if the client had asked for that
    /// (RFC 3875 section 6.2.2). `client` is the connection, for what is sent
    /// there past the reply's buffer by [`Reply::copy`].
    fn find(
        &self,
        request: &Request<'_>,
        address: &Address,
        client: BorrowedFd<'_>,
        reply: &mut Reply,
    ) -> Result<Option<(Script, Place)>, Trouble>;

    /// Starts a script with these variables and this body: by [`Slot::spawn`], or elsewhere and by [`Slot::adopt`].
    fn start(
        &self,
        request: &Request<'_>,
        script: &Script,
        variables: &Variables,
        body: OwnedFd,
        slot: Slot,
    ) -> io::Result<Child>;

    /// Tells a line that a script wrote to stderr, without its line end and without control characters.
    fn script_says(&self, number: u64, line: &str);

    /// Tells what the host has to say of a request, in one line.
    fn host_says(&self, number: u64, line: &str);

    /// Tells that a request is over.
    fn is_over(&self, _entry: &Entry<'_>) {}

    /// Adds fields to the head of a script's document. `spawn` is how long starting the script took.
    fn add_fields(&self, _request: &Request<'_>, _spawn: Duration, _fields: &mut Fields) {}

    /// Whether a document is held back until its script has ended, and what is then made of it.
    fn holds(&self, _head: &Head) -> Option<Finish> {
        None
    }

    /// Tells of a request that is refused, and answers it with these fields among others.
    fn refuse(
        &self,
        number: u64,
        refusal: &Refusal,
        fields: Fields,
        reply: &mut Reply,
    ) -> io::Result<()> {
        self.host_says(number, &refusal.reason);
        plain_page(refusal.status, &refusal.reason, fields, reply)
    }

    /// Tells of a failure, and answers with these fields among others, unless an answer has begun. The client gets none
    /// of what the script said.
    fn fail(
        &self,
        request: &Request<'_>,
        failure: &Failure,
        fields: Fields,
        reply: &mut Reply,
    ) -> io::Result<()> {
        self.host_says(request.number, &failure.to_string());
        match reply.status {
            Some(_) => Ok(()),
            None => plain_page(
                failure.cause.status(),
                "The page could not be made.",
                fields,
                reply,
            ),
        }
    }
}

fn plain_page(status: u16, text: &str, mut fields: Fields, reply: &mut Reply) -> io::Result<()> {
    fields.push("Content-Type", "text/plain; charset=utf-8");
    let page = format!("{status} {}\n{text}\n", reason(status));
    reply.page(status, &fields, page.as_bytes())
}
