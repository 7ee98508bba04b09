//! Builds the engine, whose bytes are embedded in the executable: one file is the whole installation.

use std::env;
use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

fn main() -> Result<(), Box<dyn Error>> {
    for input in ["build.rs", "engine", "contract", "Cargo.toml", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={input}");
    }
    let variable = |name| env::var_os(name).ok_or(format!("cargo did not set {name}"));
    let folder = PathBuf::from(variable("OUT_DIR")?).join("engine");
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
    let engine = folder
        .join(target)
        .join("engine")
        .join("libwsgi_cgi_engine.so");
    println!("cargo::rustc-env=WSGI_CGI_ENGINE={}", engine.display());

    // The executable is static, at a fixed address: no library is found, loaded and bound at each start of the
    // program. rustc asks for shared libraries all the same: by these names it gets the others.
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
