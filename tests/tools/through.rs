//! `check --through`: what real web servers give, and what is said about it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::listener::Setup;
use crate::support::run::{Done, Run};
use crate::support::server::{Kind, Server, server};
use crate::support::write_program;

pub const FILE: &str = ".wsgi-cgi-self-test";

/// An application that makes a sign beside it when it is run, which a self-test must not do.
pub const APPLICATION: &str = "\
import os
open(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'signs-of-life'), 'w').close()
def application(environ, start_response):
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return [b'the application']
";

/// A report, by the names of its rows.
pub struct Seen {
    rows: Vec<Value>,
    pub configuration: String,
    pub done: Done,
}

impl Seen {
    pub fn of(url: &str, application: &Path) -> Self {
        let done = Run::by_hand(&[application])
            .before(&["check", "--through", url, "--json"])
            .done();
        let told: Value =
            serde_json::from_slice(&done.out).unwrap_or_else(|error| panic!("{error}\n{done}"));
        assert!(
            !application.with_file_name(FILE).exists(),
            "the token file is still there\n{done}"
        );
        let sign = application.with_file_name("signs-of-life");
        assert!(!sign.exists(), "the application was run\n{done}");
        Self {
            rows: told["seen"].as_array().unwrap().clone(),
            configuration: told["configuration"].as_str().unwrap().to_owned(),
            done,
        }
    }

    fn row(&self, name: &str) -> &Value {
        let found = self.rows.iter().find(|row| row["name"] == name);
        found.unwrap_or_else(|| panic!("no {name}\n{}", self.done))
    }

    /// The value of the row, and whether it is to be changed.
    #[track_caller]
    pub fn assert(&self, name: &str, value: &str, state: &str) {
        let row = self.row(name);
        let is_right = row["value"].as_str().unwrap().contains(value) && row["state"] == state;
        assert!(
            is_right,
            "{name} is not {value:?} ({state}): {row}\n{}",
            self.done
        );
    }

    /// Rows that want a change.
    fn changes(&self) -> Vec<&str> {
        let wanted = self.rows.iter().filter(|row| row["state"] == "change");
        wanted.map(|row| row["name"].as_str().unwrap()).collect()
    }
}

/// A script in a folder of its own below the server's; gives its file.
pub fn deploy(server: &Server, folder: &str) -> PathBuf {
    let folder = server.root.join(folder);
    let _ = fs::create_dir(&folder);
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
    let script = folder.join("app.cgi");
    let program = server.root.join("bin/wsgi-cgi");
    let text = format!(
        "#!{}\n# wsgi-cgi: python=/usr/bin/python3\n{APPLICATION}",
        program.display()
    );
    write_program(&script, &text, 0o755);
    script
}

#[test]
fn each_server_is_known_by_what_it_gives() {
    for (kind, folder, name, descriptors, stderr) in [
        (
            Kind::ApacheCgid,
            "cgi-bin/through",
            "Apache, mod_cgid (Apache/2",
            "0 and 1: one socket; 2: file",
            "/error.log, which you",
        ),
        (
            Kind::ApacheCgi,
            "cgi-bin/through",
            "Apache, mod_cgi (Apache/2",
            "0: pipe; 1: pipe; 2: pipe",
            "lines of AH01215",
        ),
        (
            Kind::Lighttpd,
            "cgi-bin/through",
            "Lighttpd, mod_cgi (lighttpd/1",
            "0: /dev/null; 1: pipe; 2: file",
            "/breakage.log, which you",
        ),
        (
            Kind::Serve,
            "cgi-bin/through",
            "wsgi-cgi serve (wsgi-cgi/",
            "0: /dev/null; 1: pipe; 2: pipe",
            "the listener's stderr",
        ),
    ] {
        let server = server(kind);
        let script = deploy(server, folder);
        let seen = Seen::of(
            &format!("http://127.0.0.1:{}/{folder}/app.cgi", server.port),
            &script,
        );
        seen.assert("server", name, "fact");
        seen.assert("descriptors", descriptors, "fact");
        seen.assert("stderr", stderr, "good");
        seen.assert("SCRIPT_NAME", "as the address has it", "good");
        for (name, value) in [
            ("Authorization", "arrives"),
            ("Proxy", "is dropped"),
            ("body of 200 KiB", "arrives whole"),
            ("body of 3 MB", "arrives whole"),
            ("chunked body", "arrives whole"),
            ("pieces", "are passed on"),
            ("Content-Length", "is kept"),
            ("HEAD", "keeps its length"),
            ("cut responses", "are seen as cut"),
            ("unread body", "arrives"),
            ("unread 3 MB", "arrives"),
        ] {
            seen.assert(name, value, "good");
        }
        assert_eq!(seen.changes(), [""; 0], "{}", seen.done);
        seen.done.assert_exit(0);
        assert_eq!(seen.configuration, "");
        let number = seen.row("stderr")["value"]
            .as_str()
            .unwrap()
            .rsplit(' ')
            .next()
            .unwrap()
            .replace('"', "");
        let log = server.log();
        assert!(
            log.contains(&format!("self-test {number} ")),
            "{server}\n{log}"
        );
        match kind {
            Kind::ApacheCgid | Kind::ApacheCgi => {
                seen.assert("names with _", "are dropped", "good");
                seen.assert("// in a path", "becomes one /", "fact");
                seen.assert("%2F in a path", "status 404", "note");
                seen.assert("chunked body", "without a length", "good");
                seen.assert("your variables", "ap_trust_cgilike_cl", "fact");
            }
            Kind::Lighttpd => {
                seen.assert("names with _", "arrive", "fact");
                seen.assert("// in a path", "becomes one /", "fact");
                seen.assert("%2F in a path", "becomes /", "fact");
                seen.assert("body of 3 MB", "descriptor 0: file", "good");
                seen.assert("chunked body", "with its length", "good");
                seen.assert("PATH", "none", "note");
            }
            _ => {
                seen.assert("names with _", "are dropped", "good");
                seen.assert("// in a path", "stays", "fact");
                assert!(!log.contains(&format!("app.cgi/wsgi-cgi-self-test/{number}")));
                assert!(log.contains("/app.cgi/wsgi-cgi-self-test/TOKEN"), "{log}");
            }
        }
    }
}

#[test]
fn fcgiwrap_is_known_by_the_descriptor_that_it_leaks() {
    let server = server(Kind::Nginx);
    let script = deploy(server, "cgi-bin").with_file_name("app.cgi");
    // Its place belongs to other tests: only its folder is needed.
    let url = format!("http://localhost:{}/cgi-bin/app.cgi/", server.port);
    let done = Run::by_hand(&[&script])
        .before(&["check", "--through", &url])
        .done();
    let text = String::from_utf8_lossy(&done.out).into_owned();
    for expected in [
        "nginx, fcgiwrap (nginx/1",
        "3: socket",
        "0: pipe; 1: pipe",
        "nothing to change",
    ] {
        assert!(text.contains(expected), "{expected}\n{done}");
    }
    done.assert_exit(0);
}

#[test]
fn what_is_missing_is_named_with_the_lines_that_mend_it() {
    for kind in [Kind::ApacheCgid, Kind::ApacheCgi] {
        let server = server(kind);
        let script = deploy(server, "htdocs/bare");
        fs::write(
            script.with_file_name(".htaccess"),
            "UnsetEnv ap_trust_cgilike_cl\n",
        )
        .unwrap();
        let seen = Seen::of(
            &format!("http://127.0.0.1:{}/bare/app.cgi", server.port),
            &script,
        );
        seen.assert("Authorization", "is kept back", "change");
        seen.assert("Content-Length", "is thrown away", "change");
        seen.assert("HEAD", "has no length", "fact");
        seen.assert("cut responses", "look whole", "fact");
        assert_eq!(
            seen.changes(),
            ["Authorization", "Content-Length"],
            "{}",
            seen.done
        );
        for line in ["    CGIPassAuth On\n", "    SetEnv ap_trust_cgilike_cl 1\n"] {
            assert!(seen.configuration.contains(line), "{line}\n{}", seen.done);
        }
        seen.done.assert_exit(1);
        // What is printed is what mends it.
        let lines = seen
            .configuration
            .lines()
            .filter_map(|line| line.strip_prefix("    "));
        let lines: Vec<_> = lines.collect();
        fs::write(script.with_file_name(".htaccess"), lines.join("\n") + "\n").unwrap();
        let seen = Seen::of(
            &format!("http://127.0.0.1:{}/bare/app.cgi", server.port),
            &script,
        );
        assert_eq!(seen.changes(), [""; 0], "{}", seen.done);
        seen.done.assert_exit(0);
    }
}

#[test]
fn lighttpds_buffering_is_seen() {
    let server = server(Kind::Lighttpd);
    let script = deploy(server, "buffered");
    let seen = Seen::of(
        &format!("http://127.0.0.1:{}/buffered/app.cgi", server.port),
        &script,
    );
    seen.assert("pieces", "wait until the response is whole", "change");
    assert!(
        seen.configuration
            .contains("server.stream-response-body = 1\n"),
        "{}",
        seen.done
    );
    seen.done.assert_exit(1);
}

#[test]
fn nginxs_stock_parameters_are_seen() {
    let server = server(Kind::Nginx);
    let script = deploy(server, "htdocs/site");
    let url = format!("http://127.0.0.1:{}/site", server.port);
    let seen = Seen::of(&url, &script);
    seen.assert("SCRIPT_NAME", "PATH_INFO begins with /site", "change");
    seen.assert("its rule", "WholeAddress", "fact");
    seen.assert("Proxy", "arrives as HTTP_PROXY", "change");
    assert!(
        seen.configuration
            .contains("    fastcgi_param HTTP_PROXY \"\";\n"),
        "{}",
        seen.done
    );
    let line = seen
        .configuration
        .lines()
        .find(|line| line.contains("script-name"))
        .unwrap()
        .trim();
    // What is printed is what mends it.
    let text = fs::read_to_string(&script)
        .unwrap()
        .replacen('\n', &format!("\n{line}\n"), 1);
    write_program(&script, &text, 0o755);
    Seen::of(&url, &script).assert("SCRIPT_NAME", "/site, as the address has it", "good");
}

#[test]
fn a_warm_listener_answers_without_a_worker() {
    let folder = tempfile::tempdir().unwrap();
    let app = folder.path().join("app.py");
    fs::write(&app, APPLICATION).unwrap();
    let listener = Setup::with(&app).option("--warm").start();
    let seen = Seen::of(&format!("http://127.0.0.1:{}", listener.port), &app);
    seen.assert("server", "wsgi-cgi serve", "fact");
    seen.done.assert_exit(0);
}

#[test]
fn the_whole_configuration_that_is_printed_mends_what_was_found() {
    let server = server(Kind::ApacheCgid);
    let script = deploy(server, "htdocs/wrapped");
    let app = script.with_file_name("app.py");
    fs::write(&app, APPLICATION).unwrap();
    let program = server.root.join("bin/wsgi-cgi");
    let python = "--python=/usr/bin/python3";
    let wrapper = format!("#!{} {python} {}\n", program.display(), app.display());
    write_program(&script, &wrapper, 0o755);
    fs::write(
        script.with_file_name(".htaccess"),
        "UnsetEnv ap_trust_cgilike_cl\n",
    )
    .unwrap();
    let url = format!("http://127.0.0.1:{}/wrapped/app.cgi", server.port);
    let check = ["check", "--through", &url, "-v", python];
    let done = Run::by_hand(&[&app]).before(&check).done();
    done.assert_exit(1);
    let text = String::from_utf8_lossy(&done.out).into_owned();
    let (_, rest) = text.split_once("The whole of it, new: wsgi-cgi ").unwrap();
    let (command, shown) = rest.split_once("\n\n").unwrap();
    let words: Vec<_> = command.split(' ').collect();
    let config = Run::by_hand(&words).done();
    assert_eq!(String::from_utf8_lossy(&config.out), shown, "{config}");
    let (_, rest) = shown.split_once("==> .htaccess\n").unwrap();
    let (rules, _) = rest.split_once("\n==> ").unwrap();
    fs::write(script.with_file_name(".htaccess"), rules).unwrap();
    let seen = Seen::of(&format!("http://127.0.0.1:{}/wrapped/", server.port), &app);
    assert_eq!(seen.changes(), [""; 0], "{}", seen.done);
    seen.assert("SCRIPT_NAME", "/wrapped, as the address has it", "good");
    seen.done.assert_exit(0);
}
