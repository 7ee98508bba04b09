//! A client that goes away ends what runs for it, and nothing else.

use std::fs;
use std::io::Write;
use std::net::TcpStream;

use super::load::begun;
use crate::support::listener::Setup;
use crate::support::until;

#[test]
fn an_application_ends_with_its_client_even_while_it_is_silent() {
    let listener = Setup::of("serve_probe.py").start();
    let folder = tempfile::tempdir().unwrap();
    let mut connection = listener.connect();
    connection.send(
        "GET",
        &format!("/late?{}", folder.path().display()),
        &[],
        b"",
    );
    until("the application to run", || begun(folder.path()) == 1);
    drop(connection);
    let ended = folder.path().join("ended");
    until("the application to end", || ended.exists());
}

#[test]
fn a_stream_ends_with_its_client() {
    let listener = Setup::of("serve_probe.py")
        .option("--max-processes=1")
        .start();
    let folder = tempfile::tempdir().unwrap();
    let mut connection = listener.connect();
    connection.send(
        "GET",
        &format!("/stream?{}", folder.path().display()),
        &[],
        b"",
    );
    assert_eq!(connection.head().status, 200);
    drop(connection);
    // Its place is free again before anybody lets it go on.
    assert_eq!(
        listener
            .connect()
            .exchange("GET", "/environ", &[], b"")
            .status,
        200
    );
    assert!(!folder.path().join("go").exists());
}

#[test]
fn a_client_that_leaves_the_queue_starts_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let calls = folder.path().join("calls");
    let listener = Setup::of("serve_probe.py")
        .option("--max-processes=1")
        .option(format!("--env=CALLS={}", calls.display()))
        .start();
    let mut first = listener.connect();
    first.send(
        "GET",
        &format!("/wait?{}", folder.path().display()),
        &[],
        b"",
    );
    until("the first one to run", || begun(folder.path()) == 1);
    let mut impatient = TcpStream::connect(("127.0.0.1", listener.port)).unwrap();
    impatient
        .write_all(b"GET /impatient HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    drop(impatient);
    listener.told("GET /impatient -");
    fs::write(folder.path().join("go"), "").unwrap();
    assert_eq!(first.reply("GET").text(), "waited");
    assert_eq!(fs::read_to_string(calls).unwrap(), "GET /wait\n");
}
