//! Each configuration that `config` writes, under the real server: Flask and Django, at a site's root and below a prefix.

use std::sync::OnceLock;
use std::thread;

use super::config_servers::{Deployment, Framework, Site, start};
use crate::support::http::{Connection, Reply};

/// Everything that a deployed site has to do.
fn check(site: &Site) {
    check_application(site);
    let url = &site.url;
    let visit = |target: &str| Connection::to(site.port).exchange("GET", target, &[], b"");
    // A file that the application knows nothing of.
    let file = visit(&format!("{url}/files/only%20here.txt"));
    assert_eq!(file.text(), "sent by the server\n", "{site}: {file}");
    if !url.is_empty() {
        let reply = visit(&format!("{url}ping"));
        let is_of_site = !reply.text().contains("Hello from");
        assert!(
            is_of_site,
            "{site}: {url} is no prefix of {url}ping\n{reply}"
        );
    }
}

/// What depends on SCRIPT_NAME and PATH_INFO, and on the server that passes a request on.
pub fn check_application(site: &Site) {
    let url = &site.url;
    let visit = |method: &str, path: &str, fields: &[(&str, &str)], body: &[u8]| {
        Connection::to(site.port).exchange(method, &format!("{url}{path}"), fields, body)
    };
    let expect = |reply: Reply, status: u16, what: &str| {
        assert_eq!(
            reply.status,
            status,
            "{site}: {what}\n{reply}{}",
            site.log()
        );
        reply
    };
    // A page, whose links are made by url_for or reverse.
    let page = expect(visit("GET", "/", &[], b""), 200, "the page");
    let text = page.text();
    let heading = format!("Hello from {:?}", site.framework);
    assert!(text.contains(&heading), "{site}: {page}");
    for link in ["/hello/Zo%C3%AB", "/search?q="] {
        let link = format!("href=\"{url}{link}");
        assert!(text.contains(&link), "{site}: no {link}\n{page}");
    }
    // The length is kept.
    let length = page.field("Content-Length").map(str::to_owned);
    assert_eq!(length, Some(page.body.len().to_string()), "{site}: {page}");
    // The path is decoded once.
    let hello = expect(
        visit("GET", "/hello/a%20b%2Bc", &[], b""),
        200,
        "a decoded path",
    );
    assert_eq!(hello.text(), "<p>Hello, a b+c!</p>", "{site}");
    // A form, and the redirect behind it.
    let (fields, form) = form(site, &page);
    let fields: Vec<_> = fields
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let sent = expect(
        visit("POST", "/hello", &fields, form.as_bytes()),
        303,
        "a form",
    );
    let target = sent.field("Location").unwrap_or_default();
    let target = target
        .strip_prefix(&format!("http://localhost:{}", site.port))
        .unwrap_or(target);
    assert_eq!(target, format!("{url}/hello/Zoe"), "{site}: {sent}");
    // What reaches the application.
    let told = expect(
        visit(
            "POST",
            "/environ?x=1",
            &[("Authorization", "Basic YTpi")],
            b"whole body",
        ),
        200,
        "the environ",
    );
    let environ: serde_json::Value = serde_json::from_slice(&told.body).unwrap();
    for (name, expected) in [
        ("SCRIPT_NAME", url.as_str()),
        ("PATH_INFO", "/environ"),
        ("QUERY_STRING", "x=1"),
        ("HTTP_AUTHORIZATION", "Basic YTpi"),
        ("SERVER_NAME", "localhost"),
        ("body", "whole body"),
    ] {
        assert_eq!(environ[name], expected, "{site}: {name}\n{told}");
    }
    assert_eq!(environ["HTTP_PROXY"], serde_json::Value::Null, "{site}");
    expect(visit("GET", "/no/such", &[], b""), 404, "what is not there");
}

/// The fields and the body of the page's form.
fn form(site: &Site, page: &Reply) -> (Vec<(&'static str, String)>, String) {
    let mut fields = vec![(
        "Content-Type",
        "application/x-www-form-urlencoded".to_owned(),
    )];
    let mut body = "name=Zoe".to_owned();
    if site.framework == Framework::Django {
        let text = page.text();
        let token = text
            .split("name=\"csrfmiddlewaretoken\" value=\"")
            .nth(1)
            .unwrap();
        let token = token.split('"').next().unwrap();
        body.push_str(&format!("&csrfmiddlewaretoken={token}"));
        let cookie = page.field("Set-Cookie").unwrap().split(';').next().unwrap();
        fields.push(("Cookie", cookie.to_owned()));
    }
    (fields, body)
}

/// All sites of a server, two at a time.
fn check_all(sites: &'static OnceLock<Vec<Site>>, deployment: Deployment) {
    let sites = sites.get_or_init(|| start(deployment));
    thread::scope(|scope| {
        for part in [0, 1] {
            scope.spawn(move || sites.iter().skip(part).step_by(2).for_each(check));
        }
    });
}

macro_rules! servers {
    ($($name:ident: $deployment:ident;)*) => {
        $(#[test]
        fn $name() {
            static SITES: OnceLock<Vec<Site>> = OnceLock::new();
            check_all(&SITES, Deployment::$deployment);
        })*
    };
}

servers! {
    apache_with_mod_cgid: ApacheCgid;
    apache_with_mod_cgi: ApacheCgi;
    htaccess_with_mod_cgid: HtaccessCgid;
    htaccess_with_mod_cgi: HtaccessCgi;
    lighttpd: Lighttpd;
    nginx_with_fcgiwrap: Nginx;
    nginx_in_front_of_serve: NginxProxy;
    caddy_in_front_of_serve: Caddy;
    systemd_starts_serve: Systemd;
    systemd_starts_inetd: SystemdInetd;
    xinetd: Xinetd;
}
