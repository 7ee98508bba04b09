//! What platforms that start containers expect: PORT, a path for their health checks, an end at SIGTERM.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use super::load::begun;
use crate::support::listener::Setup;
use crate::support::run::Run;
use crate::support::wire::wait_until_read;
use crate::support::{app, until};

fn free_port() -> String {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap().port().to_string()
}

#[test]
fn port_is_listened_on_by_this_machine_alone_unless_a_platform_is_named() {
    let port = free_port();
    let setup = Setup::of("served.py").started_by(&[]);
    let listener = setup.clone().variable("PORT", &port).start();
    listener.told(&format!("http://127.0.0.1:{port}/"));
    for platform in ["K_SERVICE", "DYNO"] {
        let port = free_port();
        let setup = setup.clone().variable(platform, "web.1");
        let listener = setup.variable("PORT", &port).start();
        listener.told(&format!(
            "PORT and {platform} are set: listening on all interfaces"
        ));
        listener.told(&format!("http://0.0.0.0:{port}/"));
    }
    // What is typed counts.
    let listener = Setup::of("served.py").variable("PORT", "1").start();
    assert_ne!(listener.port, 1);
}

#[test]
fn a_port_that_is_none_is_told() {
    let application = app("served.py").into_os_string();
    let words = ["serve".as_ref(), &*application];
    let done = Run::by_hand(&words).variable("PORT", "http").done();
    done.assert_exit(2).assert_told("PORT=http: not a port");
}

#[test]
fn the_health_path_is_answered_without_the_application_until_the_listener_stops() {
    let listener = Setup::of("serve_probe.py")
        .option("--health-path=/_/health")
        .option("--max-processes=1")
        .start();
    let folder = tempfile::tempdir().unwrap();
    let mut running = listener.connect();
    let target = format!("/wait?{}", folder.path().display());
    running.send("GET", &target, &[], b"");
    until("the application to run", || begun(folder.path()) == 1);
    // Nobody has to wait for the one process.
    let mut connection = listener.connect();
    let reply = connection.exchange("GET", "/%5F/health?x", &[], b"");
    assert_eq!((reply.status, reply.text()), (200, "OK\n".into()));
    assert_eq!(reply.field("Cache-Control"), Some("no-store"));
    let head = connection.exchange("HEAD", "/_/health", &[], b"");
    assert_eq!((head.status, head.body.len()), (200, 0));
    let post = connection.exchange("POST", "/_/health", &[], b"a");
    assert_eq!((post.status, post.field("Allow")), (405, Some("GET, HEAD")));
    // A request that has begun is still heard when no new one is.
    let mut begun = TcpStream::connect(("127.0.0.1", listener.port)).unwrap();
    begun.write_all(b"GET /_/health HTTP/1.1\r\n").unwrap();
    wait_until_read(&begun);
    listener.terminate();
    until("the address to be free", || {
        TcpStream::connect(("127.0.0.1", listener.port)).is_err()
    });
    begun.write_all(b"Host: localhost\r\n\r\n").unwrap();
    let mut reply = String::new();
    begun.read_to_string(&mut reply).unwrap();
    assert!(
        reply.starts_with("HTTP/1.1 503 ") && reply.ends_with("stopping\n"),
        "{reply}"
    );
    fs::write(folder.path().join("go"), "").unwrap();
    assert_eq!(running.reply("GET").text(), "waited");
    assert_eq!(listener.end().0.code(), Some(0));
}

#[test]
fn a_health_path_that_is_none_is_told() {
    let application = app("served.py").into_os_string();
    let words = ["serve".as_ref(), "--health-path=up".as_ref(), &*application];
    let done = Run::by_hand(&words).done();
    done.assert_exit(2).assert_told("not a path such as");
}
