//! The token file, which is there as long as this process asks.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use contract::codes::Code;
use contract::report::Failure;
use rustix::fs::{Mode, OFlags, open};

use crate::doors::self_test::token::{self, FILE, Ticket};

/// A token file of ours. It goes when this is dropped.
pub struct TokenFile {
    /// Where it is.
    pub path: PathBuf,
    /// What opens the self-test.
    pub token: String,
}

impl TokenFile {
    /// In the application's folder, for an application of this owner.
    pub fn create(folder: &Path, owner: u32) -> Result<Self, Failure> {
        let path = folder.join(FILE);
        let failed =
            |error: io::Error| Failure::new(Code::NO_TOKEN, format!("{}: {error}", path.display()));
        let user = rustix::process::geteuid().as_raw();
        if user != owner && user != 0 {
            let reason =
                format!("the application belongs to user {owner}, and this is user {user}");
            return Err(Failure::new(Code::NO_TOKEN, reason));
        }
        remove_old(&path)?;
        let token = token::new().map_err(failed)?;
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file =
            open(&path, flags, Mode::from_raw_mode(0o600)).map_err(|error| failed(error.into()))?;
        let made = Self {
            path: path.clone(),
            token,
        };
        let mut file = File::from(file);
        let ticket = Ticket::of(&made.token, token::now());
        // The web server's user, perhaps another, has to read it: it does not tell the token.
        file.write_all(ticket.build().as_bytes())
            .and_then(|()| file.set_permissions(Permissions::from_mode(0o644)))
            .map_err(failed)?;
        if file.metadata().map_err(failed)?.uid() != user {
            let reason = format!(
                "{}: the file system gives it to another user",
                path.display()
            );
            return Err(Failure::new(Code::NO_TOKEN, reason));
        }
        Ok(made)
    }
}

impl Drop for TokenFile {
    fn drop(&mut self) {
        // What cannot be removed expires.
        let _ = fs::remove_file(&self.path);
    }
}

/// One that a killed process has left is in the way.
fn remove_old(path: &Path) -> Result<(), Failure> {
    match token::read(path) {
        Ok((ticket, ..)) if ticket.expires > token::now() => {
            let seconds = ticket.expires.saturating_sub(token::now());
            let reason = format!(
                "{}: another self-test of this application is running; if none is, remove the file or wait {seconds} s",
                path.display()
            );
            Err(Failure::new(Code::NO_TOKEN, reason))
        }
        Ok(_) => fs::remove_file(path)
            .map_err(|error| Failure::new(Code::NO_TOKEN, format!("{}: {error}", path.display()))),
        // Either there is none, or creating it will say what is wrong.
        Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner() -> u32 {
        rustix::process::geteuid().as_raw()
    }

    #[test]
    fn the_file_opens_the_self_test_and_goes_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        let made = TokenFile::create(folder.path(), owner()).unwrap();
        let verdict = token::verify(&made.path, owner(), made.token.as_bytes(), token::now());
        assert!(matches!(verdict, token::Verdict::Open(_)), "{verdict:?}");
        let reason = TokenFile::create(folder.path(), owner())
            .err()
            .unwrap()
            .reason;
        assert!(reason.contains("another self-test"), "{reason}");
        let path = made.path.clone();
        drop(made);
        assert!(!path.exists());
    }

    #[test]
    fn an_old_file_is_replaced_and_anything_else_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        fs::write(&path, Ticket::of("old", 1000).build()).unwrap();
        drop(TokenFile::create(folder.path(), owner()).unwrap());
        fs::write(&path, "somebody's own").unwrap();
        assert_eq!(
            TokenFile::create(folder.path(), owner())
                .err()
                .unwrap()
                .code,
            Code::NO_TOKEN
        );
        assert_eq!(fs::read_to_string(&path).unwrap(), "somebody's own");
    }
}
