//! One program file: whether it can be run, where its links lead, and what its name says of the build.

use std::fs::{self, Metadata};
use std::io::{self, ErrorKind, Read};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use contract::files;

/// A file that can be run.
#[derive(Debug)]
pub(super) struct Program {
    /// As it was named.
    pub path: PathBuf,
    /// Behind all links.
    pub real: PathBuf,
    /// What runs it.
    pub form: Form,
    /// Device and inode: two names with the same are one file.
    pub identity: (u64, u64),
}

/// What a program file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Machine code.
    Binary,
    /// Anything else: a shell script, such as pyenv's shims.
    Script,
}

/// Why a path is no program.
#[derive(Debug)]
pub(super) enum Refusal {
    /// Nothing is there, or its link leads nowhere.
    Missing,
    /// A directory.
    Directory,
    /// A file without any right to execute it.
    NotExecutable,
    /// It cannot be reached.
    Unreachable(io::Error),
}

impl Program {
    /// Looks at a file through one descriptor, so that everything is said of the same file.
    pub fn open(path: &Path) -> Result<Self, Refusal> {
        let (mut file, metadata) = match files::open(path) {
            Ok(opened) => opened,
            Err(error) if is_absence(&error) => return Err(Refusal::Missing),
            Err(error) => return Self::unreadable(path, error),
        };
        refuse_unfit(&metadata)?;
        let mut magic = [0; 4];
        let form = match file.read(&mut magic) {
            Ok(_) if magic == *b"\x7fELF" => Form::Binary,
            Ok(_) => Form::Script,
            Err(error) => return Err(Refusal::Unreachable(error)),
        };
        // `realpath` asks for each directory on the way; the kernel knows the answer already.
        let real = fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()))
            .or_else(|_| fs::canonicalize(path))
            .map_err(Refusal::Unreachable)?;
        Ok(Self::new(path, real, form, &metadata))
    }

    /// A program may be run by those who may not read it. A script may not: its shell must read it.
    fn unreadable(path: &Path, error: io::Error) -> Result<Self, Refusal> {
        let (Ok(metadata), Ok(real)) = (fs::metadata(path), fs::canonicalize(path)) else {
            return Err(Refusal::Unreachable(error));
        };
        refuse_unfit(&metadata)?;
        Ok(Self::new(path, real, Form::Binary, &metadata))
    }

    fn new(path: &Path, real: PathBuf, form: Form, metadata: &Metadata) -> Self {
        Self {
            path: path.to_path_buf(),
            real,
            form,
            identity: (metadata.dev(), metadata.ino()),
        }
    }
}

fn refuse_unfit(metadata: &Metadata) -> Result<(), Refusal> {
    if metadata.is_dir() {
        return Err(Refusal::Directory);
    }
    files::refuse_special(metadata).map_err(Refusal::Unreachable)?;
    if metadata.mode() & 0o111 == 0 {
        return Err(Refusal::NotExecutable);
    }
    Ok(())
}

/// Whether an error says that there is no such file.
pub(super) fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// What the name of an interpreter's file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Build {
    /// `python3.12`, or `python3.12d`, a debug build.
    CPython { version: (u8, u8) },
    /// `python3.13t`: extension modules with the stable ABI do not load.
    FreeThreaded,
    /// Another implementation, by its name.
    Other(&'static str),
}

impl Build {
    /// Reads the last part of `path`; None where it tells no version.
    pub fn named(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        if name.starts_with("pypy") {
            return Some(Self::Other("PyPy"));
        }
        if name.starts_with("graalpy") {
            return Some(Self::Other("GraalPy"));
        }
        // On RHEL 8, /usr/bin/python3 leads to /usr/libexec/platform-python3.6.
        let name = name.strip_prefix("platform-").unwrap_or(name);
        let (major, rest) = name.strip_prefix("python")?.split_once('.')?;
        let abi = rest.trim_start_matches(|letter: char| letter.is_ascii_digit());
        let minor = rest.strip_suffix(abi)?;
        if abi.starts_with('t') {
            return Some(Self::FreeThreaded);
        }
        let version = (major.parse().ok()?, minor.parse().ok()?);
        Some(Self::CPython { version })
    }
}

#[cfg(test)]
mod tests {
    use super::{Build, Form, Program, Refusal};
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::Path;

    fn named(path: &str) -> Option<Build> {
        Build::named(Path::new(path))
    }

    #[test]
    fn names_tell_the_build() {
        let plain = |version| Some(Build::CPython { version });
        assert_eq!(named("/usr/bin/python3.12"), plain((3, 12)));
        assert_eq!(named("python2.7"), plain((2, 7)));
        assert_eq!(named("/usr/libexec/platform-python3.6"), plain((3, 6)));
        assert_eq!(named("python3.11d"), plain((3, 11)));
        assert_eq!(named("python3.13t"), Some(Build::FreeThreaded));
        assert_eq!(named("python3.14td"), Some(Build::FreeThreaded));
        assert_eq!(named("pypy3.10"), Some(Build::Other("PyPy")));
    }

    #[test]
    fn other_names_tell_nothing() {
        for name in [
            "python",
            "python3",
            "python3.",
            "python3.x",
            "3.12",
            "python3.999",
            "/",
        ] {
            assert_eq!(named(name), None, "{name}");
        }
    }

    #[test]
    fn a_program_is_seen_behind_its_links() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        fs::write(root.join("python3.12"), b"\x7fELF...").unwrap();
        fs::set_permissions(root.join("python3.12"), PermissionsExt::from_mode(0o755)).unwrap();
        symlink("python3.12", root.join("python3")).unwrap();
        let program = Program::open(&root.join("python3")).unwrap();
        assert_eq!(program.path, root.join("python3"));
        assert_eq!(program.real, root.join("python3.12"));
        assert_eq!(program.form, Form::Binary);
    }

    #[test]
    fn what_cannot_run_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        fs::write(root.join("plain"), b"#!/bin/sh\n").unwrap();
        fs::set_permissions(root.join("plain"), PermissionsExt::from_mode(0o644)).unwrap();
        symlink("gone", root.join("dangling")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        let refusal = |name: &str| Program::open(&root.join(name)).unwrap_err();
        assert!(matches!(refusal("plain"), Refusal::NotExecutable));
        assert!(matches!(refusal("dangling"), Refusal::Missing));
        assert!(matches!(refusal("plain/python"), Refusal::Missing));
        assert!(matches!(refusal("loop"), Refusal::Unreachable(_)));
        assert!(matches!(refusal(""), Refusal::Directory));
    }
}
