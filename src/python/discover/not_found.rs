//! Why no interpreter can be used, one sentence each.

use std::error::Error;
use std::fmt::{self, Display, Formatter};
use std::io;
use std::path::PathBuf;

use super::trust::Distrust;

/// The end of a search without an interpreter.
#[derive(Debug)]
pub struct NotFound {
    /// What stood against it.
    pub cause: Cause,
    /// What was passed over before.
    pub skipped: Vec<Skipped>,
}

/// What stood against an interpreter. `reason` is how it was chosen, as in [`super::Interpreter`];
/// `how` is the end of such a clause: `named by --python`.
#[derive(Debug)]
pub enum Cause {
    /// What was named does not exist.
    Missing {
        /// What was named.
        path: PathBuf,
        /// Who named it.
        how: String,
    },
    /// A file without the right to execute it.
    NotExecutable {
        /// The file.
        path: PathBuf,
        /// Who named it.
        how: String,
    },
    /// The system refuses to open it.
    Unreachable {
        /// The file.
        path: PathBuf,
        /// Who named it.
        how: String,
        /// The system's reason.
        error: io::Error,
    },
    /// A directory that is neither a virtualenv nor an installation.
    NoPythonInside {
        /// The directory.
        directory: PathBuf,
        /// Who named it.
        how: String,
    },
    /// No directory of PATH has it.
    NoPython {
        /// What was looked for: `python3`, or the bare name that was given.
        name: PathBuf,
        /// Who gave it.
        how: Option<String>,
        /// The directories looked in.
        looked_in: Vec<PathBuf>,
    },
    /// Before Python 3.9.
    TooOld {
        /// The interpreter.
        program: PathBuf,
        /// Its version.
        version: (u8, u8),
        /// How it was chosen.
        reason: String,
    },
    /// A kind of Python that the engine cannot be loaded into.
    Unsupported {
        /// The interpreter.
        program: PathBuf,
        /// Its kind: `PyPy`, `a free-threaded build`.
        what: &'static str,
        /// How it was chosen.
        reason: String,
    },
    /// A virtualenv whose base interpreter is not the one that it was made with.
    BrokenVirtualenv {
        /// The virtualenv.
        prefix: PathBuf,
        /// How it was chosen.
        reason: String,
        /// What is broken.
        fault: Fault,
    },
}

/// What is wrong with a virtualenv.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The end of the links that start at `bin/python` does not exist.
    Dangling(PathBuf),
    /// There is no `bin/python` at all.
    NoProgram,
    /// The program is a copy, and the folder of the Python that it is a copy of is gone.
    BaseGone(PathBuf),
    /// The links lead to another version than the packages were installed for.
    Upgraded {
        /// Major and minor version of the packages.
        made_for: (u8, u8),
        /// Those of the program.
        now: (u8, u8),
    },
}

/// A virtualenv that was not trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// The virtualenv.
    pub prefix: PathBuf,
    /// Why not.
    pub why: Distrust,
}

impl Display for NotFound {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.cause.fmt(f)?;
        self.skipped
            .iter()
            .try_for_each(|skipped| write!(f, "; {skipped}"))
    }
}

impl Error for NotFound {}

impl Display for Cause {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { path, how } => write!(f, "{}, {how}, does not exist", path.display()),
            Self::NotExecutable { path, how } => write!(
                f,
                "{}, {how}, is not an executable file (chmod +x)",
                path.display()
            ),
            Self::Unreachable { path, how, error } => {
                write!(f, "{}, {how}, cannot be opened: {error}", path.display())
            }
            Self::NoPythonInside { directory, how } => write!(
                f,
                "the directory {}, {how}, has no bin/python",
                directory.display()
            ),
            Self::NoPython {
                name,
                how,
                looked_in,
            } => {
                write!(f, "there is no {}", name.display())?;
                if let Some(how) = how {
                    write!(f, ", {how},")?;
                }
                write_looked_in(f, looked_in)
            }
            Self::TooOld {
                program,
                version: (major, minor),
                reason,
            } => write!(
                f,
                "{} is Python {major}.{minor}, and 3.9 is the oldest that works; chosen was {reason}",
                program.display()
            ),
            Self::Unsupported {
                program,
                what,
                reason,
            } => write!(f, "{} is {what}; chosen was {reason}", program.display()),
            Self::BrokenVirtualenv {
                prefix,
                reason,
                fault,
            } => write!(
                f,
                "{reason} is broken: {fault}; make it anew with `python3 -m venv --clear {}` \
                 and install its packages again",
                prefix.display()
            ),
        }
    }
}

impl Error for Cause {}

fn write_looked_in(f: &mut Formatter<'_>, looked_in: &[PathBuf]) -> fmt::Result {
    let Some((first, others)) = looked_in.split_first() else {
        return f.write_str(" on PATH, which names no absolute directory");
    };
    write!(f, " in {}", first.display())?;
    others
        .iter()
        .try_for_each(|directory| write!(f, ":{}", directory.display()))
}

impl Display for Fault {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dangling(end) => write!(
                f,
                "its bin/python leads to {}, which is gone (that Python was removed or upgraded, \
                 or the virtualenv comes from another machine)",
                end.display()
            ),
            Self::NoProgram => f.write_str(
                "it has no bin/python (it was made on Windows, or copied without its links)",
            ),
            Self::BaseGone(home) => write!(
                f,
                "the Python that it was made with is gone from {}",
                home.display()
            ),
            Self::Upgraded { made_for, now } => write!(
                f,
                "it was made with Python {}.{}, and its bin/python has become {}.{}, \
                 which does not see its packages",
                made_for.0, made_for.1, now.0, now.1
            ),
        }
    }
}

impl Display for Skipped {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} was passed over: {}; --python names it all the same",
            self.prefix.display(),
            self.why
        )
    }
}
