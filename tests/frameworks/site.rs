//! A copy of one of the examples, with the virtualenv that they share.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::support::python;
use crate::support::run::Run;

/// The examples that have something to install.
const FOLDERS: [&str; 8] = [
    "bottle",
    "cherrypy",
    "django",
    "falcon",
    "flask",
    "middleware",
    "pyramid",
    "webpy",
];

/// What the tests themselves need.
const MORE: &str = "PyYAML~=6.0";

/// A folder as a user has it: the application, and a `.venv` beside it.
pub struct Site {
    folder: TempDir,
    /// What is typed as APP, within the folder.
    pub application: String,
    /// Variables of the deployment.
    pub variables: Vec<(&'static str, String)>,
}

impl Site {
    /// A fresh copy of `examples/example`, in which `application` is run.
    pub fn copy_of(example: &str, application: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        copy(&examples().join(example), folder.path());
        symlink(virtualenv(), folder.path().join(".venv")).unwrap();
        Self {
            folder,
            application: application.to_owned(),
            variables: Vec::new(),
        }
    }

    /// With a variable that the web server's configuration sets.
    pub fn with_variable(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.variables.push((name, value.into()));
        self
    }

    /// With a module in the place of the application's.
    pub fn with_application(mut self, name: &str, source: &str) -> Self {
        fs::write(self.path(name), source).unwrap();
        self.application = name.to_owned();
        self
    }

    /// A request at the site; the interpreter is the one of its `.venv`.
    pub fn run(&self) -> Run {
        Run::with_arguments(&[self.path(&self.application)])
            .without("WSGI_CGI_PYTHON")
            .directory(self.folder.path())
    }

    /// A path within the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs the environment's Python, as one does while setting up a site.
    pub fn python(&self, arguments: &[&str], variables: &[(&str, &str)]) {
        let mut command = Command::new(virtualenv().join("bin/python"));
        command
            .args(arguments)
            .envs(variables.iter().copied())
            .current_dir(self.folder.path());
        succeed(&mut command);
    }
}

/// The project's own examples.
pub fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

/// The shared virtualenv, made from the examples' own requirements.
pub fn virtualenv() -> &'static Path {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("frameworks");
        let wanted: Vec<_> = FOLDERS
            .iter()
            .map(|name| examples().join(name).join("requirements.txt"))
            .collect();
        let text: String = wanted
            .iter()
            .map(|file| fs::read_to_string(file).unwrap())
            .chain([MORE.to_owned(), python::version()])
            .collect();
        let stamp = folder.join("requirements.txt");
        if fs::read_to_string(&stamp).is_ok_and(|made_from| made_from == text) {
            return folder;
        }
        let _ = fs::remove_dir_all(&folder);
        // One that every user may run: web servers do.
        succeed(
            Command::new(python::default())
                .args(["-m", "venv"])
                .arg(&folder),
        );
        let mut install = Command::new(folder.join("bin/pip"));
        install.args(["install", "--quiet", "--disable-pip-version-check"]);
        for file in wanted {
            install.arg("--requirement").arg(file);
        }
        install.arg(MORE);
        succeed(&mut install);
        fs::write(&stamp, text).unwrap();
        folder
    })
}

fn succeed(command: &mut Command) {
    let done = command.stdin(Stdio::null()).output().unwrap();
    assert!(
        done.status.success(),
        "{command:?}: {}\n{}",
        done.status,
        String::from_utf8_lossy(&done.stderr)
    );
}

/// Copies what a user would copy: no byte code, no sessions, no database of another try.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        let target = to.join(&name);
        match name.to_str() {
            Some("__pycache__" | "sessions" | ".venv" | "db.sqlite3") => {}
            _ if entry.file_type().unwrap().is_dir() => copy(&entry.path(), &target),
            _ => {
                fs::copy(entry.path(), target).unwrap();
            }
        }
    }
}
