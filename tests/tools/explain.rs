//! What real servers write of scripts that fail is explained; so is every code.

use std::fs;

use crate::support::http::Connection;
use crate::support::run::{Done, Run};
use crate::support::server::{Kind, Server, server};
use crate::support::{until, write_program};

/// Scripts that cannot work: name, text, mode.
const SCRIPTS: [(&str, &str, u32); 9] = [
    ("norun", "#!/bin/sh\nexit 0\n", 0o644),
    ("crlf", "#!/usr/bin/env python3\r\nprint()\r\n", 0o755),
    ("silent", "#!/bin/sh\nexit 0\n", 0o755),
    ("text", "#!/bin/sh\necho hello\n", 0o755),
    ("half", "#!/bin/sh\necho Content-Type: text/plain\n", 0o755),
    ("interpreter", "#!/no/such/python\nprint()\n", 0o755),
    ("format", "print()\n", 0o755),
    (
        "package",
        "#!/usr/bin/python3\nimport no_such_package\n",
        0o755,
    ),
    ("large", "#!/bin/sh\nprintf 'A: %070000d\\n\\n' 0\n", 0o755),
];

const CRLF: &str = "env: 'python3\\r': No such file or directory";
const PACKAGE: &str = "ModuleNotFoundError";
const OF_APACHE: [&str; 11] = [
    CRLF,
    PACKAGE,
    "use -[v]S to pass options in shebang lines",
    "Permission denied: exec of",
    "No such file or directory: exec of",
    "Exec format error",
    "End of script output before headers",
    "Premature end of script headers",
    "malformed header from script",
    "AH01264",
    "AH01265",
];

fn explain(words: &[&str]) -> Run {
    Run::by_hand(&[&["explain"], words].concat())
}

/// Puts the scripts where the server runs them, and asks for each.
fn fail(server: &Server) {
    let get = |target: &str| {
        Connection::to(server.port).exchange("GET", target, &[], b"");
    };
    for (name, text, mode) in SCRIPTS {
        let name = format!("cgi-bin/explain-{name}.cgi");
        write_program(&server.root.join(&name), text, mode);
        get(&format!("/{name}"));
    }
    get("/cgi-bin/explain-missing.cgi");
    get("/cgi-bin/");
    let closed = server.root.join("htdocs/explain");
    fs::create_dir(&closed).unwrap();
    fs::write(closed.join(".htaccess"), "Options -ExecCGI\n").unwrap();
    write_program(&closed.join("off.cgi"), "#!/bin/sh\n", 0o755);
    get("/explain/off.cgi");
}

#[track_caller]
fn assert_explained(done: &Done, name: &str) {
    let text = String::from_utf8_lossy(&done.out);
    let start = format!("{name}  ");
    assert!(
        text.lines().any(|line| line.starts_with(&start)),
        "nothing of {name}\n{done}"
    );
}

#[test]
fn what_real_servers_write_of_scripts_that_fail_is_explained() {
    let of_cgi = [&OF_APACHE[..], &["AH01262"]].concat();
    let of_cgid = [&of_cgi[..], &["AH01241"]].concat();
    let of_cgi = [&of_cgi[..], &["AH01215"]].concat();
    let of_lighttpd = [
        CRLF,
        PACKAGE,
        "No such file or directory: exec of",
        "Exec format error",
        "response headers too large",
    ];
    let of_nginx = [
        CRLF,
        PACKAGE,
        "Cannot get script name",
        "Cannot execute script",
        "upstream prematurely closed FastCGI stdout",
        "upstream sent too big header",
    ];
    for (kind, expected) in [
        (Kind::ApacheCgid, &of_cgid[..]),
        (Kind::ApacheCgi, &of_cgi),
        (Kind::Lighttpd, &of_lighttpd),
        (Kind::Nginx, &of_nginx),
    ] {
        let server = server(kind);
        fail(server);
        // What a script writes comes by itself, and may come late.
        let mut missing = expected.to_vec();
        until("the log", || {
            let done = explain(&["-"]).input(server.log()).done();
            let text = String::from_utf8_lossy(&done.out).into_owned();
            let found = |name: &&str| text.contains(&format!("\n{name}  "));
            let left: Vec<_> = expected
                .iter()
                .copied()
                .filter(|name| !found(name))
                .collect();
            if left.len() < missing.len() {
                eprintln!("{server} has still to write {left:?}");
                missing = left;
            }
            missing.is_empty()
        });
    }
}

#[test]
fn every_code_is_listed_and_explained() {
    let list = explain(&["--list"]).done();
    let list = String::from_utf8(list.out).unwrap();
    let mut count = 0;
    for code in list
        .lines()
        .filter_map(|line| line.trim_start().split("  ").next())
        .filter(|name| name.starts_with("WC"))
    {
        let done = explain(&[code]).done();
        done.assert_quiet();
        assert_explained(&done, code);
        let text = String::from_utf8_lossy(&done.out);
        assert!(text.contains("What to do: "), "{done}");
        count += 1;
    }
    assert!(count > 50, "{list}");
}

#[test]
fn what_is_not_known_is_said_to_be_and_the_nearest_is_named() {
    let done = explain(&["WC0l4"]).done();
    done.assert_exit(3);
    let text = String::from_utf8_lossy(&done.out);
    assert!(
        text.starts_with("Nothing is known of: WC0l4\n") && text.contains("WC014"),
        "{done}"
    );
    explain(&["-"]).input("all is well\n").done().assert_exit(3);
    explain(&[]).done().assert_exit(2).assert_told("WC002");
}

#[test]
fn a_log_tells_each_thing_once_with_its_count() {
    let log = "AH01262: a\nwsgi-cgi: WC031 a package is missing: x\nAH01262: b\n\u{1b}[31mEnd\n";
    let done = explain(&["-"]).input(log).done();
    let text = String::from_utf8_lossy(&done.out);
    assert_eq!(text.matches("\nAH01262  ").count(), 1, "{done}");
    assert!(text.starts_with("2 lines, first: AH01262: a\n"), "{done}");
    assert!(text.contains("1 line, first: wsgi-cgi: WC031"), "{done}");
    assert!(!text.contains('\u{1b}'), "{done}");
}

#[test]
fn a_failure_s_page_and_a_slow_import_s_line_name_the_command_that_tells_more() {
    let page = Run::of("manners.py:returns_str").done().response().text();
    assert!(
        page.contains("<code>wsgi-cgi explain WC042</code>"),
        "{page}"
    );
    let folder = tempfile::tempdir().unwrap();
    let application = folder.path().join("app.py");
    let source = "import time\ntime.sleep(1.1)\ndef app(environ, start_response):\n    \
                  start_response('200 OK', [])\n    return [b'slow']\n";
    fs::write(&application, source).unwrap();
    let done = Run::with_arguments(&[application])
        .option("--warm=false")
        .option("--debug")
        .done();
    done.assert_body("slow")
        .assert_told("WC058")
        .assert_told("wsgi-cgi check APP");
}
