//! A folder of scripts in place of a web server's cgi-bin: what is run, and what is never shown.

use std::fs;
use std::os::unix::fs::symlink;

use super::gateway::{Scripts, write};
use crate::support::app;

const SHOW: &str = r#"printf 'Content-Type: text/plain\n\n'
for name in SCRIPT_NAME PATH_INFO SCRIPT_FILENAME DOCUMENT_ROOT PATH_TRANSLATED PWD; do
    eval echo "$name=\$$name"
done
echo "arguments=$#""#;

#[test]
fn an_address_names_a_script_and_what_is_behind_it() {
    let scripts = Scripts::new(
        &[("show", SHOW), ("sub/show.sh", SHOW), ("index.cgi", SHOW)],
        &[],
    );
    let root = fs::canonicalize(scripts.folder.path()).unwrap();
    let root = root.to_str().unwrap();
    let text = scripts.get("/sub/show.sh/a%20b?c+d").text();
    for line in [
        "SCRIPT_NAME=/sub/show.sh".to_owned(),
        "PATH_INFO=/a b".to_owned(),
        format!("SCRIPT_FILENAME={root}/sub/show.sh"),
        format!("DOCUMENT_ROOT={root}"),
        format!("PATH_TRANSLATED={root}/a b"),
        format!("PWD={root}/sub"),
        "arguments=0".to_owned(),
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    assert!(
        scripts
            .get("/")
            .text()
            .contains("SCRIPT_NAME=/index.cgi\nPATH_INFO=\n")
    );
    assert_eq!(scripts.get("/sub").status, 404);
    assert_eq!(scripts.get("/none").status, 404);
}

#[test]
fn a_wsgi_file_needs_no_run_bit() {
    let scripts = Scripts::new(&[], &[]);
    let probe = fs::read_to_string(app("serve_probe.py")).unwrap();
    for name in ["app.wsgi", "sub/page.py"] {
        write(scripts.folder.path().join(name), &probe, 0o644);
        let reply = scripts.get(&format!("/{name}/environ/x?{name}"));
        let environ: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!(environ["SCRIPT_NAME"], format!("/{name}"));
        assert_eq!(environ["PATH_INFO"], "/environ/x");
    }
    let reply = scripts
        .listener
        .connect()
        .exchange("POST", "/app.wsgi/echo", &[], b"body");
    assert_eq!(reply.text(), "body");
}

#[test]
fn nothing_outside_the_folder_and_no_source_is_sent() {
    let scripts = Scripts::new(
        &[("show", SHOW), ("__pycache__/x.pyc", "true")],
        &["--list"],
    );
    let folder = scripts.folder.path();
    write(folder.join("notes.txt"), "secret", 0o644);
    write(folder.join(".env"), "secret", 0o755);
    write(folder.join(".git/config"), "secret", 0o755);
    symlink("/bin/true", folder.join("outside")).unwrap();
    symlink("/etc", folder.join("etc")).unwrap();
    symlink("show", folder.join("link")).unwrap();
    for (target, status) in [
        ("/notes.txt", 403),
        ("/.env", 404),
        ("/.git/config", 404),
        ("/outside", 404),
        ("/etc/passwd", 404),
        ("/../../../../bin/true", 404),
        ("/%2e%2e/%2e%2e/%2e%2e/bin/true", 404),
        ("/sub%2F..%2F..%2F..%2Fbin%2Ftrue", 404),
        ("/show/../notes.txt", 403),
    ] {
        let reply = scripts.get(target);
        assert_eq!(reply.status, status, "{target}\n{reply}");
        assert!(!reply.text().contains("secret"), "{target}\n{reply}");
    }
    assert!(scripts.get("/link").text().contains("SCRIPT_NAME=/link"));
}

#[test]
fn folders_are_listed_where_that_is_wanted() {
    let scripts = Scripts::new(&[("show", SHOW), ("sub/a<b>", SHOW)], &["--list"]);
    write(scripts.folder.path().join("notes.txt"), "", 0o644);
    symlink("/usr", scripts.folder.path().join("out")).unwrap();
    let none = scripts.get("/none").text();
    for target in ["/out", "/out/", "/out/bin", "/out/none"] {
        let reply = scripts.get(target);
        assert_eq!((reply.status, reply.text()), (404, none.clone()));
    }
    let page = scripts.get("/").text();
    assert!(
        page.contains("href=\"./show\"") && page.contains("href=\"./sub/\""),
        "{page}"
    );
    assert!(!page.contains("notes") && !page.contains("out"), "{page}");
    let reply = scripts.get("/sub?x");
    assert_eq!(
        (reply.status, reply.field("Location")),
        (301, Some("/sub/?x"))
    );
    let page = scripts.get("/sub/").text();
    assert!(
        page.contains("a&lt;b&gt;") && page.contains("./a%3Cb%3E"),
        "{page}"
    );
    assert!(
        scripts
            .get("/sub/a%3Cb%3E")
            .text()
            .contains("SCRIPT_NAME=/sub/a<b>")
    );
    assert_eq!(Scripts::new(&[("show", SHOW)], &[]).get("/").status, 404);
}

#[test]
fn a_body_reaches_a_script_whole() {
    let script = r#"printf 'Content-Type: text/plain\n\n'; echo "$CONTENT_LENGTH $(wc -c)""#;
    let scripts = Scripts::new(&[("count", script)], &[]);
    for size in [0, 1, 65_536, 65_537, 1_000_000] {
        let body = vec![b'x'; size];
        let fields = [("Content-Type", "text/plain")];
        let reply = scripts
            .listener
            .connect()
            .exchange("POST", "/count", &fields, &body);
        let length = if size == 0 {
            String::new()
        } else {
            size.to_string()
        };
        assert_eq!(reply.text(), format!("{length} {size}\n"));
    }
}

#[test]
fn limits_hold_for_scripts_in_any_language() {
    let script = "printf 'Content-Type: text/plain\\n\\n'; ulimit -v; ulimit -t; env | grep WSGI_CGI | grep -v WARM";
    let scripts = Scripts::new(
        &[("limits", script)],
        &["--max-memory=512M", "--max-cpu=7", "--debug=false"],
    );
    let text = scripts.get("/limits").text();
    assert_eq!(
        text,
        "524288\n7\nWSGI_CGI_DEBUG=false\nWSGI_CGI_PYTHON=/usr/bin/python3\n"
    );
    write(
        scripts.folder.path().join("broken"),
        "#!/no/such/program\n",
        0o755,
    );
    let reply = scripts.get("/broken");
    assert!(
        reply.status == 500 && reply.text().contains("WC082"),
        "{reply}"
    );
}

#[test]
fn an_application_with_our_own_first_line_is_one_of_them() {
    let scripts = Scripts::new(&[], &["--debug"]);
    let failures = fs::read_to_string(app("failures.py")).unwrap();
    let program = crate::support::PROGRAM;
    for (name, options, shown) in [
        ("fails", "-v --timeout=20", true),
        ("hides", "--debug=false", false),
    ] {
        let text = format!("#!{program} {options}\n{failures}\napplication = raises\n");
        write(scripts.folder.path().join(name), &text, 0o755);
        let reply = scripts.get(&format!("/{name}"));
        assert_eq!(reply.status, 500, "{reply}");
        assert_eq!(reply.text().contains("ZeroDivisionError"), shown, "{reply}");
        assert_eq!(
            reply.text().contains("Last lines on stderr"),
            shown,
            "{reply}"
        );
    }
}
