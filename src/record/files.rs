//! The folder of `--record`: whole files, for one user only, and not too many.

use std::fs::{self, DirBuilder};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// So many files are kept: the newest.
const FILES: usize = 100;

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
    let mut served = served.iter().filter_map(|root| root.canonicalize().ok());
    if served.any(|root| folder.starts_with(root)) {
        let reason =
            "it lies below the document root or the script's folder, so visitors could read it";
        return Err(io::Error::other(reason));
    }
    match DirBuilder::new().mode(0o700).create(&folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let time = time.replace(['-', ':'], "");
    let name = format!("{time}-{code}-{}", std::process::id());
    let file = folder.join(format!("{name}.json"));
    let text = serde_json::to_string_pretty(&record())?;
    // Whoever looks at the folder sees whole files only. Its mode is 0600.
    let mut unfinished = tempfile::Builder::new()
        .prefix(&name)
        .suffix(".json.part")
        .tempfile_in(&folder)?;
    writeln!(unfinished, "{text}")?;
    unfinished.persist(&file)?;
    remove_old(&folder);
    Ok(file)
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
fn remove_old(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    let is_ours = |name: &str| {
        let is_ended = name.ends_with(".json") || name.ends_with(".json.part");
        is_ended && name.starts_with(|first: char| first.is_ascii_digit()) && name.contains("Z-WC")
    };
    let mut names: Vec<_> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| is_ours(name))
        .collect();
    names.sort();
    let old = names.len().saturating_sub(FILES);
    for name in names.iter().take(old) {
        let _ = fs::remove_file(folder.join(name));
    }
}
