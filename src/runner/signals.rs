//! Signals: what is inherited, which of them tell this process to end, and who listens to them.
#![allow(unsafe_code)]

use std::io;
use std::mem;
use std::os::unix::net::UnixStream;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use nix::libc;
use nix::sys::signal::{SigHandler, Signal, signal};
use signal_hook::flag;
use wsgi_cgi_process::signals::{ENDING, Signals, unblock};

/// Others that a server may ignore: Apache's mod_cgi does so with SIGXFSZ, for example. Rust and Python expect SIGPIPE to
/// be ignored; that stays.
const OTHERS: [Signal; 3] = [Signal::SIGALRM, Signal::SIGUSR1, Signal::SIGUSR2];

/// Makes this an ordinary process, as a request's has to be: ignored signals and the mask are inherited through exec.
pub fn reset() {
    for number in ENDING.into_iter().chain(OTHERS) {
        set(number, SigHandler::SigDfl);
    }
    reset_for_all();
}

/// The same for a command, which obeys whoever started it: what is ignored (`nohup`) stays so for itself, but not for
/// the programs that it starts.
pub fn keep_ignored() {
    for number in ENDING.into_iter().chain(OTHERS) {
        if action(number) == libc::SIG_IGN {
            set(number, SigHandler::Handler(nothing));
        }
    }
    reset_for_all();
}

fn reset_for_all() {
    // Else nobody could wait for a child.
    set(Signal::SIGCHLD, SigHandler::SigDfl);
    // A file beyond its limit is an error, which can be answered for. A program that is started is ended by it.
    set(Signal::SIGXFSZ, SigHandler::Handler(nothing));
    unblock();
}

/// Unlike an ignored signal, a handled one has its default action again in a program that is started.
extern "C" fn nothing(_: libc::c_int) {}

fn set(number: Signal, handler: SigHandler) {
    // SAFETY: the default action calls no code of this process, and the one handler does nothing.
    let _ = unsafe { signal(number, handler) };
}

fn action(number: Signal) -> libc::sighandler_t {
    // SAFETY: a struct of integers and a function that may be none: zeros are a value of it.
    let mut found: libc::sigaction = unsafe { mem::zeroed() };
    // SAFETY: nothing is set; the struct is there to be written.
    unsafe { libc::sigaction(number as i32, ptr::null(), &raw mut found) };
    found.sa_sigaction
}

/// Those that tell this process to end, but for those that [`keep_ignored`] has found ignored.
fn ending() -> impl Iterator<Item = Signal> {
    let ignored = nothing as extern "C" fn(libc::c_int) as libc::sighandler_t;
    ENDING
        .into_iter()
        .filter(move |number| action(*number) != ignored)
}

/// The signals that tell a server to end, as bytes of a socket. Nothing is blocked: its children would
/// inherit that.
pub fn listen_for_end() -> io::Result<UnixStream> {
    let (read, write) = UnixStream::pair()?;
    for number in ending() {
        signal_hook::low_level::pipe::register(number as i32, write.try_clone()?)?;
    }
    read.set_nonblocking(true)?;
    Ok(read)
}

/// From here on, the second signal that tells this process to end does so at once.
pub fn end_at_the_second() -> io::Result<()> {
    let told = Arc::new(AtomicBool::new(false));
    for number in ending().map(|number| number as i32) {
        // In this order: the first one finds that there was none.
        flag::register_conditional_shutdown(number, 128 + number, told.clone())?;
        flag::register(number, told.clone())?;
    }
    Ok(())
}

/// From here on, signals that tell this process to end are read from the descriptor.
pub fn listen() -> io::Result<Signals> {
    Signals::block(ending())
}
