//! What a CGI process was given, as JSON: names of variables, and values of those that hold no secret.

use std::env;
use std::fs::{self, Metadata};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use contract::secrets::is_secret;
use rustix::fs::{StatVfsMountFlags, statvfs};
use rustix::process::{Resource, getegid, geteuid, getgroups, getppid, getrlimit};
use serde_json::{Map, Value, json};

use crate::cgi::meta_variables::MetaVariables;
use crate::runner::warm::mask;

/// Their values are shown; of all others the name is.
const HARMLESS: [&str; 24] = [
    "CONTENT_LENGTH",
    "CONTENT_TYPE",
    "DOCUMENT_ROOT",
    "GATEWAY_INTERFACE",
    "HOME",
    "HTTPS",
    "HTTP_TRANSFER_ENCODING",
    "LANG",
    "LC_ALL",
    "PATH",
    "PATH_INFO",
    "PATH_TRANSLATED",
    "REDIRECT_HANDLER",
    "REDIRECT_STATUS",
    "REDIRECT_URL",
    "REQUEST_METHOD",
    "REQUEST_SCHEME",
    "REQUEST_URI",
    "SCRIPT_FILENAME",
    "SCRIPT_NAME",
    "SERVER_NAME",
    "SERVER_PORT",
    "SERVER_PROTOCOL",
    "SERVER_SOFTWARE",
];

/// The descriptors that a server gave beyond the first three, each with its kind. To be asked before they are closed.
pub fn more_descriptors() -> Vec<String> {
    let Ok(entries) = fs::read_dir("/proc/self/fd") else {
        return Vec::new();
    };
    let numbers = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let mut numbers: Vec<_> = numbers.filter(|number| *number > 2).collect();
    numbers.sort_unstable();
    // The folder's own is gone by now.
    numbers
        .into_iter()
        .filter_map(|number| Some(format!("{number}: {}", kind(number)?)))
        .collect()
}

/// `socket`, `pipe`, `file`, `/dev/null`, `device`; none if it is closed.
pub fn kind(number: u32) -> Option<&'static str> {
    let place = format!("/proc/self/fd/{number}");
    let status = fs::metadata(&place).ok()?;
    let kind = status.file_type();
    Some(match () {
        () if kind.is_socket() => "socket",
        () if kind.is_fifo() => "pipe",
        () if kind.is_file() => "file",
        () if kind.is_char_device()
            && fs::read_link(&place).is_ok_and(|path| path == Path::new("/dev/null")) =>
        {
            "/dev/null"
        }
        () => "device",
    })
}

/// This process, its limits and descriptors, and the folder of the application.
pub fn described(folder: &Path, owner: u32, descriptors: &[String]) -> Value {
    let status = |number: u32| fs::metadata(format!("/proc/self/fd/{number}")).ok();
    let is_shared = match (status(0), status(1)) {
        (Some(one), Some(other)) => same(&one, &other) && kind(0) == Some("socket"),
        _ => false,
    };
    let stderr = fs::read_link("/proc/self/fd/2").ok();
    let stderr_file = stderr.filter(|_| kind(2) == Some("file"));
    let parent = getppid().map(|pid| pid.as_raw_nonzero().get());
    let parent = parent.and_then(|pid| fs::read_to_string(format!("/proc/{pid}/comm")).ok());
    let groups: Vec<u32> = getgroups().map_or(Vec::new(), |groups| {
        groups.into_iter().map(|id| id.as_raw()).collect()
    });
    let is_noexec =
        statvfs(folder).is_ok_and(|status| status.f_flag.contains(StatVfsMountFlags::NOEXEC));
    let limit = |resource| getrlimit(resource).current;
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "user": geteuid().as_raw(),
        "group": getegid().as_raw(),
        "groups": groups,
        "umask": mask(),
        "folder": env::current_dir().ok(),
        "parent": parent.as_deref().map(str::trim),
        "owner": owner,
        "is_noexec": is_noexec,
        "descriptors": [kind(0), kind(1), kind(2)],
        "is_shared": is_shared,
        "more_descriptors": descriptors,
        "stderr_file": stderr_file,
        "limits": {
            "memory": limit(Resource::As),
            "data": limit(Resource::Data),
            "cpu": limit(Resource::Cpu),
            "processes": limit(Resource::Nproc),
            "files": limit(Resource::Nofile),
            "file_size": limit(Resource::Fsize),
        },
    })
}

fn same(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// The environment as the server gave it. The token stands in some addresses, and is left out.
pub fn environment(variables: &MetaVariables, token: &str) -> Value {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(token, "TOKEN");
    let mut all = Map::new();
    for (name, value) in variables.iter() {
        let name = text(name);
        let is_harmless = HARMLESS.contains(&name.as_str()) && !is_secret(&name);
        let is_shown = value.is_empty() || is_harmless;
        let value = match is_shown {
            true => Value::String(text(value)),
            false => Value::Null,
        };
        all.insert(name, value);
    }
    Value::Object(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shown_and_values_only_of_what_is_harmless() {
        let words = [
            ("PATH_INFO", "/x/abc"),
            ("DATABASE_URL", "postgres://me:hunter2@db/"),
            ("HTTP_AUTHORIZATION", "Basic hunter2"),
            ("HTTP_COOKIE", "hunter2"),
            ("QUERY_STRING", "hunter2"),
            ("SECRET_KEY", "hunter2"),
            ("abc_NAME", "hunter2"),
            ("HTTP_PROXY", ""),
        ];
        let variables =
            MetaVariables::from_environment(words.map(|(name, value)| (name.into(), value.into())));
        let shown = environment(&variables, "abc");
        let text = shown.to_string();
        assert!(!text.contains("hunter2") && !text.contains("abc"), "{text}");
        assert_eq!(shown["PATH_INFO"], "/x/TOKEN");
        assert_eq!(shown["HTTP_PROXY"], "");
        for (name, _) in words {
            assert!(
                shown.get(name.replace("abc", "TOKEN")).is_some(),
                "{name}: {text}"
            );
        }
    }

    #[test]
    fn no_name_of_a_secret_is_thought_harmless() {
        assert!(HARMLESS.iter().all(|name| !is_secret(name)));
    }
}
