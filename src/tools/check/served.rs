//! What a visitor could read besides the application's pages.

use std::fs::{self, File, Metadata};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::access::{Access, READ, walk};
use super::catalogue::{Kind, Severity};
use super::report::{Report, quoted};
use super::subject::Subject;

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

/// Of a source, so much is looked at.
const MOST: u64 = 1 << 20;

/// Looks below the folder that the web server hands out.
pub fn check(subject: &Subject, report: &mut Report) {
    let Some((folder, is_said)) = subject.served() else {
        return;
    };
    report.begin("Files that are handed out");
    report.note(folder.display().to_string());
    let access = subject.user.as_ref().map(Access::of);
    let is_handed_out = |status: &Metadata| match &access {
        Some(access) => access.may(status, READ),
        None => status.permissions().mode() & 0o044 != 0,
    };
    for (path, status) in walk(folder, |folder| kind_of_folder(folder).is_none()) {
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
            && is_handed_out(&status)
        {
            let shown = path.display();
            let hit = report.add(kind, shown.to_string());
            hit.at(&shown);
            let above = quoted(folder.parent().unwrap_or(folder));
            let named = quoted(&path);
            let name = path.file_name().unwrap_or_default().display();
            hit.mend(match kind {
                Kind::SERVED_VIRTUALENV => format!(
                    "make one anew by python3 -m venv {above}/{name}, rm -r {named}, and into the script: \
                     # wsgi-cgi: python={above}/{name}"
                ),
                _ => format!("mv {named} {above}/"),
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
        () if SECRETS.contains(&&*name) || name.starts_with(".env.") => Some(Kind::SECRETS),
        () if is_one(&["key", "pem", "p12"]) => Some(Kind::SECRETS),
        () if is_one(&["sqlite", "sqlite3", "db"]) => Some(Kind::DATABASE),
        () if is_one(&["py", "ini", "toml", "yml", "yaml", "json"]) => {
            has_secret_key(file).then_some(Kind::SERVED_SETTINGS)
        }
        () => None,
    }
}

fn has_secret_key(file: &Path) -> bool {
    let mut text = Vec::new();
    let read = File::open(file).and_then(|file| file.take(MOST).read_to_end(&mut text));
    read.is_ok() && String::from_utf8_lossy(&text).lines().any(is_secret_key)
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
