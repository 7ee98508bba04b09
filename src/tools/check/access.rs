//! What a user may do with files, by their modes; and the files of a folder.

use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::report::quoted;
use super::user::User;

/// Of a folder, more is not looked at.
const MOST: usize = 20_000;

/// Rights, as one digit of a mode.
pub const READ: u32 = 4;
/// Of a folder.
pub const ENTER: u32 = 1;

/// A user, with all groups.
pub struct Access {
    uid: u32,
    groups: Vec<u32>,
}

/// What a user lacks.
pub struct Blocked {
    /// The file or folder that is in the way.
    pub path: PathBuf,
    /// `cannot be entered`, `cannot be read`
    pub how: &'static str,
    /// The command that mends it.
    pub remedy: String,
}

impl Access {
    /// That of this user.
    pub fn of(user: &User) -> Self {
        Self {
            uid: user.uid,
            groups: user.groups.clone(),
        }
    }

    /// Whether its mode gives these rights.
    pub fn may(&self, status: &Metadata, rights: u32) -> bool {
        let mode = status.permissions().mode();
        let own = match () {
            () if self.uid == 0 => return true,
            () if status.uid() == self.uid => mode >> 6,
            () if self.groups.contains(&status.gid()) => mode >> 3,
            () => mode,
        };
        own & rights == rights
    }

    /// The first thing on the way to `path` that this user cannot pass; a folder is to be listed, too.
    pub fn blocked(&self, path: &Path) -> Option<Blocked> {
        let real = fs::canonicalize(path).ok()?;
        let mut above: Vec<_> = real.ancestors().skip(1).collect();
        above.reverse();
        for folder in above {
            if !self.may(&fs::metadata(folder).ok()?, ENTER) {
                return Some(Blocked {
                    path: folder.to_owned(),
                    how: "cannot be entered",
                    remedy: format!("chmod o+x {}", quoted(folder)),
                });
            }
        }
        let status = fs::metadata(&real).ok()?;
        let (rights, letters) = match status.is_dir() {
            true => (READ | ENTER, "rx"),
            false => (READ, "r"),
        };
        (!self.may(&status, rights)).then(|| Blocked {
            remedy: format!("chmod o+{letters} {}", quoted(&real)),
            path: real,
            how: "cannot be read",
        })
    }
}

/// What is below `folder`, links not followed; `enter` says which folders are looked into.
pub fn walk(folder: &Path, mut enter: impl FnMut(&Path) -> bool) -> Vec<(PathBuf, Metadata)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
        let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths {
            let Ok(status) = fs::symlink_metadata(&path) else {
                continue;
            };
            if found.len() >= MOST {
                return found;
            }
            if status.is_dir() && enter(&path) {
                folders.push(path.clone());
            }
            found.push((path, status));
        }
    }
    found
}

/// Whether a folder holds what others have written: packages, versions, byte code.
pub fn is_foreign(folder: &Path) -> bool {
    let name = folder.file_name().unwrap_or_default();
    let names = [".git", ".hg", ".svn", "node_modules", "__pycache__"];
    names.iter().any(|known| OsStr::new(known) == name) || folder.join("pyvenv.cfg").exists()
}
