//! The careful ending, over each server (SURVEY section 0, rows 1 to 5).

use std::fs;
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};

use super::exchange;
use crate::support::http::Connection;
use crate::support::server::{ALL, Kind, server};
use crate::support::until;

#[test]
fn an_answer_to_an_unread_body_arrives_200_times_of_200() {
    for kind in ALL {
        let server = server(kind);
        let mut connection = Connection::to(server.port);
        let target = "/cgi-bin/app.cgi/unread_stream";
        // It was mod_cgid that lost them, all of them.
        let count = if kind == Kind::ApacheCgid { 200 } else { 20 };
        for _ in 0..count {
            let reply = connection.exchange("POST", target, &[], b"12345");
            assert_eq!(
                (reply.status, reply.text().as_str()),
                (401, "who are you?"),
                "{server}: {reply}"
            );
        }
    }
}

#[test]
fn an_answer_to_a_large_unread_body_arrives() {
    let body = vec![b'x'; 3 << 20];
    for kind in ALL {
        let server = server(kind);
        for path in ["/unread", "/unread_stream"].repeat(10) {
            let reply = exchange(server, "POST", path, &[], &body);
            assert_eq!(
                (reply.status, reply.text().as_str()),
                (401, "who are you?"),
                "{server}: {reply}"
            );
        }
    }
}

#[test]
fn an_echo_of_two_megabytes_finishes() {
    let body: Vec<u8> = (0..2u32 << 20).map(|number| (number % 251) as u8).collect();
    for kind in ALL {
        let server = server(kind);
        let reply = exchange(server, "POST", "/echo", &[], &body);
        assert!(
            reply.body == body,
            "{server}: {} bytes came back",
            reply.body.len()
        );
    }
}

#[test]
fn late_work_delays_nobody_and_is_not_killed() {
    for kind in ALL {
        let server = server(kind);
        let sign = server.sign("late");
        let mut connection = Connection::to(server.port);
        let target = format!("/cgi-bin/app.cgi/late?{}", sign.display());
        let reply = connection.exchange("GET", &target, &[], b"");
        assert_eq!(reply.text(), "done", "{server}");
        // The connection is free for the next request, too.
        let reply = connection.exchange("GET", "/cgi-bin/app.cgi/cookies", &[], b"");
        assert_eq!(reply.text(), "cookies", "{server}");
        fs::write(&sign, "").unwrap();
        let done = sign.with_extension("done");
        until(&format!("the late work under {server}"), || done.exists());
    }
}

#[test]
fn the_known_process_is_gone_before_the_response_ends() {
    for kind in ALL {
        let server = server(kind);
        for _ in 0..20 {
            let reply = exchange(server, "GET", "/parent", &[], b"");
            let process = Path::new("/proc").join(reply.text());
            let state = fs::read_to_string(process.join("stat")).unwrap_or_default();
            let state = state.rsplit(") ").next().unwrap_or_default();
            assert!(
                state.is_empty() || state.starts_with(['Z', 'X']),
                "{server}: {state}"
            );
        }
    }
}

#[test]
fn a_signal_to_the_known_process_ends_the_application() {
    for kind in ALL {
        let server = server(kind);
        let sign = server.sign("hang");
        let mut connection = Connection::to(server.port);
        connection.send(
            "GET",
            &format!("/cgi-bin/app.cgi/hang?{}", sign.display()),
            &[],
            b"",
        );
        until("the application", || sign.exists());
        let text = fs::read_to_string(&sign).unwrap();
        let (known, worker) = text.split_once(' ').unwrap();
        let known = Pid::from_raw(known.parse().unwrap()).unwrap();
        kill_process(known, Signal::TERM).unwrap();
        let reply = connection.reply("GET");
        assert_eq!(reply.status, 500, "{server}: {reply}");
        let worker = Path::new("/proc").join(worker).join("cmdline");
        until("the application's end", || {
            fs::read(&worker).unwrap_or_default().is_empty()
        });
    }
}
