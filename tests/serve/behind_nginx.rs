//! Behind a proxy that keeps its connections: one visitor's script is no other visitor's matter.

use std::fs;
use std::net::TcpStream;
use std::process::{Child, Command};

use super::gateway::Scripts;
use crate::support::http::Connection;
use crate::support::server::free_port;
use crate::support::until;
use crate::support::wire::{Pace, Then, exchange, readable, replies};

/// nginx with one kept connection to a listener; below `/plain` as nginx is by itself, with HTTP/1.0.
struct Nginx {
    port: u16,
    process: Child,
    folder: tempfile::TempDir,
}

impl Nginx {
    fn before(listener: u16) -> Self {
        let nginx = "/usr/sbin/nginx";
        assert!(
            fs::exists(nginx).unwrap(),
            "nginx is missing: apt-get install nginx-light"
        );
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().display();
        let port = free_port();
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|name| format!("{name}_temp_path {place}/{name};"))
            .concat();
        let text = format!(
            "daemon off; master_process off; pid {place}/pid; error_log {place}/error.log;
             events {{}}
             http {{
                 access_log off; {temporary}
                 upstream kept {{ server 127.0.0.1:{listener}; keepalive 1; }}
                 server {{
                     listen 127.0.0.1:{port};
                     location / {{ proxy_pass http://kept; proxy_http_version 1.1; proxy_set_header Connection \"\"; }}
                     location /plain/ {{ proxy_pass http://127.0.0.1:{listener}/; }}
                 }}
             }}"
        );
        let file = folder.path().join("nginx.conf");
        fs::write(&file, text).unwrap();
        let process = Command::new("setpriv")
            .args(["--pdeathsig", "TERM", "--", nginx, "-e"])
            .arg(folder.path().join("error.log"))
            .arg("-c")
            .arg(&file)
            .spawn()
            .unwrap();
        until("nginx to listen", || {
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        Self {
            port,
            process,
            folder,
        }
    }

    #[track_caller]
    fn get(&self, target: &str) -> String {
        let reply = Connection::to(self.port).exchange("GET", target, &[], b"");
        let log = || fs::read_to_string(self.folder.path().join("error.log"));
        assert_eq!(reply.status, 200, "{target}: {reply}{:?}", log());
        reply.text()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Works on when its answer is whole, until it is let go.
const WORKS: &str = r#"printf 'Content-Type: text/plain\nContent-Length: 5\n\nwhole'
while [ ! -e "$DOCUMENT_ROOT/go" ]; do sleep 0.01; done
echo 'has worked' >&2"#;
const QUICK: &str = r"printf 'Content-Type: text/plain\nContent-Length: 5\n\nquick'";
const DIES: &str = r"printf 'Content-Type: text/plain\n\nsome'; kill -9 $$";

#[test]
fn nobody_waits_for_another_visitors_script() {
    let scripts = Scripts::new(
        &[("works", WORKS), ("quick", QUICK)],
        &["--max-processes=4"],
    );
    let nginx = Nginx::before(scripts.listener.port);
    for _ in 0..3 {
        assert_eq!(nginx.get("/works"), "whole");
        assert_eq!(nginx.get("/quick"), "quick");
    }
    fs::write(scripts.folder.path().join("go"), "").unwrap();
    scripts.listener.told("has worked");
}

#[test]
fn nobody_gets_the_end_of_another_visitors_script() {
    let scripts = Scripts::new(
        &[("works", WORKS), ("quick", QUICK)],
        &["--max-processes=1", "--timeout=0.5"],
    );
    let nginx = Nginx::before(scripts.listener.port);
    for _ in 0..3 {
        assert_eq!(nginx.get("/works"), "whole");
        // It has to wait for the only place.
        assert_eq!(nginx.get("/quick"), "quick");
    }
    scripts.listener.told("still worked when its time was over");
}

#[test]
fn an_answer_that_is_cut_does_not_look_whole() {
    let scripts = Scripts::new(&[("dies", DIES), ("quick", QUICK)], &[]);
    let nginx = Nginx::before(scripts.listener.port);
    for target in ["/dies", "/plain/dies"] {
        let request = format!("GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let (_, answer) = exchange(nginx.port, request.as_bytes(), Pace::Whole, Then::Wait);
        let is_whole = answer
            .as_ref()
            .is_ok_and(|bytes| replies(bytes).is_ok_and(|replies| replies[0].status == 200));
        assert!(
            !is_whole,
            "{target}: {:?}",
            answer.map(|bytes| readable(&bytes))
        );
    }
    assert_eq!(nginx.get("/plain/quick"), "quick");
}
