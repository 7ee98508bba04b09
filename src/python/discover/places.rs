//! Where an interpreter is looked for, and in which order.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{self, Path, PathBuf};

use super::candidate::{
    Choice, configuration_in, in_directory, in_prefix, refused, unreadable_configuration,
    with_virtualenv_above,
};
use super::not_found::{Cause, Skipped};
use super::program::{Program, Refusal, is_absence};
use super::pyenv::behind_shim;
use super::pyvenv_cfg::PyvenvCfg;
use super::trust::Trust;
use super::{Named, Request};

/// Where web servers pass no PATH.
pub const SEARCH_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Takes the first interpreter that is there.
pub(super) fn choose(request: &Request, skipped: &mut Vec<Skipped>) -> Result<Choice, Cause> {
    if let Some(named) = request.option.filter(|named| !is_empty(named.path)) {
        return by_option(named, request);
    }
    let virtual_env = request.virtual_env.map(Path::new);
    if let Some(prefix) = virtual_env.filter(|prefix| !is_empty(prefix)) {
        return in_directory(&absolute(prefix), "named by VIRTUAL_ENV");
    }
    if let Some(choice) = near_application(request, skipped)? {
        return Ok(choice);
    }
    if let Some(choice) = beside_wsgi_cgi(request.executable)? {
        return Ok(choice);
    }
    on_search_path(Path::new("python3"), request, None)
}

fn by_option(named: Named, request: &Request) -> Result<Choice, Cause> {
    let path = absolute(named.path);
    let how = format!("named by {}", named.source);
    match Program::open(&path) {
        Err(Refusal::Directory) => in_directory(&path, &how),
        _ if is_bare_name(named.path) => on_search_path(named.path, request, Some(&how)),
        Ok(program) => {
            let reason = format!("the interpreter {} {how}", path.display());
            with_virtualenv_above(program, reason)
        }
        Err(refusal) => Err(refused(&path, &how, refusal)),
    }
}

/// Every place up to the root is searched, so anybody who may write to one of them, such as /tmp, could
/// plant an interpreter: only virtualenvs count in which nobody else decides what runs.
fn near_application(
    request: &Request,
    skipped: &mut Vec<Skipped>,
) -> Result<Option<Choice>, Cause> {
    let trust = Trust::of(request);
    for directory in request.application_dir.ancestors() {
        for name in [".venv", "venv"] {
            let prefix = directory.join(name);
            if let Err(why) = trust.of_path(&prefix) {
                skipped.push(Skipped { prefix, why });
                continue;
            }
            let how = if directory == request.application_dir {
                "beside the application"
            } else {
                "above the application"
            };
            let (found, status) = match PyvenvCfg::read(&prefix) {
                Ok(read) => read,
                Err(error) if is_absence(&error) => continue,
                Err(error) => return Err(unreadable_configuration(&prefix, how, error)),
            };
            let trusted = trust
                .of_status(&prefix.join("pyvenv.cfg"), &status)
                .and_then(|()| trust.of_folders(&prefix, found.version));
            let judged = match trusted {
                Ok(()) => {
                    let choice = in_prefix(&prefix, Some(found), how)?;
                    let program = trust.of_program(&prefix, &choice.program.path);
                    program.map(|()| choice)
                }
                Err(why) => Err(why),
            };
            match judged {
                Ok(choice) => return Ok(Some(choice)),
                Err(why) => skipped.push(Skipped { prefix, why }),
            }
        }
    }
    Ok(None)
}

/// Whoever installs wsgi-cgi into an environment means that environment.
fn beside_wsgi_cgi(executable: Option<&Path>) -> Result<Option<Choice>, Cause> {
    let Some(bin) = executable.and_then(Path::parent) else {
        return Ok(None);
    };
    let path = bin.join("python3");
    // The link itself is asked: in a broken virtualenv it leads nowhere, and is there all the same.
    if fs::symlink_metadata(&path).is_err() {
        return Ok(None);
    }
    let how = "in which wsgi-cgi is installed";
    if let Some(prefix) = bin.parent()
        && let Some(found) = configuration_in(prefix, how)?
    {
        return in_prefix(prefix, Some(found), how).map(Some);
    }
    let reason = format!("the interpreter {} beside wsgi-cgi itself", path.display());
    Ok(Program::open(&path).ok().map(|program| Choice {
        program,
        virtualenv: None,
        reason,
    }))
}

/// As a shell does it, but never in the working directory, for which empty and relative entries stand.
fn on_search_path(name: &Path, request: &Request, how: Option<&str>) -> Result<Choice, Cause> {
    let (search_path, title) = match request.search_path {
        Some(given) if !given.is_empty() => (given, "on PATH"),
        _ => (
            OsStr::new(SEARCH_PATH),
            "in the usual places (PATH is not set)",
        ),
    };
    let mut looked_in = Vec::new();
    for directory in env::split_paths(search_path).filter(|directory| directory.is_absolute()) {
        let path = directory.join(name);
        if let Ok(program) = Program::open(&path) {
            let first = format!("the first {} {title}, {}", name.display(), path.display());
            let reason = match how {
                Some(how) => format!("{first}, {how}"),
                None => first,
            };
            return match behind_shim(&path, request.pyenv_version, request.application_dir) {
                None => with_virtualenv_above(program, reason),
                Some((behind, name)) => match Program::open(&behind) {
                    Ok(behind) => with_virtualenv_above(behind, format!("{reason}: {name}")),
                    Err(_) => with_virtualenv_above(program, reason),
                },
            };
        }
        looked_in.push(directory);
    }
    Err(Cause::NoPython {
        name: name.to_path_buf(),
        how: how.map(str::to_owned),
        looked_in,
    })
}

/// `sys.executable` must be absolute: the working directory may change.
fn absolute(path: &Path) -> PathBuf {
    path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}

fn is_bare_name(path: &Path) -> bool {
    path.components().count() == 1 && path.file_name() == Some(path.as_os_str())
}

fn is_empty(path: &Path) -> bool {
    path.as_os_str().is_empty()
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};
    use std::path::Path;

    use super::super::tree::Tree;
    use super::super::{Cause, Named, find};

    fn named(path: &Path) -> Option<Named<'_>> {
        let source = "--python";
        Some(Named { path, source })
    }

    /// Owned by nobody whom the request trusts: given away where we are root, else by a request that
    /// comes from somebody else.
    fn give_away(path: &Path) {
        if fs::symlink_metadata(path).unwrap().uid() == 0 {
            lchown(path, Some(4711), None).unwrap();
        }
    }
    const SOMEBODY_ELSE: u32 = 4712;

    #[test]
    fn the_option_wins_and_names_a_virtualenv_by_its_directory_or_program() {
        let tree = Tree::new();
        tree.base("opt", "3.12");
        for name in ["named", "active", "app/.venv"] {
            tree.virtualenv(name, "opt", "3.12");
        }
        for path in ["named", "named/bin/python"] {
            let path = tree.path(path);
            let active = tree.path("active");
            let mut request = tree.request();
            request.option = named(&path);
            request.virtual_env = Some(active.as_os_str());
            let found = find(&request).unwrap();
            assert_eq!(found.program, tree.path("named/bin/python"));
            assert_eq!(found.virtualenv.unwrap().prefix, tree.path("named"));
            assert!(
                found.reason.contains("named by --python"),
                "{}",
                found.reason
            );
        }
    }

    #[test]
    fn the_option_names_an_installation_or_a_name_on_path() {
        let tree = Tree::new();
        tree.base("opt", "3.12");
        let (directory, bin) = (tree.path("opt"), tree.path("opt/bin"));
        for path in [directory.as_path(), Path::new("python3.12")] {
            let mut request = tree.request();
            request.option = named(path);
            request.search_path = Some(bin.as_os_str());
            let found = find(&request).unwrap();
            assert_eq!(found.version, Some((3, 12)));
            assert_eq!(found.virtualenv, None);
        }
    }

    #[test]
    fn an_option_that_cannot_be_used_is_an_error() {
        let tree = Tree::new();
        tree.file("plain", "");
        tree.directory("empty");
        let cause = |name: &str| {
            let path = tree.path(name);
            let mut request = tree.request();
            request.option = named(&path);
            find(&request).unwrap_err().cause
        };
        assert!(matches!(cause("gone"), Cause::Missing { .. }));
        assert!(matches!(cause("plain"), Cause::NotExecutable { .. }));
        assert!(matches!(cause("empty"), Cause::NoPythonInside { .. }));
    }

    #[test]
    fn virtual_env_wins_over_what_is_near_unless_empty() {
        let tree = Tree::new();
        tree.base("opt", "3.12");
        tree.virtualenv("active", "opt", "3.12");
        tree.virtualenv("app/.venv", "opt", "3.12");
        let active = tree.path("active");
        let mut request = tree.request();
        request.virtual_env = Some(active.as_os_str());
        assert_eq!(find(&request).unwrap().program, active.join("bin/python"));
        request.virtual_env = Some(OsStr::new(""));
        let found = find(&request).unwrap();
        assert_eq!(found.program, tree.path("app/.venv/bin/python"));
        assert!(found.reason.ends_with("beside the application"));
    }

    #[test]
    fn a_virtual_env_that_is_gone_is_an_error() {
        let tree = Tree::new();
        tree.base("opt", "3.12");
        tree.virtualenv("app/.venv", "opt", "3.12");
        let gone = tree.path("gone");
        let mut request = tree.request();
        request.virtual_env = Some(gone.as_os_str());
        let told = find(&request).unwrap_err().to_string();
        assert!(
            told.ends_with("gone, named by VIRTUAL_ENV, does not exist"),
            "{told}"
        );
    }

    #[test]
    fn the_nearest_virtualenv_wins_and_directories_without_pyvenv_cfg_do_not_count() {
        let tree = Tree::new();
        tree.base("opt", "3.12");
        tree.file("app/.venv", "a file");
        tree.directory("app/venv/bin");
        tree.virtualenv("venv", "opt", "3.12");
        let found = find(&tree.request()).unwrap();
        assert_eq!(found.program, tree.path("venv/bin/python"));
        assert!(found.reason.ends_with("above the application"));
        assert_eq!(found.skipped, []);
    }

    #[test]
    fn a_virtualenv_of_a_stranger_is_passed_over() {
        let tree = Tree::new();
        tree.base("opt", "3.12");
        let bin = tree.path("opt/bin");
        tree.virtualenv("app/.venv", "opt", "3.12");
        tree.virtualenv("app/venv", "opt", "3.12");
        // A link that a stranger made, to a virtualenv that would be trusted.
        tree.virtualenv("good", "opt", "3.12");
        symlink(tree.path("good"), tree.path(".venv")).unwrap();
        for name in ["app/.venv", "app/venv/pyvenv.cfg", ".venv"] {
            give_away(&tree.path(name));
        }
        let owner = fs::symlink_metadata(tree.path(".venv")).unwrap().uid();
        let mut request = tree.request();
        request.effective_user = SOMEBODY_ELSE;
        request.search_path = Some(bin.as_os_str());
        let found = find(&request).unwrap();
        assert_eq!(found.program, tree.path("opt/bin/python3"));
        let prefixes: Vec<_> = found.skipped.iter().map(|it| it.prefix.clone()).collect();
        let expected = ["app/.venv", "app/venv", ".venv"].map(|name| tree.path(name));
        assert_eq!(prefixes, expected);

        request.application_owner = Some(owner);
        let found = find(&request).unwrap();
        assert_eq!(found.program, tree.path("app/.venv/bin/python"));
    }

    #[test]
    fn a_virtualenv_that_others_can_change_is_passed_over() {
        use super::super::Distrust;
        let mode = |tree: &Tree, name: &str, mode| {
            fs::set_permissions(tree.path(name), PermissionsExt::from_mode(mode)).unwrap();
        };
        let change = |name: &str| {
            let tree = Tree::new();
            tree.base("opt", "3.12");
            tree.virtualenv("app/.venv", "opt", "3.12");
            tree.directory("app/.venv/lib/python3.12/site-packages");
            match name.split_once(' ') {
                Some(("write", name)) => {
                    let folder = fs::metadata(tree.path(name)).unwrap().is_dir();
                    mode(&tree, name, if folder { 0o1777 } else { 0o757 });
                }
                Some(("own", name)) => give_away(&tree.path(name)),
                _ => {}
            }
            let bin = tree.path("opt/bin");
            let mut request = tree.request();
            let owner = fs::metadata(tree.path("app")).unwrap().uid();
            request.application_owner = Some(owner);
            request.search_path = Some(bin.as_os_str());
            let found = find(&request).unwrap();
            let why = found.skipped.first().map(|skipped| skipped.why.clone());
            assert_eq!(found.virtualenv.is_some(), why.is_none(), "{name}");
            (why, tree)
        };
        assert_eq!(change("").0, None);
        for name in [
            "app/.venv",
            "app/.venv/bin",
            "app/.venv/pyvenv.cfg",
            "app/.venv/lib/python3.12",
            "app/.venv/lib/python3.12/site-packages",
            "opt/bin/python3.12",
        ] {
            let (why, tree) = change(&format!("write {name}"));
            let path = tree.path(name);
            assert_eq!(why, Some(Distrust::Writable { path }), "{name}");
        }
        // A user's own group may have others in it; who shares a folder with them means to.
        let tree = Tree::new();
        tree.base("opt", "3.12");
        tree.virtualenv("app/.venv", "opt", "3.12");
        mode(&tree, "app/.venv", 0o775);
        assert!(find(&tree.request()).unwrap().virtualenv.is_some());
        if !rustix::process::geteuid().is_root() {
            return;
        }
        for name in [
            "app/.venv/bin",
            "app/.venv/bin/python",
            "opt/bin/python3.12",
        ] {
            let (why, tree) = change(&format!("own {name}"));
            let path = tree.path(name);
            assert_eq!(why, Some(Distrust::Owner { path, owner: 4711 }), "{name}");
        }
    }

    #[test]
    fn the_environment_of_wsgi_cgi_wins_over_path() {
        let tree = Tree::new();
        tree.base("opt", "3.12");
        tree.base("conda", "3.13");
        tree.virtualenv("home", "opt", "3.12");
        let bin = tree.path("opt/bin");
        for (prefix, program) in [("home", "home/bin/python"), ("conda", "conda/bin/python3")] {
            let executable = tree.path(prefix).join("bin/wsgi-cgi");
            let mut request = tree.request();
            request.executable = Some(&executable);
            request.search_path = Some(bin.as_os_str());
            let found = find(&request).unwrap();
            assert_eq!(found.program, tree.path(program));
            assert_eq!(found.virtualenv.is_some(), prefix == "home");
        }
    }

    #[test]
    fn path_is_searched_without_the_working_directory_and_tells_a_virtualenv() {
        let tree = Tree::new();
        tree.base("opt", "3.12");
        tree.virtualenv("active", "opt", "3.12");
        tree.file("plain/python3", "not executable");
        let entries = ["gone", "plain", "active/bin"].map(|name| tree.path(name));
        let path = format!(
            ":.:{}:{}:{}",
            entries[0].display(),
            entries[1].display(),
            entries[2].display()
        );
        let mut request = tree.request();
        request.search_path = Some(OsStr::new(&path));
        let found = find(&request).unwrap();
        assert_eq!(found.program, tree.path("active/bin/python3"));
        assert_eq!(found.virtualenv.unwrap().prefix, tree.path("active"));
    }

    #[test]
    fn a_path_without_python_is_told() {
        let tree = Tree::new();
        let mut request = tree.request();
        request.search_path = Some(OsStr::new("/nonexistent/a:.:/nonexistent/b"));
        let told = find(&request).unwrap_err().to_string();
        assert_eq!(told, "there is no python3 in /nonexistent/a:/nonexistent/b");
        request.search_path = Some(OsStr::new("."));
        let told = find(&request).unwrap_err().to_string();
        assert_eq!(
            told,
            "there is no python3 on PATH, which names no absolute directory"
        );
    }

    #[test]
    fn a_copy_that_lost_its_mode_is_told() {
        let tree = Tree::new();
        tree.base("opt", "3.12");
        tree.virtualenv("app/venv", "opt", "3.12");
        tree.program("app/venv/bin/python");
        let mode = PermissionsExt::from_mode(0o644);
        fs::set_permissions(tree.path("app/venv/bin/python"), mode).unwrap();
        let cause = find(&tree.request()).unwrap_err().cause;
        assert!(matches!(cause, Cause::NotExecutable { .. }), "{cause}");
    }
}
