//! Whom a web server runs scripts as.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::geteuid;

use super::access::{link_of_other, look};
use super::report::quoted;
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
    pub fn owner(file: &Path) -> Option<Self> {
        let status = fs::metadata(file).ok()?;
        Some(Self::numbered(status.uid(), status.gid()))
    }

    /// Who but root has a say in what is run: the application's owner, else who made a link on the way to it, else
    /// the owner of a folder that it lies in. Whoever owns that can rename root's file, and put modules beside it.
    pub fn stranger(file: &Path, typed: &Path, folder: &Path) -> Option<Self> {
        let of_link = |path| link_of_other(path).map(|link| Self::numbered(link.uid(), link.gid()));
        let is_other = |user: &Self| user.uid != 0;
        let beside = [Some(folder), file.parent(), typed.parent()];
        Self::owner(file)
            .filter(is_other)
            .or_else(|| of_link(typed))
            .or_else(|| of_link(file))
            .or_else(|| {
                let folders = beside.into_iter().flatten();
                folders.filter_map(Self::owner).find(is_other)
            })
    }

    /// Whose a folder is: the owner, or, where that is root, somebody else who made a link on the way.
    pub fn of_folder(folder: &Path) -> Option<Self> {
        let owner = Self::owner(folder)?;
        let link = std::path::absolute(folder).ok();
        let link = link.filter(|_| owner.uid == 0);
        let link = link.and_then(|folder| link_of_other(&folder));
        Some(link.map_or(owner, |link| Self::numbered(link.uid(), link.gid())))
    }

    fn numbered(uid: u32, gid: u32) -> Self {
        Self::named(&uid.to_string()).unwrap_or_else(|| Self {
            name: uid.to_string(),
            uid,
            groups: vec![gid],
        })
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

/// A command that changes `path`, to be pasted by who runs this. Root is to run it as the owner, or as who made the
/// link on the way: `path` may lead elsewhere by then; and without the terminal, into which a process of theirs could
/// type.
pub fn by_owner_of(path: &Path, command: &str) -> String {
    let stranger = link_of_other(path);
    if !geteuid().is_root() {
        return stranger.map_or_else(|| command.to_owned(), |_| look(path));
    }
    let owner = match stranger {
        Some(link) => Some(User::numbered(link.uid(), link.gid())),
        None => User::owner(path),
    };
    let Some(owner) = owner.filter(|owner| owner.uid != 0) else {
        return command.to_owned();
    };
    let command = match command.contains(" && ") {
        true => format!("sh -c {}", quoted(command)),
        false => command.to_owned(),
    };
    let start = match owner.name.parse::<u32>() {
        Ok(number) => {
            let group = owner.groups.first().copied().unwrap_or(number);
            format!("setpriv --reuid={number} --regid={group} --clear-groups")
        }
        Err(_) => format!("runuser -u {} --", quoted(&owner.name)),
    };
    format!("setsid -w {start} {command}")
}

fn ask(option: &str, name: &str) -> Option<String> {
    let mut id = Command::new("id");
    let done = id.args([option, "--", name]).stdin(Stdio::null());
    let done = done.stderr(Stdio::null()).output();
    let done = done.ok().filter(|done| done.status.success())?;
    Some(String::from_utf8(done.stdout).ok()?.trim().to_owned())
}
