//! `pyvenv.cfg`: what makes a directory a virtualenv, as venv, virtualenv and uv write it.

use std::ffi::OsStr;
use std::fs::Metadata;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use contract::files;

/// Real ones have a few hundred bytes.
const SIZE_LIMIT: usize = 64 << 10;

/// The keys that say which interpreter a virtualenv was made with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PyvenvCfg {
    /// The folder of the base interpreter. CPython searches its library from here.
    pub home: Option<PathBuf>,
    /// `version` (venv), `version_info` (uv) or both (virtualenv), cut to major and minor.
    pub version: Option<(u8, u8)>,
    /// The base interpreter, with its links resolved. Written by venv from 3.11 on and by virtualenv.
    pub executable: Option<PathBuf>,
    /// `CPython` or another. Written by virtualenv and uv.
    pub implementation: Option<String>,
    /// CPython's `site` takes a missing key for yes.
    pub include_system_site_packages: bool,
}

impl PyvenvCfg {
    /// Reads the file in `prefix`; also gives its status.
    pub fn read(prefix: &Path) -> io::Result<(Self, Metadata)> {
        let (mut file, metadata) = files::open(&prefix.join("pyvenv.cfg"))?;
        let size = usize::try_from(metadata.len()).unwrap_or(SIZE_LIMIT);
        let mut text = vec![0; size.min(SIZE_LIMIT)];
        // One read gives all of a regular file; asking until its end would be a second call.
        let length = file.read(&mut text)?;
        text.truncate(length);
        Ok((Self::parse(&text), metadata))
    }

    /// Parses as CPython's `site` and `getpath` do: `key = value`, keys in any case, other lines ignored.
    pub fn parse(text: &[u8]) -> Self {
        let mut configuration = Self {
            include_system_site_packages: true,
            ..Self::default()
        };
        for line in text.split(|byte| *byte == b'\n') {
            let mut parts = line.splitn(2, |byte| *byte == b'=');
            let (Some(key), Some(value)) = (parts.next(), parts.next()) else {
                continue;
            };
            configuration.set(key.trim_ascii(), value.trim_ascii());
        }
        configuration
    }

    fn set(&mut self, key: &[u8], value: &[u8]) {
        match key.to_ascii_lowercase().as_slice() {
            b"home" => self.home = Some(PathBuf::from(OsStr::from_bytes(value))),
            b"version" | b"version_info" => self.version = parse_version(value).or(self.version),
            b"executable" => self.executable = Some(PathBuf::from(OsStr::from_bytes(value))),
            b"implementation" => {
                self.implementation = Some(String::from_utf8_lossy(value).into_owned());
            }
            b"include-system-site-packages" => {
                self.include_system_site_packages = value.eq_ignore_ascii_case(b"true");
            }
            _ => {}
        }
    }
}

/// `3.12.1`, `3.12.1.final.0` or `3.12`.
fn parse_version(value: &[u8]) -> Option<(u8, u8)> {
    let mut parts = str::from_utf8(value).ok()?.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::PyvenvCfg;
    use std::path::Path;

    const VENV: &[u8] = b"home = /usr/bin\ninclude-system-site-packages = false\nversion = 3.11.2\n\
        executable = /usr/bin/python3.11\ncommand = /usr/bin/python3 -m venv --x=y /srv/app/.venv\n";
    const VIRTUALENV: &[u8] =
        b"home = /opt/py/bin\nimplementation = CPython\npython-version = 3.12\n\
        version_info = 3.12.1.final.0\nversion = 3.12.1\nexecutable = /opt/py/bin/python3.12\n\
        virtualenv = 21.15.7\ninclude-system-site-packages = true\nbase-prefix = /opt/py\n";
    const UV: &[u8] = b"home = /opt/py/bin\nimplementation = CPython\nuv = 0.13.8\n\
        version_info = 3.12.1\ninclude-system-site-packages = false\nrelocatable = true\n";

    #[test]
    fn what_venv_writes_is_understood() {
        let configuration = PyvenvCfg::parse(VENV);
        assert_eq!(configuration.home.as_deref(), Some(Path::new("/usr/bin")));
        assert_eq!(configuration.version, Some((3, 11)));
        assert_eq!(
            configuration.executable.as_deref(),
            Some(Path::new("/usr/bin/python3.11"))
        );
        assert!(!configuration.include_system_site_packages);
    }

    #[test]
    fn what_virtualenv_writes_is_understood() {
        let configuration = PyvenvCfg::parse(VIRTUALENV);
        assert_eq!(configuration.version, Some((3, 12)));
        assert_eq!(configuration.implementation.as_deref(), Some("CPython"));
        assert!(configuration.include_system_site_packages);
    }

    #[test]
    fn what_uv_writes_is_understood() {
        let configuration = PyvenvCfg::parse(UV);
        assert_eq!(
            configuration.home.as_deref(),
            Some(Path::new("/opt/py/bin"))
        );
        assert_eq!(configuration.version, Some((3, 12)));
        assert!(!configuration.include_system_site_packages);
    }

    #[test]
    fn a_missing_key_includes_the_system_as_in_site() {
        let configuration = PyvenvCfg::parse(b"home=/usr/bin\r\nVERSION = unknown\nnonsense");
        assert!(configuration.include_system_site_packages);
        assert_eq!(configuration.home.as_deref(), Some(Path::new("/usr/bin")));
        assert_eq!(configuration.version, None);
    }

    #[test]
    fn a_long_file_and_an_empty_one_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pyvenv.cfg");
        std::fs::write(&path, "#".repeat(70_000)).unwrap();
        assert!(PyvenvCfg::read(directory.path()).is_ok());
        std::fs::write(&path, "").unwrap();
        assert!(PyvenvCfg::read(directory.path()).is_ok());
    }
}
