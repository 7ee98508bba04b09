//! The engine inside the executable that is released.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

use super::{built, house};
use crate::support::output;

/// RHEL 8 has this version of glibc, Debian 11 a newer one.
const OLDEST: [u32; 2] = [2, 28];

#[test]
fn the_engine_needs_no_glibc_newer_than_that_of_rhel_8() {
    let program = fs::read(&built().program).unwrap();
    let is_library = |at: &usize| {
        let rest = &program[*at..];
        // The header's type ET_DYN; the executable's own header stands first.
        *at > 0 && rest.starts_with(b"\x7fELF") && rest.get(16) == Some(&3)
    };
    let starts: Vec<_> = (0..program.len()).filter(is_library).collect();
    assert_eq!(starts.len(), 1, "one library is embedded");
    let folder = tempfile::tempdir().unwrap();
    let engine = folder.path().join("engine.so");
    fs::write(&engine, &program[starts[0]..]).unwrap();
    let symbols = output(Command::new("objdump").arg("-T").arg(&engine));
    let symbols = String::from_utf8(symbols).unwrap();
    assert!(symbols.contains("PyInit__wsgi_cgi"), "{symbols}");
    let mut count = 0;
    for line in symbols.lines() {
        let Some((_, version)) = line.split_once("GLIBC_") else {
            continue;
        };
        let version = version.split([')', ' ']).next().unwrap();
        let numbers: Vec<u32> = version
            .split('.')
            .map(|part| part.parse().unwrap())
            .collect();
        assert!(numbers[..] < [OLDEST[0], OLDEST[1] + 1][..], "{line}");
        count += 1;
    }
    assert!(count > 20, "{symbols}");
}

#[test]
fn nothing_tells_where_it_was_built() {
    let program = fs::read(&built().program).unwrap();
    for path in [house().as_os_str().as_bytes(), b"/.cargo/registry"] {
        let is_there = program.windows(path.len()).any(|window| window == path);
        assert!(!is_there, "{}", String::from_utf8_lossy(path));
    }
}

/// The executable needs nothing of the machine.
#[test]
fn the_executable_is_static() {
    let headers = output(Command::new("readelf").args(["-lW"]).arg(&built().program));
    let headers = String::from_utf8(headers).unwrap();
    assert!(
        headers.contains("LOAD") && !headers.contains("INTERP"),
        "{headers}"
    );
}
