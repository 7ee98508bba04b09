//! SCRIPT_NAME and PATH_INFO in every configuration of SURVEY 3.4, as the application sees them.

use super::told;
use crate::support::http::Connection;
use crate::support::server::{Kind, server};

struct Mount {
    name: &'static str,
    host: &'static str,
    target: &'static str,
    script_name: &'static str,
    path_info: &'static str,
    query: &'static str,
}

const fn mount(
    name: &'static str,
    host: &'static str,
    target: &'static str,
    script_name: &'static str,
    path_info: &'static str,
    query: &'static str,
) -> Mount {
    Mount {
        name,
        host,
        target,
        script_name,
        path_info,
        query,
    }
}

#[track_caller]
fn check(kind: Kind, mounts: &[Mount]) {
    let server = server(kind);
    let mut wrong = Vec::new();
    for mount in mounts {
        let fields = [("Host", mount.host)];
        let reply = Connection::to(server.port).exchange("GET", mount.target, &fields, b"");
        if reply.status != 200 {
            wrong.push(format!("{}: {reply}", mount.name));
            continue;
        }
        let got = ["SCRIPT_NAME", "PATH_INFO", "QUERY_STRING"]
            .map(|name| told(&reply, name).unwrap_or_default());
        let expected = [mount.script_name, mount.path_info, mount.query];
        if got != expected {
            wrong.push(format!(
                "{} {}: {got:?} instead of {expected:?}",
                mount.name, mount.target
            ));
        }
    }
    assert!(wrong.is_empty(), "{server}\n{}", wrong.join("\n"));
}

const APACHE: &[Mount] = &[
    mount(
        "ScriptAlias / with both slashes",
        "root.test",
        "/x/y%20z?q=1",
        "",
        "/x/y z",
        "q=1",
    ),
    mount(
        "ScriptAlias / with both slashes",
        "root.test",
        "/",
        "",
        "/",
        "",
    ),
    mount(
        "ScriptAlias /m",
        "localhost",
        "/m/a%20b?q",
        "/m",
        "/a b",
        "q",
    ),
    mount("ScriptAlias /m", "localhost", "/m", "/m", "", ""),
    mount(
        "AllowEncodedSlashes NoDecode",
        "nodecode.test",
        "/m/a%2Fb%20c",
        "/m",
        "/a%2Fb c",
        "",
    ),
    mount(
        ".htaccess RewriteRule",
        "localhost",
        "/rewritten/x?a=1",
        "/rewritten",
        "/x",
        "a=1",
    ),
    mount(
        ".htaccess RewriteRule",
        "localhost",
        "/rewritten/",
        "/rewritten",
        "/",
        "",
    ),
    mount(
        "the script's own address",
        "localhost",
        "/rewritten/app.cgi/x",
        "/rewritten/app.cgi",
        "/x",
        "",
    ),
    mount(
        "server-level RewriteRule [PT]",
        "localhost",
        "/rewritten-by-server/x%20y",
        "/rewritten-by-server",
        "/x y",
        "",
    ),
    mount(
        "FallbackResource",
        "localhost",
        "/fallback/a%20b%3Fc?q=1",
        "/fallback",
        "/a b?c",
        "q=1",
    ),
    mount(
        "Action",
        "localhost",
        "/foo.wsgi/pi?q",
        "/foo.wsgi",
        "/pi",
        "q",
    ),
    mount("Action", "localhost", "/foo.wsgi", "/foo.wsgi", "", ""),
];

#[test]
fn apache_with_mod_cgid() {
    check(Kind::ApacheCgid, APACHE);
}

#[test]
fn apache_with_mod_cgi() {
    check(Kind::ApacheCgi, APACHE);
}

#[test]
fn apaches_error_document_finds_path_and_query() {
    for kind in [Kind::ApacheCgid, Kind::ApacheCgi] {
        check(
            kind,
            &[mount(
                "ErrorDocument 404",
                "localhost",
                "/missing/no/such?q=1",
                "/missing",
                "/no/such",
                "q=1",
            )],
        );
    }
}

#[test]
fn lighttpd() {
    let mounts = [
        mount("alias /", "root.test", "/x/y%20z?q=1", "", "/x/y z", "q=1"),
        mount(
            "alias /m",
            "mount.test",
            "/m/a%2Fb%20c//d?q",
            "/m",
            "/a/b c/d",
            "q",
        ),
        mount(
            "url.rewrite-once",
            "rewrite.test",
            "/x%20y%3Fz%25/w",
            "",
            "/x y?z%/w",
            "",
        ),
        mount(
            "server.error-handler-404",
            "missing.test",
            "/no/such?q=1",
            "",
            "/no/such",
            "q=1",
        ),
        mount(
            "server.error-handler-404",
            "missing.test",
            "/missing/such?q=1",
            "/missing",
            "/such",
            "q=1",
        ),
        mount(
            "cgi.assign",
            "assign.test",
            "/foo.wsgi/pi?q",
            "/foo.wsgi",
            "/pi",
            "q",
        ),
    ];
    check(Kind::Lighttpd, &mounts);
}

#[test]
fn nginx() {
    let mounts = [
        mount(
            "fastcgi_split_path_info",
            "localhost",
            "/cgi-bin/app.cgi/a%20b//c/d?q",
            "/cgi-bin/app.cgi",
            "/a b/c/d",
            "q",
        ),
        mount(
            "stock parameters",
            "stock.test",
            "/site/z?q=1",
            "",
            "/site/z",
            "q=1",
        ),
    ];
    check(Kind::Nginx, &mounts);
}
