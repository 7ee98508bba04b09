//! A folder that is checked, and what is found in it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::run::{Done, Run};
use crate::support::{output, write_program};

/// An application without a fault.
pub const GOOD: &str = "\
def app(environ, start_response):
    body = environ['wsgi.input'].read(int(environ.get('CONTENT_LENGTH') or 0))
    start_response('200 OK', [('Content-Type', 'text/plain; charset=utf-8')])
    return [b'hello ' + body]
";

/// A folder that everybody may enter, and its files.
pub struct Folder(TempDir);

impl Folder {
    pub fn with(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        mode(folder.0.path(), 0o755);
        for (name, text) in files {
            folder.write(name, text, 0o644);
        }
        folder
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A file; its folder is made, too.
    pub fn write(&self, name: &str, text: &str, mode: u32) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        write_program(&path, text, mode);
    }

    /// `check --json` of `app.py`.
    pub fn check(&self, words: &[&str]) -> Found {
        self.check_of(words, "app.py")
    }

    pub fn check_of(&self, words: &[&str], application: &str) -> Found {
        Found::by(&self.run(&[words, &[application]].concat()))
    }

    pub fn run(&self, words: &[&str]) -> Run {
        // The deployment's own interpreter is what a web server would choose.
        Run::by_hand(&[&["check", "--json"], words].concat())
            .without("WSGI_CGI_PYTHON")
            .directory(self.0.path())
    }
}

pub fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// What a check has found.
pub struct Found {
    done: Done,
    report: Value,
}

impl Found {
    #[track_caller]
    pub fn by(run: &Run) -> Self {
        let done = run.done();
        let report = serde_json::from_slice(&done.out);
        let report = report.unwrap_or_else(|error| panic!("{error}\n{done}"));
        Self { done, report }
    }

    /// These codes, and no others; the exit status says so.
    #[track_caller]
    pub fn is(self, codes: &[&str]) -> Self {
        let found = self
            .findings()
            .map(|finding| finding["code"].as_str().unwrap());
        // What is slow depends on what else this machine does.
        let found: Vec<_> = found
            .filter(|code| *code != "WC156" || codes.contains(code))
            .collect();
        assert_eq!(found, codes, "\n{}", self.done);
        let is_bad = self.findings().any(|finding| finding["severity"] != "hint");
        let status = self.done.status.code();
        assert!(
            status == Some(i32::from(is_bad)) || status == Some(3),
            "\n{}",
            self.done
        );
        self
    }

    #[track_caller]
    pub fn exits(self, status: i32) -> Self {
        self.done.assert_exit(status);
        self
    }

    /// All findings together hold this text, in what they say of the case, in the place, or in the remedy.
    #[track_caller]
    pub fn tells(self, text: &str) -> Self {
        let whole: Vec<_> = self.findings().map(Value::to_string).collect();
        let whole = whole.join("\n").replace("\\\"", "\"");
        assert!(whole.contains(text), "nothing of {text:?}\n{}", self.done);
        self
    }

    #[track_caller]
    pub fn fact(self, name: &str, text: &str) -> Self {
        let fact = self.report["facts"][name].to_string();
        assert!(fact.contains(text), "{name} is {fact}\n{}", self.done);
        self
    }

    /// What is said to do about all of it.
    pub fn remedies(&self) -> Vec<&str> {
        let remedies = self.findings().map(|finding| finding["remedy"].as_str());
        remedies.map(Option::unwrap).collect()
    }

    /// Does what is said to mend it.
    #[track_caller]
    pub fn mend(self) {
        for command in self.remedies() {
            output(Command::new("sh").args(["-c", command]));
        }
    }

    fn findings(&self) -> impl Iterator<Item = &Value> {
        self.report["findings"].as_array().unwrap().iter()
    }
}
