//! A folder of scripts, as a web server's cgi-bin: which file an address names, and how it is started.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use contract::report::escape;
use wsgi_cgi_gateway::host::{Author, Script};

use crate::cgi::meta_variables::{LIMITED_SCRIPT, SERVE_CHILD};
use crate::gateway::{Address, Place};
use crate::plan::{Limits, Listing};

/// What is looked for where an address names a folder.
const INDEX: [&str; 3] = ["index.cgi", "index.wsgi", "index.py"];

/// A folder whose files are scripts; no file's text is ever sent.
pub struct Folder {
    /// Without links in it.
    root: PathBuf,
    listing: Listing,
    /// This program, for WSGI files.
    program: PathBuf,
    /// Its options.
    options: Vec<OsString>,
    /// Those of scripts that are not ours.
    limits: Limits,
}

/// What an address names.
#[derive(Debug)]
pub enum Named {
    /// A script.
    Script(Script, Place),
    /// A folder, without the slash that belongs to its name.
    FolderWithoutSlash,
    /// A folder's page.
    Listing(String),
    /// Nothing that may be shown: why, for the log.
    Nothing(String),
    /// A file that is not to be run: why, for the log.
    Forbidden(String),
}

impl Folder {
    /// `root` is an existing folder.
    pub fn new(
        root: &Path,
        listing: Listing,
        program: PathBuf,
        options: Vec<OsString>,
        limits: Limits,
    ) -> io::Result<Self> {
        Ok(Self {
            root: fs::canonicalize(root)?,
            listing,
            program,
            options,
            limits,
        })
    }

    /// Walks down the address to the first file; what is behind it is PATH_INFO.
    pub fn find(&self, address: &Address) -> Named {
        let mut at = self.root.clone();
        let mut rest = address.path.as_slice();
        while let [b'/', behind @ ..] = rest {
            let length = behind.iter().position(|byte| *byte == b'/');
            let (name, behind) = behind.split_at(length.unwrap_or(behind.len()));
            rest = behind;
            if name.is_empty() {
                continue;
            }
            // `.env`, `.git`, `.htaccess`: never meant for the world.
            if name.starts_with(b".") {
                return Named::Nothing("names with a leading dot are not served".into());
            }
            at.push(OsStr::from_bytes(name));
            match fs::metadata(&at) {
                Ok(found) if found.is_dir() => {}
                Ok(_) => return self.script(&at, address, rest),
                Err(error) => return Named::Nothing(format!("{}: {error}", at.display())),
            }
        }
        self.folder(&at, address)
    }

    fn script(&self, file: &Path, address: &Address, path_info: &[u8]) -> Named {
        if let Some(reason) = self.leads_out(file) {
            return Named::Nothing(reason);
        }
        let Some(script) = self.start(file) else {
            return Named::Forbidden(format!(
                "{} is neither executable (chmod +x) nor a .py or .wsgi file",
                file.display()
            ));
        };
        let length = address.path.len() - path_info.len();
        let place = Place {
            script_name: address.path.get(..length).unwrap_or_default().to_vec(),
            path_info: path_info.to_vec(),
            script_filename: Some(file.as_os_str().as_bytes().to_vec()),
            document_root: self.root.as_os_str().as_bytes().to_vec(),
        };
        Named::Script(script, place)
    }

    /// Why a path is none of this folder's, if links lead it elsewhere.
    fn leads_out(&self, path: &Path) -> Option<String> {
        match fs::canonicalize(path) {
            Ok(real) if real.starts_with(&self.root) => None,
            Ok(_) => Some(format!(
                "{} leads out of {}",
                path.display(),
                self.root.display()
            )),
            Err(error) => Some(format!("{}: {error}", path.display())),
        }
    }

    /// How a file is run: by itself if it is executable, by this program if it holds an application.
    fn start(&self, file: &Path) -> Option<Script> {
        let found = fs::metadata(file).ok().filter(fs::Metadata::is_file)?;
        let is_executable = found.permissions().mode() & 0o111 != 0;
        let is_application = file
            .extension()
            .is_some_and(|extension| extension == "wsgi" || extension == "py");
        let ours = |options: &[OsString], kind: &str| {
            let arguments = options.iter().cloned().chain([file.into()]).collect();
            (
                self.program.clone(),
                arguments,
                vec![(SERVE_CHILD.into(), kind.into())],
            )
        };
        let (program, arguments, environment) = match (is_executable, is_application) {
            // It cannot set its own limits: a process of ours does so, and becomes the script.
            (true, _) if self.limits != Limits::default() => {
                ours(&self.limits.words(), LIMITED_SCRIPT)
            }
            (true, _) => (file.to_owned(), Vec::new(), Vec::new()),
            (false, true) => ours(&self.options, "1"),
            (false, false) => return None,
        };
        let author = match is_executable {
            true => Author::Other,
            false => Author::Ourselves,
        };
        let name = file.file_name().unwrap_or_default();
        Some(Script {
            program,
            arguments,
            environment,
            directory: file.parent().unwrap_or(&self.root).to_owned(),
            is_nph: name.as_bytes().starts_with(b"nph-"),
            author,
        })
    }

    fn folder(&self, folder: &Path, address: &Address) -> Named {
        // Before anything else: each answer but 404 would tell what is there.
        if let Some(reason) = self.leads_out(folder) {
            return Named::Nothing(reason);
        }
        let index = INDEX.iter().find(|name| folder.join(name).is_file());
        if index.is_none() && self.listing == Listing::Off {
            return Named::Nothing(format!(
                "{} is a folder; --list shows what is in it",
                folder.display()
            ));
        }
        if !address.path.ends_with(b"/") {
            return Named::FolderWithoutSlash;
        }
        match index {
            Some(name) => {
                let path = [&address.path[..], name.as_bytes()].concat();
                let address = Address {
                    path,
                    ..address.clone()
                };
                self.script(&folder.join(name), &address, b"")
            }
            None => self.list(folder, &address.path),
        }
    }

    /// The folders, and the files that could be run.
    fn list(&self, folder: &Path, path: &[u8]) -> Named {
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) => return Named::Forbidden(format!("{}: {error}", folder.display())),
        };
        let mut names = Vec::new();
        for entry in entries.flatten() {
            let (name, path) = (entry.file_name(), entry.path());
            let is_folder = path.is_dir();
            let is_hidden = name.as_bytes().starts_with(b".") || self.leads_out(&path).is_some();
            if !is_hidden && (is_folder || self.start(&path).is_some()) {
                let slash = if is_folder { "/" } else { "" };
                names.push((name, slash));
            }
        }
        names.sort();
        let title = format!("Scripts in {}", escape(&String::from_utf8_lossy(path)));
        let mut page = format!(
            "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title>\n<h1>{title}</h1>\n<ul>\n"
        );
        for (name, slash) in names {
            let shown = escape(&name.to_string_lossy());
            // `./` keeps a colon in the name from being a scheme.
            let address = escape(&percent_encoded(name.as_bytes()));
            page.push_str(&format!(
                "<li><a href=\"./{address}{slash}\">{shown}{slash}</a></li>\n"
            ));
        }
        page.push_str("</ul>\n</html>\n");
        Named::Listing(page)
    }
}

fn percent_encoded(name: &[u8]) -> String {
    percent_encoding::percent_encode(name, percent_encoding::NON_ALPHANUMERIC).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Site(tempfile::TempDir);

    impl Site {
        fn new() -> Self {
            let site = Self(tempfile::tempdir().unwrap());
            for (name, mode) in [
                ("run.cgi", 0o755),
                ("app.wsgi", 0o644),
                ("secret.txt", 0o644),
                (".env", 0o755),
                ("sub/nph-x", 0o755),
                ("site/index.py", 0o644),
            ] {
                let path = site.0.path().join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(&path, "").unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            }
            site
        }

        fn find(&self, address: &str, listing: Listing) -> Named {
            let folder = Folder::new(
                self.0.path(),
                listing,
                "/self".into(),
                vec!["-v".into()],
                Limits::default(),
            );
            let address = Address::parse(address.as_bytes()).unwrap();
            folder.unwrap().find(&address)
        }

        #[track_caller]
        fn script(&self, address: &str, name: &str, path_info: &str) -> Script {
            match self.find(address, Listing::Off) {
                Named::Script(script, place) => {
                    assert_eq!(place.script_name, name.as_bytes());
                    assert_eq!(place.path_info, path_info.as_bytes());
                    script
                }
                other => panic!("{address}: {other:?}"),
            }
        }
    }

    #[test]
    fn an_address_names_a_script_and_what_is_behind_it() {
        let site = Site::new();
        assert_eq!(
            site.script("/run.cgi", "/run.cgi", "").author,
            Author::Other
        );
        site.script("/run.cgi/a//b%2Fc?q", "/run.cgi", "/a//b/c");
        site.script("//sub//nph-x/", "//sub//nph-x", "/");
        assert!(site.script("/sub/nph-x", "/sub/nph-x", "").is_nph);
        let script = site.script("/app.wsgi/x", "/app.wsgi", "/x");
        assert_eq!(script.program, Path::new("/self"));
        site.script("/site/", "/site/index.py", "");
        site.script("/%72un.cgi", "/run.cgi", "");
    }

    #[test]
    fn nothing_outside_the_folder_and_no_text_is_served() {
        let site = Site::new();
        let root = site.0.path();
        std::os::unix::fs::symlink("/bin/ls", root.join("ls")).unwrap();
        std::os::unix::fs::symlink("/bin", root.join("bin")).unwrap();
        std::os::unix::fs::symlink("run.cgi", root.join("link.cgi")).unwrap();
        for address in [
            "/",
            "/sub/",
            "/no",
            "/.env",
            "/ls",
            "/bin/ls",
            "/../../../bin/ls",
            "/%2e%2e/%2e%2e/bin/ls",
            "/sub%2F..%2F..%2Fx",
        ] {
            let named = site.find(address, Listing::Off);
            assert!(matches!(named, Named::Nothing(_)), "{address}: {named:?}");
        }
        let text = site.find("/secret.txt", Listing::On);
        assert!(matches!(text, Named::Forbidden(_)), "{text:?}");
        site.script("/link.cgi", "/link.cgi", "");
    }

    #[test]
    fn what_links_lead_out_to_is_as_if_it_were_not_there() {
        let site = Site::new();
        let outside = tempfile::tempdir().unwrap();
        fs::create_dir(outside.path().join("private")).unwrap();
        fs::write(outside.path().join("index.py"), "").unwrap();
        fs::write(outside.path().join("backup.py"), "").unwrap();
        let root = site.0.path();
        let up = Path::new("..").join(outside.path().file_name().unwrap());
        let link = |target: &Path, name: &str| {
            std::os::unix::fs::symlink(target, root.join(name)).unwrap();
        };
        link(outside.path(), "absolute");
        link(&up, "relative");
        link(Path::new("relative"), "by-another");
        link(Path::new("sub/../.."), "up");
        link(&outside.path().join("backup.py"), "file.py");
        link(Path::new("none"), "dangling");
        link(Path::new("loop"), "loop");
        link(Path::new("sub"), "near");
        link(Path::new("../sub"), "sub/near");
        for name in [
            "absolute",
            "relative",
            "by-another",
            "up",
            "file.py",
            "dangling",
            "loop",
        ] {
            for rest in ["", "/", "/private", "/private/", "/backup.py", "/none"] {
                for listing in [Listing::On, Listing::Off] {
                    let named = site.find(&format!("/{name}{rest}"), listing);
                    assert!(
                        matches!(named, Named::Nothing(_)),
                        "/{name}{rest}: {named:?}"
                    );
                }
            }
        }
        for path in ["/near/", "/sub/near/", "/near/near/near/"] {
            let named = site.find(path, Listing::On);
            assert!(matches!(named, Named::Listing(_)), "{path}: {named:?}");
        }
        let Named::Listing(page) = site.find("/", Listing::On) else {
            panic!("no listing");
        };
        let listed: Vec<_> = page
            .lines()
            .filter(|line| line.starts_with("<li>"))
            .collect();
        let expected = ["app", "near", "run", "site", "sub"];
        assert_eq!(listed.len(), expected.len(), "{page}");
        for (line, name) in listed.iter().zip(expected) {
            assert!(line.contains(&format!("./{name}")), "{page}");
        }
    }

    #[test]
    fn a_folder_is_listed_where_that_is_wanted() {
        let site = Site::new();
        let Named::Listing(page) = site.find("/", Listing::On) else {
            panic!("no listing");
        };
        assert!(page.contains("run.cgi") && page.contains("sub/") && page.contains("app.wsgi"));
        assert!(!page.contains("secret") && !page.contains(".env"));
        let named = site.find("/sub", Listing::On);
        assert!(matches!(named, Named::FolderWithoutSlash), "{named:?}");
    }
}
