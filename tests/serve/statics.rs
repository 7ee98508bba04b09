//! Files beside the application, as a web server would send them.

use std::fs;

use super::gateway::{Scripts, write};
use crate::support::http::Reply;
use crate::support::listener::{Listener, Setup};

struct Files {
    folder: tempfile::TempDir,
    listener: Listener,
}

impl Files {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("files/site.css", "body { color: black }"),
            ("files/sub/index.html", "<p>index"),
            ("files/.env", "secret"),
            ("outside.txt", "secret"),
        ] {
            write(folder.path().join(name), text, 0o644);
        }
        let directory = folder.path().join("files");
        let listener = Setup::of("serve_probe.py")
            .option(format!("--static=/static={}", directory.display()))
            .start();
        Self { folder, listener }
    }

    #[track_caller]
    fn get(&self, target: &str, fields: &[(&str, &str)]) -> Reply {
        self.listener.connect().exchange("GET", target, fields, b"")
    }
}

#[test]
fn files_are_sent_with_what_a_browser_needs() {
    let files = Files::new();
    let reply = files.get("/static/site.css", &[]);
    assert_eq!(
        (reply.status, reply.text().as_str()),
        (200, "body { color: black }")
    );
    assert_eq!(reply.field("Content-Type"), Some("text/css; charset=utf-8"));
    let tag = reply.field("ETag").unwrap();
    let modified = reply.field("Last-Modified").unwrap();
    assert_eq!(
        files
            .get("/static/site.css", &[("If-None-Match", tag)])
            .status,
        304
    );
    assert_eq!(
        files
            .get("/static/site.css", &[("If-Modified-Since", modified)])
            .status,
        304
    );
    let part = files.get(
        "/static/site.css",
        &[("Range", "bytes=5-9"), ("If-Range", tag)],
    );
    assert_eq!((part.status, part.text().as_str()), (206, "{ col"));
    assert_eq!(part.field("Content-Range"), Some("bytes 5-9/21"));
    assert_eq!(
        files
            .get("/static/site.css", &[("Range", "bytes=99-")])
            .status,
        416
    );
    let mut connection = files.listener.connect();
    let head = connection.exchange("HEAD", "/static/site.css", &[], b"");
    assert_eq!(
        (head.field("Content-Length"), head.body.len()),
        (Some("21"), 0)
    );
    assert_eq!(
        connection
            .exchange("POST", "/static/site.css", &[], b"x")
            .status,
        405
    );
    // A change shows at once.
    write(files.folder.path().join("files/site.css"), "changed", 0o644);
    assert_eq!(
        files
            .get("/static/site.css", &[("If-None-Match", tag)])
            .text(),
        "changed"
    );
}

#[test]
fn only_what_is_below_the_folder_is_sent() {
    let files = Files::new();
    assert_eq!(
        files.get("/static/sub", &[]).field("Location"),
        Some("/static/sub/")
    );
    assert_eq!(files.get("/static/sub/", &[]).text(), "<p>index");
    std::os::unix::fs::symlink("../outside.txt", files.folder.path().join("files/link")).unwrap();
    for target in [
        "/static/",
        "/static/no",
        "/static/.env",
        "/static/link",
        "/static/%2e%2e%2foutside.txt",
        "/static/..%2Foutside.txt",
    ] {
        let reply = files.get(target, &[]);
        assert!(!reply.text().contains("secret"), "{target}\n{reply}");
    }
    assert_eq!(files.get("/static/.env", &[]).status, 404);
    // Next to it is the application.
    assert_eq!(files.get("/staticx", &[]).status, 200);
    assert!(
        files
            .get("/static/../environ", &[])
            .text()
            .contains("PATH_INFO")
    );
}

#[test]
fn a_large_file_arrives_whole() {
    let files = Files::new();
    let bytes: Vec<u8> = (0..5_000_000u32)
        .map(|number| (number >> 3) as u8)
        .collect();
    fs::write(files.folder.path().join("files/large.bin"), &bytes).unwrap();
    let mut connection = files.listener.connect();
    for _ in 0..2 {
        let reply = connection.exchange("GET", "/static/large.bin", &[], b"");
        assert!(reply.body == bytes);
    }
    assert_eq!(
        connection.exchange("POST", "/echo", &[], b"next").text(),
        "next"
    );
}

/// As if the client had asked for that path by GET (RFC 3875 section 6.2.2).
#[test]
fn a_local_redirect_to_a_file_or_the_health_path_is_answered_by_it() {
    let folder = tempfile::tempdir().unwrap();
    write(
        folder.path().join("site.css"),
        "body { color: black }",
        0o644,
    );
    let redirect = r#"printf 'Location: %s\n\n' "$QUERY_STRING""#;
    let mount = format!("--static=/static={}", folder.path().display());
    let options = [&*mount, "--health-path=/_/health"];
    let scripts = Scripts::new(&[("to", redirect)], &options);
    let mut connection = scripts.listener.connect();
    for method in ["GET", "POST"] {
        let file = connection.exchange(method, "/to?/static/site.css", &[], b"");
        assert_eq!(file.text(), "body { color: black }", "{file}");
        assert_eq!(file.field("Content-Type"), Some("text/css; charset=utf-8"));
        let none = connection.exchange(method, "/to?/static/none.css", &[], b"");
        assert_eq!(none.status, 404, "{none}");
        let health = connection.exchange(method, "/to?/_/health", &[], b"");
        assert_eq!((health.status, health.text()), (200, "OK\n".into()));
    }
    let head = connection.exchange("HEAD", "/to?/static/site.css", &[], b"");
    assert_eq!(head.field("Content-Length"), Some("21"));
    assert!(head.body.is_empty(), "{head}");
}
