//! A throwaway tree of installations and virtualenvs for this room's tests.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use super::Request;

/// Removed when dropped. All names are relative to it; the application's folder is `app`.
pub(super) struct Tree {
    _directory: tempfile::TempDir,
    root: PathBuf,
    application_dir: PathBuf,
}

impl Tree {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        let application_dir = root.join("app");
        fs::create_dir(&application_dir).unwrap();
        Self {
            _directory: directory,
            root,
            application_dir,
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// By whoever runs the tests, with a PATH on which there is nothing.
    pub fn request(&self) -> Request<'_> {
        Request {
            option: None,
            virtual_env: None,
            search_path: Some(OsStr::new("/nonexistent")),
            pyenv_version: None,
            application_dir: &self.application_dir,
            application_owner: None,
            executable: None,
            effective_user: fs::metadata(&self.root).unwrap().uid(),
        }
    }

    pub fn directory(&self, name: &str) {
        fs::create_dir_all(self.path(name)).unwrap();
    }

    pub fn file(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let _ = fs::remove_file(&path);
        fs::write(path, text).unwrap();
    }

    pub fn link(&self, target: impl AsRef<Path>, name: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target, path).unwrap();
    }

    pub fn executable(&self, name: &str, text: &str) {
        self.file(name, text);
        let mode = PermissionsExt::from_mode(0o755);
        fs::set_permissions(self.path(name), mode).unwrap();
    }

    pub fn program(&self, name: &str) {
        self.executable(name, "\x7fELF and so on");
    }

    /// An installation as `make install` leaves it.
    pub fn base(&self, prefix: &str, version: &str) {
        self.program(&format!("{prefix}/bin/python{version}"));
        self.link(format!("python{version}"), &format!("{prefix}/bin/python3"));
        self.link("python3", &format!("{prefix}/bin/python"));
    }

    /// As `python -m venv` leaves it.
    pub fn virtualenv(&self, prefix: &str, base: &str, version: &str) {
        let home = self.path(base).join("bin");
        self.link(home.join("python3"), &format!("{prefix}/bin/python3"));
        self.link("python3", &format!("{prefix}/bin/python"));
        self.directory(&format!("{prefix}/lib/python{version}/site-packages"));
        self.configuration(prefix, &home, version);
    }

    pub fn configuration(&self, prefix: &str, home: &Path, version: &str) {
        let text = format!(
            "home = {}\ninclude-system-site-packages = false\nversion = {version}.1\n",
            home.display()
        );
        self.file(&format!("{prefix}/pyvenv.cfg"), &text);
    }
}
