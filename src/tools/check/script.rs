//! What a file is to a web server: a script that it starts, or one that starts another application.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::{cli, pragma};

/// The program on the `#!` line of a script that holds no application, but starts one that it names: a shell, or
/// wsgi-cgi with an APP of its own.
pub fn starter(file: &Path) -> Option<String> {
    let line = pragma::first_line(file)?;
    let line = String::from_utf8_lossy(line.strip_prefix(b"#!")?).into_owned();
    let mut words = line.split_ascii_whitespace();
    let mut names = words
        .by_ref()
        .map(|word| word.rsplit('/').next().unwrap_or(word));
    let name = names.find(|name| !["env", "-S"].contains(name))?;
    let shells = ["sh", "bash", "dash", "ash", "ksh", "zsh"];
    let starts_another = match name {
        "wsgi-cgi" => {
            let words: Vec<_> = words.map(OsString::from).collect();
            cli::parse(&words).is_ok_and(|typed| typed.application.is_some())
        }
        name => shells.contains(&name),
    };
    starts_another.then(|| name.to_owned())
}

/// By its name, by a `#!` line of ours, or by a run bit beside any `#!` line: a web server may start it.
pub fn is_one(file: &Path) -> bool {
    let is_named = file
        .extension()
        .is_some_and(|end| end == "cgi" || end == "fcgi");
    let line = pragma::first_line(file).unwrap_or_default();
    let line = String::from_utf8_lossy(&line);
    let can_run = fs::metadata(file).is_ok_and(|status| status.permissions().mode() & 0o111 != 0);
    is_named || line.contains("#!") && (can_run || line.contains("wsgi-cgi"))
}
