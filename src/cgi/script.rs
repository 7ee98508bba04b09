//! Which script the server meant: its arguments, or the file behind Apache's `Action`; looks at files' identity only.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::meta_variables::MetaVariables;

/// What names the application in this request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// The arguments, as far as they are not the client's: ask [`super::arguments::find_foreign`]. They
    /// may lack an APP; then a wrapper script may be the handler of an `Action`: ask [`named_by_action`].
    ByArguments,
    /// Apache's `Action`: no argument is believed.
    ByAction(ActionScript),
    /// Apache's `Action` for an address that leads to no file.
    Missing(PathBuf),
    /// Nothing: a client called the executable by its own address. Nothing may be run.
    StartedDirectly,
}

/// The script that Apache's `Action` hands to this program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActionScript {
    /// A regular file.
    pub file: PathBuf,
    /// What PATH_TRANSLATED holds behind the file: empty, or beginning with a slash.
    pub extra_path: Vec<u8>,
}

/// Finds out what names the application, in a CGI request. `is_own` tells whether a file is this
/// executable.
///
/// A server that has this executable as its script (SCRIPT_FILENAME is the same file) passes no
/// argument but the query's words. REDIRECT_STATUS as a guard proves nothing, for Lighttpd and nginx
/// always set it; the file's identity does.
pub fn named(variables: &MetaVariables, is_own: impl Fn(&Path) -> bool) -> Named {
    match variables.get("SCRIPT_FILENAME").map(path) {
        Some(script) if is_own(script) => named_by_action(variables, is_own),
        _ => Named::ByArguments,
    }
}

/// Finds the script of Apache's `Action`: PATH_TRANSLATED walked upward to the first regular file, for
/// it includes what is behind the script in the address. Without an `Action`: started directly.
///
/// Only Apache sets REDIRECT_HANDLER, and only there is PATH_TRANSLATED the script; under Lighttpd it
/// is a file that does not exist.
pub fn named_by_action(variables: &MetaVariables, is_own: impl Fn(&Path) -> bool) -> Named {
    let is_action =
        variables.get("REDIRECT_HANDLER").is_some() && variables.get("REDIRECT_STATUS").is_some();
    let Some(translated) = variables
        .get("PATH_TRANSLATED")
        .filter(|path| is_action && path.starts_with(b"/"))
    else {
        return Named::StartedDirectly;
    };
    match first_regular_file(translated) {
        // The executable is no Python source; its own address is no script's.
        Some(script) if is_own(&script.file) => Named::StartedDirectly,
        Some(script) => Named::ByAction(script),
        None => Named::Missing(path(translated).to_owned()),
    }
}

/// Whether both names lead to one file: the same device and inode, whatever the names are.
pub fn same_file(a: &Path, b: &Path) -> bool {
    let (Ok(a), Ok(b)) = (fs::metadata(a), fs::metadata(b)) else {
        return false;
    };
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

fn first_regular_file(translated: &[u8]) -> Option<ActionScript> {
    let mut end = translated.len();
    loop {
        let (file, extra_path) = translated.split_at_checked(end)?;
        // A name that ends in a slash is no file's, even where the system would say so.
        let is_file =
            !file.ends_with(b"/") && fs::metadata(path(file)).is_ok_and(|found| found.is_file());
        if is_file {
            return Some(ActionScript {
                file: path(file).to_owned(),
                extra_path: extra_path.to_vec(),
            });
        }
        end = file.iter().rposition(|byte| *byte == b'/')?;
    }
}

fn path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder of its own for one test; removed at the end.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let folder =
                std::env::temp_dir().join(format!("wsgi-cgi-script-{name}-{}", std::process::id()));
            fs::create_dir_all(folder.join("empty")).unwrap();
            for file in ["wsgi-cgi", "app.wsgi", "run.cgi"] {
                fs::write(folder.join(file), b"").unwrap();
            }
            Self(folder)
        }

        fn join(&self, name: &str) -> String {
            format!("{}/{name}", self.0.display())
        }

        fn exe(&self) -> PathBuf {
            self.0.join("wsgi-cgi")
        }

        fn is_exe(&self) -> impl Fn(&Path) -> bool {
            let exe = self.exe();
            move |file| same_file(file, &exe)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn variables(pairs: &[(&str, String)]) -> MetaVariables {
        MetaVariables::from_environment(
            pairs
                .iter()
                .map(|(name, value)| (name.into(), value.into())),
        )
    }

    /// Apache's `Action wsgi /bin/wsgi-cgi`, with this PATH_TRANSLATED.
    fn action(folder: &Folder, handler: &str, translated: &str) -> MetaVariables {
        variables(&[
            ("SCRIPT_FILENAME", folder.join(handler)),
            ("REDIRECT_HANDLER", "wsgi".into()),
            ("REDIRECT_STATUS", "200".into()),
            ("PATH_TRANSLATED", folder.join(translated)),
            ("QUERY_STRING", "-v+evil.py".into()),
        ])
    }

    fn script(folder: &Folder, extra_path: &str) -> Named {
        Named::ByAction(ActionScript {
            file: folder.0.join("app.wsgi"),
            extra_path: extra_path.into(),
        })
    }

    #[test]
    fn an_action_names_the_first_regular_file_upward() {
        let folder = Folder::new("action");
        for (translated, extra_path) in [
            ("app.wsgi", ""),
            ("app.wsgi/", "/"),
            ("app.wsgi/pi", "/pi"),
            ("app.wsgi/a/b//c/", "/a/b//c/"),
        ] {
            let named = named(&action(&folder, "wsgi-cgi", translated), folder.is_exe());
            assert_eq!(named, script(&folder, extra_path), "{translated}");
        }
    }

    #[test]
    fn an_action_without_a_file_names_nothing() {
        let folder = Folder::new("missing");
        for translated in ["nothing", "nothing/x", "empty", "empty/x", "x\0y"] {
            let named = named(&action(&folder, "wsgi-cgi", translated), folder.is_exe());
            assert_eq!(
                named,
                Named::Missing(folder.0.join(translated)),
                "{translated}"
            );
        }
        let named = named(&action(&folder, "wsgi-cgi", "wsgi-cgi/x"), folder.is_exe());
        assert_eq!(named, Named::StartedDirectly);
    }

    #[test]
    fn arguments_are_not_believed_where_the_script_is_this_executable() {
        let folder = Folder::new("direct");
        let link = folder.0.join("link.cgi");
        std::os::unix::fs::symlink(folder.exe(), &link).unwrap();
        for name in ["wsgi-cgi", "link.cgi", "empty/../wsgi-cgi"] {
            let lighttpd = [
                ("SCRIPT_FILENAME", folder.join(name)),
                ("REDIRECT_STATUS", "200".into()),
                ("PATH_TRANSLATED", folder.join("app.wsgi")),
            ];
            assert_eq!(
                named(&variables(&lighttpd), folder.is_exe()),
                Named::StartedDirectly,
                "{name}"
            );
        }
    }

    #[test]
    fn an_action_needs_all_three_variables() {
        let folder = Folder::new("three");
        for absent in ["REDIRECT_HANDLER", "REDIRECT_STATUS", "PATH_TRANSLATED"] {
            let mut variables = action(&folder, "wsgi-cgi", "app.wsgi");
            variables.remove(absent);
            assert_eq!(
                named(&variables, folder.is_exe()),
                Named::StartedDirectly,
                "{absent}"
            );
        }
        let mut relative = action(&folder, "wsgi-cgi", "app.wsgi");
        relative.set("PATH_TRANSLATED", "app.wsgi");
        assert_eq!(named(&relative, folder.is_exe()), Named::StartedDirectly);
    }

    #[test]
    fn a_wrapper_may_be_the_handler_of_an_action() {
        let folder = Folder::new("wrapper");
        let variables = action(&folder, "run.cgi", "app.wsgi/pi");
        assert_eq!(named(&variables, folder.is_exe()), Named::ByArguments);
        assert_eq!(
            named_by_action(&variables, folder.is_exe()),
            script(&folder, "/pi")
        );
        assert_eq!(
            named(&MetaVariables::default(), folder.is_exe()),
            Named::ByArguments
        );
    }

    #[test]
    fn files_are_the_same_by_identity() {
        let folder = Folder::new("identity");
        fs::hard_link(folder.exe(), folder.0.join("hard")).unwrap();
        assert!(same_file(&folder.exe(), &folder.0.join("hard")));
        assert!(!same_file(&folder.exe(), &folder.0.join("run.cgi")));
        assert!(!same_file(&folder.exe(), &folder.0.join("nothing")));
        assert!(!same_file(
            &folder.0.join("nothing"),
            &folder.0.join("nothing")
        ));
    }
}
