//! A zygote that belongs to this process: started by it, told to end by it, and gone with it.

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use contract::codes::Code;
use contract::passing;
use contract::progress::{Progress, State};
use contract::report::Failure;
use contract::warm::{Init, Mode, Offer};
use rustix::process::{Pid, Signal, getpid, setpgid};
use rustix::stdio;
use tempfile::TempDir;
use wsgi_cgi_process::time_limits::{APPLICATION_GRACE, ATTACHED_IMPORT};
use wsgi_cgi_process::wait::Waiting;
use wsgi_cgi_process::{Exit, Process};

use super::identity::Identity;
use super::start::message;
use super::{NoWorker, Seat, Streams, offer};
use crate::plan::Limits;
use crate::python::boot::{self, EngineFile, Entry};
use crate::runner::fork::{Side, fork, leave};
use crate::runner::parent::{self, Handed};
use crate::runner::{Request, settle};
use crate::wait;

/// What an application may still do when no request comes any more.
const GRACE: Duration = Duration::from_secs(5);

/// A process that has imported the application, and serves requests or forks for them.
pub struct Resident {
    mode: Mode,
    seat: Seat,
    client: UnixStream,
    progress: Progress,
    process: Process,
    _folder: TempDir,
}

/// A process that has a request.
pub enum Taken<'a> {
    /// It was forked for it.
    Forked(Handed),
    /// The one that has them all.
    Same(&'a Resident),
}

impl Taken<'_> {
    /// Where it says how the request ended.
    pub fn control(&self) -> &UnixStream {
        match self {
            Self::Forked(handed) => &handed.control,
            Self::Same(resident) => &resident.client,
        }
    }

    /// The process.
    pub fn process(&self) -> &Process {
        match self {
            Self::Forked(handed) => &handed.process,
            Self::Same(resident) => &resident.process,
        }
    }
}

/// What became of an import.
pub enum Begun {
    /// Requests can be offered.
    Ready(Resident),
    /// The application must not be forked, for this reason.
    NotForkable(String),
    /// It cannot be imported.
    Failed(Failure),
}

impl Resident {
    /// Imports the application of this request, and waits until that is done. This process must have one thread.
    pub fn begin(request: &Request, mode: Mode) -> io::Result<Begun> {
        let folder = tempfile::Builder::new()
            .prefix("wsgi-cgi-")
            .permissions(Permissions::from_mode(0o700))
            .tempdir()?;
        let seat = Seat {
            identity: Identity {
                bytes: b"attached".to_vec(),
                name: "attached".to_owned(),
            },
            folder: folder.path().join("attached"),
        };
        super::place::make(&seat.folder)?;
        let (mut client, childs_client) = UnixStream::pair()?;
        let mut engine = EngineFile::new().map_err(boot::flat)?;
        engine.fill()?;
        let start = boot::message(&message(request, &seat, mode).encode())?;
        let us = getpid();
        let pid = match fork()? {
            Side::Child => {
                drop(client);
                let other = childs_client.into();
                let entry = Entry::Zygote { start, other };
                let error = become_zygote(request, us, engine, entry);
                let text = format!("{}: {error:#}\n", request.interpreter.program.display());
                contract::report::tell_line(&text, request.job.error_log.as_deref());
                leave(1);
            }
            Side::Parent(pid) => pid,
        };
        drop((childs_client, start));
        let process = Process::child(pid);
        let happened = Waiting::until(Some(Instant::now() + ATTACHED_IMPORT))
            .readable((), &client)
            .process((), &process)
            .wait()?;
        // It may have died right afterwards; what it has started may keep the socket open.
        let init = match wait::is_readable(&client) {
            true => Init::read(&mut client),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        };
        engine.remove();
        let resident = Self {
            mode,
            seat,
            client,
            progress: Progress::claimed()?,
            process,
            _folder: folder,
        };
        Ok(match init {
            Ok(Init::Ready) => Begun::Ready(resident),
            Ok(Init::NotForkable(reason)) => Begun::NotForkable(reason),
            Ok(Init::Failed {
                code,
                reason,
                detail,
            }) => {
                let known = Code::all().find(|known| known.entry().code == code);
                let code = known.unwrap_or(Code::IMPORT_FAILED);
                Begun::Failed(Failure::new(code, reason).with_detail(detail))
            }
            Err(_) if happened.is_empty() => Begun::Failed(resident.hangs()),
            Err(_) => Begun::Failed(resident.death(&request.job.interpreter)?),
        })
    }

    /// Hands a request over to a process of its own; or says why nobody has taken it.
    pub fn offer(
        &self,
        request: &Request,
        streams: &Streams<'_>,
    ) -> io::Result<Result<Taken<'_>, NoWorker>> {
        match self.mode {
            Mode::SameProcess => Ok(self
                .give(request, streams)
                .map(|()| Taken::Same(self))
                .map_err(NoWorker::from)),
            _ => Ok(offer(request, &self.seat, streams)?.map(Taken::Forked)),
        }
    }

    /// Lets the one process wake up: a request is being prepared for it.
    pub fn wake(&self) {
        if self.mode == Mode::SameProcess {
            let _ = rustix::io::write(self.progress.counter(), &1u64.to_ne_bytes());
        }
    }

    /// To the one process. What it takes is not taken back.
    fn give(&self, request: &Request, streams: &Streams<'_>) -> io::Result<()> {
        // What it has started may keep its socket open.
        if self.process.has_ended() {
            return Err(io::Error::other("the application's process has ended"));
        }
        let [stdin, stdout, stderr] = streams.streams;
        let passed = [
            stdin,
            stdout,
            stderr,
            self.progress.counter(),
            streams.folder,
        ];
        let offer = Offer {
            identity: Vec::new(),
            umask: streams.umask,
            limits: Vec::new(),
            job: request.job.clone(),
        };
        passing::send(&self.client, &passed, &offer.encode())
    }

    /// Why it died while it imported.
    fn death(self, interpreter: &str) -> io::Result<Failure> {
        let exit = self.process.exit_by(Instant::now() + GRACE)?;
        let exit = exit.unwrap_or(Exit::Unknown);
        Ok(parent::died(exit, State::Claimed, interpreter))
    }

    /// It shows where it is (faulthandler), and ends.
    fn hangs(self) -> Failure {
        self.process.signal(Signal::ABORT);
        let _ = self
            .process
            .ends_by(Some(Instant::now() + APPLICATION_GRACE));
        let limit = ATTACHED_IMPORT.as_secs();
        Failure::new(
            Code::IMPORT_FAILED,
            format!("it takes longer than {limit} seconds"),
        )
    }
}

/// It ends by itself when its client's socket closes: exit handlers of the application run.
impl Drop for Resident {
    fn drop(&mut self) {
        let _ = self.client.shutdown(std::net::Shutdown::Both);
        let ends = || matches!(self.process.ends_by(Some(Instant::now() + GRACE)), Ok(true));
        if !ends() {
            self.process.signal_group(Signal::KILL);
            ends();
        }
        self.process.reap();
    }
}

/// Returns only with an error.
fn become_zygote(
    request: &Request,
    parent: Pid,
    engine: EngineFile,
    entry: Entry,
) -> anyhow::Error {
    let prepared = || -> anyhow::Result<()> {
        // A terminal tells its client.
        setpgid(None, None)?;
        let nothing = File::options().read(true).write(true).open("/dev/null")?;
        stdio::dup2_stdin(nothing)?;
        // What is printed is no response.
        stdio::dup2_stdout(stdio::stderr())?;
        let limits = Limits {
            cpu: None,
            ..request.limits
        };
        settle(request, limits, parent)?;
        boot::start(
            &request.interpreter,
            &request.job.environment,
            engine,
            entry,
        )
    };
    match prepared() {
        Ok(()) => anyhow::anyhow!("the interpreter ended"),
        Err(error) => error,
    }
}
