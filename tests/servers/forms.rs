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

/// CVE-2012-1823, CVE-2024-4577: Apache makes arguments of a query without `=`, cut at a NUL.
#[test]
fn the_querys_words_are_no_arguments() {
    for kind in ALL {
        let server = server(kind);
        let (evil, sign) = evil(server);
        let addresses = Addresses::of(server);
        let written = server.root.join("uploads/evil.log");
        let evil_app = server.root.join("evil.py");
        fs::write(&evil_app, EVIL).unwrap();
        let form_feed = server.root.join("ev\x0cil.py");
        fs::write(&form_feed, EVIL).unwrap();
        let (evil, evil_app) = (evil.display(), evil_app.display());
        let queries = [
            "-v+x".to_owned(),
            "-V".to_owned(),
            "%2D%2Dhelp".to_owned(),
            "a+b".to_owned(),
            "--debug+/etc/passwd".to_owned(),
            "--debug%00+/etc/passwd%00".to_owned(),
            format!("--python={evil}"),
            format!("--python%3D{evil}"),
            format!("--python+{evil}"),
            format!("--python%00+{evil}%00junk"),
            format!("--python%3D{evil}%00+x"),
            format!("serve+--python+{evil}+/etc/passwd"),
            format!("{evil_app}"),
            format!("{evil_app}%00"),
            format!("{evil_app}%0a"),
            format!("{evil_app}%20z"),
            format!("{}/ev%0Cil.py%20z", server.root.display()),
            format!("{}/ev%5Cil.py", server.root.display()),
            "wsgiref.simple_server:demo_app%00".to_owned(),
            format!("--error-log%00+{}%00+/none%00", written.display()),
        ];
        for (index, query) in queries.iter().enumerate() {
            addresses.try_query(server, query, index);
        }
        assert!(!sign.exists(), "{server} let the client choose a program");
        assert!(!written.exists(), "{server} let the client choose a file");
    }
}

const EVIL: &str = "def application(environ, start_response):\n    \
    start_response('200 OK', [])\n    return [b'EVIL']\n";

/// Where scripts answer.
struct Addresses {
    /// APP stands in front of what the server appends, or nothing is passed on.
    safe: Vec<String>,
    /// Words of the client stand where APP or options do.
    open: Vec<String>,
    is_apache: bool,
}

impl Addresses {
    fn of(server: &Server) -> Self {
        let wrapper = fs::read_to_string(server.root.join("cgi-bin/wrapper.cgi")).unwrap();
        let program = server.root.join("bin/wsgi-cgi");
        let app = server.root.join("served.py");
        let (program, app) = (program.display(), app.display());
        let deploy = |name: &str, text: &str| format!("{}/x", deploy(server, name, text));
        let is_apache = matches!(server.kind, Kind::ApacheCgid | Kind::ApacheCgi);
        let mut safe = vec![
            "/cgi-bin/app.cgi/x".to_owned(),
            "/cgi-bin/env.cgi/x".to_owned(),
            "/cgi-bin/wrapper.cgi/x".to_owned(),
            deploy("passing.cgi", &format!("{} \"$@\"\n", wrapper.trim_end())),
            deploy("passing-parts.cgi", &format!("{} $@\n", wrapper.trim_end())),
        ];
        let mut open: Vec<_> = [
            ("instead", "--python=/usr/bin/python3 \"$@\"".to_owned()),
            ("apart", "--python /usr/bin/python3 \"$@\"".to_owned()),
            ("parts", "--python=/usr/bin/python3 $@".to_owned()),
            ("joined", "--python=/usr/bin/python3 \"$*\"".to_owned()),
            (
                "in-front",
                format!("\"$@\" --python=/usr/bin/python3 {app}"),
            ),
            ("between", format!("--python=/usr/bin/python3 \"$@\" {app}")),
        ]
        .into_iter()
        .map(|(name, words)| {
            // No `.cgi`: nothing can warm it.
            deploy(name, &format!("#!/bin/sh\nexec {program} {words}\n"))
        })
        .collect();
        if is_apache {
            safe.push("/foo.wsgi/x".to_owned());
            open.push("/foo.wrapped/x".to_owned());
            let text = format!("#!/bin/sh\nexec {program} --python=/usr/bin/python3 \"$@\"\n");
            deploy("handler", &text);
            fs::copy(
                server.root.join("htdocs/foo.wsgi"),
                server.root.join("htdocs/foo.wrapped"),
            )
            .unwrap();
        }
        Self {
            safe,
            open,
            is_apache,
        }
    }

    fn try_query(&self, server: &Server, query: &str, index: usize) {
        // Lighttpd and nginx have no word for a NUL, and Lighttpd writes what needs no escape without one.
        let expected = match server.kind {
            Kind::Lighttpd => query.replace("%2D", "-"),
            _ => query.to_owned(),
        };
        // Where no word becomes an argument, one form after another will do.
        let some = match self.is_apache {
            true => self.safe.as_slice(),
            false => &self.safe[index % self.safe.len()..][..1],
        };
        for address in some {
            let reply = get(server, &format!("{address}?{query}"));
            if reply.status == 400 && query.contains("%0") && !self.is_apache {
                continue;
            }
            let seen = told(&reply, "QUERY_STRING");
            assert_eq!(
                seen.as_deref(),
                Some(&*expected),
                "{server} {address}: {reply}"
            );
        }
        for address in &self.open {
            let reply = get(server, &format!("{address}?{query}"));
            let text = reply.text();
            let is_evil = ["EVIL", "root:", "PATH = "]
                .iter()
                .any(|sign| text.contains(sign));
            let is_refused = reply.status == 500 && text.contains("WC004");
            let is_right = !is_evil && (is_refused || !self.is_apache || query.contains('='));
            assert!(is_right, "{server} {address}?{query}: {reply}");
        }
        if self.is_apache {
            // The program itself, under its own address.
            let reply = get(server, &format!("/program?{query}"));
            let is_right = reply.status == 500 && reply.text().contains("WC003");
            assert!(is_right, "{server} {query}: {reply}");
        }
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
