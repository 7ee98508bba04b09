//! What is started for a request.

use std::env;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{self, Path, PathBuf};

/// Where programs are looked for, if this process has no PATH.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// A program, and how it is started.
#[derive(Clone, Debug)]
pub struct Script {
    /// The program, absolute: it is started in another folder.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Where it is started (RFC 3875 section 7.2).
    pub directory: PathBuf,
    /// Its variables besides the request's, which win. There are no others.
    pub environment: Vec<(OsString, OsString)>,
    /// Its output is a whole HTTP response (section 5).
    pub is_nph: bool,
    /// Whose program it is.
    pub author: Author,
}

impl Script {
    /// An executable file, started in its own folder, with PATH from this process. A name that begins with `nph-` says
    /// that its output is a whole HTTP response. A relative path counts from this process's folder.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        let given = program.into();
        let program = path::absolute(&given).unwrap_or(given);
        let name = program.file_name().unwrap_or_default();
        let search = env::var_os("PATH").unwrap_or_else(|| PATH.into());
        Self {
            is_nph: name.as_bytes().starts_with(b"nph-"),
            directory: program.parent().unwrap_or(Path::new("/")).to_owned(),
            arguments: Vec::new(),
            environment: vec![("PATH".into(), search)],
            author: Author::Other,
            program,
        }
    }
}

/// Who answers for what a script does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Author {
    /// It was made for this host: its end is that of its response, and an exit status other than 0 says that this is not
    /// whole. It keeps the time limit itself, and gets five seconds more.
    Ourselves,
    /// Somebody else: an exit status may mean anything.
    Other,
}
