//! The forms in which an application is put under a server, and arguments that a client makes.

use std::fs;
use std::path::PathBuf;

use super::{deploy, told};
use crate::support::http::{Connection, Reply};
use crate::support::server::{ALL, Kind, Server, server};

fn get(server: &Server, target: &str) -> Reply {
    Connection::to(server.port).exchange("GET", target, &[], b"")
}

#[test]
fn shebangs_and_wrappers_answer_under_each_server() {
    for kind in ALL {
        let server = server(kind);
        for name in ["app.cgi", "env.cgi", "wrapper.cgi"] {
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

/// With `--debug`, the error page tells the reason.
#[test]
fn options_stand_in_the_shebang_the_wrapper_or_the_pragma() {
    for kind in ALL {
        let server = server(kind);
        let source = fs::read_to_string(server.root.join("served.py")).unwrap();
        let root = server.root.display();
        let program = format!("{root}/bin/wsgi-cgi");
        let python = "# wsgi-cgi: python=/usr/bin/python3";
        for (name, text) in [
            (
                "shebang",
                format!("#!{program} --debug\n{python}\n{source}"),
            ),
            (
                "env-s",
                format!("#!/usr/bin/env -S wsgi-cgi --debug --timeout 60\n{python}\n{source}"),
            ),
            (
                "pragma",
                format!("#!{program}\n{python}\n# wsgi-cgi: debug\n{source}"),
            ),
            (
                "wrapper",
                format!(
                    "#!/bin/sh\nexec {program} --debug --python=/usr/bin/python3 {root}/served.py \"$@\"\n"
                ),
            ),
            (
                "module",
                format!(
                    "#!/bin/sh\nWSGI_CGI_DEBUG=1 exec {program} --path={root} --python=/usr/bin/python3 served:application\n"
                ),
            ),
        ] {
            // Lighttpd's configuration gives a PATH to what begins with `env`.
            let address = deploy(server, &format!("env-{name}.cgi"), &text);
            let reply = get(server, &format!("{address}/fail"));
            let is_right = reply.status == 500 && reply.text().contains("a secret reason");
            assert!(is_right, "{server} {name}: {reply}");
        }
    }
}

#[test]
fn a_form_reaches_a_script_behind_a_handler() {
    for (kind, host) in [
        (Kind::ApacheCgid, "localhost"),
        (Kind::ApacheCgi, "localhost"),
        (Kind::Lighttpd, "assign.test"),
    ] {
        let server = server(kind);
        let mut connection = Connection::to(server.port);
        let reply = connection.exchange("POST", "/foo.wsgi/whole", &[("Host", host)], b"a=1&b=2");
        assert_eq!(reply.text(), "a=1&b=2", "{server}: {reply}");
    }
}

/// A program that nobody may start; and the sign that somebody did.
fn evil(server: &Server) -> (PathBuf, PathBuf) {
    let sign = server.sign("evil");
    let text = format!("#!/bin/sh\ntouch {}\n", sign.display());
    deploy(server, "evil", &text);
    (server.root.join("cgi-bin/evil"), sign)
}

/// CVE-2012-1823, CVE-2024-4577: Apache makes arguments of a query without `=`.
#[test]
fn the_querys_words_are_no_arguments() {
    for kind in ALL {
        let server = server(kind);
        let (evil, sign) = evil(server);
        let wrapper = fs::read_to_string(server.root.join("cgi-bin/wrapper.cgi")).unwrap();
        let text = format!("{} \"$@\"\n", wrapper.trim_end());
        let mut addresses = vec![
            "/cgi-bin/app.cgi/x".to_owned(),
            "/cgi-bin/env.cgi/x".to_owned(),
            "/cgi-bin/wrapper.cgi/x".to_owned(),
            format!("{}/x", deploy(server, "passing.cgi", &text)),
        ];
        let is_apache = matches!(kind, Kind::ApacheCgid | Kind::ApacheCgi);
        if is_apache {
            addresses.push("/foo.wsgi/x".to_owned());
        }
        let evil = evil.display();
        for query in [
            "-v+x".to_owned(),
            "-V".to_owned(),
            "%2D%2Dhelp".to_owned(),
            "a+b".to_owned(),
            "--debug+/etc/passwd".to_owned(),
            format!("--python={evil}"),
            format!("--python%3D{evil}"),
            format!("--python+{evil}"),
            format!("serve+--python+{evil}+/etc/passwd"),
        ] {
            // Lighttpd writes what needs no escape without one.
            let expected = match kind {
                Kind::Lighttpd => query.replace("%2D", "-"),
                _ => query.clone(),
            };
            for address in &addresses {
                let reply = get(server, &format!("{address}?{query}"));
                let seen = told(&reply, "QUERY_STRING");
                assert_eq!(
                    seen.as_deref(),
                    Some(&*expected),
                    "{server} {address}: {reply}"
                );
            }
            if is_apache {
                // The program itself, under its own address.
                let reply = get(server, &format!("/program?{query}"));
                let is_right = reply.status == 500 && reply.text().contains("WC003");
                assert!(is_right, "{server} {query}: {reply}");
            }
        }
        assert!(!sign.exists(), "{server} let the client choose a program");
    }
}

#[test]
fn a_clients_fields_are_no_settings() {
    for kind in ALL {
        let server = server(kind);
        let fields = [
            ("WSGI-CGI-DEBUG", "1"),
            ("WSGI_CGI_DEBUG", "1"),
            ("Wsgi-Cgi-Python", "/no/such/python"),
            ("Wsgi-Cgi-Script-Name", "/evil"),
        ];
        let reply =
            Connection::to(server.port).exchange("GET", "/cgi-bin/app.cgi/fail", &fields, b"");
        let is_right = reply.text().contains("WC040") && !reply.text().contains("secret");
        assert!(is_right, "{server}: {reply}");
        let reply = Connection::to(server.port).exchange("GET", "/cgi-bin/app.cgi/x", &fields, b"");
        let seen = told(&reply, "SCRIPT_NAME");
        assert_eq!(
            seen.as_deref(),
            Some("/cgi-bin/app.cgi"),
            "{server}: {reply}"
        );
    }
}
