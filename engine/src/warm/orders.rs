//! `warm status` and `warm stop`: what a zygote tells of itself.

use std::fs;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use contract::warm::{Order, Status};
use rustix::net::sockopt::socket_peercred;
use rustix::net::{SocketFlags, accept_with};
use rustix::process::{Pid, geteuid};

/// Whoever asks does so at once; requests wait meanwhile.
const PATIENCE: Duration = Duration::from_millis(200);

/// Answers one who asks; gives what was wanted.
pub fn answer(listener: &OwnedFd, status: impl FnOnce() -> Status) -> std::io::Result<Order> {
    let mut socket = UnixStream::from(accept_with(listener, SocketFlags::CLOEXEC)?);
    if socket_peercred(&socket)?.uid != geteuid() {
        return Ok(Order::Tell);
    }
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    let mut byte = [0];
    socket.read_exact(&mut byte)?;
    let order = Order::from_byte(byte[0]).unwrap_or(Order::Tell);
    socket.write_all(&status().encode())?;
    Ok(order)
}

/// The proportional memory of these processes, in KiB (proc_pid_smaps(5)).
pub fn memory(pids: impl Iterator<Item = Pid>) -> u64 {
    pids.filter_map(|pid| {
        let path = format!("/proc/{}/smaps_rollup", pid.as_raw_nonzero());
        let text = fs::read_to_string(path).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
        line.trim().trim_end_matches(" kB").parse::<u64>().ok()
    })
    .sum()
}
