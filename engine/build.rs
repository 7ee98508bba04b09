//! Link settings: unit tests without any libpython, and no library to load beside the engine.

use std::path::PathBuf;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    // The unit tests touch no Python object. What is shipped may be linked by zig, which does not know this.
    if env::var_os("PROFILE").is_some_and(|profile| profile == "debug") {
        println!("cargo::rustc-link-arg=-Wl,--unresolved-symbols=ignore-all");
    }
    // The unwinder is linked in.
    let scripts = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("link");
    fs::create_dir_all(&scripts)?;
    fs::write(scripts.join("libgcc_s.so"), "INPUT(-lgcc_eh)\n")?;
    println!("cargo::rustc-link-search=native={}", scripts.display());
    Ok(())
}
