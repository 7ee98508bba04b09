//! An application that fails, lingers or is left alone, over each server.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process};

use super::deploy;
use crate::support::http::{Connection, Reply};
use crate::support::server::{ALL, Kind, Server, server};
use crate::support::{app, until};

/// Puts the misbehaving application under a name of its own; gives its address.
fn script(server: &Server, name: &str, options: &str) -> String {
    let source = fs::read_to_string(app("server_faults.py")).unwrap();
    let program = server.root.join("bin/wsgi-cgi");
    let text = format!(
        "#!{}\n# wsgi-cgi: python=/usr/bin/python3 {options}\n{source}",
        program.display()
    );
    deploy(server, name, &text)
}

fn get(server: &Server, target: &str) -> Reply {
    Connection::to(server.port).exchange("GET", target, &[], b"")
}

fn is_gone(process: &str) -> bool {
    let command = Path::new("/proc").join(process).join("cmdline");
    fs::read(command).unwrap_or_default().is_empty()
}

#[test]
fn bad_manners_give_a_whole_page() {
    for kind in ALL {
        let server = server(kind);
        let address = script(server, "faults.cgi", "");
        for (manner, status, told) in [
            ("returns_str", 500, "WC042"),
            ("exits", 500, "WC049"),
            ("exits_at_once", 500, "WC052"),
            ("crashes", 500, "WC053"),
            ("no_such_name", 500, "WC040"),
            ("prints", 200, "clean"),
        ] {
            let reply = get(server, &format!("{address}/{manner}"));
            let is_right = reply.status == status && reply.text().contains(told);
            assert!(is_right, "{server} {manner}: {reply}");
        }
        until("what was printed", || {
            let log = server.log();
            ["printed", "echoed", "written"]
                .iter()
                .all(|word| log.contains(word))
        });
    }
}

#[test]
fn a_script_that_cannot_run_gives_a_page_with_the_reason_s_code() {
    for kind in ALL {
        let server = server(kind);
        let program = server.root.join("bin/wsgi-cgi");
        let program = program.display();
        for (name, text, code) in [
            (
                "syntax",
                format!("#!{program}\n# wsgi-cgi: python=/usr/bin/python3\ndef f(:\n"),
                "WC030",
            ),
            (
                "package",
                format!(
                    "#!{program}\n# wsgi-cgi: python=/usr/bin/python3\nimport no_such_package\n"
                ),
                "WC031",
            ),
            (
                "empty",
                format!("#!{program}\n# wsgi-cgi: python=/usr/bin/python3\n"),
                "WC013",
            ),
            (
                "setting",
                format!("#!{program}\n# wsgi-cgi: no-such-setting\n"),
                "WC002",
            ),
            (
                "python",
                format!("#!{program}\n# wsgi-cgi: python=/no/such/python\n"),
                "WC020",
            ),
            (
                "file",
                format!("#!/bin/sh\nexec {program} /no/such/app.py\n"),
                "WC010",
            ),
        ] {
            let address = deploy(server, &format!("cannot-{name}.cgi"), &text);
            let reply = get(server, &address);
            let is_right = reply.status == 500 && reply.text().contains(code);
            assert!(is_right, "{server} {name}: {reply}");
        }
    }
}

#[test]
fn a_late_application_is_answered_for() {
    for kind in ALL {
        let server = server(kind);
        let address = script(server, "late.cgi", "timeout=1");
        let reply = get(server, &format!("{address}/sleeps"));
        let is_right = reply.status == 504 && reply.text().contains("WC054");
        assert!(is_right, "{server}: {reply}");
    }
}

#[test]
fn a_body_that_was_cut_does_not_look_whole() {
    for kind in ALL {
        let server = server(kind);
        let address = script(server, "cut.cgi", "");
        let mut connection = Connection::to(server.port);
        connection.send(
            "GET",
            &format!("{address}/is_cut"),
            &[("Connection", "close")],
            b"",
        );
        let head = connection.head();
        assert_eq!(
            head.field("Content-Length"),
            Some("100"),
            "{server}: {head}"
        );
        let mut body = Vec::new();
        loop {
            let piece = connection.piece(&head);
            if piece.is_empty() {
                break;
            }
            body.extend(piece);
        }
        assert_eq!(body, b"0123456789", "{server}");
    }
}

#[test]
fn five_seconds_of_late_work_delay_nobody_and_are_not_killed() {
    let mut works: Vec<(&Server, PathBuf, String)> = Vec::new();
    for kind in ALL {
        let server = server(kind);
        let address = script(server, "five-seconds.cgi", "");
        let sign = server.sign("five-seconds");
        let mut connection = Connection::to(server.port);
        let target = format!("{address}/works_late?{}", sign.display());
        let process = connection.exchange("GET", &target, &[], b"").text();
        let next = connection.exchange("GET", "/cgi-bin/app.cgi/cookies", &[], b"");
        assert_eq!(next.text(), "cookies", "{server}");
        assert!(!sign.exists(), "{server} waited for the late work");
        works.push((server, sign, process));
    }
    for (server, sign, process) in works {
        until(&format!("the late work under {server}"), || sign.exists());
        until(&format!("its end under {server}"), || is_gone(&process));
    }
}

/// Lighttpd sends SIGTERM as soon as it has as many bytes as were promised.
#[test]
fn what_follows_the_last_promised_byte_is_not_killed() {
    for kind in ALL {
        let server = server(kind);
        let address = script(server, "known.cgi", "");
        let mut left = Vec::new();
        for (manner, times) in [("has_length", 40), ("closes_slowly", 1)] {
            for number in 0..times {
                let sign = server.sign(&format!("{manner}-{number}"));
                let target = format!("{address}/{manner}?{}", sign.display());
                left.push((get(server, &target).text(), sign));
            }
        }
        let mut killed = Vec::new();
        for (process, sign) in left {
            let process = process.trim_start_matches('0');
            until(&format!("its end under {server}"), || is_gone(process));
            for done in ["closed", "late"].map(|done| sign.with_extension(done)) {
                if !done.exists() {
                    killed.push(done);
                }
            }
        }
        assert!(killed.is_empty(), "{server} never made {killed:?}");
        let log = server.log();
        let is_complaint = |line: &str| {
            line.contains("wsgi-cgi: WC")
                && line.contains("/known.cgi/")
                && !line.contains("/known.cgi/)")
        };
        assert!(!log.lines().any(is_complaint), "{server}:\n{log}");
    }
}

#[test]
fn a_program_left_behind_delays_nobody_and_goes_on() {
    for kind in ALL {
        let server = server(kind);
        let address = script(server, "left.cgi", "");
        let mut connection = Connection::to(server.port);
        let target = format!("{address}/leaves_a_program");
        for _ in 0..10 {
            let left = connection.exchange("GET", &target, &[], b"").text();
            let next = connection.exchange("GET", "/cgi-bin/app.cgi/cookies", &[], b"");
            assert_eq!(next.text(), "cookies", "{server}");
            assert!(!is_gone(&left), "the program left behind under {server}");
            let left = Pid::from_raw(left.parse().unwrap()).unwrap();
            kill_process(left, Signal::KILL).unwrap();
        }
    }
}

/// The others take in the whole body before they start a script.
#[test]
fn a_client_that_goes_away_while_it_sends_leaves_no_process() {
    for kind in [Kind::ApacheCgid, Kind::ApacheCgi] {
        let server = server(kind);
        let address = script(server, "away.cgi", "");
        let sign = server.sign("away");
        let mut connection = Connection::to(server.port);
        let target = format!("{address}/reads?{}", sign.display());
        let length = [("Content-Length", "1000000")];
        connection.send("POST", &target, &length, b"");
        until("the application", || sign.exists());
        drop(connection);
        let process = fs::read_to_string(&sign).unwrap();
        until(&format!("its end under {server}"), || is_gone(&process));
    }
}
