//! pyenv's shims: scripts on PATH which look for the interpreter that a folder wants. Their shell takes several
//! times as long as Python's own start, at each request.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use contract::files;

/// A file of version numbers is smaller.
const LIMIT: u64 = 64 << 10;

/// The program that a shim would start, and what names it; None where that is not certain, so that the shim
/// itself has to say.
pub(super) fn behind_shim(
    shim: &Path,
    version: Option<&OsStr>,
    application_dir: &Path,
) -> Option<(PathBuf, String)> {
    let shims = shim.parent().filter(|folder| folder.ends_with("shims"))?;
    let root = shims.parent()?;
    let (version, named_by) = match version.and_then(OsStr::to_str) {
        Some(version) if !version.is_empty() => (version.to_owned(), "PYENV_VERSION".to_owned()),
        _ => wanted(application_dir, root)?,
    };
    // Several versions, `system`, or the beginning of a number: pyenv's own affair.
    let is_name = !version.contains(['/', ':']) && version != "..";
    let bin = root.join("versions").join(&version).join("bin");
    let program = bin.join(shim.file_name()?);
    let is_there = is_name && program.is_file();
    is_there.then(|| (program, format!("pyenv's {version} by {named_by}")))
}

/// `.python-version` beside the application or above it, else the file of pyenv's own.
fn wanted(application_dir: &Path, root: &Path) -> Option<(String, String)> {
    let local = application_dir
        .ancestors()
        .map(|folder| folder.join(".python-version"));
    for file in local.chain([root.join("version")]) {
        if let Ok(text) = files::read(&file, LIMIT) {
            let text = String::from_utf8(text).ok()?;
            let mut words = text
                .lines()
                .map(str::trim)
                .filter(|line| !line.starts_with('#'));
            let (version, more) = (words.find(|word| !word.is_empty())?, words.next());
            let is_one = more.is_none_or(str::is_empty) && !version.contains(' ');
            return is_one.then(|| (version.to_owned(), file.display().to_string()));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::find;
    use super::super::tree::Tree;
    use super::*;

    /// A shim on PATH, two versions behind it.
    fn tree() -> Tree {
        let tree = Tree::new();
        tree.executable("pyenv/shims/python3", "#!/bin/sh\n");
        for version in ["3.11.7", "3.12.1"] {
            let short = version.rsplit_once('.').unwrap().0;
            tree.base(&format!("pyenv/versions/{version}"), short);
        }
        tree.file("pyenv/version", "3.11.7\n");
        tree
    }

    #[track_caller]
    fn finds(tree: &Tree, version: Option<&str>, expected: &str) {
        let shims = tree.path("pyenv/shims");
        let mut request = tree.request();
        request.search_path = Some(shims.as_os_str());
        request.pyenv_version = version.map(OsStr::new);
        let found = find(&request).unwrap();
        assert_eq!(found.program, tree.path(expected), "{}", found.reason);
    }

    #[test]
    fn the_version_that_the_folder_wants_is_started_itself() {
        let tree = tree();
        finds(&tree, None, "pyenv/versions/3.11.7/bin/python3");
        tree.file("app/.python-version", "# ours\n3.12.1\n");
        finds(&tree, None, "pyenv/versions/3.12.1/bin/python3");
        finds(&tree, Some("3.11.7"), "pyenv/versions/3.11.7/bin/python3");
    }

    #[test]
    fn what_is_not_certain_is_left_to_the_shim() {
        for text in [
            "system",
            "3.12",
            "3.11.7:3.12.1",
            "3.11.7\n3.12.1",
            "../x",
            "",
        ] {
            let tree = tree();
            tree.file("app/.python-version", text);
            finds(&tree, None, "pyenv/shims/python3");
        }
    }
}
