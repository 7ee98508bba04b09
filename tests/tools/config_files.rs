//! What `config` prints, writes and refuses.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::frameworks::site::virtualenv;
use crate::support::run::{Done, Run};
use crate::support::{PROGRAM, app, output};

const SERVERS: [&str; 11] = [
    "apache",
    "htaccess",
    "lighttpd",
    "nginx",
    "nginx-proxy",
    "caddy",
    "systemd",
    "systemd-inetd",
    "xinetd",
    "openfaas",
    "lambda",
];

/// A folder of this name, with an application that tells its environ.
pub fn folder(name: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join(name);
    fs::create_dir(&inner).unwrap();
    fs::copy(app("environ_json.py"), inner.join("app.py")).unwrap();
    folder
}

pub fn config(folder: &Path, words: &[&str]) -> Done {
    Run::by_hand(&[&["config"], words].concat())
        .directory(folder)
        .done()
}

fn printed(folder: &Path, words: &[&str]) -> String {
    let done = config(folder, words);
    done.assert_quiet();
    String::from_utf8(done.out).unwrap()
}

#[test]
fn alone_it_lists_the_servers_and_each_is_told_with_its_steps() {
    let folder = folder("site");
    let list = printed(folder.path(), &[]);
    for server in SERVERS {
        assert!(list.contains(&format!("\n  {server} ")), "{server}: {list}");
        let text = printed(folder.path(), &[server, "site/app.py"]);
        assert!(text.contains("What to do:\n#   "), "{text}");
        assert!(text.is_ascii(), "{text}");
        // Where another machine has the application, it has it elsewhere.
        let place = folder.path().join("site/app.py");
        assert!(text.contains(place.to_str().unwrap()), "{text}");
    }
    config(folder.path(), &["apach", "site/app.py"])
        .assert_exit(2)
        .assert_told("apache");
    config(folder.path(), &["apache"])
        .assert_exit(2)
        .assert_told("WC001");
    config(folder.path(), &["apache", "no/such.py"])
        .assert_exit(3)
        .assert_told("WC010");
}

#[test]
fn several_files_are_printed_with_their_names_and_one_as_it_is() {
    let folder = folder("site");
    let text = printed(folder.path(), &["apache", "site/app.py"]);
    let script = folder.path().join("site/app.cgi");
    assert!(text.starts_with("==> site.conf\n# Apache 2.4"), "{text}");
    let script = format!("\n==> {}   (chmod 755)\n#!{PROGRAM} ", script.display());
    assert!(text.contains(&script), "{text}");
    assert!(printed(folder.path(), &["xinetd", "site/app.py"]).starts_with("# xinetd: "));
}

/// The application's options stand in its script.
#[test]
fn the_script_holds_what_was_typed_and_the_virtualenv_that_was_found() {
    let folder = folder("site");
    let site = folder.path().join("site");
    symlink(virtualenv(), site.join(".venv")).unwrap();
    let words = [
        "nginx",
        "--warm",
        "--error-log=log",
        "--path=lib",
        "--output=out",
        "site/app.py",
    ];
    config(folder.path(), &words).assert_quiet();
    let script = fs::read_to_string(folder.path().join("out/app.cgi")).unwrap();
    let here = folder.path().display();
    for word in [
        format!(" --python={here}/site/.venv "),
        format!(" --path={here}/lib "),
        format!(" --error-log={here}/log "),
        " --warm=true ".into(),
    ] {
        assert!(script.contains(&word), "{script}");
    }
    assert!(
        script.ends_with(&format!(" {here}/site/app.py\n")),
        "{script}"
    );
    // An interpreter that stands in the application itself is not overruled.
    let source = fs::read_to_string(site.join("app.py")).unwrap();
    fs::write(
        site.join("app.py"),
        format!("# wsgi-cgi: python=/usr/bin/python3\n{source}"),
    )
    .unwrap();
    assert!(!printed(folder.path(), &["nginx", "site/app.py"]).contains("--python="));
}

/// Started by the server in a folder of its own, without a shell's environment.
#[test]
fn every_form_of_app_is_run_by_its_script() {
    let folder = folder("site");
    let site = folder.path().join("site");
    fs::create_dir_all(site.join("project/mysite")).unwrap();
    fs::write(site.join("project/manage.py"), "").unwrap();
    fs::copy(app("environ_json.py"), site.join("project/mysite/wsgi.py")).unwrap();
    for (number, application) in [
        "app.py",
        "./app.py:application",
        "../site/app.py",
        ".",
        "app",
        "app:application",
        "project",
    ]
    .into_iter()
    .enumerate()
    {
        let output = format!("--output=out{number}");
        config(&site, &["nginx", &output, application]).assert_quiet();
        let script = site.join(format!("out{number}/app.cgi"));
        let done = Run::by_hand(&[] as &[&str])
            .program(&script)
            .variable("GATEWAY_INTERFACE", "CGI/1.1")
            .variable("SCRIPT_FILENAME", &script)
            .request("GET", "/x?a+b")
            .done();
        done.assert_status("200 OK").assert_quiet();
        let environ: serde_json::Value = serde_json::from_slice(&done.response().body).unwrap();
        assert_eq!(environ["QUERY_STRING"], "a+b", "{application}: {done}");
    }
}

#[test]
fn what_is_there_is_replaced_by_force_only() {
    let folder = folder("site");
    let words = ["lighttpd", "--output=out", "site/app.py"];
    let first = config(folder.path(), &words);
    first.assert_quiet();
    let told = String::from_utf8_lossy(&first.out);
    let step = "on top of 90-site.conf:\n  save this as /etc/lighttpd/conf-enabled/90-site.conf\n";
    assert!(told.contains(step), "{first}");
    let written = folder.path().join("out/90-site.conf");
    let (text, time) = (fs::read(&written).unwrap(), || {
        fs::metadata(&written).unwrap().modified().unwrap()
    });
    let before = time();
    // The same once more is no change.
    let again = config(folder.path(), &words);
    again.assert_quiet();
    assert!(
        String::from_utf8_lossy(&again.out).contains("as it should be: "),
        "{again}"
    );
    assert_eq!(time(), before);
    fs::write(&written, "mine").unwrap();
    fs::remove_file(folder.path().join("out/app.cgi")).unwrap();
    config(folder.path(), &words)
        .assert_exit(2)
        .assert_told("WC095")
        .assert_told("--force");
    assert_eq!(fs::read(&written).unwrap(), b"mine");
    // All or nothing.
    assert!(!folder.path().join("out/app.cgi").exists());
    config(folder.path(), &[&["--force"], &words[..]].concat()).assert_quiet();
    assert_eq!(fs::read(&written).unwrap(), text);
    let mode = fs::metadata(folder.path().join("out/app.cgi"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o755);
}

#[test]
fn what_a_server_cannot_be_told_is_refused_and_the_reason_named() {
    for (name, words, reason) in [
        (
            "a$b",
            &["nginx"][..],
            "nginx cannot be told a name with \"$\"",
        ),
        (
            "a b",
            &["xinetd"],
            "xinetd cannot be told a name with \" \"",
        ),
        ("a b", &["openfaas", "--path=x"], "a path of this machine"),
        (
            "a*b",
            &["apache"],
            "Apache cannot be told a name with \"*\"",
        ),
        ("a${b", &["apache"], "\"${\""),
        ("a\\b", &["lighttpd"], "Lighttpd cannot be told"),
        ("a{b", &["caddy", "--static=/x=."], "Caddy cannot be told"),
        ("a\nb", &["apache"], "control characters"),
        (
            "plain",
            &["htaccess", "--port=80"],
            "--port has no meaning for htaccess",
        ),
        (
            "plain",
            &["xinetd", "--name=x"],
            "--name has no meaning for xinetd",
        ),
        (
            "plain",
            &["lambda", "--url=/x"],
            "--url has no meaning for lambda",
        ),
        (
            "plain",
            &["htaccess", "--static=/files=/srv/files"],
            "what lies in its folder",
        ),
        (
            "plain",
            &["systemd-inetd", "--warm"],
            "--warm has no meaning for systemd-inetd",
        ),
        ("plain", &["nginx-proxy", "--socket=unix:a:b"], "at a colon"),
    ] {
        let folder = folder(name);
        let words = [words, &["app.py"]].concat();
        config(&folder.path().join(name), &words)
            .assert_exit(2)
            .assert_told("WC095")
            .assert_told(reason);
    }
}

#[test]
fn systemd_finds_nothing_to_complain_about_in_the_units() {
    for server in ["systemd", "systemd-inetd", "nginx-proxy", "caddy"] {
        let folder = folder("it's 50% \"of\" $all");
        let site = folder.path().join("it's 50% \"of\" $all");
        let words = [
            server,
            "--url=/shop",
            "--socket=unix:/run/x y.sock",
            "--output=out",
            "app.py",
        ];
        config(&site, &words).assert_quiet();
        let units = fs::read_dir(site.join("out"))
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let units: Vec<_> = units
            .filter(|path| {
                [".socket", ".service"]
                    .iter()
                    .any(|end| path.to_string_lossy().ends_with(end))
            })
            .collect();
        assert_eq!(units.len(), 2, "{units:?}");
        let done = Command::new("systemd-analyze")
            .arg("verify")
            .args(&units)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success() && said.is_empty(), "{server}: {said}");
    }
}

/// What the tests under real servers leave out: the log in its usual place, which may be root's, and sites beside each
/// other and beside what Debian's packages add.
#[test]
fn lighttpd_takes_several_sites_and_the_usual_log() {
    let folder = folder("site");
    let place = folder.path().display();
    let mut text = format!(
        "server.document-root = \"{place}\"\nserver.modules = ( \"mod_alias\" )\n\
         alias.url += ( \"/javascript\" => \"/usr/share/javascript\" )\n"
    );
    for (number, words) in [
        &["--name=example.org", "--timeout=5"][..],
        &["--name=example.com"],
        &["--url=/shop"],
        &[],
    ]
    .into_iter()
    .enumerate()
    {
        let output = format!("--output=out{number}");
        let words = [&["lighttpd", &output, "site/app.py"], words].concat();
        config(folder.path(), &words).assert_quiet();
        text.push_str(&format!("include \"out{number}/90-site.conf\"\n"));
        let written = folder.path().join(format!("out{number}/90-site.conf"));
        let written = fs::read_to_string(written).unwrap();
        assert!(written.contains("server.breakagelog"), "{written}");
    }
    let main = folder.path().join("main.conf");
    fs::write(&main, text).unwrap();
    output(
        Command::new("/usr/sbin/lighttpd")
            .arg("-tt")
            .arg("-f")
            .arg(&main),
    );
}

/// Without a name, Debian's own first site would answer.
#[test]
fn the_steps_of_a_site_without_a_name_turn_off_the_servers_own() {
    let folder = folder("site");
    for (server, step) in [
        ("apache", "a2dissite 000-default"),
        ("nginx", "rm /etc/nginx/sites-enabled/default"),
        ("nginx-proxy", "rm /etc/nginx/sites-enabled/default"),
        ("caddy", "remove the Caddyfile's own block :80"),
    ] {
        let text = printed(folder.path(), &[server, "site/app.py"]);
        assert!(text.contains(step), "{text}");
        let named = printed(
            folder.path(),
            &[server, "--name=example.org", "site/app.py"],
        );
        assert!(!named.contains(step), "{named}");
    }
}

#[test]
fn caddy_finds_its_file_as_it_should_be() {
    let folder = folder("site");
    let words = [
        "caddy",
        "--url=/shop",
        "--port=8080",
        "--static=/x=.",
        "--document-root=.",
        "--output=.",
        "site/app.py",
    ];
    config(folder.path(), &words).assert_quiet();
    let file = folder.path().join("site.caddy");
    let formatted = output(Command::new("caddy").arg("fmt").arg(&file));
    assert_eq!(
        String::from_utf8(formatted).unwrap(),
        fs::read_to_string(&file).unwrap()
    );
}
