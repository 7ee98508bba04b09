//! Where events are answered: by processes forked from one that has imported the application, by that one itself, or by
//! one of their own.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, PoisonError, RwLock};

use contract::codes::Code;
use contract::handover::Runs;
use contract::report::{self, Failure};
use contract::warm::Mode;
use rustix::stdio;

use crate::doors::template::Template;
use crate::runner::Request;
use crate::runner::warm::NoWorker;
use crate::runner::warm::resident::{Begun, Resident, Taken};

/// An application that can be asked.
pub struct Home {
    template: Template,
    mode: Mode,
    /// Events at once.
    concurrency: usize,
    /// None: each event has a process of its own, which imports the application.
    resident: RwLock<Option<Resident>>,
    /// Held by who asks the one process.
    turn: Mutex<()>,
}

impl Home {
    /// Nothing is started.
    pub fn new(template: Template, mode: Mode, concurrency: usize) -> Self {
        Self {
            template,
            mode,
            concurrency,
            resident: RwLock::default(),
            turn: Mutex::default(),
        }
    }

    /// How many events may be answered at once.
    pub fn concurrency(&self) -> usize {
        self.concurrency
    }

    /// What all requests have in common.
    pub fn template(&self) -> &Template {
        &self.template
    }

    /// Imports the application.
    pub fn begin(&mut self) -> Result<(), Failure> {
        let resident = match self.start(self.mode)? {
            Begun::Ready(resident) => Some(resident),
            Begun::Failed(failure) => return Err(failure),
            Begun::NotForkable(reason) => {
                let reason = format!(
                    "the application cannot be forked, so each event imports it anew (slow; --same-process lets one \
                     process answer all of them):\n{reason}"
                );
                let failure = Failure::new(Code::NOT_WARMED, reason);
                report::tell_line(&format!("{failure}\n"), None);
                // Only a process of one thread may start others.
                self.concurrency = 1;
                None
            }
        };
        self.resident = RwLock::new(resident);
        Ok(())
    }

    /// An event has come: whoever will serve it may get ready.
    pub fn wake(&self) {
        if let Ok(resident) = self.resident.try_read()
            && let Some(resident) = &*resident
        {
            resident.wake();
        }
    }

    /// Lets a process serve the request, with this body and output, and `work` with it; or says why there is none.
    pub fn serve<T>(
        &self,
        request: &mut Request,
        body: OwnedFd,
        stdout: OwnedFd,
        work: impl FnOnce(&Taken<'_>) -> io::Result<T>,
    ) -> io::Result<Result<T, Failure>> {
        let is_shared = self.mode == Mode::SameProcess;
        let _turn = is_shared.then(|| self.turn.lock().unwrap_or_else(PoisonError::into_inner));
        request.job.runs = match is_shared {
            true => Runs::Again,
            false => Runs::Once,
        };
        // What the process has, and nobody else: else the output would have no end.
        let handed = (body, stdout);
        for _ in 0..2 {
            {
                let resident = self.resident.read().unwrap_or_else(PoisonError::into_inner);
                let Some(resident) = &*resident else { break };
                match self.offer(resident, request, &handed) {
                    // It may have been taken: nobody else may have it.
                    Err(error) => return Ok(Err(system(error.to_string()))),
                    Ok(Ok(taken)) => {
                        drop(handed);
                        return work(&taken).map(Ok);
                    }
                    Ok(Err(no_worker)) => {
                        let failure = Failure::new(Code::NOT_TAKEN, no_worker.reason);
                        report::tell_line(&format!("{failure}\n"), None);
                    }
                }
            }
            if let Err(failure) = self.begin_again()? {
                return Ok(Err(failure));
            }
        }
        request.job.runs = Runs::Once;
        let own = match self.start(Mode::SameProcess) {
            Ok(Begun::Ready(own)) => own,
            Ok(Begun::Failed(failure)) | Err(failure) => return Ok(Err(failure)),
            Ok(Begun::NotForkable(reason)) => return Ok(Err(system(reason))),
        };
        match self.offer(&own, request, &handed)? {
            Ok(taken) => {
                drop(handed);
                work(&taken).map(Ok)
            }
            Err(no_worker) => Ok(Err(system(no_worker.reason))),
        }
    }

    fn offer<'a>(
        &self,
        resident: &'a Resident,
        request: &Request,
        (body, stdout): &(OwnedFd, OwnedFd),
    ) -> io::Result<Result<Taken<'a>, NoWorker>> {
        let stderr = stdio::stderr();
        let streams = [body.as_fd(), stdout.as_fd(), stderr.as_fd()];
        resident.offer(request, &self.template.streams(streams))
    }

    /// A new process in the place of one that is gone, if the application can still be forked.
    fn begin_again(&self) -> io::Result<Result<(), Failure>> {
        if self.concurrency > 1 {
            // Only a process of one thread may start others: the platform begins again with a new one.
            return Err(io::Error::other("the application's process is gone"));
        }
        let mut resident = self
            .resident
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        // The old one ends before the new one begins.
        *resident = None;
        match self.start(self.mode) {
            Ok(Begun::Ready(new)) => *resident = Some(new),
            Ok(Begun::NotForkable(_)) => {}
            Ok(Begun::Failed(failure)) | Err(failure) => return Ok(Err(failure)),
        }
        Ok(Ok(()))
    }

    fn start(&self, mode: Mode) -> Result<Begun, Failure> {
        Resident::begin(&self.template.request, mode).map_err(|error| system(error.to_string()))
    }
}

fn system(reason: String) -> Failure {
    Failure::new(Code::SYSTEM, reason)
}
