//! From the chosen program to an interpreter: its version, its shared library, and what stands against it.

use std::env::consts::ARCH;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::candidate::Choice;
use super::not_found::{Cause, Fault};
use super::program::{Build, Form, Program};
use super::pyvenv_cfg::PyvenvCfg;
use super::{Interpreter, Virtualenv};

/// The engine uses the stable ABI of this version.
const OLDEST: (u8, u8) = (3, 9);

/// The first version that has a free-threaded build.
const FIRST_FREE_THREADED: (u8, u8) = (3, 13);

/// Judges the choice by names alone, and looks for the library.
pub(super) fn understand(choice: Choice) -> Result<Interpreter, Cause> {
    let configuration = choice.virtualenv.as_ref().map(|(_, found)| found);
    let (version, library) = match choice.program.form {
        // What a script starts is its own affair: it runs as it is, and the engine sees the version.
        Form::Script => (None, None),
        Form::Binary => version_and_library(&choice, configuration)?,
    };
    Ok(Interpreter {
        program: choice.program.path,
        virtualenv: choice.virtualenv.map(|(prefix, found)| Virtualenv {
            prefix,
            include_system_site_packages: found.include_system_site_packages,
        }),
        version,
        library,
        reason: choice.reason,
        skipped: Vec::new(),
    })
}

type VersionAndLibrary = (Option<(u8, u8)>, Option<PathBuf>);

fn version_and_library(
    choice: &Choice,
    configuration: Option<&PyvenvCfg>,
) -> Result<VersionAndLibrary, Cause> {
    let program = &choice.program;
    let own_name = Build::named(&program.real);
    // A virtualenv made with --copies holds the file itself, called just `python`.
    let build = own_name.or_else(|| build_by_configuration(configuration?));
    let (version, abi) = match build {
        None => return Ok((None, None)),
        Some(Build::FreeThreaded) => return Err(free_threaded(choice)),
        Some(Build::Other(name)) => return Err(unsupported(choice, name)),
        Some(Build::CPython { version, abi }) => (version, abi),
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

    let file = format!("libpython{}.{}{abi}.so.1.0", version.0, version.1);
    // `/usr` of `/usr/bin/python3.12`. A copy has no library beside it.
    let own_base = own_name.and(program.real.parent()).and_then(Path::parent);
    let home = configuration.and_then(|found| found.home.as_deref());
    let home_base = home
        .and_then(Path::parent)
        .filter(|base| Some(*base) != own_base);
    let bases = own_base.into_iter().chain(home_base);
    // A whole interpreter is executed: Debian's runs Flask and Django 6 % faster than its own library,
    // which is position-independent code.
    if !program.is_whole
        && let Some(library) = bases.into_iter().find_map(|base| library_in(base, &file))
    {
        return Ok((Some(version), Some(library)));
    }

    // From here on the program will be run as it is, which takes longer than any look at files.
    if is_free_threaded_by_another_name(program, version) {
        return Err(free_threaded(choice));
    }
    match home {
        Some(home) if own_name.is_none() && !home.exists() => {
            Err(broken(choice, Fault::BaseGone(home.to_path_buf())))
        }
        _ => Ok((Some(version), None)),
    }
}

fn build_by_configuration(configuration: &PyvenvCfg) -> Option<Build<'_>> {
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
        abi: "",
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

/// The library beside the program, in the folders that builds and distributions use.
fn library_in(base: &Path, file: &str) -> Option<PathBuf> {
    let beside = |folder: &str| {
        let path = base.join(folder).join(file);
        path.exists().then_some(path)
    };
    let multiarch = || beside(multiarch_folder()?);
    if base == Path::new("/usr") {
        multiarch()
            .or_else(|| beside("lib64"))
            .or_else(|| beside("lib"))
    } else {
        beside("lib").or_else(multiarch).or_else(|| beside("lib64"))
    }
}

/// Debian's folder for libraries of the machine that we are built for.
fn multiarch_folder() -> Option<&'static str> {
    match ARCH {
        "x86_64" => Some("lib/x86_64-linux-gnu"),
        "aarch64" => Some("lib/aarch64-linux-gnu"),
        "x86" => Some("lib/i386-linux-gnu"),
        "arm" => Some("lib/arm-linux-gnueabihf"),
        "powerpc64" => Some("lib/powerpc64le-linux-gnu"),
        "riscv64" => Some("lib/riscv64-linux-gnu"),
        "s390x" => Some("lib/s390x-linux-gnu"),
        _ => None,
    }
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
    use super::multiarch_folder;

    fn found(tree: &Tree) -> Interpreter {
        find(&tree.request()).unwrap()
    }

    fn told(tree: &Tree) -> String {
        find(&tree.request()).unwrap_err().to_string()
    }

    #[test]
    fn a_virtualenv_leads_to_the_library_of_its_base() {
        let tree = Tree::new();
        tree.base("versions/3.12.1", "3.12");
        tree.virtualenv("app/.venv", "versions/3.12.1", "3.12");
        let found = found(&tree);
        assert_eq!(found.program, tree.path("app/.venv/bin/python"));
        assert_eq!(found.version, Some((3, 12)));
        assert_eq!(found.library, Some(tree.library("versions/3.12.1", "3.12")));
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
        assert_eq!(found(&tree).library, Some(tree.library("opt", "3.12")));
    }

    #[test]
    fn a_copy_is_understood_by_its_configuration() {
        let tree = Tree::new();
        tree.base("opt", "3.12");
        tree.program("app/.venv/bin/python");
        tree.configuration("app/.venv", &tree.path("opt/bin"), "3.12");
        let found = found(&tree);
        assert_eq!(found.version, Some((3, 12)));
        assert_eq!(found.library, Some(tree.library("opt", "3.12")));
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
    fn libraries_are_found_where_distributions_put_them() {
        let folders = [Some("lib"), multiarch_folder(), Some("lib64")];
        for folder in folders.into_iter().flatten() {
            let tree = Tree::new();
            tree.base("usr", "3.11");
            tree.virtualenv("app/.venv", "usr", "3.11");
            fs::remove_file(tree.library("usr", "3.11")).unwrap();
            assert_eq!(found(&tree).library, None);
            let library = format!("usr/{folder}/libpython3.11.so.1.0");
            tree.file(&library, "");
            assert_eq!(found(&tree).library, Some(tree.path(&library)));
        }
    }

    #[test]
    fn a_debug_build_has_its_own_library() {
        let tree = Tree::new();
        tree.base("opt", "3.12d");
        tree.virtualenv("app/.venv", "opt", "3.12");
        assert_eq!(found(&tree).library, Some(tree.library("opt", "3.12d")));
    }

    #[test]
    fn a_script_and_a_nameless_build_run_as_they_are() {
        let tree = Tree::new();
        tree.base("opt", "3.12");
        tree.virtualenv("app/.venv", "opt", "3.12");
        tree.executable("opt/bin/python3.12", "#!/bin/bash\nexec pyenv");
        let script = found(&tree);
        assert_eq!((script.version, script.library), (None, None));
        assert_eq!(script.program, tree.path("app/.venv/bin/python"));

        let tree = Tree::new();
        tree.program("app/.venv/bin/python");
        tree.file("app/.venv/pyvenv.cfg", "home = /usr/bin");
        let nameless = found(&tree);
        assert_eq!((nameless.version, nameless.library), (None, None));
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
        fs::remove_file(tree.library("opt", "3.13")).unwrap();
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
