//! A process that serves one request after another itself (`--same-process`): what persistent servers do, and what no
//! other mode of this program does.

use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use contract::handover::RUNNING;
use contract::passing;
use contract::warm::Offer;
use pyo3::prelude::*;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use super::Imported;
use super::spare::{Streams, take_over};
use crate::{request, startup, timing};

/// Serves what comes from the client, until that is gone, or this process is told to end.
pub fn run(py: Python<'_>, imported: &Imported<'_>, client: &UnixStream) -> PyResult<()> {
    startup::collect_garbage_again(py)?;
    while is_wanted(py, client)? {
        serve(py, imported, client)?;
    }
    // As at the end of any process that has imported the application.
    py.import("atexit")?
        .call_method0("_run_exitfuncs")
        .map(drop)
}

fn serve(py: Python<'_>, imported: &Imported<'_>, mut client: &UnixStream) -> PyResult<()> {
    let (passed, mut message) = passing::receive(client, Offer::USUAL)?;
    let entered = timing::now();
    let [stdin, stdout, stderr, progress, folder] = <[OwnedFd; 5]>::try_from(passed)
        .map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
    let offer = Offer::read(&mut message)?;
    rustix::io::write(&progress, &RUNNING.to_ne_bytes()).map_err(io::Error::from)?;
    take_over(
        Streams {
            streams: [stdin, stdout, stderr],
            folder,
        },
        offer.umask,
    )?;
    startup::environment(py, &offer.job)?;
    let application = &imported.application;
    let ending = request::run_one_of_many(py, entered, &offer.job, progress, application)?;
    // A client that is gone shows when the next request is waited for.
    let _ = client.write_all(&ending.encode());
    Ok(())
}

/// Waits for a request; gives false when no other will come. The application's threads run meanwhile.
fn is_wanted(py: Python<'_>, client: &UnixStream) -> PyResult<bool> {
    loop {
        let polled = py.detach(|| {
            let client = client.as_fd();
            let mut polled = [PollFd::new(&client, PollFlags::IN)];
            poll(&mut polled, None).map(|_| polled[0].revents())
        });
        match polled {
            Ok(events) => return Ok(events == PollFlags::IN),
            Err(Errno::INTR) => py.check_signals()?,
            Err(error) => return Err(io::Error::from(error).into()),
        }
    }
}
