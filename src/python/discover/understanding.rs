//! From the chosen program to an interpreter: its version, and what stands against it.

use std::fs;
use std::os::unix::fs::MetadataExt;

use super::candidate::Choice;
use super::not_found::{Cause, Fault};
use super::program::{Build, Form, Program};
use super::pyvenv_cfg::PyvenvCfg;
use super::{Interpreter, Virtualenv};

/// The engine uses the stable ABI of this version.
const OLDEST: (u8, u8) = (3, 9);

/// The first version that has a free-threaded build.
const FIRST_FREE_THREADED: (u8, u8) = (3, 13);

/// Judges the choice by names alone.
pub(super) fn understand(choice: Choice) -> Result<Interpreter, Cause> {
    let configuration = choice.virtualenv.as_ref().map(|(_, found)| found);
    let version = match choice.program.form {
        // What a script starts is its own affair: the engine sees the version.
        Form::Script => None,
        Form::Binary => version(&choice, configuration)?,
    };
    Ok(Interpreter {
        program: choice.program.path,
        virtualenv: choice.virtualenv.map(|(prefix, found)| Virtualenv {
            prefix,
            include_system_site_packages: found.include_system_site_packages,
        }),
        version,
        reason: choice.reason,
        skipped: Vec::new(),
    })
}

fn version(choice: &Choice, configuration: Option<&PyvenvCfg>) -> Result<Option<(u8, u8)>, Cause> {
    let program = &choice.program;
    let own_name = Build::named(&program.real);
    // A virtualenv made with --copies holds the file itself, called just `python`.
    let build = own_name.or_else(|| build_by_configuration(configuration?));
    let version = match build {
        None => return Ok(None),
        Some(Build::FreeThreaded) => return Err(free_threaded(choice)),
        Some(Build::Other(name)) => return Err(unsupported(choice, name)),
        Some(Build::CPython { version }) => version,
    };
    if version < OLDEST {
        return Err(Cause::TooOld {
            program: program.path.clone(),
            version,
            reason: choice.reason.clone(),
        });
    }
    if let Some(fault) = upgrade_behind_its_back(choice, version) {
        return Err(broken(choice, fault));
    }

    if is_free_threaded_by_another_name(program, version) {
        return Err(free_threaded(choice));
    }
    match configuration.and_then(|found| found.home.as_deref()) {
        Some(home) if own_name.is_none() && !home.exists() => {
            Err(broken(choice, Fault::BaseGone(home.to_path_buf())))
        }
        _ => Ok(Some(version)),
    }
}

fn build_by_configuration(configuration: &PyvenvCfg) -> Option<Build> {
    if let Some(name) = configuration.implementation.as_deref() {
        match name {
            "PyPy" => return Some(Build::Other("PyPy")),
            "GraalVM" | "GraalPy" => return Some(Build::Other("GraalPy")),
            _ => {}
        }
    }
    let named = configuration.executable.as_deref().and_then(Build::named);
    named.or(Some(Build::CPython {
        version: configuration.version?,
    }))
}

/// The link of a virtualenv to `/usr/bin/python3` survives the system's upgrade, its packages do not:
/// they lie in `lib/python3.11`. Whoever mended it by hand has the new folder.
fn upgrade_behind_its_back(choice: &Choice, version: (u8, u8)) -> Option<Fault> {
    let (prefix, configuration) = choice.virtualenv.as_ref()?;
    let made_for = configuration
        .version
        .filter(|made_for| *made_for != version)?;
    let packages = prefix.join(format!("lib/python{}.{}", version.0, version.1));
    (!packages.exists()).then_some(Fault::Upgraded {
        made_for,
        now: version,
    })
}

/// `make install` makes `python3.13` a hard link to `python3.13t`: its name does not tell.
fn is_free_threaded_by_another_name(program: &Program, version: (u8, u8)) -> bool {
    if version < FIRST_FREE_THREADED {
        return false;
    }
    let name = format!("python{}.{}t", version.0, version.1);
    fs::metadata(program.real.with_file_name(name))
        .is_ok_and(|other| (other.dev(), other.ino()) == program.identity)
}

fn free_threaded(choice: &Choice) -> Cause {
    unsupported(choice, "a free-threaded build")
}

fn unsupported(choice: &Choice, what: &'static str) -> Cause {
    Cause::Unsupported {
        program: choice.program.path.clone(),
        what,
        reason: choice.reason.clone(),
    }
}

fn broken(choice: &Choice, fault: Fault) -> Cause {
    let prefix = choice.virtualenv.as_ref().map(|(prefix, _)| prefix.clone());
    Cause::BrokenVirtualenv {
        prefix: prefix.unwrap_or_default(),
        reason: choice.reason.clone(),
        fault,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::super::tree::Tree;
    use super::super::{Cause, Interpreter, NotFound, find};

    fn found(tree: &Tree) -> Interpreter {
        find(&tree.request()).unwrap()
    }

    fn told(tree: &Tree) -> String {
        find(&tree.request()).unwrap_err().to_string()
    }

    #[test]
    fn a_virtualenv_is_of_the_version_of_its_base() {
        let tree = Tree::new();
        tree.base("versions/3.12.1", "3.12");
        tree.virtualenv("app/.venv", "versions/3.12.1", "3.12");
        let found = found(&tree);
        assert_eq!(found.program, tree.path("app/.venv/bin/python"));
        assert_eq!(found.version, Some((3, 12)));
        let virtualenv = found.virtualenv.unwrap();
        assert_eq!(virtualenv.prefix, tree.path("app/.venv"));
        assert!(!virtualenv.include_system_site_packages);
    }

    #[test]
    fn a_virtualenv_within_a_virtualenv_leads_to_the_base() {
        let tree = Tree::new();
        tree.base("opt", "3.12");
        tree.virtualenv("outer", "opt", "3.12");
        tree.virtualenv("app/.venv", "outer", "3.12");
        assert_eq!(found(&tree).version, Some((3, 12)));
    }

    #[test]
    fn a_copy_is_understood_by_its_configuration() {
        let tree = Tree::new();
        tree.base("opt", "3.12");
        tree.program("app/.venv/bin/python");
        tree.configuration("app/.venv", &tree.path("opt/bin"), "3.12");
        assert_eq!(found(&tree).version, Some((3, 12)));
    }

    #[test]
    fn a_copy_whose_base_is_gone_is_broken() {
        let tree = Tree::new();
        tree.program("app/.venv/bin/python");
        tree.configuration("app/.venv", Path::new("/nonexistent/bin"), "3.12");
        let told = told(&tree);
        assert!(told.contains("is gone from /nonexistent/bin"), "{told}");
    }

    #[test]
    fn a_script_and_a_nameless_build_run_as_they_are() {
        let tree = Tree::new();
        tree.base("opt", "3.12");
        tree.virtualenv("app/.venv", "opt", "3.12");
        tree.executable("opt/bin/python3.12", "#!/bin/bash\nexec pyenv");
        let script = found(&tree);
        assert_eq!(script.version, None);
        assert_eq!(script.program, tree.path("app/.venv/bin/python"));

        let tree = Tree::new();
        tree.program("app/.venv/bin/python");
        tree.file("app/.venv/pyvenv.cfg", "home = /usr/bin");
        assert_eq!(found(&tree).version, None);
    }

    #[test]
    fn old_pythons_are_refused() {
        for version in ["2.7", "3.6", "3.8"] {
            let tree = Tree::new();
            tree.base("opt", version);
            tree.virtualenv("app/.venv", "opt", version);
            let told = told(&tree);
            assert!(
                told.contains(&format!("is Python {version}, and 3.9")),
                "{told}"
            );
            assert!(told.ends_with("beside the application"), "{told}");
        }
    }

    #[test]
    fn unsupported_builds_are_refused() {
        let kind = |tree: &Tree| match find(&tree.request()) {
            Err(NotFound {
                cause: Cause::Unsupported { what, .. },
                ..
            }) => what,
            other => panic!("{other:?}"),
        };
        let tree = Tree::new();
        tree.base("opt", "3.13t");
        tree.virtualenv("app/.venv", "opt", "3.13");
        assert_eq!(kind(&tree), "a free-threaded build");

        // `make install` of a free-threaded build: a hard link without the letter.
        let tree = Tree::new();
        tree.base("opt", "3.13");
        tree.virtualenv("app/.venv", "opt", "3.13");
        let (plain, lettered) = ("opt/bin/python3.13", "opt/bin/python3.13t");
        fs::hard_link(tree.path(plain), tree.path(lettered)).unwrap();
        assert_eq!(kind(&tree), "a free-threaded build");

        let tree = Tree::new();
        tree.program("opt/bin/pypy3.10");
        tree.link(tree.path("opt/bin/pypy3.10"), "app/.venv/bin/python");
        tree.configuration("app/.venv", &tree.path("opt/bin"), "3.10");
        assert_eq!(kind(&tree), "PyPy");
    }

    #[test]
    fn a_virtualenv_whose_base_was_removed_is_broken() {
        let tree = Tree::new();
        tree.base("opt", "3.12");
        tree.virtualenv("app/.venv", "opt", "3.12");
        fs::remove_file(tree.path("opt/bin/python3.12")).unwrap();
        let told = told(&tree);
        let end = tree.path("opt/bin/python3.12");
        assert!(
            told.contains(&format!("leads to {}, which is gone", end.display())),
            "{told}"
        );
        assert!(told.contains("`python3 -m venv --clear"), "{told}");
    }

    #[test]
    fn a_virtualenv_without_a_program_is_broken() {
        let tree = Tree::new();
        tree.file("app/.venv/pyvenv.cfg", "home = C:\\Python312");
        assert!(told(&tree).contains("has no bin/python"));
    }

    #[test]
    fn a_virtualenv_whose_base_was_upgraded_is_broken_unless_mended() {
        let tree = Tree::new();
        tree.base("opt", "3.13");
        tree.virtualenv("app/.venv", "opt", "3.11");
        let told = told(&tree);
        assert!(told.contains("made with Python 3.11"), "{told}");
        assert!(told.contains("has become 3.13"), "{told}");
        tree.directory("app/.venv/lib/python3.13");
        assert_eq!(found(&tree).version, Some((3, 13)));
    }
}
