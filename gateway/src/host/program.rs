//! The plain site: one program, for every address below its name.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use super::child::Child;
use super::reply::Reply;
use super::script::Script;
use super::site::{Request, Site};
use super::slots::Slot;
use super::trouble::Trouble;
use crate::cgi::{Address, Place, Variables};
use crate::http::Refusal;

/// One CGI program: every request is a process of it.
pub struct Program {
    /// How it is started.
    pub script: Script,
    script_name: Vec<u8>,
    stderr: Mutex<Box<dyn Write + Send>>,
}

impl Program {
    /// An executable file, by the rules of [`Script::new`]. It answers for all addresses.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            script: Script::new(program),
            script_name: Vec::new(),
            stderr: Mutex::new(Box::new(io::stderr())),
        }
    }

    /// SCRIPT_NAME: the path, decoded, below which it answers. Others are 404.
    #[must_use]
    pub fn script_name(mut self, path: impl AsRef<OsStr>) -> Self {
        let mut path = path.as_ref().as_bytes();
        while let [shorter @ .., b'/'] = path {
            path = shorter;
        }
        self.script_name = path.to_vec();
        self
    }

    /// A variable for all of its processes.
    #[must_use]
    pub fn variable(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.script.environment.push((name.into(), value.into()));
        self
    }

    /// Where its lines on stderr go, and what the host has to say; this process's stderr, if nothing is said.
    #[must_use]
    pub fn stderr(mut self, writer: impl Write + Send + 'static) -> Self {
        self.stderr = Mutex::new(Box::new(writer));
        self
    }

    fn write(&self, line: &str) {
        let mut writer = self.stderr.lock().unwrap_or_else(PoisonError::into_inner);
        // Who does not listen misses something.
        let _ = writer
            .write_all(line.as_bytes())
            .and_then(|()| writer.flush());
    }
}

impl Site for Program {
    fn find(
        &self,
        _: &Request<'_>,
        address: &Address,
        _: BorrowedFd<'_>,
        _: &mut Reply,
    ) -> Result<Option<(Script, Place)>, Trouble> {
        let below = address.path.strip_prefix(self.script_name.as_slice());
        let Some(path_info @ ([] | [b'/', ..])) = below else {
            return Err(Refusal::new(404, "There is nothing at this address.").into());
        };
        let place = Place {
            script_name: self.script_name.clone(),
            path_info: path_info.to_vec(),
            script_filename: Some(self.script.program.as_os_str().as_bytes().to_vec()),
            document_root: Vec::new(),
        };
        Ok(Some((self.script.clone(), place)))
    }

    fn start(
        &self,
        _: &Request<'_>,
        script: &Script,
        variables: &Variables,
        body: OwnedFd,
        slot: Slot,
    ) -> io::Result<Child> {
        slot.spawn(script, variables, body)
    }

    fn script_says(&self, _: u64, line: &str) {
        self.write(&format!("{line}\n"));
    }

    fn host_says(&self, number: u64, line: &str) {
        self.write(&format!("#{number} {line}\n"));
    }
}
