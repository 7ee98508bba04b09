//! Builds the engine, whose bytes are embedded in the executable: one file is the whole installation.

use std::env;
use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    // An engine that was built already: packages bring one for an older glibc than this machine's.
    println!("cargo::rerun-if-env-changed=WSGI_CGI_BUILT_ENGINE");
    let engine = match env::var_os("WSGI_CGI_BUILT_ENGINE") {
        Some(file) => PathBuf::from(file),
        None => build_engine()?,
    };
    println!("cargo::rustc-env=WSGI_CGI_ENGINE={}", engine.display());
    let commit = match commit()?.as_str() {
        "" => String::new(),
        commit => format!("commit {commit}, "),
    };
    println!("cargo::rustc-env=WSGI_CGI_BUILD={commit}engine ABI abi3-py39");
    link_statically()
}

fn variable(name: &str) -> Result<OsString, String> {
    env::var_os(name).ok_or(format!("cargo did not set {name}"))
}

fn build_engine() -> Result<PathBuf, Box<dyn Error>> {
    for input in ["engine", "contract", "process", "Cargo.toml", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={input}");
    }
    // One for all profiles and features, beside their folders: <here>/<profile>/build/<package>/out.
    let out = PathBuf::from(variable("OUT_DIR")?);
    let folder = out.ancestors().nth(4).unwrap_or(&out).join("engine");
    let target = variable("TARGET")?;
    // A build of its own, in a folder of its own: cargo holds the lock of the outer one.
    let status = Command::new(variable("CARGO")?)
        .args([
            "build",
            "--package",
            "wsgi-cgi-engine",
            "--profile",
            "engine",
            "--target",
        ])
        .arg(&target)
        .arg("--target-dir")
        .arg(&folder)
        .current_dir(variable("CARGO_MANIFEST_DIR")?)
        // An extension module: needs no interpreter to be built, links to none.
        .env("PYO3_BUILD_EXTENSION_MODULE", "1")
        .env("PYO3_NO_PYTHON", "1")
        // Under clippy, the outer build checks; this one builds.
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .env_remove("CARGO_TARGET_DIR")
        .status()?;
    if !status.success() {
        return Err(format!("the engine was not built: {status}").into());
    }
    Ok(folder
        .join(target)
        .join("engine")
        .join("libwsgi_cgi_engine.so"))
}

/// Seven letters of the commit; empty where it is not known. A debug build has none: each commit would compile it anew.
fn commit() -> Result<String, Box<dyn Error>> {
    if variable("PROFILE")? != "release" {
        return Ok(String::new());
    }
    let here = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    // What `cargo package` leaves in a crate, as JSON.
    if let Ok(text) = fs::read_to_string(here.join(".cargo_vcs_info.json")) {
        let sha1 = text.split("\"sha1\"").nth(1).unwrap_or_default();
        return Ok(sha1
            .split('"')
            .nth(1)
            .unwrap_or_default()
            .chars()
            .take(7)
            .collect());
    }
    // A folder above may be of another repository.
    if !here.join(".git").exists() {
        return Ok(String::new());
    }
    // Grows with each commit and each checkout.
    let log = git(&here, &["rev-parse", "--git-path", "logs/HEAD"]);
    let log = here.join(log);
    if log.is_file() {
        println!("cargo::rerun-if-changed={}", log.display());
    }
    Ok(git(&here, &["rev-parse", "--short=7", "HEAD"]))
}

/// What git says; nothing without git.
fn git(here: &Path, words: &[&str]) -> String {
    let said = Command::new("git").args(words).current_dir(here).output();
    let said = said.ok().filter(|said| said.status.success());
    said.map(|said| String::from_utf8_lossy(&said.stdout).trim().to_owned())
        .unwrap_or_default()
}

/// The executable is static, at a fixed address: no library is found, loaded and bound at each start of the
/// program. rustc asks for shared libraries all the same: by these names it gets the others.
fn link_statically() -> Result<(), Box<dyn Error>> {
    let libraries = PathBuf::from(variable("OUT_DIR")?).join("static");
    fs::create_dir_all(&libraries)?;
    for name in ["c", "dl", "m", "pthread", "rt", "util"] {
        let archive = format!("INPUT(-l:lib{name}.a)\n");
        fs::write(libraries.join(format!("lib{name}.so")), archive)?;
    }
    fs::write(libraries.join("libgcc_s.so"), "INPUT(-lgcc_eh)\n")?;
    let search = format!("-L{}", libraries.display());
    for argument in ["-static", "-no-pie", &search] {
        println!("cargo::rustc-link-arg-bins={argument}");
    }
    // What Rust's library uses where it is linked, and nothing else asks for: posix_spawn with a folder (else it
    // forks), and destructors of threads.
    for name in [
        "posix_spawn_file_actions_addchdir_np",
        "__cxa_thread_atexit_impl",
    ] {
        println!("cargo::rustc-link-arg-bins=-Wl,-u,{name}");
    }
    Ok(())
}
