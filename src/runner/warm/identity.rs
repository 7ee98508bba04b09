//! Whose zygote it is: everything that the import of an application may depend on, and nothing of a request.

use std::fs;
use std::hash::{DefaultHasher, Hasher};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use contract::handover::{ByteCode, Job, Packages, Site, Source};
use rustix::process::{getegid, geteuid, getgroups};

use crate::plan::Warming;
use crate::runner::Request;

/// Variables of a request: RFC 3875 section 4.1, what servers add to it, and what shells add to everything.
const OF_REQUESTS: [&str; 31] = [
    "AUTH_TYPE",
    "Authorization",
    "CONTENT_LENGTH",
    "CONTENT_TYPE",
    "CONTEXT_DOCUMENT_ROOT",
    "CONTEXT_PREFIX",
    "DOCUMENT_ROOT",
    "DOCUMENT_URI",
    "FCGI_ROLE",
    "GATEWAY_INTERFACE",
    "H2PUSH",
    "H2_PUSH",
    "H2_PUSHED",
    "H2_PUSHED_ON",
    "H2_STREAM_ID",
    "H2_STREAM_TAG",
    "HTTP2",
    "HTTPS",
    "OLDPWD",
    "PATH_INFO",
    "PATH_TRANSLATED",
    "PWD",
    "QUERY_STRING",
    "SCRIPT_FILENAME",
    "SCRIPT_NAME",
    "SCRIPT_URI",
    "SCRIPT_URL",
    "SHLVL",
    "UNIQUE_ID",
    "USER_NAME",
    "_",
];

/// How the names of others begin.
const FAMILIES: [&str; 11] = [
    "AUTHENTICATE_",
    "GEOIP_",
    "HTTP_",
    "MM_",
    "REDIRECT_",
    "REMOTE_",
    "REQUEST_",
    "SERVER_",
    "SSL_",
    "WSGI_CGI_SERVE_CHILD",
    "X_SENDFILE",
];

/// SSL_ is OpenSSL's, too.
const NOT_OF_REQUESTS: [&str; 2] = ["SSL_CERT_DIR", "SSL_CERT_FILE"];

/// An identity in full, and a short name for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// What is compared.
    pub bytes: Vec<u8>,
    /// The name of its folder: the application's part, a dash, and its own.
    pub name: String,
}

impl Identity {
    /// The zygote that a request wants, from this folder.
    pub fn of(request: &Request, folder: &Path) -> Self {
        let mut bytes = Vec::new();
        let mut add = |field: &[u8]| {
            bytes.extend((field.len() as u64).to_le_bytes());
            bytes.extend(field);
        };
        add(env!("CARGO_PKG_VERSION").as_bytes());
        // Another build is another program.
        if let Ok(program) = fs::metadata("/proc/self/exe") {
            for number in [program.dev(), program.ino(), program.size()] {
                add(&number.to_le_bytes());
            }
            add(&program.mtime().to_le_bytes());
            add(&program.mtime_nsec().to_le_bytes());
        }
        for number in [geteuid().as_raw(), getegid().as_raw()] {
            add(&number.to_le_bytes());
        }
        for group in getgroups().unwrap_or_default() {
            add(&group.as_raw().to_le_bytes());
        }
        let path = |path: &Path| path.as_os_str().as_bytes().to_vec();
        add(&path(folder));
        let Job {
            source,
            callable,
            environment,
            error_log,
            path: search,
            packages,
            site,
            byte_code,
            ..
        } = &request.job;
        match source {
            Source::File(file) => add(&path(file)),
            Source::Module { name, directory } => {
                add(name.as_bytes());
                add(&path(directory));
            }
        }
        add(callable.as_deref().unwrap_or_default().as_bytes());
        add(&path(&request.interpreter.program));
        match packages {
            Packages::System => add(b"system"),
            Packages::Virtualenv(prefix) => add(&path(prefix)),
            Packages::VirtualenvAndSystem(prefix) => {
                add(b"and system");
                add(&path(prefix));
            }
        }
        let choices = (*site == Site::Python, *byte_code == ByteCode::Kept);
        add(&[u8::from(choices.0), u8::from(choices.1)]);
        add(&path(error_log.as_deref().unwrap_or(Path::new(""))));
        for folder in search {
            add(&path(folder));
        }
        let Warming {
            idle,
            rehearse,
            spares,
            most_spares,
            ..
        } = &request.warm;
        add(&idle.as_millis().to_le_bytes());
        add(rehearse.as_deref().unwrap_or_default().as_bytes());
        add(&spares.unwrap_or(0).to_le_bytes());
        add(&most_spares.to_le_bytes());
        add(&request.limits.memory.unwrap_or(0).to_le_bytes());
        let mut deployment: Vec<_> = of_deployment(environment).collect();
        deployment.sort();
        for (name, value) in deployment {
            add(name);
            add(value);
        }
        // The folder's name need not be secret: what counts is compared in full.
        let mut application = match source {
            Source::File(file) => path(file),
            Source::Module { name, directory } => path(&directory.join(name)),
        };
        application.extend(callable.as_deref().unwrap_or_default().as_bytes());
        let application = hash(&application);
        let name = format!("{application:016x}-{:016x}", hash(&bytes));
        Self { bytes, name }
    }
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}

/// The variables that are not the request's: an application is imported with them alone.
pub fn of_deployment(
    environment: &[(Vec<u8>, Vec<u8>)],
) -> impl Iterator<Item = &(Vec<u8>, Vec<u8>)> {
    environment.iter().filter(|(name, _)| !is_of_request(name))
}

/// Whether a variable is a request's, by its name.
pub fn is_of_request(name: &[u8]) -> bool {
    let is_one = |names: &[&str]| names.iter().any(|one| one.as_bytes() == name);
    let is_in_family = FAMILIES
        .iter()
        .any(|family| name.starts_with(family.as_bytes()));
    (is_one(&OF_REQUESTS) || is_in_family) && !is_one(&NOT_OF_REQUESTS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_no_part_of_the_deployment() {
        let names = "PATH=1 HTTP_HOST=2 REMOTE_PORT=3 SSL_CERT_FILE=4 SSL_PROTOCOL=5 DJANGO_SETTINGS_MODULE=6 \\
                     PATH_INFO=7 REDIRECT_STATUS=8 PATH_INFORMATION=9";
        let pairs: Vec<_> = names
            .split_whitespace()
            .filter_map(|word| word.split_once('='))
            .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
            .collect();
        let kept: Vec<_> = of_deployment(&pairs)
            .map(|(_, value)| value.as_slice())
            .collect();
        assert_eq!(kept, [b"1", b"4", b"6", b"9"]);
    }
}
