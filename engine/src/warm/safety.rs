//! What a fork would break: threads, sockets and open databases that an import has left.

use std::collections::HashSet;
use std::fs;
use std::os::fd::RawFd;
use std::thread;
use std::time::{Duration, Instant};

use pyo3::prelude::*;

use super::audit::Made;

/// For a thread to end.
const MOMENT: Duration = Duration::from_millis(100);

/// Of `open(2)`, in `/proc/self/fdinfo`.
const WRITABLE: u32 = 0o3;
const APPEND: u32 = 0o2000;

/// The descriptors that are open, from 3 up.
pub fn open_descriptors() -> HashSet<RawFd> {
    let entries = fs::read_dir("/proc/self/fd")
        .into_iter()
        .flatten()
        .flatten();
    let mut found: HashSet<RawFd> = entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|number| *number > 2)
        .collect();
    // The one that this folder was read by is closed: its number is the next one's.
    found.retain(|number| fs::read_link(format!("/proc/self/fd/{number}")).is_ok());
    found
}

/// Why this process may not be forked; one line for each reason. `own` are its descriptors that are known.
pub fn objections(py: Python<'_>, own: &HashSet<RawFd>, made: &[Made]) -> Vec<String> {
    let mut found = Vec::new();
    let threads = threads_that_stay();
    if threads > 0 {
        let names = thread_names(py).unwrap_or_default();
        let what = match names.is_empty() {
            true => format!("a thread of a native library ({threads} in all)"),
            false => format!("the thread {}", names.join(", ")),
        };
        found.push(format!(
            "{what} runs after the import{}",
            places(made, "_thread.start")
        ));
    }
    let descriptors = fs::read_dir("/proc/self/fd")
        .into_iter()
        .flatten()
        .flatten();
    for entry in descriptors {
        let number = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        let Some(number) = number.filter(|number| *number > 2 && !own.contains(number)) else {
            continue;
        };
        let Ok(target) = fs::read_link(entry.path()) else {
            // The one that this folder is read by.
            continue;
        };
        let name = target.to_string_lossy();
        let objection = match &*name {
            name if name.starts_with("socket:") => {
                format!(
                    "a socket is open after the import{}",
                    places(made, "socket")
                )
            }
            name if name.starts_with("pipe:") || name.starts_with("anon_inode:") => {
                format!("{name} is open after the import{}", places(made, "socket"))
            }
            name if name.starts_with('/') && !name.starts_with("/dev/") && is_database(number) => {
                format!(
                    "{name} is open for reading and writing after the import{}",
                    places(made, "sqlite3")
                )
            }
            _ => continue,
        };
        if !found.contains(&objection) {
            found.push(objection);
        }
    }
    found
}

/// How many there are beside this one. One that has been joined may take a moment to be gone.
fn threads_that_stay() -> usize {
    let deadline = Instant::now() + MOMENT;
    loop {
        let threads = fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
        if threads <= 1 || Instant::now() >= deadline {
            return threads.saturating_sub(1);
        }
        thread::sleep(Duration::from_millis(1));
    }
}

/// A log is only appended to: two processes may have it.
fn is_database(number: RawFd) -> bool {
    let Ok(info) = fs::read_to_string(format!("/proc/self/fdinfo/{number}")) else {
        return false;
    };
    let flags = info
        .lines()
        .find_map(|line| line.strip_prefix("flags:"))
        .and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok())
        .unwrap_or(0);
    flags & WRITABLE != 0 && flags & APPEND == 0
}

fn places(made: &[Made], event: &str) -> String {
    let mut places: Vec<&str> = made
        .iter()
        .filter(|made| made.event.starts_with(event) && !made.place.is_empty())
        .map(|made| made.place.as_str())
        .collect();
    places.dedup();
    match places.is_empty() {
        true => String::new(),
        false => format!("; made by {}", places.join(", by ")),
    }
}

fn thread_names(py: Python<'_>) -> PyResult<Vec<String>> {
    let modules = py.import("sys")?.getattr("modules")?;
    if !modules.contains("threading")? {
        return Ok(Vec::new());
    }
    let threading = py.import("threading")?;
    let main = threading.call_method0("main_thread")?;
    let mut names = Vec::new();
    for thread in threading.call_method0("enumerate")?.try_iter()? {
        let thread = thread?;
        if !thread.is(&main) {
            names.push(thread.getattr("name")?.repr()?.to_string());
        }
    }
    Ok(names)
}
