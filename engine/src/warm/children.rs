//! The processes that a zygote has forked: spares that wait, workers that serve; how each of them ends.

use std::io::{self, PipeWriter, Write};

use rustix::process::{Pid, Signal};
use wsgi_cgi_process::{Exit, Process};

/// All of them.
#[derive(Default)]
pub struct Children(Vec<Child>);

/// One of them.
pub struct Child {
    process: Process,
    /// Its client reads here how it ended.
    status: PipeWriter,
    is_worker: bool,
}

impl Children {
    /// Takes up a child that was just forked.
    pub fn add(&mut self, pid: Pid, status: PipeWriter) -> io::Result<()> {
        self.0.push(Child {
            process: Process::child(pid),
            status,
            is_worker: false,
        });
        Ok(())
    }

    /// One has taken a request.
    pub fn took(&mut self, pid: u32) {
        let is_it =
            |child: &&mut Child| child.process.pid().as_raw_nonzero().get().unsigned_abs() == pid;
        if let Some(child) = self.0.iter_mut().find(is_it) {
            child.is_worker = true;
        }
    }

    /// Those that wait.
    pub fn spares(&self) -> usize {
        self.0.iter().filter(|child| !child.is_worker).count()
    }

    /// Those that serve.
    pub fn workers(&self) -> usize {
        self.0.len() - self.spares()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// To be polled: each can be read when its process has ended.
    pub fn processes(&self) -> impl Iterator<Item = &Process> {
        self.0.iter().map(|child| &child.process)
    }

    /// The numbers of those that wait.
    pub fn spare_pids(&self) -> impl Iterator<Item = Pid> {
        let spares = self.0.iter().filter(|child| !child.is_worker);
        spares.map(|child| child.process.pid())
    }

    /// Waits for those that have ended, and tells their clients; gives how many had not taken a request.
    pub fn reap(&mut self) -> u32 {
        let mut spares = 0;
        self.0.retain_mut(|child| match child.end() {
            None => true,
            Some(exit) => {
                // Nobody reads it where the client has gone, or where there was none.
                let _ = child.status.write_all(&exit.to_bytes());
                spares += u32::from(!child.is_worker);
                false
            }
        });
        spares
    }
}

impl Child {
    /// How it ended, if it has. What it had started ends with it, unless it ended well.
    fn end(&mut self) -> Option<Exit> {
        if self.process.exit()? != Exit::Exited(0) {
            self.process.signal_group(Signal::KILL);
        }
        self.process.reap()
    }
}
