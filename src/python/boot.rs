//! Becomes the interpreter: its program is executed, and imports the engine.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, AsRawFd, IntoRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use contract::handover;
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{Resource, getrlimit};

use super::discover::Interpreter;

/// The engine, built by build.rs: an extension module for every CPython from 3.9 on.
static ENGINE: &[u8] = include_bytes!(env!("WSGI_CGI_ENGINE"));

/// What the engine is to do, and the descriptors for it.
pub enum Entry {
    /// Serve one request.
    Serve {
        /// From [`message`].
        job: OwnedFd,
        /// On which it will report. [`FILLED`] comes first.
        control: UnixStream,
        /// How far it gets.
        progress: OwnedFd,
    },
    /// Keep an application in memory.
    Zygote {
        /// From [`message`].
        start: OwnedFd,
        /// Its lock, or a socket of its client.
        other: OwnedFd,
    },
}

/// Says to the child of [`Entry::Serve`] that the engine's file is complete.
pub const FILLED: u8 = b'f';

/// An error with all its reasons.
pub fn flat(error: anyhow::Error) -> io::Error {
    io::Error::other(format!("{error:#}"))
}

/// A message to an engine that will read it some time: in memory, or in a file without a name where that cannot be.
pub fn message(bytes: &[u8]) -> io::Result<OwnedFd> {
    let mut file = match memfd_create("wsgi-cgi-message", MemfdFlags::CLOEXEC) {
        Ok(memory) => memory.into(),
        Err(_) => tempfile::tempfile()?,
    };
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file.into())
}

/// Runs the engine in this process. Returns if that fails.
///
/// `environment` is the request's: some of Python's own variables are honoured.
pub fn start(
    interpreter: &Interpreter,
    environment: &[(Vec<u8>, Vec<u8>)],
    engine: EngineFile,
    entry: Entry,
) -> Result<()> {
    let mut flags = flags(environment);
    let mut command = Command::new(&interpreter.program);
    let (function, passed) = match entry {
        Entry::Serve {
            job,
            mut control,
            progress,
        } => {
            // It has to be complete before it is loaded; until here, the parent has filled it.
            control.read_exact(&mut [0])?;
            ("serve", vec![job, control.into(), progress])
        }
        Entry::Zygote { start, other } => {
            // Else each of its forks would look up the same functions. The engine removes it from the environment.
            command.env("LD_BIND_NOW", "1");
            ("zygote", vec![start, other])
        }
    };
    engine.keep_open()?;
    let mut numbers = Vec::new();
    for descriptor in &passed {
        fcntl_setfd(descriptor, FdFlags::empty())?;
        numbers.push(descriptor.as_raw_fd().to_string());
    }
    let call = format!("_wsgi_cgi.{function}({})", numbers.join(","));
    flags.extend(["-c".into(), engine.import_statement(&call).into()]);
    let error = command.args(flags).exec();
    Err(error).context("cannot be executed")
}

/// `-I`: the application's environment decides what is imported, not PYTHON* and the user's folders. `-S`: what `site`
/// runs must not inherit the descriptors that the engine finds open; the engine calls it, or does its work.
fn flags(environment: &[(Vec<u8>, Vec<u8>)]) -> Vec<OsString> {
    let variable =
        |name: &str| handover::variable(environment, name).filter(|value| !value.is_empty());
    let mut flags: Vec<OsString> = vec!["-I".into(), "-S".into()];
    // Under a web server the locale is C; file names and streams are UTF-8 all the same.
    let utf8 = if variable("PYTHONUTF8") == Some(b"0") {
        "utf8=0"
    } else {
        "utf8"
    };
    flags.extend(["-X".into(), utf8.into()]);
    if variable("PYTHONDONTWRITEBYTECODE").is_some() {
        flags.push("-B".into());
    }
    if variable("PYTHONPROFILEIMPORTTIME").is_some() {
        flags.extend(["-X".into(), "importtime".into()]);
    }
    match variable("PYTHONOPTIMIZE") {
        None | Some(b"0") => {}
        Some(b"2") => flags.push("-OO".into()),
        Some(_) => flags.push("-O".into()),
    }
    for warning in variable("PYTHONWARNINGS")
        .unwrap_or_default()
        .split(|byte| *byte == b',')
    {
        if !warning.is_empty() {
            flags.extend(["-W".into(), OsStr::from_bytes(warning).to_owned()]);
        }
    }
    flags
}

/// The engine where the loader can open it. The front makes it before it forks; while the child
/// loads the interpreter, the parent, which has nothing else to do, fills it.
pub struct EngineFile {
    path: PathBuf,
    place: Place,
}

enum Place {
    Memory(fs::File),
    /// To be removed when it was loaded.
    Disk,
}

impl EngineFile {
    /// An empty file in memory, or a full one on disk where that cannot be.
    pub fn new() -> Result<Self> {
        let limit = getrlimit(Resource::Fsize).current;
        if let Some(limit) = limit.filter(|limit| *limit < ENGINE.len() as u64) {
            anyhow::bail!(
                "files may have {limit} bytes only (RLIMIT_FSIZE, `ulimit -f`), and the engine, which Python loads from \
                 one, has {}: raise the limit",
                ENGINE.len()
            );
        }
        Self::in_memory()
            .or_else(|_| Self::on_disk())
            .context("cannot unpack the engine")
    }

    fn in_memory() -> Result<Self> {
        let memory = memfd_create("wsgi-cgi-engine", MemfdFlags::CLOEXEC)?;
        let path = PathBuf::from(format!("/proc/self/fd/{}", memory.as_raw_fd()));
        // Without /proc there is no name for it.
        fs::metadata(&path)?;
        Ok(Self {
            path,
            place: Place::Memory(memory.into()),
        })
    }

    fn on_disk() -> Result<Self> {
        let mut file = tempfile::Builder::new()
            .prefix("wsgi-cgi-")
            .suffix(".so")
            .tempfile()?;
        file.write_all(ENGINE)?;
        let (_, path) = file.keep()?;
        Ok(Self {
            path,
            place: Place::Disk,
        })
    }

    /// Completes the file.
    pub fn fill(&mut self) -> io::Result<()> {
        match &mut self.place {
            Place::Memory(file) => file.write_all(ENGINE),
            Place::Disk => Ok(()),
        }
    }

    /// Removes what is on disk, when the request is over.
    pub fn remove(&self) {
        if let Place::Disk = self.place {
            let _ = fs::remove_file(&self.path);
        }
    }

    /// Lets it live on through an exec.
    fn keep_open(&self) -> Result<()> {
        if let Place::Memory(memory) = &self.place {
            fcntl_setfd(memory.as_fd(), FdFlags::empty())?;
        }
        Ok(())
    }

    /// Python statements that import the engine from here, then `then`.
    fn import_statement(self, then: &str) -> String {
        // Digits, or what `tempfile` makes: nothing that Python would take for an escape.
        let path = self.path.display();
        let import = match self.place {
            // The system may forbid to execute what is in memory only.
            Place::Memory(file) => format!(
                "try:_wsgi_cgi=load('{path}')\n\
                 except ImportError:\n \
                 import tempfile\n \
                 with tempfile.NamedTemporaryFile(prefix='wsgi-cgi-',suffix='.so') as f:\n  \
                 with open('{path}','rb') as m:f.write(m.read())\n  \
                 f.flush()\n  \
                 _wsgi_cgi=load(f.name)\n\
                 import posix;posix.close({})\n",
                file.into_raw_fd()
            ),
            Place::Disk => {
                format!("_wsgi_cgi=load('{path}')\nimport posix;posix.unlink('{path}')\n")
            }
        };
        format!(
            "import sys\n\
             if sys.version_info<(3,9):sys.exit('wsgi-cgi needs Python 3.9 or newer; this is '+sys.version)\n\
             import _frozen_importlib as b,_frozen_importlib_external as e\n\
             def load(path):\n \
             s=b.ModuleSpec('_wsgi_cgi',e.ExtensionFileLoader('_wsgi_cgi',path),origin=path)\n \
             m=b.module_from_spec(s)\n \
             s.loader.exec_module(m)\n \
             return m\n\
             {import}{then}\n"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pythons_own_variables_become_flags() {
        let variable =
            |name: &str, value: &str| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
        let environment = [
            variable("PYTHONOPTIMIZE", "2"),
            variable("PYTHONWARNINGS", "error,ignore::DeprecationWarning"),
            variable("PYTHONUTF8", "0"),
            variable("PYTHONPROFILEIMPORTTIME", "1"),
        ];
        let expected = [
            "-I",
            "-S",
            "-X",
            "utf8=0",
            "-X",
            "importtime",
            "-OO",
            "-W",
            "error",
            "-W",
            "ignore::DeprecationWarning",
        ];
        assert_eq!(flags(&environment), expected);
        assert_eq!(flags(&[]), ["-I", "-S", "-X", "utf8"]);
    }
}
