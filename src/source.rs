//! What APP names: a file, a module, or a folder that holds one.

use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use contract::codes::Code;
use contract::handover::Source;
use contract::report::Failure;

use crate::nearest::nearest;

/// An application that is there, not yet imported.
#[derive(Debug)]
pub struct Found {
    /// Where its code is.
    pub source: Source,
    /// The name behind the colon.
    pub callable: Option<String>,
    /// The folder to look for a virtualenv in; absolute.
    pub directory: PathBuf,
    /// Who owns the application's file.
    pub owner: Option<u32>,
}

/// Finds what `application` names. Relative paths count from `here`; modules are looked up there.
pub fn find(application: &OsStr, here: &Path) -> Result<Found, Failure> {
    if let Some(found) = at_path(application, None, here)? {
        return Ok(found);
    }
    let (name, callable) = split_callable(application);
    if let Some(callable) = callable
        && let Some(found) = at_path(name, Some(callable), here)?
    {
        return Ok(found);
    }
    let module = name
        .to_str()
        .filter(|name| is_dotted_name(name) && (!looks_like_file(name) || is_module(name, here)));
    let Some(module) = module else {
        return Err(missing(&here.join(name)));
    };
    Ok(Found {
        source: Source::Module {
            name: module.to_owned(),
            directory: here.to_owned(),
        },
        callable: callable.map(str::to_owned),
        directory: here.to_owned(),
        owner: None,
    })
}

/// The failure of a file that is not there, with the one beside it that was meant.
fn missing(path: &Path) -> Failure {
    let failure = Failure::new(Code::NO_SUCH_FILE, format!("{}", path.display()));
    let beside = path.parent().and_then(|folder| fs::read_dir(folder).ok());
    let names = beside.into_iter().flatten().flatten();
    let names = names.filter_map(|entry| entry.file_name().into_string().ok());
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    match nearest(&name, names) {
        Some(meant) => failure.with_detail(format!("did you mean {meant}?")),
        None => failure,
    }
}

/// The file or folder at `name`, if there is one.
fn at_path(name: &OsStr, callable: Option<&str>, here: &Path) -> Result<Option<Found>, Failure> {
    let path = here.join(name);
    let metadata = match fs::metadata(&path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return Err(unreadable(&path, &error));
        }
        Err(_) => return Ok(None),
    };
    if metadata.is_dir() {
        return in_directory(&path, callable);
    }
    // As Python does for a script: the real file's folder counts, not that of a link to it.
    let path = match fs::symlink_metadata(&path) {
        Ok(link) if link.is_symlink() => {
            fs::canonicalize(&path).map_err(|error| unreadable(&path, &error))?
        }
        _ => path,
    };
    Ok(Some(file(path, callable, &metadata)))
}

fn file(path: PathBuf, callable: Option<&str>, metadata: &Metadata) -> Found {
    Found {
        directory: path.parent().unwrap_or(Path::new("/")).to_owned(),
        source: Source::File(path),
        callable: callable.map(str::to_owned),
        owner: Some(metadata.uid()),
    }
}

fn in_directory(directory: &Path, callable: Option<&str>) -> Result<Option<Found>, Failure> {
    for name in ["wsgi.py", "app.py", "passenger_wsgi.py"] {
        let path = directory.join(name);
        if let Ok(metadata) = fs::metadata(&path) {
            return Ok(Some(file(path, callable, &metadata)));
        }
    }
    let unreadable = |error| unreadable(directory, &error);
    if let Ok(manage) = fs::metadata(directory.join("manage.py")) {
        let mut projects = Vec::new();
        for entry in fs::read_dir(directory).map_err(unreadable)? {
            let name = entry.map_err(unreadable)?.file_name();
            if let Some(name) = name.to_str()
                && is_dotted_name(name)
                && directory.join(name).join("wsgi.py").is_file()
            {
                projects.push(name.to_owned());
            }
        }
        if let [project] = projects.as_slice() {
            return Ok(Some(Found {
                source: Source::Module {
                    name: format!("{project}.wsgi"),
                    directory: directory.to_owned(),
                },
                callable: callable.map(str::to_owned),
                directory: directory.to_owned(),
                owner: Some(manage.uid()),
            }));
        }
    }
    // A package of that name: the module form is meant.
    if directory.join("__init__.py").exists() {
        return Ok(None);
    }
    let reason = format!("{}", directory.display());
    Err(Failure::new(Code::EMPTY_DIRECTORY, reason))
}

/// The failure of a file that is there and cannot be read.
pub fn unreadable(path: &Path, error: &io::Error) -> Failure {
    let user = rustix::process::geteuid().as_raw();
    Failure::new(
        Code::NOT_READABLE,
        format!("{}: {error} (user id {user})", path.display()),
    )
}

/// `path/app.py:name` and `package.module:factory()`.
fn split_callable(application: &OsStr) -> (&OsStr, Option<&str>) {
    let bytes = application.as_bytes();
    let Some(colon) = bytes.iter().rposition(|byte| *byte == b':') else {
        return (application, None);
    };
    let (name, rest) = bytes.split_at(colon);
    let callable = rest.get(1..).and_then(|rest| str::from_utf8(rest).ok());
    (OsStr::from_bytes(name), callable)
}

fn is_dotted_name(name: &str) -> bool {
    let is_identifier = |part: &str| {
        !part.is_empty()
            && !part.starts_with(|first: char| first.is_numeric())
            && part
                .chars()
                .all(|char| char.is_alphanumeric() || char == '_')
    };
    name.split('.').all(is_identifier)
}

/// `app.py` is a file that is missing rather than the module `py` in a package `app`.
fn looks_like_file(name: &str) -> bool {
    [".py", ".cgi", ".wsgi", ".fcgi"]
        .iter()
        .any(|end| name.ends_with(end))
}

/// `mysite.wsgi`, as Django's users write it.
fn is_module(name: &str, here: &Path) -> bool {
    here.join(name.replace('.', "/") + ".py").is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        folder
    }

    #[track_caller]
    fn finds(files: &[&str], application: &str, expected: Result<(&str, Option<&str>), Code>) {
        let folder = folder(files);
        let found = find(application.as_ref(), folder.path());
        let told = match found {
            Ok(Found {
                source: Source::File(path),
                callable,
                ..
            }) => {
                let path = path
                    .strip_prefix(folder.path())
                    .unwrap()
                    .display()
                    .to_string();
                Ok((path, callable))
            }
            Ok(Found {
                source: Source::Module { name, .. },
                callable,
                ..
            }) => Ok((name, callable)),
            Err(failure) => Err(failure.code),
        };
        let expected =
            expected.map(|(source, callable)| (source.to_owned(), callable.map(str::to_owned)));
        assert_eq!(told, expected, "{application}");
    }

    #[test]
    fn every_form_of_app() {
        finds(&["a/app.py"], "a/app.py", Ok(("a/app.py", None)));
        finds(
            &["a/app.py"],
            "a/app.py:other",
            Ok(("a/app.py", Some("other"))),
        );
        finds(&["odd:name.py"], "odd:name.py", Ok(("odd:name.py", None)));
        finds(&["script"], "script", Ok(("script", None)));
        finds(&[], "package.module", Ok(("package.module", None)));
        finds(
            &[],
            "package.module:make()",
            Ok(("package.module", Some("make()"))),
        );
        finds(&["p/__init__.py"], "p", Ok(("p", None)));
        finds(&["p/wsgi.py"], "p.wsgi", Ok(("p.wsgi", None)));
        finds(&[], "p.wsgi", Err(Code::NO_SUCH_FILE));
        finds(&["d/app.py", "d/wsgi.py"], "d", Ok(("d/wsgi.py", None)));
        finds(
            &["d/passenger_wsgi.py"],
            "d/",
            Ok(("d/passenger_wsgi.py", None)),
        );
        finds(&["d/app.py"], "d:name", Ok(("d/app.py", Some("name"))));
        finds(
            &["d/manage.py", "d/site1/wsgi.py", "d/other/x.py"],
            "d",
            Ok(("site1.wsgi", None)),
        );
        finds(&["d/readme"], "d", Err(Code::EMPTY_DIRECTORY));
        finds(&[], "app.py", Err(Code::NO_SUCH_FILE));
        finds(&[], "no/such.py:x", Err(Code::NO_SUCH_FILE));
    }
}
