//! The `#!` line of a script, as the kernel reads it (execve(2)).

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{StatVfsMountFlags, statvfs};

use super::catalogue::Kind;
use super::report::Report;
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
    run_bit(file, report);
    let Some(line) = pragma::first_line(file) else {
        return;
    };
    let text = String::from_utf8_lossy(&line).into_owned();
    let shown = file.display();
    if line.starts_with(MARK) {
        let command = format!("sed -i '1s/^\\xef\\xbb\\xbf//' {shown}");
        report
            .add(Kind::BYTE_ORDER_MARK, "")
            .at(&shown)
            .mend(command);
        return;
    }
    let Some(command) = line.strip_prefix(b"#!") else {
        return;
    };
    if line.ends_with(b"\r") {
        let what = format!("{:?}", text);
        let remedy = format!("sed -i 's/\\r$//' {shown}");
        report.add(Kind::SHEBANG_CRLF, what).at(&shown).mend(remedy);
    }
    length(line.trim_ascii_end().len(), file, report);
    program(command.trim_ascii(), subject, file, report);
    report.note(text);
}

fn run_bit(file: &Path, report: &mut Report) {
    let Ok(status) = fs::metadata(file) else {
        return;
    };
    let shown = file.display();
    let mode = status.permissions().mode() & 0o7777;
    if mode & 0o111 == 0 {
        let what = format!("its mode is {mode:04o}");
        let remedy = format!("chmod 755 {shown}");
        report
            .add(Kind::NOT_EXECUTABLE, what)
            .at(&shown)
            .mend(remedy);
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
    let shown = file.display();
    let mut words = command
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty());
    let path = |word: &[u8]| PathBuf::from(OsStr::from_bytes(word));
    let Some(program) = words.next().map(path) else {
        report
            .add(Kind::NO_SHEBANG_PROGRAM, "the line names none")
            .at(&shown);
        return;
    };
    let line = |rest: &str| format!("sed -i '1s|.*|#!{rest}|' {shown}");
    let ours = std::env::current_exe().unwrap_or_else(|_| "/usr/local/bin/wsgi-cgi".into());
    let ours = ours.display();
    if !program.is_absolute() {
        report
            .add(Kind::RELATIVE_SHEBANG, program.display().to_string())
            .at(&shown)
            .mend(line(&format!("/usr/bin/env {}", program.display())));
        return;
    }
    if !program.exists() {
        report
            .add(Kind::NO_SHEBANG_PROGRAM, program.display().to_string())
            .at(&shown)
            .mend(line(&ours.to_string()));
        return;
    }
    if program.file_name() != Some(OsStr::new("env")) {
        return;
    }
    let words: Vec<_> = words.collect();
    let (splits, words) = match words.split_first() {
        Some((first, rest)) if first.starts_with(b"-S") || *first == b"--split-string" => {
            (true, rest)
        }
        _ => (false, words.as_slice()),
    };
    if words.len() > 1 && !splits {
        let text = String::from_utf8_lossy(command).into_owned();
        report
            .add(Kind::ENV_WITHOUT_SPLIT, text)
            .at(&shown)
            .mend(format!("sed -i '1s|env |env -S |' {shown}"));
    }
    let named = words.iter().find(|word| !word.contains(&b'='));
    if let Some(name) = named.filter(|name| !name.contains(&b'/') && !name.starts_with(b"-")) {
        let server = subject.plan.server.unwrap_or(Server::Apache);
        let name = path(name);
        let mut folders = server.search_path().split(':');
        if !folders.any(|folder| Path::new(folder).join(&name).exists()) {
            let path = server.search_path();
            let what = format!("{} is not in {path} ({})", name.display(), server.name());
            report
                .add(Kind::NOT_ON_PATH, what)
                .at(&shown)
                .mend(line(&ours.to_string()));
        }
    }
}
