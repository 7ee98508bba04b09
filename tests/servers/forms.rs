//! The forms in which an application is put under a server, and arguments that a client makes.

use super::told;
use crate::support::http::Connection;
use crate::support::server::{ALL, Kind, server};

#[test]
fn shebangs_and_wrappers_answer_under_each_server() {
    for kind in ALL {
        let server = server(kind);
        let mut names = vec!["app.cgi", "wrapper.cgi"];
        // The others give scripts no PATH, or their own.
        if matches!(kind, Kind::ApacheCgid | Kind::ApacheCgi) {
            names.push("env.cgi");
        }
        for name in names {
            let target = format!("/cgi-bin/{name}/x?a=1");
            let reply = Connection::to(server.port).exchange("GET", &target, &[], b"");
            assert_eq!(
                told(&reply, "PATH_INFO").as_deref(),
                Some("/x"),
                "{server} {name}: {reply}"
            );
            assert_eq!(
                told(&reply, "SCRIPT_NAME"),
                Some(format!("/cgi-bin/{name}")),
                "{server} {name}"
            );
        }
    }
}

/// CVE-2012-1823, CVE-2024-4577.
#[test]
fn the_querys_words_are_no_arguments() {
    for kind in [Kind::ApacheCgid, Kind::ApacheCgi] {
        let server = server(kind);
        for query in [
            "-v",
            "--python%3D/evil",
            "--debug+/etc/passwd",
            "%2D%2Dhelp",
            "a+b",
        ] {
            for name in ["app.cgi", "wrapper.cgi"] {
                let target = format!("/cgi-bin/{name}/x?{query}");
                let reply = Connection::to(server.port).exchange("GET", &target, &[], b"");
                assert_eq!(
                    told(&reply, "QUERY_STRING").as_deref(),
                    Some(query),
                    "{server} {name}: {reply}"
                );
            }
            // The program itself, under its own address.
            let target = format!("/program?{query}");
            let reply = Connection::to(server.port).exchange("GET", &target, &[], b"");
            assert_eq!(reply.status, 500, "{server}: {reply}");
            assert!(reply.text().contains("WC003"), "{server}: {reply}");
        }
    }
}
