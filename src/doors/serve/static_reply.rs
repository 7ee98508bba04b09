//! A file beside the application, as a reply.

use std::os::fd::BorrowedFd;

use wsgi_cgi_gateway::host::{Reply, Trouble};

use super::static_files::{Body, Mount, answer};
use crate::http::Refusal;
use crate::http::head::RequestHead;

/// The mount for a path, and what of the path is below it; of several the one with the longest address.
pub fn mount<'s, 'p>(mounts: &'s [Mount], path: &'p [u8]) -> Option<(&'s Mount, &'p [u8])> {
    mounts
        .iter()
        .filter_map(|mount| Some((mount, mount.matches(path)?)))
        .max_by_key(|(mount, _)| mount.prefix.len())
}

/// Sends what is there, the file's bytes by the kernel.
pub fn send(
    mount: &Mount,
    below: &[u8],
    head: &RequestHead,
    client: BorrowedFd<'_>,
    reply: &mut Reply,
) -> Result<(), Trouble> {
    let mut answer = answer(mount, below, &head.method, &head.fields);
    match answer.body {
        Body::File {
            file,
            offset,
            length,
        } => {
            answer.fields.push("Content-Length", length.to_string());
            reply.begin(answer.status, None, &answer.fields, Some(length))?;
            let copied = reply.copy(client, &file, offset, length);
            copied.map_err(|_| Trouble::ClientGone)?;
            reply.end()?;
        }
        Body::None if answer.status < 300 || answer.status == 304 => {
            reply.begin(answer.status, None, &answer.fields, None)?;
        }
        Body::None => {
            let target = String::from_utf8_lossy(&head.raw_target).into_owned();
            let refusal = Refusal::new(answer.status, target);
            return Err(Trouble::Refused(refusal, answer.fields));
        }
    }
    Ok(())
}
