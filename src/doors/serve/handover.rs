//! A request handed to a zygote's worker by the listener itself: nothing is executed.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use rustix::pipe::{PipeFlags, pipe_with};

use super::child::{Child, Script};
use super::site::Site;
use super::slots::Slot;
use crate::doors::cgi;
use crate::gateway::Variables;
use crate::runner::warm::{Seat, Streams, offer, open_folder};

/// A worker that has taken the request; or the slot again, and why a child must be started. That one will start a
/// zygote, or say what is wrong.
pub fn hand_over(
    script: &Script,
    site: &Site,
    variables: &Variables,
    stdin: BorrowedFd<'_>,
    slot: Slot,
) -> io::Result<Result<Child, (Slot, String)>> {
    // As the child would have it.
    let mut environment: BTreeMap<OsString, OsString> = site.environment.iter().cloned().collect();
    let text = |bytes: &Vec<u8>| OsStr::from_bytes(bytes).to_owned();
    environment.extend(
        variables
            .iter()
            .map(|(name, value)| (text(name), text(value))),
    );
    let own = script.environment.iter();
    environment.extend(own.map(|(name, value)| ((*name).into(), (*value).into())));
    let Ok(request) = cgi::request(script.arguments.clone(), environment) else {
        return Ok(Err((slot, "the request cannot be prepared".to_owned())));
    };
    if request.record.is_some() {
        // It keeps the request's body, and writes the file.
        return Ok(Err((
            slot,
            "--record wants a process for each request".to_owned(),
        )));
    }
    let seat = Seat::of(&request, &script.directory);
    let folder = request.chdir.as_deref().unwrap_or(&script.directory);
    let folder = open_folder(folder)?;
    let (stdout, writes_stdout) = pipe_with(PipeFlags::CLOEXEC)?;
    let (stderr, writes_stderr) = pipe_with(PipeFlags::CLOEXEC)?;
    let streams = Streams {
        streams: [stdin, writes_stdout.as_fd(), writes_stderr.as_fd()],
        folder: folder.as_fd(),
        umask: site.umask,
    };
    Ok(match offer(&request, &seat, &streams)? {
        Ok(handed) => {
            let outputs: [OwnedFd; 2] = [stdout, stderr];
            Ok(site.children.adopt(handed, outputs, slot)?)
        }
        Err(reason) => Err((slot, reason)),
    })
}
