//! The `#!` line of a script, as the kernel reads it (execve(2)).

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{StatVfsMountFlags, statvfs};

use super::catalogue::Kind;
use super::report::{Report, quoted};
use super::subject::Subject;
use crate::plan::Server;
use crate::pragma;

/// Kernels from Linux 5.1 on, and before.
const KERNEL_LIMIT: usize = 255;
const OLD_KERNEL_LIMIT: usize = 127;

const MARK: &[u8] = b"\xef\xbb\xbf";

/// Looks at the script, if the web server starts it.
pub fn check(subject: &Subject, report: &mut Report) {
    let Some(file) = subject.file.as_deref().filter(|_| subject.is_script) else {
        return;
    };
    report.begin("Script");
    run_bit(subject, file, report);
    let Some(line) = pragma::first_line(file) else {
        return;
    };
    let text = String::from_utf8_lossy(&line).into_owned();
    let (shown, named) = (file.display(), quoted(file));
    if line.starts_with(MARK) {
        let command = format!("sed -i '1s/^\\xef\\xbb\\xbf//' {named}");
        report
            .add(Kind::BYTE_ORDER_MARK, "")
            .at(&shown)
            .mend_path(subject.judged(file), command);
        return;
    }
    let Some(command) = line.strip_prefix(b"#!") else {
        return;
    };
    if line.ends_with(b"\r") {
        let what = format!("{:?}", text);
        let remedy = format!("sed -i 's/\\r$//' {named}");
        report
            .add(Kind::SHEBANG_CRLF, what)
            .at(&shown)
            .mend_path(subject.judged(file), remedy);
    }
    length(line.trim_ascii_end().len(), file, report);
    program(command.trim_ascii(), subject, file, report);
    report.note(text);
}

fn run_bit(subject: &Subject, file: &Path, report: &mut Report) {
    let Ok(status) = fs::metadata(file) else {
        return;
    };
    let (shown, named) = (file.display(), quoted(file));
    let mode = status.permissions().mode() & 0o7777;
    if mode & 0o111 == 0 {
        let what = format!("its mode is {mode:04o}");
        let remedy = format!("chmod 755 {named}");
        report
            .add(Kind::NOT_EXECUTABLE, what)
            .at(&shown)
            .mend_path(subject.judged(file), remedy);
    }
    if statvfs(file).is_ok_and(|system| system.f_flag.contains(StatVfsMountFlags::NOEXEC)) {
        report.add(Kind::NOEXEC, "").at(&shown);
    }
}

fn length(length: usize, file: &Path, report: &mut Report) {
    let kind = match length {
        length if length > KERNEL_LIMIT => Kind::SHEBANG_CUT,
        length if length > OLD_KERNEL_LIMIT => Kind::SHEBANG_LONG,
        _ => return,
    };
    report
        .add(kind, format!("it has {length} bytes"))
        .at(file.display());
}

/// `command` stands behind `#!`.
fn program(command: &[u8], subject: &Subject, file: &Path, report: &mut Report) {
    let (shown, named) = (file.display(), quoted(file));
    let mut words = command
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty());
    let program = Path::new(OsStr::from_bytes(words.next().unwrap_or_default()));
    if !program.is_absolute() {
        report
            .add(Kind::RELATIVE_SHEBANG, program.display().to_string())
            .at(&shown)
            .mend_path(
                subject.judged(file),
                match located(program, file) {
                    Some(place) => replacing(&place, words, file),
                    None => format!("sed -i '1s|#! *|#!/usr/bin/env |' {named}"),
                },
            );
    } else if !program.exists() {
        let hit = report.add(Kind::NO_SHEBANG_PROGRAM, program.display().to_string());
        hit.at(&shown);
        let name = program.file_name().unwrap_or_default();
        if let Some(place) = located(name.as_ref(), file) {
            hit.mend_path(subject.judged(file), replacing(&place, words, file));
        }
    } else if program.file_name() == Some(OsStr::new("env")) {
        env(&words.collect::<Vec<_>>(), subject, file, report);
    }
}

/// `words` stand behind `env`.
fn env(words: &[&[u8]], subject: &Subject, file: &Path, report: &mut Report) {
    let shown = file.display();
    let splits = words.first().is_some_and(|first| first.starts_with(b"-S"));
    if words.len() > 1 && !splits {
        let text = String::from_utf8_lossy(&words.join(&b' ')).into_owned();
        report
            .add(Kind::ENV_WITHOUT_SPLIT, text)
            .at(&shown)
            .mend_path(
                subject.judged(file),
                format!("sed -i '1s|env |env -S |' {}", quoted(file)),
            );
    }
    let is_name = |word: &&[u8]| !word.starts_with(b"-") && !word.contains(&b'=');
    let mut rest = words.iter().copied();
    let Some(name) = rest.find(is_name).map(OsStr::from_bytes) else {
        return;
    };
    let server = subject.plan.server.unwrap_or(Server::Apache);
    let mut folders = server.search_path().split(':');
    if folders.any(|folder| Path::new(folder).join(name).exists()) {
        return;
    }
    let (path, server) = (server.search_path(), server.name());
    let what = format!("{} is not in {path} ({server})", name.display());
    let hit = report.add(Kind::NOT_ON_PATH, what);
    hit.at(&shown);
    if let Some(place) = located(name.as_ref(), file) {
        hit.mend_path(subject.judged(file), replacing(&place, rest, file));
    }
}

/// Where a program of the script `file` is that this process finds; ours is the one that runs.
fn located(program: &Path, file: &Path) -> Option<PathBuf> {
    // A #! line can name no program with a blank in its path.
    let has_blank = |place: &Path| place.to_string_lossy().contains(char::is_whitespace);
    if program == "wsgi-cgi" {
        let own = std::env::current_exe().ok();
        return own.filter(|own| !has_blank(own));
    }
    let path = match program.components().count() {
        1 => std::env::var_os("PATH")?,
        _ => file.parent()?.into(),
    };
    let mut places = std::env::split_paths(&path).map(|folder| folder.join(program));
    places.find(|place| place.is_file() && !has_blank(place))
}

/// Puts `place` into the first line; the words behind the program stay.
fn replacing<'a>(place: &Path, words: impl Iterator<Item = &'a [u8]>, file: &Path) -> String {
    let mut line = format!("#!{}", place.display());
    for word in words {
        line.push(' ');
        line.push_str(&String::from_utf8_lossy(word));
    }
    for special in ['\\', '&', '|'] {
        line = line.replace(special, &format!("\\{special}"));
    }
    format!(
        "sed -i {} {}",
        quoted(format!("1s|.*|{line}|")),
        quoted(file)
    )
}
