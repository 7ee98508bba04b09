//! The gateway's side of RFC 3875: what a script writes, and what becomes of it. The scripts are shell scripts.

use std::fs;
use std::path::PathBuf;

use crate::support::http::Reply;
use crate::support::listener::{Listener, Setup};
use crate::support::write_program;

/// A folder of scripts, and its listener.
pub struct Scripts {
    pub folder: tempfile::TempDir,
    pub listener: Listener,
}

impl Scripts {
    /// Each is a name, and what a shell runs.
    pub fn new(scripts: &[(&str, &str)], options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in scripts {
            write(
                folder.path().join(name),
                &format!("#!/bin/sh\n{text}\n"),
                0o755,
            );
        }
        let setup = Setup::with(folder.path());
        let setup = options
            .iter()
            .fold(setup, |setup, option| setup.option(option));
        Self {
            listener: setup.start(),
            folder,
        }
    }

    #[track_caller]
    pub fn get(&self, target: &str) -> Reply {
        self.listener.connect().exchange("GET", target, &[], b"")
    }
}

pub fn write(path: PathBuf, text: &str, mode: u32) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    write_program(&path, text, mode);
}

#[test]
fn document_responses_with_either_line_end() {
    let scripts = Scripts::new(
        &[
            (
                "lf",
                r"printf 'Content-Type: text/plain\nX-A: 1\nX-A: 2\n\nbody\n'",
            ),
            (
                "crlf",
                r"printf 'Status: 404 Not here\r\nContent-Type: text/plain\r\n\r\nbody\n'",
            ),
            (
                "torn",
                r"printf 'Content-'; printf 'Type: text/plain\n'; printf '\nbo'; printf 'dy\n'",
            ),
        ],
        &[],
    );
    let reply = scripts.get("/lf");
    assert_eq!((reply.status, reply.text().as_str()), (200, "body\n"));
    assert_eq!(reply.all("X-A").collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!(
        (
            scripts.get("/crlf").status,
            scripts.get("/torn").text().as_str()
        ),
        (404, "body\n")
    );
}

#[test]
fn redirects() {
    let circle = r"printf 'Location: /circle\n\n'";
    let scripts = Scripts::new(
        &[
            ("local", r"printf 'Location: /target/more?a=b\n\n'"),
            (
                "target",
                r#"printf 'Content-Type: text/plain\n\n'; echo $REQUEST_METHOD $PATH_INFO $QUERY_STRING $REQUEST_URI "[$CONTENT_LENGTH]" $(wc -c)"#,
            ),
            ("circle", circle),
            ("client", r"printf 'Location: http://example.org/x\n\n'"),
            (
                "document",
                r"printf 'Status: 303 See Other\nLocation: /target\nContent-Type: text/plain\n\ngo there'",
            ),
        ],
        &["--debug"],
    );
    let reply = scripts
        .listener
        .connect()
        .exchange("POST", "/local", &[], b"body");
    assert_eq!(reply.text(), "GET /more a=b /target/more?a=b [] 0\n");
    let reply = scripts.get("/circle");
    assert_eq!(reply.status, 502, "{reply}");
    assert!(reply.text().contains("local redirects"), "{reply}");
    let reply = scripts.get("/client");
    assert_eq!(
        (reply.status, reply.field("Location")),
        (302, Some("http://example.org/x"))
    );
    let reply = scripts.get("/document");
    assert_eq!(
        (reply.status, reply.field("Location")),
        (303, Some("/target"))
    );
    assert_eq!(reply.text(), "go there");
}

#[test]
fn what_is_no_response_is_told_on_the_page() {
    let cases = [
        ("nothing", "true", "wrote nothing"),
        ("fails", "exit 3", "exit status: 3"),
        ("text", "echo hello world; echo; echo more", "hello world"),
        (
            "endless-head",
            r"printf 'Content-Type: text/plain\n'",
            "ended within its head",
        ),
        ("status", r"printf 'Status: fine\n\n'", "no status"),
        (
            "coding",
            r"printf 'Status: 200\nTransfer-Encoding: chunked\n\n0\n\n'",
            "Transfer-Encoding",
        ),
        (
            "control",
            r"printf 'Status: 200\nA: b\033[31m\n\n'",
            "control character",
        ),
        (
            "twice",
            r"printf 'Status: 200\nContent-Length: 1\nContent-Length: 2\n\nab'",
            "twice",
        ),
        ("whole", r"printf 'HTTP/1.1 200 OK\r\n\r\n'", "nph-"),
        ("killed", "kill -9 $$", "signal: 9"),
    ];
    let files: Vec<_> = cases.iter().map(|(name, text, _)| (*name, *text)).collect();
    let scripts = Scripts::new(&files, &["--debug"]);
    for (name, _, expected) in cases {
        let reply = scripts.get(&format!("/{name}"));
        assert_eq!(reply.status, 502, "{name}\n{reply}");
        assert!(reply.text().contains("WC081"), "{name}\n{reply}");
        assert!(reply.text().contains(expected), "{name}\n{reply}");
    }
    let complaint = "echo 'line 3: <undefined>' >&2; exit 1";
    let complains = Scripts::new(&[("complains", complaint)], &["--debug"]);
    let page = complains.get("/complains").text();
    assert!(page.contains("line 3: &lt;undefined&gt;"), "{page}");
    let hidden = Scripts::new(&files[2..3], &[]);
    let page = hidden.get("/text").text();
    assert!(page.contains("WC081") && !page.contains("hello"), "{page}");
}

#[test]
fn a_wrong_length_is_cut_or_seen() {
    let scripts = Scripts::new(
        &[
            (
                "long",
                r"printf 'Status: 200\nContent-Length: 4\n\nlong body'",
            ),
            ("short", r"printf 'Status: 200\nContent-Length: 9\n\nshort'"),
            ("killed", r"printf 'Status: 200\n\nsome'; kill -9 $$"),
        ],
        &[],
    );
    let mut connection = scripts.listener.connect();
    assert_eq!(connection.exchange("GET", "/long", &[], b"").text(), "long");
    assert_eq!(connection.exchange("GET", "/long", &[], b"").text(), "long");
    scripts.listener.told("5 bytes longer");
    for (name, end) in [("short", "\r\n\r\nshort"), ("killed", "4\r\nsome\r\n")] {
        let request = format!("GET /{name} HTTP/1.1\r\nHost: x\r\n\r\n");
        let answer = answer(&scripts.listener, &request);
        assert!(answer.ends_with(end), "{answer}");
    }
    scripts.listener.told("4 bytes shorter");
}

#[track_caller]
fn answer(listener: &Listener, request: &str) -> String {
    use crate::support::wire::{Pace, Then, exchange};
    let (_, answer) = exchange(listener.port, request.as_bytes(), Pace::Whole, Then::Wait);
    String::from_utf8(answer.unwrap()).unwrap()
}

#[test]
fn an_nph_script_speaks_for_itself() {
    let script = r"printf 'HTTP/1.1 299 Own\nX-Own: yes\n\nraw body'";
    let scripts = Scripts::new(&[("nph-own", script)], &[]);
    let answer = answer(
        &scripts.listener,
        "GET /nph-own HTTP/1.1\r\nHost: x\r\n\r\n",
    );
    assert_eq!(answer, "HTTP/1.1 299 Own\nX-Own: yes\n\nraw body");
    scripts.listener.told("GET /nph-own 299");
}

#[test]
fn a_script_that_cannot_be_started_says_why() {
    let scripts = Scripts::new(&[], &[]);
    let folder = scripts.folder.path();
    write(folder.join("no-interpreter"), "#!/no/such/program\n", 0o755);
    write(folder.join("crlf"), "#!/bin/sh\r\necho\r\n", 0o755);
    write(folder.join("no-format"), "\u{7f}ELF", 0o755);
    for name in ["no-interpreter", "crlf", "no-format"] {
        let reply = scripts.get(&format!("/{name}"));
        assert_eq!(reply.status, 500, "{reply}");
        assert!(reply.text().contains("WC082"), "{reply}");
    }
}

#[test]
fn what_a_script_says_stands_with_its_request() {
    let script = r"echo 'a complaint' >&2; printf 'no end' >&2; printf 'Status: 200\n\n'";
    let scripts = Scripts::new(&[("says", script)], &[]);
    scripts.get("/says");
    let line = scripts.listener.told("a complaint");
    let number = line.split(' ').next().unwrap();
    assert!(number.starts_with('#'), "{line}");
    for end in ["no end", "GET /says 200"] {
        assert!(scripts.listener.told(end).starts_with(number));
    }
}
