//! What a user may do with files, by their modes; and the files of a folder.

use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::process::geteuid;

use super::report::quoted;
use super::user::{User, by_owner_of};

/// Of a folder, more is not looked at.
const MOST: usize = 20_000;

/// More links than any system follows.
const LINKS: usize = 40;

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

    /// The first thing on the way to `path` that this user cannot pass; a folder is to be listed, too. `named` is how
    /// it was come by, perhaps through links.
    pub fn blocked(&self, path: &Path, named: &Path) -> Option<Blocked> {
        // Who makes a link decides about the own files only: the link may lead to a secret of whoever runs this.
        let stranger = link_of_other(named).or_else(|| link_of_other(path));
        let opening = |letters: &str, blocked: &Path, status: &Metadata| match &stranger {
            Some(link) if link.uid() != status.uid() => look(named),
            _ => by_owner_of(blocked, &format!("chmod o+{letters} {}", quoted(blocked))),
        };
        let real = fs::canonicalize(path).ok()?;
        let mut above: Vec<_> = real.ancestors().skip(1).collect();
        above.reverse();
        for folder in above {
            let status = fs::metadata(folder).ok()?;
            if !self.may(&status, ENTER) {
                return Some(Blocked {
                    path: folder.to_owned(),
                    how: "cannot be entered",
                    remedy: opening("x", folder, &status),
                });
            }
        }
        let status = fs::metadata(&real).ok()?;
        let (rights, letters) = match status.is_dir() {
            true => (READ | ENTER, "rx"),
            false => (READ, "r"),
        };
        (!self.may(&status, rights)).then(|| Blocked {
            remedy: opening(letters, &real, &status),
            path: real,
            how: "cannot be read",
        })
    }
}

/// The advice for what a link leads to: nothing that opens it.
pub fn look(link: &Path) -> String {
    format!(
        "ls -lL {}   # a link leads there: before you open it to others, see what it is",
        quoted(link)
    )
}

/// The first link on the way to `path` that is neither root's nor ours.
pub fn link_of_other(path: &Path) -> Option<Metadata> {
    let trusted = [0, geteuid().as_raw()];
    let mut path = path.to_owned();
    'links: for _ in 0..LINKS {
        let mut steps: Vec<_> = path.ancestors().collect();
        steps.reverse();
        for step in steps {
            let status = fs::symlink_metadata(step).ok()?;
            if status.is_symlink() {
                if !trusted.contains(&status.uid()) {
                    return Some(status);
                }
                let target = step.parent()?.join(fs::read_link(step).ok()?);
                path = target.join(path.strip_prefix(step).ok()?);
                continue 'links;
            }
        }
        return None;
    }
    None
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
