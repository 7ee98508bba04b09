//! The folder of `--record`: whole files, for one user only, and not too many.

use std::ffi::OsStr;
use std::fs::{DirBuilder, File};
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, Mode, OFlags};
use rustix::fs::{fstat, open, openat, readlink, renameat, unlinkat};
use rustix::process::geteuid;
use serde_json::Value;

/// So many files are kept: the newest.
const FILES: usize = 100;

const SERVED: &str =
    "it lies below the document root or the script's folder, so visitors could read it";

/// Writes what `record` makes to a file named by time, code and process. `served` are folders that
/// visitors may see.
pub fn write(
    folder: &Path,
    served: &[&Path],
    time: &str,
    code: &str,
    record: impl FnOnce() -> Value,
) -> io::Result<PathBuf> {
    let folder = real(folder)?;
    let served: Vec<_> = served
        .iter()
        .filter_map(|root| root.canonicalize().ok())
        .collect();
    let is_served = |folder: &Path| served.iter().any(|root| folder.starts_with(root));
    refuse_if(is_served(&folder), SERVED)?;
    match DirBuilder::new().mode(0o700).create(&folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    // From here on it is this folder, whatever its name leads to.
    let opened = open_own(&folder)?;
    let place = readlink(format!("/proc/self/fd/{}", opened.as_raw_fd()), Vec::new());
    let place = place.map_or(folder, |place| OsStr::from_bytes(place.as_bytes()).into());
    refuse_if(is_served(&place), SERVED)?;
    let time = time.replace(['-', ':'], "");
    let name = format!("{time}-{code}-{}.json", std::process::id());
    let text = serde_json::to_string_pretty(&record())?;
    // Whoever looks at the folder sees whole files only.
    let unfinished = format!("{name}.part");
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(&opened, &unfinished, flags, Mode::RUSR | Mode::WUSR)?;
    let written = writeln!(File::from(file), "{text}")
        .and_then(|()| Ok(renameat(&opened, &unfinished, &opened, &name)?));
    if written.is_err() {
        let _ = unlinkat(&opened, &unfinished, AtFlags::empty());
    }
    written?;
    remove_old(&opened);
    Ok(place.join(name))
}

fn refuse_if(is_wrong: bool, reason: &'static str) -> io::Result<()> {
    match is_wrong {
        true => Err(io::Error::other(reason)),
        false => Ok(()),
    }
}

/// A folder in which nobody else can put, read or exchange a file.
fn open_own(folder: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = open(folder, flags, Mode::empty())?;
    let found = fstat(&opened)?;
    let is_ours = found.st_uid == geteuid().as_raw() || found.st_uid == 0;
    refuse_if(!is_ours, "it belongs to another user")?;
    let others = (Mode::WGRP | Mode::WOTH).as_raw_mode();
    refuse_if(
        found.st_mode & others != 0,
        "others may write in it: chmod go-w",
    )?;
    Ok(opened)
}

/// Where the folder is, or will be.
fn real(folder: &Path) -> io::Result<PathBuf> {
    match (folder.canonicalize(), folder.parent(), folder.file_name()) {
        (Err(error), Some(parent), Some(name)) if error.kind() == io::ErrorKind::NotFound => {
            Ok(parent.canonicalize()?.join(name))
        }
        (found, ..) => found,
    }
}

/// Their names sort by time. Files of others are left alone.
fn remove_old(folder: &OwnedFd) {
    let Ok(entries) = Dir::read_from(folder) else {
        return;
    };
    let is_ours = |name: &str| {
        let is_ended = name.ends_with(".json") || name.ends_with(".json.part");
        is_ended && name.starts_with(|first: char| first.is_ascii_digit()) && name.contains("Z-WC")
    };
    let mut names: Vec<_> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str().ok().map(str::to_owned))
        .filter(|name| is_ours(name))
        .collect();
    names.sort();
    let old = names.len().saturating_sub(FILES);
    for name in names.iter().take(old) {
        let _ = unlinkat(folder, name, AtFlags::empty());
    }
}
