//! Whom a web server runs scripts as.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::plan::Server;

/// Users of web servers: Debian, Red Hat, Arch, and Lighttpd without a setting.
const USERS: [&str; 4] = ["www-data", "apache", "http", "nobody"];

/// A user of the system.
#[derive(Clone, Debug)]
pub struct User {
    pub name: String,
    pub uid: u32,
    /// All of them, that of the user first.
    pub groups: Vec<u32>,
}

impl User {
    /// The system's answer (id(1)): this program is linked statically, and cannot ask where users are kept.
    fn named(name: &str) -> Option<Self> {
        Some(Self {
            name: ask("-un", name)?,
            uid: ask("-u", name)?.parse().ok()?,
            groups: ask("-G", name)?
                .split(' ')
                .map(|group| group.parse().ok())
                .collect::<Option<_>>()?,
        })
    }

    /// The owner of a file. Not every owner has a name.
    fn owner(file: &Path) -> Option<Self> {
        let status = fs::metadata(file).ok()?;
        let number = status.uid().to_string();
        Self::named(&number).or(Some(Self {
            name: number,
            uid: status.uid(),
            groups: vec![status.gid()],
        }))
    }

    /// Who was named, else who it usually is. An error names who does not exist.
    pub fn of_server(
        server: Option<Server>,
        named: Option<&str>,
        script: &Path,
    ) -> Result<Option<Self>, String> {
        match (named, server) {
            (Some(name), _) => Self::named(name).map(Some).ok_or_else(|| name.to_owned()),
            (None, None) => Ok(None),
            (None, Some(Server::Suexec)) => Ok(Self::owner(script)),
            (None, Some(_)) => Ok(USERS.into_iter().find_map(Self::named)),
        }
    }
}

/// The name of a user, if there is one.
pub fn name(uid: u32) -> Option<String> {
    ask("-un", &uid.to_string())
}

fn ask(option: &str, name: &str) -> Option<String> {
    let mut id = Command::new("id");
    let done = id.args([option, "--", name]).stderr(Stdio::null()).output();
    let done = done.ok().filter(|done| done.status.success())?;
    Some(String::from_utf8(done.stdout).ok()?.trim().to_owned())
}
