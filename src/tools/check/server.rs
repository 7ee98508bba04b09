//! With which variables a web server starts scripts.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use crate::plan::Server;

/// What init gives to services, and Apache passes on.
const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// suexec's own, as Apache is built.
const SAFE_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// What the C library searches where there is no PATH (execvp(3)).
const WITHOUT_PATH: &str = "/bin:/usr/bin";

impl Server {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Apache => "Apache",
            Self::Lighttpd => "Lighttpd",
            Self::Suexec => "Apache with suexec",
        }
    }

    /// A script's environment, but for the request. HOME, the locale and everything else of a shell is missing.
    pub fn environment(self) -> Vec<(OsString, OsString)> {
        let (path, software) = match self {
            Self::Apache => (Some(SYSTEM_PATH), "Apache"),
            Self::Lighttpd => (None, "lighttpd"),
            Self::Suexec => (Some(SAFE_PATH), "Apache"),
        };
        let path = path.map(|path| ("PATH".into(), path.into()));
        let software = ("SERVER_SOFTWARE".into(), software.into());
        path.into_iter().chain([software]).collect()
    }

    /// Where `env` looks for programs.
    pub fn search_path(self) -> &'static str {
        match self {
            Self::Apache => SYSTEM_PATH,
            Self::Lighttpd => WITHOUT_PATH,
            Self::Suexec => SAFE_PATH,
        }
    }
}

/// A pair as meta-variables have it.
pub fn bytes((name, value): (OsString, OsString)) -> (Vec<u8>, Vec<u8>) {
    (name.into_vec(), value.into_vec())
}

/// The other way.
pub fn texts((name, value): &(Vec<u8>, Vec<u8>)) -> (&OsStr, &OsStr) {
    (OsStr::from_bytes(name), OsStr::from_bytes(value))
}
