//! One connection: its requests one after another, until one of them is the last.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

use super::Host;
use super::exchange::Exchange;
use super::incoming::{Incoming, NoRequest, Rest, Turn};
use super::log::Entry;
use super::places::Phase;
use super::reply::Reply;
use super::site::Request;
use crate::cgi::Endpoints;
use crate::http::head::{RequestHead, Version};
use crate::http::response_head::Connection;
use crate::http::{Fields, Refusal};

/// Serves the connection to its end. Gives what waits for a script that works on after the last answer.
pub fn serve(mut incoming: Incoming, endpoints: &Endpoints, host: &Host) -> Option<JoinHandle<()>> {
    let mut turn = Turn::First;
    loop {
        incoming.enter(Phase::Idle);
        let head = match incoming.read_head(turn) {
            Ok(head) => head,
            Err(NoRequest::Closed) => return None,
            Err(NoRequest::Refused(refusal)) => {
                refuse_and_close(incoming, &refusal, endpoints, host);
                return None;
            }
        };
        let started = Instant::now();
        let is_last = !head.keeps_alive() || host.is_stopping() || host.limits.keep_alive.is_zero();
        let mut reply = Reply::to(
            &head,
            match is_last {
                true => Connection::Close,
                false => Connection::KeepAlive,
            },
        );
        let number = host.next_number();
        let request = Request {
            number,
            head: &head,
            endpoints,
            started,
            is_stopping: host.is_stopping(),
        };
        let mut exchange = Exchange {
            host,
            request,
            left: None,
        };
        let (status, rest) = {
            let _active = Active::of(host);
            exchange.run(&mut incoming, &mut reply)
        };
        host.site.is_over(&Entry {
            status,
            ..entry(&head, number, &reply, started, endpoints)
        });
        if status.is_some() && reply.connection() == Connection::KeepAlive && !host.is_stopping() {
            turn = Turn::Next(host.limits.keep_alive);
            continue;
        }
        if status.is_some() && !reply.needs_reset() {
            incoming.close(rest);
        }
        return exchange.left;
    }
}

/// A request that is being answered: counted for as long as this lives, though its site may panic.
struct Active<'a>(&'a AtomicUsize);

impl<'a> Active<'a> {
    fn of(host: &'a Host) -> Self {
        host.active.fetch_add(1, Ordering::Relaxed);
        Self(&host.active)
    }
}

impl Drop for Active<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn refuse_and_close(incoming: Incoming, refusal: &Refusal, endpoints: &Endpoints, host: &Host) {
    let started = Instant::now();
    let mut reply = Reply::to_nobody(incoming.buffered());
    let number = host.next_number();
    let sent = host
        .site
        .refuse(number, refusal, Fields::default(), &mut reply)
        .and_then(|()| reply.send_all(incoming.socket()));
    host.site.is_over(&Entry {
        number,
        method: "",
        target: b"-",
        protocol: "-",
        status: reply.status,
        bytes: reply.bytes,
        time: started.elapsed(),
        remote: &endpoints.remote_address,
        referer: b"",
        agent: b"",
    });
    if sent.is_ok() {
        incoming.close(Rest::Expected);
    }
}

fn entry<'a>(
    head: &'a RequestHead,
    number: u64,
    reply: &Reply,
    started: Instant,
    endpoints: &'a Endpoints,
) -> Entry<'a> {
    Entry {
        number,
        method: &head.method,
        target: &head.raw_target,
        protocol: match head.version {
            Version::Http10 => "HTTP/1.0",
            Version::Http11 => "HTTP/1.1",
        },
        status: reply.status,
        bytes: reply.bytes,
        time: started.elapsed(),
        remote: &endpoints.remote_address,
        referer: head.fields.get("Referer").unwrap_or_default(),
        agent: head.fields.get("User-Agent").unwrap_or_default(),
    }
}
