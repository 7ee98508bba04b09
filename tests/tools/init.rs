//! `init` in a copy of an example, under a real Apache that allows everything a shared host allows.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, lchown, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::config_run::apache_main;
use super::config_servers::{Framework, deploy, installed, is_listening};
use crate::support::http::{Connection, Reply};
use crate::support::run::Done;
use crate::support::run::Run;
use crate::support::server::{folder, free_port, spawn};
use crate::support::until;

fn init(folder: &Path, words: &[&str]) -> Done {
    let words = [&["init"], words].concat();
    Run::by_hand(&words)
        .program(installed().join("wsgi-cgi"))
        .without("WSGI_CGI_PYTHON")
        .directory(folder)
        .done()
}

#[track_caller]
fn says(done: &Done, text: &str) {
    assert!(
        String::from_utf8_lossy(&done.out).contains(text),
        "no {text:?}\n{done}"
    );
}

fn visit(port: u16, target: &str) -> Reply {
    Connection::to(port).exchange("GET", target, &[], b"")
}

/// Apache, for a folder with everything that a careless person leaves in one.
fn served() -> (PathBuf, u16) {
    let root = folder("init");
    let site = root.join("public_html/shop");
    deploy(Framework::Flask, &site);
    for (name, text) in [
        (".env", "SECRET"),
        ("data.sqlite3", "SECRET"),
        (".git/config", "SECRET"),
        ("instance/settings.yml", "SECRET"),
        ("app.py~", "SECRET"),
        (".well-known/challenge", "public"),
    ] {
        fs::create_dir_all(site.join(name).parent().unwrap()).unwrap();
        fs::write(site.join(name), text).unwrap();
    }
    let port = free_port();
    let host = format!(
        "Listen 127.0.0.1:{port}\nDocumentRoot {root}/public_html\n\
         <Directory {root}/public_html>\nRequire all granted\nAllowOverride All\n</Directory>\n",
        root = root.display()
    );
    fs::write(
        root.join("main.conf"),
        apache_main("event", "cgid", &root, &host),
    )
    .unwrap();
    let has_ended = Arc::new(AtomicBool::new(false));
    let main = root.join("main.conf").display().to_string();
    let input = UnixListener::bind(root.join("unused.sock")).unwrap();
    spawn(
        "apache2",
        "/usr/sbin/apache2",
        &["-f", &main, "-DFOREGROUND"],
        &root,
        &input,
        &has_ended,
    );
    until("Apache to listen", || {
        let log = fs::read_to_string(root.join("stderr.log")).unwrap_or_default();
        assert!(!has_ended.load(Ordering::Relaxed), "Apache ended:\n{log}");
        is_listening(port)
    });
    (site, port)
}

#[test]
fn a_folder_becomes_a_working_site_and_its_secrets_stay() {
    let (site, port) = served();
    // Nobody can be asked: it tells what it would do, and does nothing.
    let asked = init(&site, &[]);
    asked.assert_exit(2);
    says(&asked, "to be written");
    says(&asked, "--yes");
    says(&asked, "/shop/");
    assert!(!site.join("app.cgi").exists() && !site.join(".htaccess").exists());

    let done = init(&site, &["--yes"]);
    done.assert_quiet();
    says(&done, &format!("wsgi-cgi check {}/app.cgi", site.display()));
    says(&done, "http://localhost/shop/");
    let script = fs::metadata(site.join("app.cgi")).unwrap();
    assert_eq!(script.permissions().mode() & 0o777, 0o755);

    let page = visit(port, "/shop/");
    assert_eq!(page.status, 200, "{page}");
    assert!(page.text().contains("Hello from Flask"), "{page}");
    assert!(
        page.text().contains("href=\"/shop/hello/Zo%C3%AB\""),
        "{page}"
    );
    assert_eq!(visit(port, "/shop/hello/you").text(), "<p>Hello, you!</p>");
    assert_eq!(visit(port, "/shop/static/style.css").status, 200);
    assert_eq!(visit(port, "/shop/.well-known/challenge").text(), "public");
    for secret in [
        ".env",
        ".htaccess",
        "data.sqlite3",
        ".git/config",
        ".venv/pyvenv.cfg",
        "instance/settings.yml",
        "app.py",
        "app.py~",
        "app.py/x",
        "requirements.txt",
        "templates/index.html",
        "static/../app.py",
        "static/%2e%2e/app.py",
        "./.env",
        "/.env",
    ] {
        let reply = visit(port, &format!("/shop/{secret}"));
        assert!(matches!(reply.status, 403 | 404), "{secret}: {reply}");
        assert!(!reply.text().contains("SECRET"), "{secret}: {reply}");
    }

    // Once more: nothing is changed, and this is said.
    let again = init(&site, &["--yes"]);
    again.assert_quiet();
    says(&again, "Nothing to do");

    // What somebody has changed stays, unless it is to be replaced; then it is kept.
    let own = "# my own rules\n";
    fs::write(site.join(".htaccess"), own).unwrap();
    init(&site, &["--yes"])
        .assert_exit(2)
        .assert_told("WC095")
        .assert_told(".htaccess.bak");
    assert_eq!(fs::read_to_string(site.join(".htaccess")).unwrap(), own);
    let forced = init(&site, &["--yes", "--force"]);
    forced.assert_quiet();
    says(&forced, "replaced: ");
    assert_eq!(fs::read_to_string(site.join(".htaccess.bak")).unwrap(), own);
    assert_eq!(visit(port, "/shop/.htaccess.bak").status, 403);
    assert_eq!(visit(port, "/shop/").status, 200);
}

/// By `script`, which gives it a terminal.
#[test]
fn a_person_at_a_terminal_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("app.py"), "").unwrap();
    fs::write(folder.path().join("requirements.txt"), "").unwrap();
    for (answer, is_written) in [("", false), ("n", false), ("y", true)] {
        let command = format!(
            "echo {answer} | script -qec '{} init --server xinetd' /dev/null",
            installed().join("wsgi-cgi").display()
        );
        let done = Command::new("sh")
            .args(["-c", &command])
            .env("NO_COLOR", "1")
            .current_dir(folder.path())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&done.stdout);
        assert!(
            text.contains("server_args = inetd") && text.contains("Write this? [y/N]"),
            "{text}"
        );
        assert_eq!(text.contains("written: "), is_written, "{text}");
        assert_eq!(text.contains("Nothing was written."), !is_written, "{text}");
        // The packages are listed, and nothing has installed them.
        let hint = format!("python3 -m venv {}/.venv", folder.path().display());
        assert_eq!(text.contains(&hint), is_written, "{text}");
    }
}

/// Root's files would be in the owner's way.
#[test]
fn what_root_writes_is_the_folders_owners() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let site = folder.path().join("site");
    fs::create_dir(&site).unwrap();
    fs::write(site.join("app.py"), "").unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    chown(&site, Some(4321), Some(4321)).unwrap();
    fs::write(site.join(".htaccess"), "mine").unwrap();
    init(&site, &["--yes", "--force"]).assert_quiet();
    let config = ["config", "systemd", "--output", "units/new", "app.py"];
    let done = Run::by_hand(&config)
        .program(installed().join("wsgi-cgi"))
        .directory(&site)
        .done();
    done.assert_quiet();
    for name in [".htaccess", "app.cgi", "units", "units/new"] {
        let status = fs::symlink_metadata(site.join(name)).unwrap();
        assert_eq!((status.uid(), status.gid()), (4321, 4321), "{name}");
    }
    assert_eq!(
        fs::read_to_string(site.join(".htaccess.bak")).unwrap(),
        "mine"
    );
}

#[test]
fn a_strangers_link_leads_root_into_no_folder_of_roots() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let [site, roots] = ["site", "roots"].map(|name| folder.path().join(name));
    for folder in [&site, &roots] {
        fs::create_dir(folder).unwrap();
    }
    fs::write(site.join("app.py"), "").unwrap();
    let link = site.join("units");
    symlink(&roots, &link).unwrap();
    lchown(&link, Some(4321), Some(4321)).unwrap();
    chown(&site, Some(4321), Some(4321)).unwrap();
    for output in ["units", "units/new", link.to_str().unwrap()] {
        let config = ["config", "systemd", "--output", output, "app.py"];
        let done = Run::by_hand(&config)
            .program(installed().join("wsgi-cgi"))
            .directory(&site)
            .done();
        done.assert_exit(2);
        assert_eq!(fs::read_dir(&roots).unwrap().count(), 0, "{output}");
    }
}

/// A domain of its own may have its folder below another one's.
#[test]
fn the_address_is_what_was_typed_else_what_the_folders_place_tells() {
    for (words, address) in [
        (&["--yes"][..], "/shop/"),
        (&["--yes", "--url", "/"], "/"),
        (&["--yes", "--url", "/other"], "/other/"),
    ] {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("public_html/shop");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("app.py"), "").unwrap();
        init(&folder, words).assert_quiet();
        let text = fs::read_to_string(folder.join(".htaccess")).unwrap();
        let line = format!("\nFallbackResource {address}app.cgi\n");
        assert!(text.contains(&line), "{words:?}: {text}");
    }
}

#[test]
fn a_folder_without_an_application_is_told() {
    let folder = tempfile::tempdir().unwrap();
    init(folder.path(), &["--yes"])
        .assert_exit(3)
        .assert_told("WC012");
    init(folder.path(), &["--yes", "no-such-folder"])
        .assert_exit(2)
        .assert_told("no-such-folder");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
