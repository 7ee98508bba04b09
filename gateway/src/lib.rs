//! The web server's side of CGI/1.1 (RFC 3875), for programs that host CGI programs.
//!
//! A CGI program on the web, a process for each request:
//!
//! ```no_run
//! use std::net::TcpListener;
//!
//! use wsgi_cgi_gateway::host::{Host, Limits, Program};
//!
//! let program = Program::new("/usr/lib/cgi-bin/hello").script_name("/hello");
//! let listener = TcpListener::bind("127.0.0.1:8000")?;
//! Host::new(program, Limits::default()).serve(listener)?;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! Three rooms, each of use without those above it:
//!
//! - [`host`]: the listener. [`Program`](host::Program) is one CGI program; [`Site`](host::Site) is for folders of
//!   scripts, logs and pages of your own. `wsgi-cgi serve` is one.
//! - [`cgi`]: a request as meta-variables ([`cgi::meta_variables`]), and what a script answers
//!   ([`cgi::response::parse`]).
//! - [`http`]: HTTP/1.1 as bytes and values. Request heads, chunked bodies, response heads, conditional requests. It is
//!   stricter than the grammar where laxness has been a vulnerability. Nothing in it reads or writes.
//!
//! From a request to a response, with no socket and no process:
//!
//! ```
//! use wsgi_cgi_gateway::cgi::response::{self, CgiResponse};
//! use wsgi_cgi_gateway::cgi::{Address, Endpoints, Place, meta_variables};
//! use wsgi_cgi_gateway::http::Fields;
//! use wsgi_cgi_gateway::http::head::HeadReader;
//! use wsgi_cgi_gateway::http::response_head::{Connection, encode, framing, reason};
//!
//! // A request comes in ...
//! let request = b"GET /hello HTTP/1.1\r\nHost: example.org\r\n\r\n";
//! let (head, _) = HeadReader::default().read(request)?.ok_or("not whole yet")?;
//! let address = Address::parse(head.path_and_query())?;
//! let place = Place { script_name: address.path.clone(), ..Place::default() };
//! let variables = meta_variables(&head, &address, &place, &Endpoints::default(), None);
//! assert!(variables.contains(&(b"SCRIPT_NAME".to_vec(), b"/hello".to_vec())));
//!
//! // ... a program runs with these variables, and writes ...
//! let output = b"Content-Type: text/plain\n\nHello\n";
//! let parsed = response::parse(output, true)?.ok_or("not whole yet")?;
//! let (CgiResponse::Document(document), length) = parsed else { return Err("a redirect".into()) };
//!
//! // ... and the client gets it.
//! let mut fields = Fields::default();
//! for (name, value) in document.for_client() {
//!     fields.push(name.clone(), value.clone());
//! }
//! let body = &output[length..];
//! let framing = framing(document.status, &head.method, head.version, Some(body.len() as u64));
//! let reply = encode(document.status, reason(document.status), &fields, framing, Connection::KeepAlive);
//! assert!(reply.starts_with(b"HTTP/1.1 200 OK\r\n"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing)]

#[doc(hidden)]
pub mod bytes;
pub mod cgi;
pub mod host;
pub mod http;

use wsgi_cgi_process::wait;

/// The page for people, whose examples are tested with the others.
#[cfg(doctest)]
#[doc = include_str!("../../docs/library.md")]
struct Page;
