//! Files of a configuration: shown with their names, or written where nothing stands in their way.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use contract::codes::Code;
use contract::report::Failure;

use super::File;
use crate::plan::config::Existing;

/// Writes to standard output.
pub fn print(text: &str) {
    // A reader that has gone away has seen enough.
    let _ = io::stdout().write_all(text.as_bytes());
}

/// One file as it is; several, each behind its name.
pub fn shown(files: &[File]) -> String {
    if let [file] = files {
        return file.text.clone();
    }
    let mut text = String::new();
    for file in files {
        let mode = match file.mode {
            0o755 => "   (chmod 755)",
            _ => "",
        };
        let gap = if text.is_empty() { "" } else { "\n" };
        text.push_str(&format!(
            "{gap}==> {}{mode}\n{}",
            file.path.display(),
            file.text
        ));
    }
    text
}

/// Writes the files below `folder`, and tells their names. All of them or none, where one stands in the way.
pub fn write(files: &[File], folder: &Path, existing: Existing) -> Result<(), Failure> {
    let cannot = |path: &Path, error: io::Error| {
        Failure::new(Code::SYSTEM, format!("{}: {error}", path.display()))
    };
    fs::create_dir_all(folder).map_err(|error| cannot(folder, error))?;
    let files: Vec<(PathBuf, &File)> = files
        .iter()
        .map(|file| (folder.join(&file.path), file))
        .collect();
    let is_other = |(path, file): &&(PathBuf, &File)| {
        fs::symlink_metadata(path).is_ok() && !is_written(path, file)
    };
    if existing == Existing::Kept
        && let Some((path, _)) = files.iter().find(is_other)
    {
        let reason = format!("{} is there already; --force replaces it", path.display());
        return Err(Failure::new(Code::BAD_SETTING, reason));
    }
    for (path, file) in &files {
        if is_written(path, file) {
            print(&format!("is as it should be: {}\n", path.display()));
            continue;
        }
        put(path, file).map_err(|error| cannot(path, error))?;
        print(&format!("written: {}\n", path.display()));
    }
    Ok(())
}

/// Whether the file is there, as it should be.
pub fn is_written(path: &Path, file: &File) -> bool {
    let mode = fs::symlink_metadata(path).map(|found| found.permissions().mode() & 0o777);
    mode.is_ok_and(|mode| mode == file.mode)
        && fs::read(path).is_ok_and(|text| text == file.text.as_bytes())
}

/// Puts the file into its place whole: what is there is replaced, a link by a file.
pub fn put(path: &Path, file: &File) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut new = tempfile::Builder::new()
        .permissions(fs::Permissions::from_mode(file.mode))
        .tempfile_in(folder)?;
    new.write_all(file.text.as_bytes())?;
    // The umask has had its say; the mode is what the server needs.
    new.as_file()
        .set_permissions(fs::Permissions::from_mode(file.mode))?;
    new.persist(path)?;
    Ok(())
}
