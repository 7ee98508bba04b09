//! What a visitor could read besides the application's pages.

use std::fs::{self, Metadata};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use contract::files;

use super::access::{Access, ENTER, READ, walk};
use super::catalogue::{Kind, Severity};
use super::report::{Report, quoted};
use super::subject::Subject;
use crate::plan::Server;

const SECRETS: [&str; 8] = [
    ".env",
    ".git-credentials",
    ".netrc",
    ".pgpass",
    ".pypirc",
    "credentials.json",
    "id_ed25519",
    "id_rsa",
];

/// Endings of files to be copied and filled in: `.env.example`.
const MODELS: [&str; 4] = ["example", "sample", "template", "dist"];

/// Of a file, so much is looked at.
const MOST: u64 = 1 << 20;

/// Looks below the folder that the web server hands out.
pub fn check(subject: &Subject, report: &mut Report) {
    let Some((folder, is_said)) = subject.served() else {
        return;
    };
    report.begin("Files that are handed out");
    report.note(folder.display().to_string());
    // With suexec, another user hands out files than the one who runs scripts.
    let is_suexec = subject.plan.server == Some(Server::Suexec);
    let user = subject.user.as_ref().filter(|_| !is_suexec);
    let access = user.map(Access::of);
    let may = |status: &Metadata, rights: u32| match &access {
        Some(access) => access.may(status, rights),
        None => status.permissions().mode() & (rights << 3 | rights) != 0,
    };
    let is_open = |folder: &Path| fs::metadata(folder).is_ok_and(|status| may(&status, ENTER));
    let is_walked = |folder: &Path| kind_of_folder(folder).is_none() && is_open(folder);
    for (path, status) in walk(folder, is_walked) {
        // A link leads where Apache follows it.
        let Ok(status) = (match status.is_symlink() {
            true => fs::metadata(&path),
            false => Ok(status),
        }) else {
            continue;
        };
        let kind = match status.is_dir() {
            true => kind_of_folder(&path),
            false if Some(&*path) == subject.file.as_deref() => None,
            false => kind_of_file(&path),
        };
        if let Some(kind) = kind
            && may(&status, READ)
        {
            let shown = path.display();
            let hit = report.add(kind, shown.to_string());
            hit.at(&shown);
            let above = folder.parent().unwrap_or(folder);
            let named = quoted(&path);
            hit.mend_path(above, match kind {
                Kind::SERVED_VIRTUALENV => {
                    let new = above.join(path.file_name().unwrap_or_default());
                    format!(
                        "python3 -m venv {} && rm -r {named}   # its packages anew, and in the script: # wsgi-cgi: python={}",
                        quoted(&new),
                        quoted(&new)
                    )
                }
                // Asks before it writes over a file of the same name.
                _ => format!("mv -i {named} {}", quoted(above)),
            });
            // The folder of a script may be one (ScriptAlias) whose files are never handed out.
            if !is_said {
                hit.severity(Severity::Hint);
            }
        }
    }
}

fn kind_of_folder(folder: &Path) -> Option<Kind> {
    let name = folder.file_name().unwrap_or_default();
    if [".git", ".hg", ".svn"].iter().any(|known| name == *known) {
        return Some(Kind::REPOSITORY);
    }
    let is_virtualenv = folder.join("pyvenv.cfg").exists();
    is_virtualenv.then_some(Kind::SERVED_VIRTUALENV)
}

fn kind_of_file(file: &Path) -> Option<Kind> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let end = file.extension().unwrap_or_default();
    let is_one = |ends: &[&str]| ends.iter().any(|known| end == *known);
    match () {
        () if SECRETS.contains(&&*name) => Some(Kind::SECRETS),
        () if name.starts_with(".env.") && !is_one(&MODELS) => Some(Kind::SECRETS),
        () if is_one(&["key", "p12"]) => Some(Kind::SECRETS),
        // Certificates are for everybody.
        () if is_one(&["pem"]) => beginning(file)
            .contains("PRIVATE KEY")
            .then_some(Kind::SECRETS),
        () if is_one(&["sqlite", "sqlite3", "db"]) => Some(Kind::DATABASE),
        () if is_one(&["py", "ini", "toml", "yml", "yaml", "json"]) => {
            let text = beginning(file);
            text.lines()
                .any(is_secret_key)
                .then_some(Kind::SERVED_SETTINGS)
        }
        () => None,
    }
}

/// As much as is looked at; nothing of what cannot be read.
fn beginning(file: &Path) -> String {
    let mut text = Vec::new();
    let read = files::open(file).and_then(|(file, _)| file.take(MOST).read_to_end(&mut text));
    read.map_or(String::new(), |_| {
        String::from_utf8_lossy(&text).into_owned()
    })
}

/// `SECRET_KEY = "…"`, `app.config["SECRET_KEY"] = b'…'`, `secret_key: …`: a value that stands there, and is not
/// taken from elsewhere.
fn is_secret_key(line: &str) -> bool {
    let lower = line.to_ascii_lowercase();
    let Some((before, behind)) = lower.split_once("secret_key") else {
        return false;
    };
    let behind = behind.trim_start_matches(['"', '\'', ']']).trim_start();
    let Some(value) = behind.strip_prefix('=').or(behind.strip_prefix(':')) else {
        return false;
    };
    let value = value.trim_start().trim_start_matches('b');
    let is_text = value.starts_with(['"', '\'']) && !["\"\"", "''"].contains(&value.trim());
    is_text && !before.trim_start().starts_with('#')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_key_is_a_text_that_stands_there() {
        for line in [
            "SECRET_KEY = 'x'",
            "app.config[\"SECRET_KEY\"] = b\"x\"",
            "app.secret_key='x'",
            "  \"secret_key\": \"x\",",
        ] {
            assert!(is_secret_key(line), "{line}");
        }
        for line in [
            "SECRET_KEY = os.environ['SECRET_KEY']",
            "# SECRET_KEY = 'x'",
            "SECRET_KEY = ''",
            "print(SECRET_KEY)",
            "if SECRET_KEY == 'x':",
        ] {
            assert!(!is_secret_key(line), "{line}");
        }
    }
}
