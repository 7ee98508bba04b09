//! One candidate: the program in a directory or named by itself, with the virtualenv around it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::not_found::{Cause, Fault};
use super::program::{Program, Refusal, is_absence};
use super::pyvenv_cfg::PyvenvCfg;

/// More links than any system follows.
pub(super) const LINK_LIMIT: usize = 40;

/// A program that was chosen, before its version is known.
#[derive(Debug)]
pub(super) struct Choice {
    pub program: Program,
    /// The virtualenv that the program stands in, by its prefix.
    pub virtualenv: Option<(PathBuf, PyvenvCfg)>,
    pub reason: String,
}

/// A directory that somebody named: a virtualenv, a conda environment, an installation.
pub(super) fn in_directory(prefix: &Path, how: &str) -> Result<Choice, Cause> {
    let configuration = configuration_in(prefix, how)?;
    in_prefix(prefix, configuration, how)
}

/// An activated virtualenv is often told by PATH alone.
pub(super) fn with_virtualenv_above(program: Program, mut reason: String) -> Result<Choice, Cause> {
    let prefix = prefix_above(&program.path).map(Path::to_path_buf);
    let configuration = match &prefix {
        Some(prefix) => configuration_in(prefix, "around the interpreter")?,
        None => None,
    };
    let virtualenv = prefix.zip(configuration);
    if let Some((prefix, _)) = &virtualenv {
        reason.push_str(&format!(", of the virtualenv {}", prefix.display()));
    }
    Ok(Choice {
        program,
        virtualenv,
        reason,
    })
}

/// `bin/python` is what an activated environment calls itself by.
pub(super) fn in_prefix(
    prefix: &Path,
    configuration: Option<PyvenvCfg>,
    how: &str,
) -> Result<Choice, Cause> {
    let kind = match configuration {
        Some(_) => "the virtualenv",
        None => "the Python in",
    };
    let reason = format!("{kind} {} {how}", prefix.display());
    for name in ["bin/python", "bin/python3"] {
        let path = prefix.join(name);
        match Program::open(&path) {
            Ok(program) => {
                return Ok(Choice {
                    program,
                    virtualenv: configuration.map(|found| (prefix.to_path_buf(), found)),
                    reason,
                });
            }
            Err(Refusal::Missing) => {}
            Err(refusal) => return Err(refused(&path, &format!("of {reason}"), refusal)),
        }
    }
    Err(nothing_in_prefix(prefix, configuration, how, reason))
}

fn nothing_in_prefix(
    prefix: &Path,
    configuration: Option<PyvenvCfg>,
    how: &str,
    reason: String,
) -> Cause {
    let path = prefix.join("bin/python");
    let (prefix, how) = (prefix.to_path_buf(), how.to_owned());
    if configuration.is_some() {
        let fault = match end_of_links(&path) {
            Some(end) => Fault::Dangling(end),
            None => Fault::NoProgram,
        };
        return Cause::BrokenVirtualenv {
            prefix,
            reason,
            fault,
        };
    }
    if prefix.exists() {
        let directory = prefix;
        return Cause::NoPythonInside { directory, how };
    }
    Cause::Missing { path: prefix, how }
}

/// Explains a refusal. A program that is missing in a virtualenv is told as that.
pub(super) fn refused(path: &Path, how: &str, refusal: Refusal) -> Cause {
    let (path_buf, how_owned) = (path.to_path_buf(), how.to_owned());
    match refusal {
        Refusal::Missing => match (prefix_above(path), end_of_links(path)) {
            (Some(prefix), Some(end)) if PyvenvCfg::read(prefix).is_ok() => {
                Cause::BrokenVirtualenv {
                    prefix: prefix.to_path_buf(),
                    reason: format!("the virtualenv {}, {how},", prefix.display()),
                    fault: Fault::Dangling(end),
                }
            }
            _ => Cause::Missing {
                path: path_buf,
                how: how_owned,
            },
        },
        Refusal::Directory | Refusal::NotExecutable => Cause::NotExecutable {
            path: path_buf,
            how: how_owned,
        },
        // A virtualenv is often readable where its base interpreter, in somebody's home, is not.
        Refusal::Unreachable(error) => Cause::Unreachable {
            path: end_of_links(path).unwrap_or(path_buf),
            how: how_owned,
            error,
        },
    }
}

pub(super) fn configuration_in(prefix: &Path, how: &str) -> Result<Option<PyvenvCfg>, Cause> {
    match PyvenvCfg::read(prefix) {
        Ok((found, _)) => Ok(Some(found)),
        Err(error) if is_absence(&error) => Ok(None),
        Err(error) => Err(unreadable_configuration(prefix, how, error)),
    }
}

pub(super) fn unreadable_configuration(prefix: &Path, how: &str, error: io::Error) -> Cause {
    Cause::Unreachable {
        path: prefix.join("pyvenv.cfg"),
        how: format!("of the virtualenv {how}"),
        error,
    }
}

/// Where the links that start at `path` end, or break off; None where it is not a link.
fn end_of_links(path: &Path) -> Option<PathBuf> {
    let mut end = None;
    for _ in 0..LINK_LIMIT {
        let here = end.as_deref().unwrap_or(path);
        let Ok(target) = fs::read_link(here) else {
            break;
        };
        end = Some(here.with_file_name(target));
    }
    end
}

/// `/srv/app/.venv` for `/srv/app/.venv/bin/python`.
fn prefix_above(program: &Path) -> Option<&Path> {
    program.parent()?.parent()
}
