//! Who may read, who may write, and what suexec demands.

use std::fs::{self, Metadata};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use super::access::{Access, Blocked, is_foreign, look, walk};
use super::catalogue::{Kind, Severity};
use super::report::{Hit, Report, quoted};
use super::subject::Subject;
use super::user::User;
use crate::plan::Server;

/// As many are listed.
const LISTED: usize = 10;

/// suexec's AP_UID_MIN and AP_GID_MIN, as Apache and Debian build it.
const LEAST_ID: u32 = 100;

const OTHERS_WRITE: u32 = 0o002;
const STICKY: u32 = 0o1000;

/// All of it.
pub fn check(subject: &Subject, report: &mut Report) {
    report.begin("Permissions");
    reach(subject, report);
    world_writable(subject, report);
    let is_suexec = subject.plan.server == Some(Server::Suexec);
    if let Some(file) = subject.file.as_deref()
        && (subject.is_script || is_suexec)
    {
        suexec(subject, file, is_suexec, report);
    }
}

/// What the server's user needs and cannot read.
fn reach(subject: &Subject, report: &mut Report) {
    let Some(user) = &subject.user else {
        return;
    };
    let access = Access::of(user);
    let interpreter = subject.interpreter.as_ref();
    let own = |path| (path, subject.typed.as_path());
    let needed = [
        Some(own(subject.folder.as_path())),
        subject.file.as_deref().map(own),
        interpreter
            .and_then(|found| Some(found.virtualenv.as_ref()?.prefix.as_path()))
            .map(|path| (path, path)),
        interpreter.map(|found| (found.program.as_path(), found.program.as_path())),
    ];
    let mut told: Vec<Blocked> = Vec::new();
    for (path, named) in needed.into_iter().flatten() {
        if let Some(blocked) = access.blocked(path, named)
            && !told.iter().any(|known| known.path == blocked.path)
        {
            tell(&blocked, path, user, report);
            told.push(blocked);
        }
    }
    if !told.is_empty() {
        return;
    }
    let real = fs::canonicalize(&subject.folder);
    let is_inside = |path: &Path| {
        let (Ok(real), Ok(path)) = (&real, fs::canonicalize(path)) else {
            return false;
        };
        path.starts_with(real)
    };
    for (path, _) in walk(&subject.folder, |folder| !is_foreign(folder)) {
        // Python lists a folder to find what is in it.
        let is_blocked = || {
            let folder = path.parent()?;
            let folder = access.blocked(folder, folder);
            folder.or_else(|| access.blocked(&path, &path))
        };
        if is_source(&path)
            && let Some(mut blocked) = is_blocked()
            && !told.iter().any(|known| known.path == blocked.path)
        {
            // Nothing that lies elsewhere is opened because of a link in this folder.
            if !is_inside(&path) {
                blocked.remedy = look(&path);
            }
            tell(&blocked, &path, user, report).severity(Severity::Warning);
            told.push(blocked);
        }
    }
}

fn tell<'a>(blocked: &Blocked, needed: &Path, user: &User, report: &'a mut Report) -> &'a mut Hit {
    let (name, way) = (&user.name, blocked.path.display());
    let mut what = format!("{way} {} by {name}", blocked.how);
    if blocked.path != needed {
        what.push_str(&format!(", and {} is needed", needed.display()));
    }
    let hit = report.add(Kind::OUT_OF_REACH, what);
    hit.at(way).mend(&blocked.remedy)
}

/// What everybody may change: one finding for all of it.
fn world_writable(subject: &Subject, report: &mut Report) {
    let mut found = walk(&subject.folder, |folder| !is_foreign(folder));
    let above = subject.folder.ancestors();
    found.extend(above.filter_map(|path| Some((path.to_owned(), fs::metadata(path).ok()?))));
    found.retain(|(_, status)| {
        let mode = status.permissions().mode();
        // In a sticky folder, nobody can replace what belongs to somebody else.
        (status.is_file() || status.is_dir()) && mode & OTHERS_WRITE != 0 && mode & STICKY == 0
    });
    let Some((first, status)) = found.first() else {
        return;
    };
    let mode = status.permissions().mode() & 0o7777;
    let mut what = format!("{} has mode {mode:04o}", first.display());
    let few = || found.iter().take(LISTED).map(|(path, _)| path);
    let words: Vec<_> = few().map(quoted).collect();
    let others = found.len() - 1;
    if others > 0 {
        what.push_str(&format!(", and {others} more can be written"));
    }
    let hit = report.add(Kind::WORLD_WRITABLE, what);
    hit.at(first.display());
    let command = format!("chmod o-w {}", words.join(" "));
    // Of several owners, root alone can do it.
    match found.iter().all(|(_, other)| other.uid() == status.uid()) {
        true => hit.mend_path(subject.judged(first), command),
        false => hit.mend(command),
    };
    if others > 0 {
        hit.detail(few().map(|path| path.display().to_string()));
    }
}

fn is_source(path: &Path) -> bool {
    let ends = ["py", "so", "html", "jinja", "jinja2", "j2", "mako", "pt"];
    path.extension()
        .is_some_and(|end| ends.iter().any(|known| end == *known))
}

/// httpd's support/suexec.c, in its order.
fn suexec(subject: &Subject, file: &Path, is_certain: bool, report: &mut Report) {
    let (Ok(script), Ok(folder)) = (
        fs::symlink_metadata(file),
        fs::symlink_metadata(&subject.folder),
    ) else {
        return;
    };
    let (shown, place) = (file.display(), subject.folder.display());
    let (quoted_file, quoted_folder) = (quoted(file), quoted(&subject.folder));
    let judged = subject.judged(&subject.folder);
    let mut add = |kind, what: String, at: String, remedy: String| {
        let hit = report.add(kind, what);
        hit.at(at);
        match kind {
            // Only root can give files away, and may put them anywhere.
            Kind::SUEXEC_OWNER | Kind::SUEXEC_FORBIDDEN | Kind::SUEXEC_ROOT
                if judged == subject.folder =>
            {
                hit.mend(remedy)
            }
            _ => hit.mend_path(judged, remedy),
        };
        if is_certain {
            hit.severity(Severity::Error);
        }
    };
    let mode = |status: &Metadata| status.permissions().mode() & 0o7777;
    if mode(&folder) & 0o022 != 0 {
        let what = format!("{place} has mode {:04o}", mode(&folder));
        let remedy = format!("chmod go-w {quoted_folder}");
        add(
            Kind::SUEXEC_FOLDER_WRITABLE,
            what,
            place.to_string(),
            remedy,
        );
    }
    if mode(&script) & 0o022 != 0 {
        let what = format!("{shown} has mode {:04o}", mode(&script));
        let remedy = format!("chmod go-w {quoted_file}");
        add(Kind::SUEXEC_FILE_WRITABLE, what, shown.to_string(), remedy);
    }
    if mode(&script) & 0o6000 != 0 {
        let what = format!("{shown} has mode {:04o}", mode(&script));
        let remedy = format!("chmod ug-s {quoted_file}");
        add(Kind::SUEXEC_SETUID, what, shown.to_string(), remedy);
    }
    if !is_certain {
        return;
    }
    if let Some(root) = &subject.plan.document_root
        && !subject.folder.starts_with(root)
    {
        let what = format!("{place} is not in {}", root.display());
        let remedy = format!("mv {quoted_folder} {}/", quoted(root));
        add(Kind::SUEXEC_ROOT, what, place.to_string(), remedy);
    }
    if subject.typed.is_symlink() {
        let what = format!("{} leads to {shown}", subject.typed.display());
        let link = subject.typed.display();
        let remedy = format!(
            "cp --remove-destination {quoted_file} {}",
            quoted(&subject.typed)
        );
        add(Kind::SUEXEC_LINK, what, link.to_string(), remedy);
    }
    let ids = |status: &Metadata| (status.uid(), status.gid());
    // Not what a link leads to: the file may have become one.
    let remedy = format!("chown -h USER:GROUP {quoted_folder} {quoted_file}");
    if ids(&script) != ids(&folder) {
        let what = format!(
            "{shown} belongs to {:?}, {place} to {:?} (user and group)",
            ids(&script),
            ids(&folder)
        );
        add(Kind::SUEXEC_OWNER, what, shown.to_string(), remedy.clone());
    }
    if script.uid() < LEAST_ID || script.gid() < LEAST_ID {
        let what = format!("{shown} belongs to {:?} (user and group)", ids(&script));
        add(Kind::SUEXEC_FORBIDDEN, what, shown.to_string(), remedy);
    }
}
