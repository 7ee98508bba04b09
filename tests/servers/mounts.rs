//! SCRIPT_NAME and PATH_INFO in every configuration of SURVEY 3.4, as the application sees them.

use std::fs;

use super::told;
use crate::support::http::Connection;
use crate::support::server::{Kind, server};

/// Rows of: configuration, host, target; SCRIPT_NAME, PATH_INFO, QUERY_STRING.
#[track_caller]
fn check(kind: Kind, table: &str) {
    let server = server(kind);
    let mut wrong = Vec::new();
    for row in table.lines() {
        let columns: Vec<_> = row.split('|').map(str::trim).collect();
        let [_, host, target, expected @ ..] = &columns[..] else {
            panic!("{row}");
        };
        let reply = Connection::to(server.port).exchange("GET", target, &[("Host", host)], b"");
        if reply.status != 200 {
            wrong.push(format!("{row}: {reply}"));
            continue;
        }
        let seen = ["SCRIPT_NAME", "PATH_INFO", "QUERY_STRING"]
            .map(|name| told(&reply, name).unwrap_or_default());
        if seen != expected {
            wrong.push(format!("{row}: {seen:?}"));
        }
    }
    assert!(wrong.is_empty(), "{server}\n{}", wrong.join("\n"));
}

const APACHE: &str = "\
    ScriptAlias / with both slashes | root.test     | /x/y%20z?q=1              |                    | /x/y z          | q=1
    … the root                      | root.test     | /                         |                    | /               |
    ScriptAlias /m                  | localhost     | /m/a%20b?q                | /m                 | /a b            | q
    … called by its name            | localhost     | /m                        | /m                 |                 |
    AllowEncodedSlashes NoDecode    | nodecode.test | /m/a%2Fb%20c              | /m                 | /a%2Fb c        |
    .htaccess RewriteRule           | localhost     | /rewritten/x?a=1          | /rewritten         | /x              | a=1
    … the folder                    | localhost     | /rewritten/               | /rewritten         | /               |
    … called by its name            | localhost     | /rewritten/app.cgi/x      | /rewritten/app.cgi | /x              |
    server's RewriteRule [PT]       | localhost     | /rewritten-by-server/x%20y | /rewritten-by-server | /x y         |
    server's RewriteRule [PT,B]     | escaped.test  | /x%20y%3Fz%25/w           |                    | /x+y%3fz%25%2fw |
    FallbackResource                | localhost     | /fallback/a%20b%3Fc?q=1   | /fallback          | /a b?c          | q=1
    … the folder                    | localhost     | /fallback/                | /fallback          | /               |
    … with dots                     | localhost     | /fallback/x/%2e%2e/y      | /fallback          | /y              |
    … called by its name            | localhost     | /fallback/app.cgi/x       | /fallback/app.cgi  | /x              |
    ErrorDocument 404               | localhost     | /missing/no/such?q=1      | /missing           | /no/such        | q=1
    Action                          | localhost     | /foo.wsgi/pi?q            | /foo.wsgi          | /pi             | q
    … the script alone              | localhost     | /foo.wsgi                 | /foo.wsgi          |                 |";

#[test]
fn every_mount_comes_out_right_under_apache_with_mod_cgid() {
    check(Kind::ApacheCgid, APACHE);
}

#[test]
fn every_mount_comes_out_right_under_apache_with_mod_cgi() {
    check(Kind::ApacheCgi, APACHE);
}

#[test]
fn every_mount_comes_out_right_under_lighttpd() {
    check(
        Kind::Lighttpd,
        "alias /                  | root.test    | /x/y%20z?q=1        |           | /x/y z    | q=1
         … the root               | root.test    | /                   |           | /         |
         alias /m                 | mount.test   | /m/a%2Fb%20c//d?q   | /m        | /a/b c/d  | q
         … called by its name     | mount.test   | /m                  | /m        |           |
         url.rewrite-once         | rewrite.test | /x%20y%3Fz%25/w     |           | /x y?z%/w |
         … with a query           | rewrite.test | /x?q=1              |           | /x        | q=1
         server.error-handler-404 | missing.test | /no/such?q=1        |           | /no/such  | q=1
         … from its own folder    | missing.test | /missing/such?q=1   | /missing  | /such     | q=1
         cgi.assign               | assign.test  | /foo.wsgi/pi?q      | /foo.wsgi | /pi       | q
         … the script alone       | assign.test  | /foo.wsgi           | /foo.wsgi |           |",
    );
}

#[test]
fn every_mount_comes_out_right_under_nginx() {
    check(
        Kind::Nginx,
        "fastcgi_split_path_info | localhost  | /cgi-bin/app.cgi/a%20b//c/d?q | /cgi-bin/app.cgi | /a b/c/d | q
         … the script alone      | localhost  | /cgi-bin/app.cgi              | /cgi-bin/app.cgi |          |
         stock parameters        | stock.test | /site/z?q=1                   |                  | /site/z  | q=1",
    );
}

#[test]
fn a_form_reaches_the_application_behind_a_fallback() {
    for kind in [Kind::ApacheCgid, Kind::ApacheCgi] {
        let server = server(kind);
        let reply =
            Connection::to(server.port).exchange("POST", "/fallback/whole", &[], b"a=1&b=2");
        assert_eq!(reply.text(), "a=1&b=2", "{server}: {reply}");
    }
}

/// REQUEST_URI names what the client may not see.
#[test]
fn a_refused_address_does_not_become_a_path() {
    for kind in [Kind::ApacheCgid, Kind::ApacheCgi] {
        let server = server(kind);
        let folder = server.root.join("htdocs/refused");
        let rules = "ErrorDocument 403 /missing/app.cgi\nRequire all denied\n";
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join(".htaccess"), rules).unwrap();
        let reply = Connection::to(server.port).exchange("GET", "/refused/x", &[], b"");
        assert_eq!(
            told(&reply, "PATH_INFO").as_deref(),
            Some(""),
            "{server}: {reply}"
        );
    }
}
