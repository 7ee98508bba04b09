//! Starts a zygote beside a request that runs cold: detached, and with none of the web server's descriptors.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use contract::handover::{BodyLength, Detail, Job};
use contract::warm::{LOCK, Mode, REASON, REASON_LIFE, Start};
use rustix::fs::{FlockOperation, MemfdFlags, flock, memfd_create};
use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with};
use rustix::process::{Pid, PidfdFlags, WaitOptions, getpid, pidfd_open, setsid, waitpid};
use rustix::stdio;
use wsgi_cgi_process::signals::unblock;

use super::Seat;
use super::identity::of_deployment;
use super::place;
use crate::plan::Limits;
use crate::python::boot::{self, EngineFile, Entry};
use crate::runner::fork::{Side, fork, leave};
use crate::runner::{Request, limits};
use crate::wait;

/// The import begins when the cold request is over, or after this time: they would take each other's processor.
const PATIENCE: Duration = Duration::from_secs(2);

/// Zygotes of one application. More than a few deployments of it are one whose environment is never the same.
const MOST: usize = 8;

/// When the application is imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// When this process has ended, or soon: its request runs now.
    Afterwards,
    /// At once.
    Now,
}

/// Starts a zygote, unless there is one, or one has just failed. Gives what there is to say about it.
pub fn start(request: &Request, seat: &Seat, when: When) -> io::Result<String> {
    if let Some(parent) = seat.folder.parent() {
        place::make(parent)?;
    }
    if is_crowded(&seat.folder) {
        return Ok(format!(
            "{MOST} zygotes of this application, for different environments, are enough"
        ));
    }
    place::make(&seat.folder)?;
    if let Some(reason) = refusal(&seat.folder) {
        return Ok(reason);
    }
    let lock = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(seat.folder.join(LOCK))?;
    let is_ours = flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok();
    // The last one removes the file before it lets go of it.
    if !is_ours || !is_same(&lock, &seat.folder.join(LOCK)) {
        return Ok("a zygote is being started, or about to end".to_owned());
    }
    if let Some(reason) = refused_call() {
        return Err(io::Error::other(reason));
    }
    let client = (when == When::Afterwards).then(getpid);
    match fork()? {
        Side::Parent(child) => {
            waitpid(Some(child), WaitOptions::empty())?;
            Ok("a zygote is started".to_owned())
        }
        Side::Child => {
            // A new session, and a process that no longer leads it: no terminal will ever be its own.
            let _ = setsid();
            if let Ok(Side::Child) = fork()
                && let Err(error) = become_zygote(request, seat, lock.into(), client)
            {
                let _ = fs::write(seat.folder.join(REASON), format!("{error:#}\n"));
            }
            leave(1)
        }
    }
}

/// The system call that a zygote needs and that a sandbox (seccomp) or an old kernel refuses.
fn refused_call() -> Option<String> {
    let calls = [
        (
            "memfd_create",
            memfd_create("wsgi-cgi-probe", MemfdFlags::CLOEXEC).err(),
        ),
        (
            "pidfd_open",
            pidfd_open(getpid(), PidfdFlags::empty()).err(),
        ),
    ];
    let mut refused = calls
        .into_iter()
        .filter_map(|(call, error)| refused(call, error?));
    let call = refused.next().or_else(refused_accept)?;
    Some(format!("{call}: warm mode needs it"))
}

/// Whether accept4 is refused: where it is permitted, it says that a folder is no socket.
pub fn refused_accept() -> Option<String> {
    let folder = File::open("/").ok()?;
    refused("accept4", accept_with(folder, SocketFlags::CLOEXEC).err()?)
}

fn refused(call: &str, error: Errno) -> Option<String> {
    let error = match error {
        Errno::PERM => "EPERM",
        Errno::ACCESS => "EACCES",
        Errno::NOSYS => "ENOSYS",
        _ => return None,
    };
    Some(format!("{call} is not permitted here ({error})"))
}

/// Whether there is neither a zygote nor one that starts.
pub fn is_vacant(folder: &Path) -> bool {
    let Ok(lock) = File::options().write(true).open(folder.join(LOCK)) else {
        return true;
    };
    flock(&lock, FlockOperation::NonBlockingLockShared).is_ok()
}

fn is_same(file: &File, path: &Path) -> bool {
    let (Ok(file), Ok(path)) = (file.metadata(), fs::metadata(path)) else {
        return false;
    };
    (file.dev(), file.ino()) == (path.dev(), path.ino())
}

/// Whether other deployments of the application have taken all the places.
fn is_crowded(folder: &Path) -> bool {
    let (Some(parent), Some(name)) = (folder.parent(), folder.file_name()) else {
        return false;
    };
    let application = |name: &OsStr| name.to_string_lossy().split('-').next().map(str::to_owned);
    let own = application(name);
    let others = fs::read_dir(parent).into_iter().flatten().flatten();
    let others = others.filter(|entry| {
        entry.file_name() != name
            && application(&entry.file_name()) == own
            && entry.path().join(LOCK).exists()
    });
    others.count() >= MOST
}

/// Why there was no zygote a short while ago.
fn refusal(folder: &Path) -> Option<String> {
    let path = folder.join(REASON);
    let written = fs::metadata(&path)
        .and_then(|status| status.modified())
        .ok()?;
    let is_recent = written.elapsed().is_ok_and(|age| age < REASON_LIFE);
    is_recent.then(|| {
        fs::read_to_string(&path)
            .unwrap_or_default()
            .trim()
            .to_owned()
    })
}

/// Returns only with an error.
fn become_zygote(
    request: &Request,
    seat: &Seat,
    lock: OwnedFd,
    client: Option<Pid>,
) -> anyhow::Result<()> {
    let nothing = File::options().read(true).write(true).open("/dev/null")?;
    stdio::dup2_stdin(nothing.as_fd())?;
    stdio::dup2_stdout(nothing.as_fd())?;
    stdio::dup2_stderr(nothing.as_fd())?;
    drop(nothing);
    let client = client.and_then(|client| pidfd_open(client, PidfdFlags::empty()).ok());
    if let Some(client) = client {
        wait::readable(&client, Some(Instant::now() + PATIENCE))?;
    }
    unblock();
    limits::set(Limits {
        cpu: None,
        ..request.limits
    })?;
    if let Some(folder) = &request.chdir {
        rustix::process::chdir(folder)?;
    }
    let message = message(request, seat, Mode::Daemon);
    let start = boot::message(&message.encode())?;
    let mut engine = EngineFile::new()?;
    engine.fill()?;
    boot::start(
        &request.interpreter,
        &message.job.environment,
        engine,
        Entry::Zygote { start, other: lock },
    )
}

/// What a zygote for this deployment is to be.
pub(super) fn message(request: &Request, seat: &Seat, mode: Mode) -> Start {
    let rehearse = request.warm.rehearse.as_ref();
    Start {
        identity: seat.identity.bytes.clone(),
        folder: seat.folder.clone(),
        idle: request.warm.idle,
        rehearse: rehearse.map(|path| path.as_encoded_bytes().to_vec()),
        spares: request.warm.spares.map(u64::from),
        most_spares: request.warm.most_spares,
        mode,
        job: Job {
            environment: of_deployment(&request.job.environment).cloned().collect(),
            body: BodyLength::Empty,
            detail: Detail::Hidden,
            front: 0,
            started: 0,
            ..request.job.clone()
        },
    }
}
