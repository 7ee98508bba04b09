//! The interpreters of this machine: every CPython from 3.9 on, with a shared libpython and without.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::output;

/// The interpreter for tests that need only one.
pub fn default() -> PathBuf {
    PathBuf::from("/usr/bin/python3")
}

/// Its name with its version: what was made for another one is of no use to it.
pub fn version() -> String {
    let real = fs::canonicalize(default()).unwrap();
    real.file_name().unwrap().to_str().unwrap().to_owned()
}

/// All of them, each by its own executable.
pub fn all() -> &'static [PathBuf] {
    static FOUND: OnceLock<Vec<PathBuf>> = OnceLock::new();
    FOUND.get_or_init(|| {
        let mut found: Vec<PathBuf> = ["/usr/bin", "/usr/local/bin"]
            .iter()
            .flat_map(versions_in)
            .collect();
        let pyenv = std::env::var_os("PYENV_ROOT")
            .map(PathBuf::from)
            .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".pyenv")));
        if let Some(Ok(entries)) = pyenv.map(|root| fs::read_dir(root.join("versions"))) {
            found.extend(
                entries
                    .flatten()
                    .flat_map(|entry| versions_in(entry.path().join("bin"))),
            );
        }
        found.push(with_library());
        found.sort();
        found
    })
}

fn versions_in(folder: impl AsRef<Path>) -> Vec<PathBuf> {
    let names = (9..20).map(|minor| folder.as_ref().join(format!("python3.{minor}")));
    names.filter(|path| path.is_file()).collect()
}

/// Debian's own interpreter is executed as it is. This is the same one in its shared library, with a
/// program that does nothing but start it, as `./configure --enable-shared` makes it.
pub fn with_library() -> PathBuf {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| {
        let name = &version();
        let library = format!("lib{name}.so.1.0");
        let found = fs::read_dir("/usr/lib")
            .unwrap()
            .flatten()
            .map(|folder| folder.path().join(&library))
            .find(|path| path.exists());
        let found =
            found.unwrap_or_else(|| panic!("{library} is missing: apt-get install libpython3-dev"));
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("with-library");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("bin")).unwrap();
        fs::create_dir_all(folder.join("lib")).unwrap();
        symlink(
            Path::new("/usr/lib").join(name),
            folder.join("lib").join(name),
        )
        .unwrap();
        symlink(&found, folder.join("lib").join(&library)).unwrap();
        let text = "int Py_BytesMain(int, char **);\n\
                    int main(int count, char **words) { return Py_BytesMain(count, words); }\n";
        let program = folder.join("bin").join(name);
        compile(text, &[found.as_os_str()], &program);
        program
    })
    .clone()
}

/// Compiles a C program, or with `-shared` a library.
pub fn compile(text: &str, arguments: &[&OsStr], result: &Path) {
    let source = result.with_extension("c");
    fs::write(&source, text).unwrap();
    let mut gcc = Command::new("gcc");
    output(gcc.arg("-o").args([result, &source]).args(arguments));
}

/// A fresh virtualenv without packages, in `folder`; gives its interpreter.
pub fn virtualenv(base: &Path, folder: &Path) -> PathBuf {
    let mut python = Command::new(base);
    output(python.args(["-m", "venv", "--without-pip"]).arg(folder));
    folder.join("bin/python")
}
