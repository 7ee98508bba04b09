//! Where a user's zygotes are: a folder that nobody else may enter, checked and not assumed.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::process::geteuid;

/// For the owner alone.
const PRIVATE: u32 = 0o700;

/// The folder of all zygotes of this user, by the environment's XDG_RUNTIME_DIR or TMPDIR.
pub fn folder<'a>(variable: impl Fn(&str) -> Option<&'a [u8]>) -> PathBuf {
    let path = |name| {
        let path = variable(name).map(|value| Path::new(OsStr::from_bytes(value)));
        path.filter(|path| path.is_absolute())
    };
    match path("XDG_RUNTIME_DIR") {
        Some(folder) => folder.join("wsgi-cgi"),
        None => {
            let parent = path("TMPDIR").unwrap_or(Path::new("/tmp"));
            parent.join(format!("wsgi-cgi-{}", geteuid().as_raw()))
        }
    }
}

/// Makes a folder that is ours alone, or finds it.
pub fn make(folder: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(PRIVATE).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => check(folder),
    }
}

/// Whether a folder is ours alone: no link, our own, and closed to everybody else.
pub fn check(folder: &Path) -> io::Result<()> {
    let status = fs::symlink_metadata(folder)?;
    let objection = if !status.is_dir() {
        "is no folder"
    } else if status.uid() != geteuid().as_raw() {
        "belongs to somebody else"
    } else if status.mode() & 0o077 != 0 {
        "is open to others"
    } else {
        return Ok(());
    };
    Err(io::Error::new(
        io::ErrorKind::PermissionDenied,
        format!("{} {objection}", folder.display()),
    ))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn only_a_folder_of_our_own_is_believed() {
        let parent = tempfile::tempdir().unwrap();
        let path = |name: &str| parent.path().join(name);
        make(&path("made")).unwrap();
        make(&path("made")).unwrap();
        symlink(path("made"), path("link")).unwrap();
        fs::write(path("file"), "").unwrap();
        fs::create_dir(path("open")).unwrap();
        fs::set_permissions(path("open"), fs::Permissions::from_mode(0o750)).unwrap();
        for (name, expected) in [
            ("link", "is no folder"),
            ("file", "is no folder"),
            ("open", "is open to others"),
        ] {
            let error = make(&path(name)).unwrap_err();
            assert!(error.to_string().ends_with(expected), "{error}");
        }
        assert!(make(&path("missing/deeper")).is_err());
    }

    #[test]
    fn the_environment_says_where() {
        let with = |name: &'static str, value: &'static str| {
            folder(move |asked| (asked == name).then_some(value.as_bytes()))
        };
        let own = format!("wsgi-cgi-{}", geteuid().as_raw());
        assert_eq!(
            with("XDG_RUNTIME_DIR", "/run/user/1"),
            Path::new("/run/user/1/wsgi-cgi")
        );
        assert_eq!(with("TMPDIR", "/var/tmp"), Path::new("/var/tmp").join(&own));
        assert_eq!(with("TMPDIR", "relative"), Path::new("/tmp").join(&own));
    }
}
