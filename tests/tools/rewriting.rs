//! What rewriting breaks, as people have it: url_for and reverse lead back all the same.

use std::fs;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::config::check_application;
use super::config_run::apache_main;
use super::config_servers::{Framework, Site, config, deploy, is_listening, warm};
use crate::support::http::Connection;
use crate::support::server::{folder, free_port, spawn};
use crate::support::until;

use Framework::{Django, Flask};

/// Its links lead elsewhere than to the server that is asked.
const SCRIPT_NAME: &str = "--script-name";

/// The application in this folder, with the script that `config` writes; its site listens on a port of its own.
fn site(
    deployment: &'static str,
    root: &Path,
    name: &str,
    framework: Framework,
    url: &str,
    words: &[&str],
) -> Site {
    let folder = root.join(name).join(url.trim_start_matches('/'));
    deploy(framework, &folder);
    let mut all = vec!["nginx".to_owned(), format!("--output={}", folder.display())];
    all.extend(words.iter().map(|word| (*word).to_owned()));
    all.extend(warm(framework == Django));
    all.push("served.py".into());
    config(&folder, &all);
    Site {
        framework,
        url: url.to_owned(),
        port: free_port(),
        deployment,
        files: folder.clone(),
        folder,
        root: root.to_owned(),
    }
}

fn run(package: &str, program: &str, arguments: &[&str], root: &Path, sites: &[Site]) {
    let has_ended = Arc::new(AtomicBool::new(false));
    let input = UnixListener::bind(root.join("unused.sock")).unwrap();
    spawn(package, program, arguments, root, &input, &has_ended);
    for site in sites {
        until(&format!("{site} to listen"), || {
            assert!(
                !has_ended.load(Ordering::Relaxed),
                "{site} ended:\n{}",
                site.log()
            );
            is_listening(site.port)
        });
    }
    let asked = sites.iter().filter(|site| site.deployment != SCRIPT_NAME);
    asked.for_each(check_application);
}

#[test]
fn apache() {
    let root = folder("rewriting-apache");
    let sites = [
        site(
            "RewriteRule in .htaccess",
            &root,
            "one",
            Flask,
            "/shop",
            &[],
        ),
        site("RewriteRule in .htaccess", &root, "two", Django, "", &[]),
        site(
            "RewriteRule of the server",
            &root,
            "three",
            Django,
            "/shop",
            &[],
        ),
        // The address says nothing of the prefix: a proxy in front has taken it away.
        site(
            SCRIPT_NAME,
            &root,
            "four",
            Flask,
            "",
            &["--script-name=/taken/away"],
        ),
    ];
    for site in &sites[..2] {
        let rules = "RewriteEngine On\nRewriteCond %{REQUEST_FILENAME} !-f\nRewriteRule ^(.*)$ app.cgi/$1 [QSA,L]\nCGIPassAuth On\n\
                     SetEnv ap_trust_cgilike_cl 1\nOptions +ExecCGI\nAddHandler cgi-script .cgi\n";
        fs::write(site.folder.join(".htaccess"), rules).unwrap();
    }
    let mut hosts =
        String::from("LoadModule rewrite_module /usr/lib/apache2/modules/mod_rewrite.so\n");
    for (site, name) in sites.iter().zip(["one", "two", "three", "four"]) {
        let (port, folder) = (site.port, site.folder.display());
        let rules = match name {
            "three" => format!(
                "ScriptAlias /hidden/ {folder}/\nRewriteEngine On\nRewriteRule ^/shop(/.*)?$ /hidden/app.cgi$1 [PT]\n"
            ),
            "four" => format!("ScriptAlias / {folder}/app.cgi/\n"),
            _ => String::new(),
        };
        hosts.push_str(&format!(
            "Listen 127.0.0.1:{port}\n<VirtualHost 127.0.0.1:{port}>\nDocumentRoot {root}/{name}\nSetEnv ap_trust_cgilike_cl 1\n\
             <Directory {root}/{name}>\nRequire all granted\nAllowOverride All\nCGIPassAuth On\n</Directory>\n\
             {rules}</VirtualHost>\n",
            root = root.display()
        ));
    }
    fs::write(
        root.join("main.conf"),
        apache_main("event", "cgid", &root, &hosts),
    )
    .unwrap();
    let main = root.join("main.conf").display().to_string();
    run(
        "apache2",
        "/usr/sbin/apache2",
        &["-f", &main, "-DFOREGROUND"],
        &root,
        &sites,
    );
    let [.., behind_proxy] = &sites;
    let page = Connection::to(behind_proxy.port).exchange("GET", "/", &[], b"");
    let links = page.text().matches("=\"/taken/away/").count();
    assert_eq!(links, 8, "{behind_proxy}: {page}");
    let fields = [("Content-Type", "application/x-www-form-urlencoded")];
    let sent = Connection::to(behind_proxy.port).exchange("POST", "/hello", &fields, b"name=Zoe");
    assert_eq!(
        sent.field("Location"),
        Some("/taken/away/hello/Zoe"),
        "{behind_proxy}: {sent}"
    );
}

/// The root's script name, and the other ways to hide a script.
#[test]
fn lighttpd() {
    let root = folder("rewriting-lighttpd");
    let sites = [
        site("url.rewrite-once", &root, "one", Flask, "", &[]),
        site("url.rewrite-once", &root, "two", Django, "", &[]),
        site(
            "url.rewrite-once below a prefix",
            &root,
            "three",
            Flask,
            "/shop",
            &[],
        ),
        site(
            "alias without the second slash",
            &root,
            "four",
            Django,
            "/shop",
            &[],
        ),
    ];
    let mut text = format!(
        "server.document-root = \"{root}\"\nserver.bind = \"127.0.0.1\"\nserver.port = {}\n\
         server.errorlog = \"{root}/error.log\"\n\
         server.modules += ( \"mod_rewrite\", \"mod_alias\", \"mod_cgi\" )\ncgi.assign = ( \".cgi\" => \"\" )\n",
        free_port(),
        root = root.display()
    );
    for (site, name) in sites.iter().zip(["one", "two", "three", "four"]) {
        let folder = site.folder.display();
        let rules = match name {
            "four" => format!("alias.url = ( \"/shop\" => \"{folder}/app.cgi\" )"),
            _ => format!(
                "url.rewrite-once = ( \"^{}/(.*)$\" => \"/hidden/app.cgi/$1\" )\nalias.url = ( \"/hidden/\" => \"{folder}/\" )",
                site.url
            ),
        };
        text.push_str(&format!(
            "$SERVER[\"socket\"] == \"127.0.0.1:{}\" {{\n{rules}\n}}\n",
            site.port
        ));
    }
    fs::write(root.join("main.conf"), text).unwrap();
    let main = root.join("main.conf").display().to_string();
    run(
        "lighttpd",
        "/usr/sbin/lighttpd",
        &["-D", "-f", &main],
        &root,
        &sites,
    );
}
