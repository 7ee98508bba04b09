//! What was seen, judged: the process.

use std::fs::File;

use super::super::user;
use super::facts::{Limits, Process, Told};
use super::report::{Place, Report};
use super::server::{Need, Server};
use crate::runner::warm::is_of_request;

/// A Python process with a framework and a database driver has hardly room in less.
const LEAST_MEMORY: u64 = 512 << 20;
const LEAST_PROCESSES: u64 = 20;
const LEAST_FILES: u64 = 64;
const LEAST_CPU: u64 = 10;

/// More is no limit for anybody.
const MANY: u64 = 1 << 40;

/// Variables beside a request's that servers set themselves; any other one comes from somebody's configuration.
const SERVERS_OWN: [&str; 3] = ["LD_LIBRARY_PATH", "LD_PRELOAD", "PATH"];

/// The lines for the server's configuration.
pub fn lines(server: Server, need: Need) -> Vec<(Place, String)> {
    server
        .lines(need)
        .iter()
        .map(|line| (Place::Server, (*line).to_owned()))
        .collect()
}

/// A variable's value, empty where it is unknown.
pub fn value(told: &Told, name: &str) -> String {
    told.environment
        .get(name)
        .cloned()
        .flatten()
        .unwrap_or_default()
}

/// Adds what there is to say of the process.
pub fn add(report: &mut Report, server: Server, process: &Process, told: &Told) {
    let name = |user: u32| match user::name(user) {
        Some(name) => format!("{name} ({user})"),
        None => format!("user {user}"),
    };
    let is_owner = process.user == process.owner;
    let whose = match is_owner {
        true => "the application's owner".to_owned(),
        false => format!("the application belongs to {}", name(process.owner)),
    };
    let user = format!("{}, group {}; {whose}", name(process.user), process.group);
    match (process.user, is_owner) {
        (0, _) => report.note(
            "process",
            "user",
            user,
            "as root, a mistake in the application is one in the whole system",
        ),
        (_, true) => report.fact(
            "process",
            "user",
            format!("{user}: suexec, or a server of its own"),
        ),
        (_, false) => report.fact("process", "user", user),
    }
    add_descriptors(report, server, process);
    add_environment(report, told);
    report.fact(
        "process",
        "working folder",
        process
            .folder
            .clone()
            .unwrap_or_else(|| "unknown".to_owned()),
    );
    let mask = format!("{:03o}", process.umask);
    match process.umask & 0o002 {
        0 => report.note(
            "process",
            "umask",
            mask,
            "every user of the host may write to files that the application makes",
        ),
        _ => report.fact("process", "umask", mask),
    }
    add_limits(report, &process.limits);
    match process.is_noexec {
        true => report.note(
            "process",
            "file system",
            "noexec",
            "a script there is started by nobody: only a handler (Action, cgi.assign) runs it",
        ),
        false => report.fact("process", "file system", "programs can be executed there"),
    }
}

fn add_descriptors(report: &mut Report, server: Server, process: &Process) {
    let kind = |number: usize| process.descriptors[number].as_deref().unwrap_or("closed");
    let streams = match process.is_shared {
        true => format!("0 and 1: one socket; 2: {}", kind(2)),
        false => format!("0: {}; 1: {}; 2: {}", kind(0), kind(1), kind(2)),
    };
    report.fact("process", "descriptors", streams);
    if !process.more_descriptors.is_empty() {
        let more = format!(
            "{}; closed before the application starts",
            process.more_descriptors.join(", ")
        );
        report.fact("process", "more of them", more);
    }
    let look = format!("look for \"self-test {}\"", process.name);
    match (kind(2), &process.stderr_file) {
        ("/dev/null" | "closed", _) => {
            let mut lines = lines(server, Need::Stderr);
            lines.push((
                Place::Application,
                "# wsgi-cgi: error-log=error.log".to_owned(),
            ));
            report.change(
                ("process", "stderr"),
                "lost",
                "the application's complaints reach nobody; keep the error log outside of the document root",
                lines,
            );
        }
        (_, Some(file)) => {
            let may = if File::open(file).is_ok() {
                "which you can read"
            } else {
                "which you may not read"
            };
            report.good(
                "process",
                "stderr",
                format!("kept in {file}, {may}; {look}"),
            );
        }
        _ => report.good(
            "process",
            "stderr",
            format!("goes to {}; {look}", server.log()),
        ),
    }
}

fn add_environment(report: &mut Report, told: &Told) {
    let path = value(told, "PATH");
    match path.is_empty() {
        true => report.note(
            "process",
            "PATH",
            "none",
            "#!/usr/bin/env finds programs in /bin and /usr/bin only: name wsgi-cgi in full on the #! line",
        ),
        false => report.fact("process", "PATH", path),
    }
    let is_own = |name: &str| SERVERS_OWN.contains(&name) || is_of_request(name.as_bytes());
    let others: Vec<_> = told
        .environment
        .keys()
        .filter(|name| !is_own(name))
        .map(String::as_str)
        .collect();
    match others.is_empty() {
        true => report.fact(
            "process",
            "your variables",
            "none: either none is set, or suexec drops them; settings in the script (# wsgi-cgi: …) always arrive",
        ),
        false => report.fact("process", "your variables", format!("arrive: {}", others.join(", "))),
    }
}

fn add_limits(report: &mut Report, limits: &Limits) {
    let low = |limit: Option<u64>, least: u64| limit.is_some_and(|limit| limit < least);
    let memory = limits.memory.into_iter().chain(limits.data).min();
    let is_low = low(memory, LEAST_MEMORY)
        || low(limits.processes, LEAST_PROCESSES)
        || low(limits.files, LEAST_FILES)
        || low(limits.cpu, LEAST_CPU);
    let number = |limit: Option<u64>| {
        limit
            .filter(|limit| *limit < MANY)
            .map_or("any".to_owned(), |limit| limit.to_string())
    };
    let memory = memory
        .filter(|limit| *limit < MANY)
        .map_or("any".to_owned(), |limit| format!("{} MiB", limit >> 20));
    let text = format!(
        "memory {memory}, processes {}, open files {}, processor seconds {}, bytes of a file {}",
        number(limits.processes),
        number(limits.files),
        number(limits.cpu),
        number(limits.file_size),
    );
    match is_low {
        true => report.note(
            "process",
            "limits",
            text,
            "that is little: large packages may fail to import (MemoryError, can't start new thread)",
        ),
        false => report.fact("process", "limits", text),
    }
}
