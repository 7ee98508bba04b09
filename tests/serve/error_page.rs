//! The error page as a person sees it, in a real browser; and who does not see it.

use std::net::TcpStream;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::support::browser::Browser;
use crate::support::http::Connection;
use crate::support::listener::Setup;
use crate::support::server::{folder, free_port, spawn};
use crate::support::until;
use crate::support::wire::{Pace, Then, exchange};

#[test]
fn a_browser_shows_it_and_opens_the_variables_at_a_click() {
    let listener = Setup::of("failures.py:raises").option("--debug").start();
    let browser = Browser::start();
    browser.open(&format!("http://127.0.0.1:{}/some/page", listener.port));
    assert_eq!(browser.value("document.title"), "500 Internal Server Error");
    let text = browser.value("document.body.innerText").to_string();
    for expected in [
        "could not <b>compute</b>",
        "ZeroDivisionError",
        "Last lines on stderr",
        "a line on <stderr>",
    ] {
        assert!(text.contains(expected), "{expected:?} in {text}");
    }
    // Nothing of the application became markup, and nothing was fetched.
    let injected = "document.querySelectorAll('script, img, b b').length";
    assert_eq!(browser.value(injected), 0);
    // The icon is the browser's own idea.
    let fetched = "performance.getEntriesByType('resource').map(entry => entry.name)";
    let fetched = browser.value(fetched);
    let fetched = fetched.as_array().unwrap();
    assert!(
        fetched
            .iter()
            .all(|name| name.as_str().unwrap().ends_with("/favicon.ico")),
        "{fetched:?}"
    );
    let cell = "Array.from(document.querySelectorAll('td')).find(td => td.textContent == 'markup')";
    let is_visible = format!("{cell}.checkVisibility()");
    assert_eq!(browser.value(&is_visible), false);
    browser.click("details.frame[open] details summary");
    assert_eq!(browser.value(&is_visible), true);
    let row = browser.value(&format!("{cell}.parentNode.innerText"));
    assert!(row.to_string().contains("<script>"), "{row}");
}

/// The page for a request with these fields.
#[track_caller]
fn page(port: u16, fields: &[(&str, &str)]) -> String {
    let reply = Connection::to(port).exchange("GET", "/", fields, b"");
    assert_eq!(reply.status, 500);
    assert!(reply.text().contains("WC040"), "{reply}");
    reply.text()
}

#[test]
fn it_is_shown_on_this_machine_only_and_not_through_a_proxy() {
    let listener = Setup::of("failures.py:raises").at_terminal().start();
    assert!(page(listener.port, &[]).contains("ZeroDivisionError"));
    for fields in [
        [("X-Forwarded-For", "10.0.0.1")],
        [("Forwarded", "for=10.0.0.1")],
        [("Via", "1.1 proxy")],
        [("CF-Connecting-IP", "10.0.0.1")],
        [("Host", "rebound.example")],
    ] {
        assert!(!page(listener.port, &fields).contains("Zero"), "{fields:?}");
    }
    // As nginx asks by itself: no field of a proxy, and the listener's own address as the Host.
    let request = format!(
        "GET / HTTP/1.0\r\nHost: 127.0.0.1:{}\r\n\r\n",
        listener.port
    );
    let (_, answer) = exchange(listener.port, request.as_bytes(), Pace::Whole, Then::Wait);
    let answer = String::from_utf8(answer.unwrap()).unwrap();
    assert!(
        answer.contains("WC040") && !answer.contains("Zero"),
        "{answer}"
    );
}

#[test]
fn a_service_or_a_container_shows_it_to_nobody() {
    let setup = Setup::of("failures.py:raises");
    let terminal = setup.clone().at_terminal();
    for setup in [
        setup,
        terminal
            .clone()
            .variable("NOTIFY_SOCKET", "/run/systemd/notify"),
        terminal.clone().variable("LISTEN_FDS", "1"),
        terminal
            .clone()
            .variable("KUBERNETES_SERVICE_HOST", "10.0.0.1"),
        terminal.clone().variable("PORT", "8000"),
    ] {
        let listener = setup.start();
        assert!(!page(listener.port, &[]).contains("Zero"));
    }
    // A terminal that is a unit itself, as on a desktop.
    let listener = terminal
        .variable("INVOCATION_ID", "1")
        .variable("JOURNAL_STREAM", "8:1")
        .start();
    assert!(page(listener.port, &[]).contains("Zero"));
}

#[test]
fn behind_nginx_the_world_sees_the_code_alone() {
    let listener = Setup::of("failures.py:raises").start();
    let root = folder("error-page");
    let ports = [free_port(), free_port()];
    let conf = format!(
        "daemon off; pid {root}/pid; error_log {root}/error.log; events {{}}
        http {{
            access_log off; client_body_temp_path {root}/a; proxy_temp_path {root}/b;
            fastcgi_temp_path {root}/c; uwsgi_temp_path {root}/d; scgi_temp_path {root}/e;
            server {{ listen 127.0.0.1:{plain}; location / {{ proxy_pass http://127.0.0.1:{ours}; }} }}
            server {{ listen 127.0.0.1:{named}; location / {{
                proxy_pass http://127.0.0.1:{ours}; proxy_set_header Host $host; proxy_http_version 1.1; }} }}
        }}",
        root = root.display(),
        plain = ports[0],
        named = ports[1],
        ours = listener.port,
    );
    std::fs::write(root.join("nginx.conf"), conf).unwrap();
    let conf = root.join("nginx.conf");
    let input = UnixListener::bind(root.join("unused")).unwrap();
    let has_ended = Arc::default();
    let arguments = ["-c".as_ref(), conf.as_os_str()];
    spawn(
        "nginx",
        "/usr/sbin/nginx",
        &arguments,
        &root,
        &input,
        &has_ended,
    );
    for port in ports {
        until("nginx to listen", || {
            assert!(!has_ended.load(Ordering::Relaxed), "{}", root.display());
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        for host in ["www.example.org", "localhost", "127.0.0.1"] {
            assert!(
                !page(port, &[("Host", host)]).contains("Zero"),
                "{port} {host}"
            );
        }
    }
}

#[test]
fn debug_decides_where_it_is_given() {
    let page = |setup: Setup, fields: &[(&str, &str)]| {
        let listener = setup.start();
        listener.connect().exchange("GET", "/", fields, b"").text()
    };
    let setup = Setup::of("failures.py:raises");
    assert!(!page(setup.clone().option("--debug=false"), &[]).contains("Zero"));
    assert!(!page(setup.clone().variable("WSGI_CGI_DEBUG", "0"), &[]).contains("Zero"));
    assert!(page(setup.option("--debug"), &[("Via", "1.1 proxy")]).contains("Zero"));
}

#[test]
fn server_timing_has_every_part() {
    let listener = Setup::of("failures.py:answers").option("--debug").start();
    let reply = listener.connect().exchange("GET", "/", &[], b"");
    let parts: Vec<_> = reply
        .all("Server-Timing")
        .flat_map(|value| value.split(", "))
        .filter_map(|part| Some(part.split_once(";dur=")?.0))
        .collect();
    assert_eq!(
        parts,
        ["interpreter", "import", "application", "spawn", "total"]
    );
}
