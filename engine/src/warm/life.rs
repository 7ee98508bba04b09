//! A zygote's life, after the import: forks, reaps, answers orders, and retires.

use std::fs;
use std::io::{self, PipeReader};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use contract::handover::{Source, Verbosity};
use contract::report;
use contract::warm::{Mode, ORDERS, Order, REQUESTS, Start, Status};
use pyo3::prelude::*;
use rustix::net::{Shutdown, shutdown};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, getpid};
use wsgi_cgi_process::signals::Signals;
use wsgi_cgi_process::wait::{Waiting, is_readable};

use super::children::Children;
use super::forks::{self, Actions};
use super::memory::Touched;
use super::spare::{self, Spare};
use super::watch::Noted;
use super::{Imported, disappear, orders};

/// A new one has another seed of its hashes, and other addresses.
const AGE_LIMIT: Duration = Duration::from_secs(3600);
const REQUEST_LIMIT: u64 = 10_000;

/// Spares that end one after another without a request: something is wrong.
const LOST_LIMIT: u32 = 10;

/// How often what no kernel tells about is looked at, and there is one spare less where none was missed.
const PAUSE: Duration = Duration::from_secs(5);

/// A request has this long before its spare is replaced, unless another one waits: the fork would take its processor.
const REST: Duration = Duration::from_millis(20);

/// So many spares have touched what requests touch; more of them are for a load, and would take too much memory.
const PREPARED: usize = 2;

/// Told by a spare that has seen a change, in the place of its process number.
pub const CHANGED: u32 = 0;

/// What a zygote has.
pub struct Zygote<'a> {
    pid: Pid,
    start: &'a Start,
    began: Instant,
    last: Instant,
    /// When it was last looked for changes; None if that is to be done now.
    looked: Option<Instant>,
    requests: OwnedFd,
    /// What the name of that socket stands for.
    place: Option<Place>,
    orders: OwnedFd,
    taken: OwnedFd,
    tells_taken: OwnedFd,
    children: Children,
    touched: Touched,
    signals: Signals,
    actions: Actions,
    served: u64,
    wanted: usize,
    /// When a request last waited for a fork, or there was last one spare less.
    waited: Instant,
    lost: u32,
}

/// What a zygote waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    /// A signal that tells it to end.
    Signal,
    /// Somebody asks.
    Order,
    /// Anything that shows elsewhere.
    Other,
}

/// A file's device and number: no other file has them as long as the socket is open.
type Place = (u64, u64);

/// The socket to which clients connect.
fn place(folder: &Path) -> Option<Place> {
    let found = fs::symlink_metadata(folder.join(REQUESTS)).ok()?;
    Some((found.dev(), found.ino()))
}

/// Where the process is after a fork.
enum Side {
    Zygote,
    /// In the child, with what it needs.
    Child(PipeReader),
}

impl<'a> Zygote<'a> {
    /// That takes requests on the sockets which `appear` makes.
    pub fn new(
        py: Python<'_>,
        start: &'a Start,
        began: Instant,
        appear: impl Fn(&str) -> io::Result<OwnedFd>,
    ) -> PyResult<Self> {
        let flags = PipeFlags::CLOEXEC | PipeFlags::NONBLOCK;
        let (taken, tells_taken) = pipe_with(flags).map_err(io::Error::from)?;
        let (actions, signals) = Actions::take(py)?;
        let orders = appear(ORDERS)?;
        let requests = appear(REQUESTS)?;
        Ok(Self {
            pid: getpid(),
            start,
            began,
            last: Instant::now(),
            looked: Some(Instant::now()),
            requests,
            place: place(&start.folder),
            orders,
            taken,
            tells_taken,
            children: Children::default(),
            touched: Touched::new()?,
            signals,
            actions,
            served: 0,
            wanted: start
                .spares
                .map_or(1, |spares| usize::try_from(spares).unwrap_or(1)),
            waited: Instant::now(),
            lost: 0,
        })
    }

    /// Lives until there is a reason to end; returns when the last worker has ended. `other` is its lock, or the
    /// socket of the process that it is attached to.
    pub fn run(mut self, py: Python<'_>, imported: &Imported<'_>, other: OwnedFd) -> PyResult<()> {
        self.tell(&format!(
            "warm: {} was imported in {} ms",
            self.application(),
            imported.took.as_millis()
        ));
        let mut other = Some(other);
        let reason = loop {
            if self.children.spares() < self.wanted && self.rest().is_zero() {
                match self.fork(py) {
                    Ok(Side::Zygote) => continue,
                    Ok(Side::Child(status)) => {
                        drop(other.take());
                        return self.spare(py, imported, status);
                    }
                    // Shared hosts limit processes: requests run cold again, where they can.
                    Err(error) => break format!("it cannot fork: {error}"),
                }
            }
            let client = other.as_ref().filter(|_| !self.is_alone());
            if let Some(reason) = self.wait(imported, client) {
                break reason;
            }
        };
        self.tell(&format!("warm: {} is let go: {reason}", self.application()));
        // New requests go elsewhere; the spares, which wait here, end by that.
        if self.is_in_place() {
            disappear(&self.start.folder);
        }
        let _ = shutdown(&self.requests, Shutdown::Both);
        drop(other);
        while !self.children.is_empty() {
            let happened = self.poll(None, [])?;
            if self.is_told(&happened) {
                // Once more: it does not wait for its workers.
                break;
            }
            self.hear_taken();
            self.children.reap();
        }
        // As at the end of any process that has imported the application.
        self.actions.give_back(py)?;
        py.import("atexit")?
            .call_method0("_run_exitfuncs")
            .map(drop)
    }

    fn application(&self) -> String {
        match &self.start.job.source {
            Source::File(file) => file.display().to_string(),
            Source::Module { name, .. } => name.clone(),
        }
    }

    /// Whether it is nobody's: it ends by itself.
    fn is_alone(&self) -> bool {
        self.start.mode == Mode::Daemon
    }

    fn tell(&self, text: &str) {
        // Its client's stderr is not its own log.
        if !self.is_alone() && self.start.job.verbosity == Verbosity::Quiet {
            return;
        }
        report::tell_line(&format!("{text}\n"), self.start.job.error_log.as_deref());
    }

    fn fork(&mut self, py: Python<'_>) -> PyResult<Side> {
        let (status, writes_status) = io::pipe()?;
        match Pid::from_raw(forks::fork(py)?) {
            None => Ok(Side::Child(status)),
            Some(pid) => {
                self.children.add(pid, writes_status)?;
                Ok(Side::Zygote)
            }
        }
    }

    /// In the child: lets go of what is the zygote's, and waits for a request.
    fn spare(self, py: Python<'_>, imported: &Imported<'_>, status: PipeReader) -> PyResult<()> {
        let Self {
            start,
            requests,
            orders,
            taken,
            tells_taken,
            children,
            touched,
            signals,
            actions,
            pid,
            ..
        } = self;
        // Under load no spare waits for long, and the processors have no time left to save.
        let is_calm = children.spares() < PREPARED && children.workers() <= 1;
        let touched = is_calm.then_some(&touched);
        drop((orders, taken, children, signals));
        let spare = Spare {
            start,
            zygote: pid,
            listener: requests,
            taken: &tells_taken,
            touched,
            status,
        };
        match spare.take(py, imported) {
            Some(taken) => {
                actions.give_back(py)?;
                spare::serve(py, taken, imported)
            }
            // It was never a worker: nothing of the application runs at its end.
            None => py.import("os")?.call_method1("_exit", (0,)).map(drop),
        }
    }

    /// Waits for something to happen; gives a reason to end.
    fn wait(&mut self, imported: &Imported<'_>, client: Option<&OwnedFd>) -> Option<String> {
        let mut limit = PAUSE;
        if self.is_alone() {
            let end = (self.last + self.start.idle).min(self.began + AGE_LIMIT);
            limit = limit.min(end.saturating_duration_since(Instant::now()));
        }
        if self.children.spares() < self.wanted {
            limit = limit.min(self.rest());
        }
        // A request that waits is a spare's, if there is one.
        let requests = (self.children.spares() == 0).then_some(&self.requests);
        let changes = imported.noted.iter().flat_map(Noted::inotify);
        let others = changes.chain(requests).chain(client);
        let more = [(Event::Order, &self.orders)]
            .into_iter()
            .chain(others.map(|descriptor| (Event::Other, descriptor)));
        let happened = match self.poll(Some(limit), more) {
            Ok(happened) => happened,
            Err(error) => return Some(error.to_string()),
        };
        if client.is_some_and(is_readable) {
            return Some("its client is gone".into());
        }
        if self.is_told(&happened) {
            return Some("it was told to".into());
        }
        if happened.contains(&Event::Order) {
            // One that is about to end says nothing: who asks may start the next one.
            self.looked = None;
            if let Some(reason) = self.reason_to_end(imported) {
                return Some(reason);
            }
            if self.obey(imported) == Order::Stop {
                return Some("warm stop".into());
            }
        }
        self.hear_taken();
        self.lost += self.children.reap();
        if self.lost > LOST_LIMIT {
            return Some("its spares end without a request".into());
        }
        self.follow_load();
        self.reason_to_end(imported)
    }

    fn reason_to_end(&mut self, imported: &Imported<'_>) -> Option<String> {
        // Each spare looks for itself, at each request; here it is enough to look now and then.
        let is_due = self.looked.is_none_or(|looked| looked.elapsed() >= PAUSE);
        if is_due
            || imported
                .noted
                .as_ref()
                .is_some_and(Noted::is_told_of_change)
        {
            self.looked = Some(Instant::now());
            if let Some(change) = imported.change() {
                return Some(change);
            }
            if self.is_alone() && !self.is_in_place() {
                return Some("its folder was removed".into());
            }
        }
        if !self.is_alone() {
            return None;
        }
        if self.served >= REQUEST_LIMIT {
            return Some(format!("it has served {} requests", self.served));
        }
        if self.began.elapsed() >= AGE_LIMIT {
            return Some(format!("it is {} seconds old", AGE_LIMIT.as_secs()));
        }
        if self.last.elapsed() >= self.start.idle && self.children.workers() == 0 {
            return Some(format!(
                "no request for {} seconds",
                self.start.idle.as_secs_f64()
            ));
        }
        None
    }

    /// Whether clients find it. Where somebody has cleared the folder, a new zygote may have taken its place.
    fn is_in_place(&self) -> bool {
        self.place == place(&self.start.folder)
    }

    /// How long to wait until a spare is forked.
    fn rest(&self) -> Duration {
        match self.children.workers() == 0 || is_readable(&self.requests) {
            true => Duration::ZERO,
            false => REST.saturating_sub(self.last.elapsed()),
        }
    }

    /// Waits no longer than `limit` for signals, children, and more; gives what has happened.
    fn poll<'b>(
        &'b self,
        limit: Option<Duration>,
        more: impl IntoIterator<Item = (Event, &'b OwnedFd)>,
    ) -> io::Result<Vec<Event>> {
        let mut waiting = Waiting::until(limit.map(|limit| Instant::now() + limit))
            .readable(Event::Signal, &self.signals)
            .readable(Event::Other, &self.taken);
        for (event, descriptor) in more {
            waiting = waiting.readable(event, descriptor);
        }
        for process in self.children.processes() {
            waiting = waiting.process(Event::Other, process);
        }
        let happened = waiting.wait()?;
        Ok(happened.into_iter().map(|(event, _)| event).collect())
    }

    /// Whether a signal tells it to end.
    fn is_told(&self, happened: &[Event]) -> bool {
        let is_told = happened.contains(&Event::Signal);
        // All that have come are one.
        while is_told && matches!(self.signals.read(), Ok(Some(_))) {}
        is_told
    }

    fn hear_taken(&mut self) {
        let mut pids = [0; 4 * 64];
        while let Ok(count @ 1..) = rustix::io::read(&self.taken, &mut pids) {
            for pid in pids[..count].as_chunks().0 {
                let pid = u32::from_ne_bytes(*pid);
                if pid == CHANGED {
                    self.looked = None;
                    continue;
                }
                self.children.took(pid);
                self.served += 1;
                self.lost = 0;
                self.last = Instant::now();
            }
        }
    }

    /// A request waits, and there is no spare: that was too few. If none has waited for a while, it may be too many.
    fn follow_load(&mut self) {
        if self.start.spares.is_some() {
            return;
        }
        let most = usize::try_from(self.start.most_spares).unwrap_or(1);
        if self.children.spares() == 0 && is_readable(&self.requests) {
            self.wanted = (self.wanted * 2).min(most).max(1);
            self.waited = Instant::now();
        } else if self.waited.elapsed() >= PAUSE {
            self.wanted = self.wanted.saturating_sub(1).max(1);
            self.waited = Instant::now();
        }
    }

    fn obey(&self, imported: &Imported<'_>) -> Order {
        orders::answer(&self.orders, || self.status(imported)).unwrap_or(Order::Tell)
    }

    fn status(&self, imported: &Imported<'_>) -> Status {
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let pids = self.children.spare_pids().chain([self.pid]);
        let unwatched = imported.noted.as_ref().map_or(0, Noted::unwatched);
        let mut notes = Vec::new();
        if unwatched > 0 {
            notes.push(format!(
                "{unwatched} files are looked at for each request: nothing tells of their changes"
            ));
        }
        if let Some(change) = imported.change() {
            notes.push(change);
        }
        Status {
            application: self.application(),
            interpreter: self.start.job.interpreter.clone(),
            pid: std::process::id(),
            age: milliseconds(self.began.elapsed()),
            import: milliseconds(imported.took),
            served: self.served,
            spares: self.children.spares() as u64,
            workers: self.children.workers() as u64,
            memory: orders::memory(pids),
            watched: imported.noted.as_ref().map_or(0, Noted::count) as u64,
            notes,
        }
    }
}
