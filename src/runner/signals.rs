//! Signals: reset at the start, read from a descriptor by the parent, back to normal in the child.
#![allow(unsafe_code)]

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal, signal, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use signal_hook::flag;

/// Those that are told to the parent and passed on to the child.
const PASSED_ON: [Signal; 4] = [
    Signal::SIGTERM,
    Signal::SIGINT,
    Signal::SIGHUP,
    Signal::SIGQUIT,
];

/// Ignored signals and the mask are inherited through exec: Apache's mod_cgi ignores SIGPIPE and
/// SIGXFSZ, for example. Rust and Python expect SIGPIPE to be ignored; that stays.
pub fn reset() {
    let others = [
        Signal::SIGCHLD,
        Signal::SIGXFSZ,
        Signal::SIGALRM,
        Signal::SIGUSR1,
        Signal::SIGUSR2,
    ];
    for number in PASSED_ON.into_iter().chain(others) {
        // SAFETY: the default action calls no code of this process.
        let _ = unsafe { signal(number, SigHandler::SigDfl) };
    }
    unblock();
}

/// Unblocks everything: for the child, which is an ordinary process again.
pub fn unblock() {
    let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None);
}

/// The signals that tell a server to end, as bytes of a socket. Nothing is blocked: its children would
/// inherit that.
pub fn listen_for_end() -> io::Result<UnixStream> {
    let (read, write) = UnixStream::pair()?;
    for number in PASSED_ON {
        signal_hook::low_level::pipe::register(number as i32, write.try_clone()?)?;
    }
    read.set_nonblocking(true)?;
    Ok(read)
}

/// From here on, the second signal that tells this process to end does so at once.
pub fn end_at_the_second() -> io::Result<()> {
    let told = Arc::new(AtomicBool::new(false));
    for number in PASSED_ON.map(|number| number as i32) {
        // In this order: the first one finds that there was none.
        flag::register_conditional_shutdown(number, 128 + number, told.clone())?;
        flag::register(number, told.clone())?;
    }
    Ok(())
}

/// From here on, signals that the parent cares for are read from the descriptor.
pub fn listen() -> io::Result<SignalFd> {
    let mut set = SigSet::empty();
    set.add(Signal::SIGCHLD);
    PASSED_ON.into_iter().for_each(|number| set.add(number));
    sigprocmask(SigmaskHow::SIG_BLOCK, Some(&set), None)?;
    Ok(SignalFd::with_flags(
        &set,
        SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK,
    )?)
}
