//! `wsgi.file_wrapper`, and large bodies in constant memory.

use std::fs;
use std::io::{self, Read};
use std::path::Path;
use std::process::Stdio;
use std::thread;

use crate::support::run::{Done, Run, Watch};
use crate::support::until;

fn with_file(name: &str) -> Done {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "0123456789").unwrap();
    Run::of(&format!("files.py:{name}"))
        .variable("QUERY_STRING", &file)
        .done()
}

/// What the application writes to stderr after its response: it goes to the error log.
#[track_caller]
fn late_word(log: &Path, name: &str) -> u64 {
    let mut told = None;
    until(name, || {
        let text = fs::read_to_string(log).unwrap_or_default();
        told = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
        told.is_some()
    });
    told.unwrap()
}

#[test]
fn the_kernel_copies_a_file_from_its_present_position() {
    let folder = tempfile::tempdir().unwrap();
    let (file, log) = (folder.path().join("file"), folder.path().join("error.log"));
    // More than Python's buffer holds.
    let bytes: Vec<u8> = (0..100_000u32).map(|number| (number % 251) as u8).collect();
    fs::write(&file, &bytes).unwrap();
    let run = Run::of("files.py:opened")
        .variable("QUERY_STRING", &file)
        .variable("WSGI_CGI_ERROR_LOG", &log);
    let done = run.done();
    assert_eq!(done.response().body, &bytes[3..]);
    assert_eq!(done.response().field("Content-Length"), Some("99997"));
    // The descriptor stands where Python's buffer left it: nobody has read on.
    assert!(late_word(&log, "at ") < 100_000);
}

#[test]
fn at_most_the_declared_length_is_copied() {
    with_file("limited").assert_body("0123").assert_exit(0);
}

#[test]
fn objects_whose_bytes_are_not_their_descriptors_are_read() {
    for (name, body) in [
        ("in_memory", "from memory"),
        ("temporary", "temporary"),
        ("compressed", "unpacked"),
    ] {
        with_file(name).assert_body(body).assert_quiet();
    }
    let done = with_file("closes");
    done.assert_body("ab").assert_exit(0);
    assert_eq!(done.err, "closed\n", "\n{done}");
}

/// The peak in KiB that the application tells.
fn peak(run: Run, body: u64, response: u64) -> u64 {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("error.log");
    let mut command = run.variable("WSGI_CGI_ERROR_LOG", &log).command();
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let _watch = Watch::over(&child);
    let (mut input, mut output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let sender = thread::spawn(move || io::copy(&mut io::repeat(b'x').take(body), &mut input));
    assert!(io::copy(&mut output, &mut io::sink()).unwrap() >= response);
    assert_eq!(sender.join().unwrap().unwrap(), body);
    assert!(child.wait().unwrap().success());
    late_word(&log, "peak ")
}

#[test]
fn a_gibibyte_passes_in_constant_memory() {
    const SIZE: u64 = 1 << 30;
    let size = SIZE.to_string();
    let answering =
        |name: &str| Run::of(&format!("files.py:{name}")).variable("QUERY_STRING", &size);
    let hello = peak(answering("hello"), 0, 5);
    let upload = answering("uploaded")
        .variable("REQUEST_METHOD", "POST")
        .variable("CONTENT_LENGTH", &size);
    let cases = [
        ("upload", peak(upload, SIZE, 10)),
        ("iteration", peak(answering("iterated"), 0, SIZE)),
        (
            "file_wrapper",
            peak(answering("wrapped").without("CONTENT_LENGTH"), 0, SIZE),
        ),
    ];
    for (name, peak) in cases {
        assert!(
            peak < hello + 10 * 1024,
            "{name}: {peak} KiB, hello: {hello} KiB"
        );
    }
}
