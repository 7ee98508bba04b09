//! What is released: a wheel, a .deb and a tarball, made as `make dist` makes them, installed and used.

mod completions;
mod deb;
mod engine;
mod tarball;
mod wheel;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::support::output;
use crate::support::run::Run;

/// What `packaging/build` has made.
pub struct Built {
    pub wheel: PathBuf,
    pub deb: PathBuf,
    pub tarball: PathBuf,
    /// Man pages, completions and the reference as they were generated.
    pub pages: PathBuf,
    /// The executable that is in all of them.
    pub program: PathBuf,
}

fn house() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Made once for all tests; beside them, so that it gives way to them.
pub fn built() -> &'static Built {
    static BUILT: OnceLock<Built> = OnceLock::new();
    BUILT.get_or_init(|| {
        let mut build = Command::new("nice");
        build.args(["packaging/build", "wheel", "deb", "tarball"]);
        output(build.current_dir(house()));
        let folder = house().join("target/dist");
        Built {
            wheel: the_one(&folder.join("wheels"), ".whl"),
            deb: the_one(&folder.join("debian"), ".deb"),
            tarball: the_one(&folder, ".tar.gz"),
            pages: folder.join("pages"),
            program: folder.join("release/wsgi-cgi"),
        }
    })
}

/// The one file there with this ending.
fn the_one(folder: &Path, ending: &str) -> PathBuf {
    let files = fs::read_dir(folder).unwrap();
    let files = files.map(|entry| entry.unwrap().path());
    let found: Vec<_> = files
        .filter(|path| path.to_str().is_some_and(|path| path.ends_with(ending)))
        .collect();
    assert_eq!(found.len(), 1, "{found:?}");
    found[0].clone()
}

/// Every file below a folder, by its path there.
fn files_in(folder: &Path) -> Vec<String> {
    let mut find = Command::new("find");
    let found = output(
        find.current_dir(folder)
            .args([".", "-type", "f", "-printf", "%P\n"]),
    );
    let found = String::from_utf8(found).unwrap();
    found.lines().map(str::to_owned).collect()
}

/// An installed program: it tells its version and commit, and answers the example.
#[track_caller]
fn assert_works(program: &Path) {
    let done = Run::by_hand(&["--version"]).program(program).done();
    done.assert_quiet();
    let version = String::from_utf8(done.out).unwrap();
    let rest = version.strip_prefix(concat!("wsgi-cgi ", env!("CARGO_PKG_VERSION"), " (commit "));
    let commit = rest.and_then(|rest| rest.strip_suffix(", engine ABI abi3-py39)\n"));
    let commit = commit.unwrap_or_else(|| panic!("{version}"));
    assert!(
        commit.len() == 7 && commit.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "{version}"
    );
    let hello = house().join("examples/hello/app.py");
    let done = Run::with_arguments(&[hello]).program(program).done();
    done.assert_status("200 OK")
        .assert_body("Hello, world!\n")
        .assert_quiet();
}

/// A man page as a terminal of 80 columns shows it.
fn shown(page: &Path) -> String {
    let mut man = Command::new("man");
    man.env("MANWIDTH", "80")
        .env("MANROFFOPT", "-ww")
        .arg("-l")
        .arg(page);
    String::from_utf8(output(&mut man)).unwrap()
}
