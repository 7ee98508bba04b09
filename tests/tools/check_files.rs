//! `wsgi-cgi check`: the script, who may read and write, what a visitor could read.

use std::fs;
use std::os::unix::fs::{chown, symlink};
use std::path::Path;

use super::checked::{Folder, GOOD, mode};
use crate::support::{PROGRAM, python};

/// An id that may run scripts under suexec.
const SOMEBODY: u32 = 4321;

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A script of somebody, with this first line.
fn script(line: &str, rights: u32) -> Folder {
    let folder = Folder::with(&[]);
    folder.write("app.cgi", &format!("{line}\n{GOOD}"), rights);
    folder
}

fn ours(rest: &str) -> String {
    format!("#!{PROGRAM}{rest}")
}

#[test]
fn a_script_that_the_kernel_starts_is_clean() {
    script(&ours(""), 0o755)
        .check_of(&["--no-run"], "app.cgi")
        .is(&[]);
    script("#!/usr/bin/env -S sh --debug", 0o755)
        .check_of(&["--no-run"], "app.cgi")
        .is(&[]);
    // No web server starts it: neither a name nor a run bit nor our name says so.
    let folder = Folder::with(&[("app.py", &format!("#!/none\r\n{GOOD}"))]);
    folder.check(&["--no-run"]).is(&[]);
}

#[test]
fn each_fault_of_the_first_line_is_found_and_mended() {
    // Where wsgi-cgi is installed, `env` finds it.
    let mut folders = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin".split(':');
    let is_installed = folders.any(|folder| Path::new(folder).join("wsgi-cgi").exists());
    for (line, rights, codes) in [
        (ours("\r"), 0o755, &["WC110"][..]),
        (ours(""), 0o644, &["WC111"]),
        ("#!/usr/bin/env sh -x".into(), 0o755, &["WC114"]),
        ("#!/no/such/wsgi-cgi --debug".into(), 0o755, &["WC115"]),
        ("#!/usr/bin/env wsgi-cgi".into(), 0o755, &["WC117"]),
        ("#! sh".into(), 0o755, &["WC118"]),
        (format!("\u{feff}{}", ours("")), 0o755, &["WC119"]),
        (
            "#!/none/wsgi-cgi --error-log=/none/wsgi-cgi.log".into(),
            0o755,
            &["WC115"],
        ),
        (
            "#!/usr/bin/env -S wsgi-cgi --error-log=/none/a|b&wsgi-cgi.log".into(),
            0o755,
            &["WC117"],
        ),
        ("#!bin/sh".into(), 0o755, &["WC118"]),
        (
            "#!/usr/bin/env wsgi-cgi -v\r".into(),
            0o644,
            &["WC111", "WC110", "WC114", "WC117"],
        ),
    ] {
        let wanted = codes.iter().copied();
        let codes: Vec<_> = wanted
            .filter(|code| *code != "WC117" || !is_installed)
            .collect();
        let folder = script(&line, rights);
        folder.write("bin/sh", "", 0o755);
        let check = |codes: &[&str]| folder.check_of(&["--no-run"], "app.cgi").is(codes);
        check(&codes).mend();
        check(&[]);
        // Its options stay.
        let option = line.split_once("--error-log").map(|(_, option)| option);
        let mended = fs::read_to_string(folder.path("app.cgi")).unwrap();
        assert!(mended.contains(option.unwrap_or_default()), "{mended}");
    }
}

#[test]
fn a_first_line_that_the_kernel_cuts_is_found() {
    for (count, code) in [(60, "WC113"), (120, "WC112")] {
        let folder = script(&format!("#!/{}usr/bin/env sh", "./".repeat(count)), 0o755);
        folder.check_of(&["--no-run"], "app.cgi").is(&[code]);
    }
    let folder = script("#!/usr/bin/env no-such-program", 0o755);
    let found = folder.check_of(&["--no-run"], "app.cgi").is(&["WC117"]);
    found.tells("no-such-program is not in");
}

#[test]
fn env_looks_where_the_web_server_looks() {
    // Below /usr/sbin on every Debian.
    let folder = script("#!/usr/bin/env chroot", 0o755);
    folder
        .check_of(&["--no-run", "--as-cgi"], "app.cgi")
        .is(&[]);
    let found = folder.check_of(&["--no-run", "--as-cgi=lighttpd"], "app.cgi");
    found.is(&["WC117"]).tells("Lighttpd");
}

#[test]
fn a_file_system_without_programs_is_found() {
    if !is_root() {
        return;
    }
    let folder = script(&ours(""), 0o755);
    let place = folder.path("place");
    fs::create_dir(&place).unwrap();
    // In a name space of its own: nothing is left of it.
    let mount =
        "mount -t tmpfs -o noexec,mode=755 none place && cp app.cgi place && exec \"$0\" \"$@\"";
    let words = [
        "--mount",
        "sh",
        "-c",
        mount,
        PROGRAM,
        "check",
        "--json",
        "--no-run",
        "place/app.cgi",
    ];
    let run = crate::support::run::Run::by_hand(&words)
        .program("unshare")
        .without("WSGI_CGI_PYTHON")
        .directory(&folder.path(""));
    super::checked::Found::by(&run).is(&["WC116"]);
}

#[test]
fn what_everybody_can_write_is_found() {
    let folder = Folder::with(&[("app.py", GOOD), ("lib/helper.py", "")]);
    folder.check(&["--no-run"]).is(&[]);
    mode(&folder.path("lib/helper.py"), 0o666);
    folder
        .check(&["--no-run"])
        .is(&["WC121"])
        .tells("chmod o-w");
    mode(&folder.path("lib/helper.py"), 0o644);
    mode(&folder.path("lib"), 0o777);
    folder.check(&["--no-run"]).is(&["WC121"]).tells("0777");
    // What others have put there cannot be replaced.
    mode(&folder.path("lib"), 0o1777);
    folder.check(&["--no-run"]).is(&[]);
}

#[test]
fn each_demand_of_suexec_is_checked() {
    if !is_root() {
        return;
    }
    let folder = || {
        let folder = script(&ours(""), 0o755);
        for name in ["", "app.cgi"] {
            chown(folder.path(name), Some(SOMEBODY), Some(SOMEBODY)).unwrap();
        }
        folder
    };
    let check = |folder: &Folder, codes: &[&str]| {
        folder
            .check_of(&["--no-run", "--as-cgi=suexec"], "app.cgi")
            .is(codes)
            .exits(i32::from(!codes.is_empty()))
    };
    check(&folder(), &[]);

    let other = folder();
    mode(&other.path(""), 0o775);
    check(&other, &["WC122"]);
    // Elsewhere it is worth a word.
    let elsewhere = other.check_of(&["--no-run"], "app.cgi");
    elsewhere.is(&["WC122"]).exits(0).mend();
    check(&other, &[]);

    let other = folder();
    mode(&other.path("app.cgi"), 0o775);
    check(&other, &["WC123"]).mend();
    check(&other, &[]);

    let other = folder();
    mode(&other.path("app.cgi"), 0o4755);
    check(&other, &["WC124"]).mend();
    check(&other, &[]);

    let other = folder();
    chown(other.path("app.cgi"), Some(SOMEBODY + 1), None).unwrap();
    check(&other, &["WC125"]);

    let other = folder();
    for name in ["", "app.cgi"] {
        chown(other.path(name), Some(0), Some(0)).unwrap();
    }
    check(&other, &["WC126"]);

    let other = folder();
    let words = ["--no-run", "--as-cgi=suexec", "--document-root", "/var/www"];
    other
        .check_of(&words, "app.cgi")
        .is(&["WC127"])
        .tells("/var/www");

    let other = folder();
    symlink("app.cgi", other.path("link.cgi")).unwrap();
    let words = ["--no-run", "--as-cgi=suexec"];
    other.check_of(&words, "link.cgi").is(&["WC128"]);
}

#[test]
fn what_a_visitor_could_read_is_found() {
    let folder = || Folder::with(&[("app.py", GOOD), ("static/style.css", "")]);
    let served = ["--no-run", "--document-root", "."];
    let check = |folder: &Folder, codes: &[&str]| folder.check(&served).is(codes);
    check(&folder(), &[]);
    for (name, text, code) in [
        (".env", "PASSWORD=1", "WC130"),
        ("config/.env.production", "PASSWORD=1", "WC130"),
        ("tls/site.key", "-", "WC130"),
        ("db.sqlite3", "-", "WC131"),
        ("tls/site.pem", "-----BEGIN PRIVATE KEY-----", "WC130"),
        (".git/config", "-", "WC132"),
        (
            "mysite/settings.py",
            "DEBUG = False\nSECRET_KEY = 'x'\n",
            "WC134",
        ),
    ] {
        let site = folder();
        site.write(name, text, 0o644);
        check(&site, &[code]).tells(name.split('/').next().unwrap());
        // What the server cannot read, it does not hand out.
        mode(&site.path(name), 0o600);
        if !name.starts_with(".git/") {
            check(&site, &[]);
        }
        // Without a document root, an application's folder is no matter.
        mode(&site.path(name), 0o644);
        site.check(&["--no-run"]).is(&[]);
    }
    let site = folder();
    python::virtualenv(&python::default(), &site.path(".venv"));
    check(&site, &["WC133"]).tells("# wsgi-cgi: python=");
    // Neither is a model of a file, nor a certificate.
    let site = folder();
    site.write(".env.example", "PASSWORD=", 0o644);
    site.write("certifi/cacert.pem", "-----BEGIN CERTIFICATE-----", 0o644);
    check(&site, &[]);
    // Nor what lies in a folder that is closed.
    site.write("private/.env", "PASSWORD=1", 0o644);
    check(&site, &["WC130"]);
    mode(&site.path("private"), 0o700);
    check(&site, &[]);
    // A secret that comes from elsewhere is none.
    let site = folder();
    site.write(
        "settings.py",
        "import os\nSECRET_KEY = os.environ['SECRET_KEY']\n",
        0o644,
    );
    check(&site, &[]);
}

/// The scripts' owner reads what the web server, another user, does not hand out.
#[test]
fn what_only_suexec_can_read_is_not_handed_out() {
    if !is_root() {
        return;
    }
    let folder = script(&ours(""), 0o755);
    folder.write(".env", "PASSWORD=1", 0o600);
    for name in ["", "app.cgi", ".env"] {
        chown(folder.path(name), Some(SOMEBODY), Some(SOMEBODY)).unwrap();
    }
    let words = ["--no-run", "--as-cgi=suexec", "--document-root", "."];
    folder.check_of(&words, "app.cgi").is(&[]);
    mode(&folder.path(".env"), 0o644);
    folder.check_of(&words, "app.cgi").is(&["WC130"]);
}

#[test]
fn the_folder_of_a_script_may_be_handed_out() {
    let folder = script(&ours(""), 0o755);
    folder.write(".env", "PASSWORD=1", 0o644);
    folder
        .check_of(&["--no-run"], "app.cgi")
        .is(&["WC130"])
        .exits(0);
}
