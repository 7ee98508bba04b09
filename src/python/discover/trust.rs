//! Which virtualenvs are used although nobody named them: those in which nobody else decides what runs.

use std::fmt::{self, Display, Formatter};
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::Request;
use super::candidate::LINK_LIMIT;

const OTHERS_WRITE: u32 = 0o002;

/// The owners that are trusted: root, we, and the application's owner.
pub(super) struct Trust {
    effective_user: u32,
    application_owner: Option<u32>,
}

/// What stands against a virtualenv.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Distrust {
    /// Something of it belongs to somebody else.
    Owner {
        /// The virtualenv, or what it is made of.
        path: PathBuf,
        /// The user id.
        owner: u32,
    },
    /// Everybody may write to something of it.
    Writable {
        /// The virtualenv, or what it is made of.
        path: PathBuf,
    },
}

impl Trust {
    pub fn of(request: &Request) -> Self {
        Self {
            effective_user: request.effective_user,
            application_owner: request.application_owner,
        }
    }

    /// Judges a file or a folder: a link itself first, since anybody can link to what is trusted.
    pub fn of_path(&self, path: &Path) -> Result<(), Distrust> {
        let Ok(status) = fs::symlink_metadata(path) else {
            return Ok(());
        };
        self.of_status(path, &status)?;
        match fs::metadata(path) {
            Ok(target) if status.is_symlink() => self.of_status(path, &target),
            _ => Ok(()),
        }
    }

    /// Judges the folders of programs and packages, as far as they are there.
    pub fn of_folders(&self, prefix: &Path, version: Option<(u8, u8)>) -> Result<(), Distrust> {
        self.of_path(&prefix.join("bin"))?;
        let Some((major, minor)) = version else {
            return Ok(());
        };
        let packages = prefix.join(format!("lib/python{major}.{minor}/site-packages"));
        packages
            .ancestors()
            .take(3)
            .try_for_each(|folder| self.of_path(folder))
    }

    /// Judges what has been asked for its status already.
    pub fn of_status(&self, path: &Path, status: &Metadata) -> Result<(), Distrust> {
        let owner = status.uid();
        let path = path.to_path_buf();
        if owner != 0 && owner != self.effective_user && Some(owner) != self.application_owner {
            return Err(Distrust::Owner { path, owner });
        }
        // A link's mode means nothing.
        if !status.is_symlink() && status.mode() & OTHERS_WRITE != 0 {
            return Err(Distrust::Writable { path });
        }
        Ok(())
    }

    /// Judges the program of the virtualenv `prefix`: each link on the way, and where they end.
    pub fn of_program(&self, prefix: &Path, program: &Path) -> Result<(), Distrust> {
        let mut at = program.to_path_buf();
        for _ in 0..LINK_LIMIT {
            let Ok(status) = fs::symlink_metadata(&at) else {
                break;
            };
            match self.of_status(&at, &status) {
                // In a user namespace, root's own files are somebody else's.
                Err(Distrust::Owner { owner, .. })
                    if !at.starts_with(prefix) && is_system(owner) => {}
                judged => judged?,
            }
            match fs::read_link(&at) {
                Ok(target) if status.is_symlink() => at = at.with_file_name(target),
                _ => break,
            }
        }
        Ok(())
    }
}

/// Whether everything on this machine is this user's affair.
fn is_system(owner: u32) -> bool {
    fs::metadata("/").is_ok_and(|root| root.uid() == owner)
}

impl Display for Distrust {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owner { path, owner } => write!(
                f,
                "{} belongs to user {owner}, who is neither root, nor the user that runs this, nor the owner of \
                 the application",
                path.display()
            ),
            Self::Writable { path } => write!(f, "everybody may write to {}", path.display()),
        }
    }
}
