//! Files of a configuration: shown with their names, or written where nothing stands in their way.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use contract::codes::Code;
use contract::files;
use contract::report::Failure;
use rustix::process::geteuid;

use super::File;
use crate::doors::other_user::become_user;
use crate::plan::config::Existing;
use crate::tools::check::user::User;

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

/// What is at a file's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing.
    Free,
    /// The file, as it should be.
    Same,
    /// Something else.
    Other,
}

/// What is at the place of `file`.
pub fn standing(path: &Path, file: &File) -> Standing {
    let Ok(found) = fs::symlink_metadata(path) else {
        return Standing::Free;
    };
    let has_mode = found.permissions().mode() & 0o777 == file.mode;
    let text = || files::read(path, file.text.len() as u64);
    match has_mode && text().is_ok_and(|text| text == file.text.as_bytes()) {
        true => Standing::Same,
        false => Standing::Other,
    }
}

/// Writes the files below `folder`, and tells their names. All of them or none, where one stands in the way.
pub fn write(files: &[File], folder: &Path, existing: Existing) -> Result<(), Failure> {
    let cannot = |path: &Path, error: &str| {
        Failure::new(
            Code::CANNOT_CONFIGURE,
            format!("{}: {error}", path.display()),
        )
    };
    become_owner(folder)?;
    fs::create_dir_all(folder).map_err(|error| cannot(folder, &error.to_string()))?;
    let places = files.iter().map(|file| folder.join(&file.path));
    let steps: Vec<_> = places
        .zip(files)
        .map(|(path, file)| (standing(&path, file), path, file))
        .collect();
    let in_the_way = steps
        .iter()
        .find(|(standing, ..)| *standing == Standing::Other);
    if let Some((_, path, _)) = in_the_way.filter(|_| existing == Existing::Kept) {
        return Err(cannot(path, "another one is there; --force replaces it"));
    }
    for (standing, path, file) in &steps {
        let done = match standing {
            Standing::Same => "as it should be",
            Standing::Free => "written",
            Standing::Other => "replaced",
        };
        if *standing != Standing::Same {
            put(path, file).map_err(|error| cannot(path, &error.to_string()))?;
        }
        print(&format!("{done}: {}\n", path.display()));
    }
    Ok(())
}

/// As root, in somebody else's folder, this process becomes that of the owner: what it writes is the owner's, and no
/// link of theirs leads root elsewhere, be it the folder itself. A folder that is to be made is that of the one above it.
pub fn become_owner(folder: &Path) -> Result<(), Failure> {
    let there = folder.ancestors().find(|folder| folder.exists());
    let owner = there.and_then(User::of_folder);
    let Some(owner) = owner.filter(|owner| geteuid().is_root() && owner.uid != 0) else {
        return Ok(());
    };
    become_user(owner.uid, &owner.groups).map_err(|error| {
        let reason = format!("becoming {}, whose folder this is: {error}", owner.name);
        Failure::new(
            Code::CANNOT_CONFIGURE,
            format!("{}: {reason}", folder.display()),
        )
    })
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
