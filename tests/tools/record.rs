//! A request that failed is kept without its secrets, and fails in the same way when it is replayed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::http::Connection;
use crate::support::listener::Setup;
use crate::support::run::{Done, Run};
use crate::support::server::{ALL, server};
use crate::support::{app, until, write_program};

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Not there before the first failure.
    fn path(&self) -> PathBuf {
        self.0.path().join("records")
    }

    fn option(&self) -> String {
        format!("--record={}", self.path().display())
    }

    fn files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path()).into_iter().flatten();
        let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    }

    /// The one record.
    #[track_caller]
    fn record(&self) -> (PathBuf, Value) {
        let files = self.files();
        let [file] = files.as_slice() else {
            panic!("{files:?}");
        };
        let mode = fs::metadata(file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", file.display());
        (
            file.clone(),
            serde_json::from_slice(&fs::read(file).unwrap()).unwrap(),
        )
    }
}

fn run(application: &str, folder: &Folder) -> Run {
    Run::of(&format!("recorded.py:{application}")).option(folder.option())
}

fn replay(file: &Path, application: &str) -> Done {
    let application = app(&format!("recorded.py:{application}"));
    let words = [
        "request".as_ref(),
        "--event".as_ref(),
        file.as_os_str(),
        application.as_os_str(),
    ];
    Run::by_hand(&words).done()
}

/// The message of a failure, with what was seen of the request.
#[track_caller]
fn message(log: &str) -> String {
    let line = log
        .lines()
        .find_map(|line| Some(line.split_once("WC040 ")?.1));
    line.unwrap_or_else(|| panic!("{log}")).to_owned()
}

/// No text, longer than a pipe holds, and with something in it that is like a form.
fn upload() -> Vec<u8> {
    let mut body: Vec<u8> = (0..300_000_u32)
        .map(|number| (number % 251) as u8)
        .collect();
    body.extend(b"--x\r\n\r\n&password");
    body
}

#[test]
fn an_upload_that_failed_fails_again_when_it_is_replayed() {
    let folder = Folder::new();
    let request = run("upload", &folder)
        .post(upload())
        .request("POST", "/caf%C3%A9?a=b%20c&d")
        .variable("CONTENT_TYPE", "application/octet-stream")
        .variable("PATH_INFO", "/caf\u{e9} au lait");
    let done = request.done();
    done.assert_status("500 Internal Server Error")
        .assert_told("recorded: wsgi-cgi request --event");
    let (file, record) = folder.record();
    assert_eq!(record["record"]["code"], "WC040");
    assert_eq!(record["path"], "/caf%C3%A9%20au%20lait?a=b%20c&d");
    assert!(
        record["record"]["detail"]
            .as_str()
            .unwrap()
            .contains("line 12, in upload"),
        "{record}"
    );
    let again = replay(&file, "upload");
    again.assert_exit(1);
    assert_eq!(message(&again.err), message(&done.err));
}

#[test]
fn a_worker_s_and_a_listener_s_failures_are_kept_as_well() {
    let site = crate::warm::Site::with(&fs::read_to_string(app("recorded.py")).unwrap());
    let folder = Folder::new();
    let run = || {
        let application = format!("{}:upload", site.path("app.py").display());
        let run =
            Run::with_arguments(&[folder.option(), application]).directory(site.folder.path());
        run.variable("TMPDIR", site.path("run"))
            .variable("WSGI_CGI_WARM", "1")
            .variable("WSGI_CGI_VERBOSE", "1")
    };
    site.start_for(&run());
    let done = run().post(upload()).done();
    assert!(!done.err.contains("runs cold"), "{done}");
    let (file, _) = folder.record();
    assert_eq!(message(&replay(&file, "upload").err), message(&done.err));

    for warm in ["--warm=false", "--warm=true"] {
        let folder = Folder::new();
        let application = app("recorded.py:upload");
        let listener = Setup::with(&application)
            .option(folder.option())
            .option(warm)
            .start();
        let body = upload();
        let reply = listener
            .connect()
            .exchange("PUT", "/x", &[("Cookie", "id=oatmeal")], &body);
        assert_eq!(reply.status, 500, "{warm}");
        listener.told("recorded:");
        let told = listener.told("WC040");
        let (file, record) = folder.record();
        assert_eq!(
            message(&replay(&file, "upload").err),
            message(&told),
            "{warm}"
        );
        assert!(!record.to_string().contains("oatmeal"), "{record}");
    }
}

#[test]
fn what_ends_without_a_word_is_kept_by_whoever_answers_for_it() {
    for (application, options, code) in [
        ("sleeps", &["--timeout=0.5"][..], "WC054"),
        ("ends", &[], "WC052"),
        ("is_cut", &[], "WC050"),
        ("answers", &[], "WC056"),
        ("no_such_name", &[], "WC013"),
    ] {
        let folder = Folder::new();
        let mut request = run(application, &folder).post("the body");
        for option in options {
            request = request.option(option);
        }
        let done = request.done();
        let (file, record) = folder.record();
        assert_eq!(record["record"]["code"], code, "{done}");
        assert_eq!(record["body"], "the body", "{application}");
        assert!(file.to_str().unwrap().contains(code), "{}", file.display());
        if code == "WC056" {
            assert_eq!(record["record"]["detail"], "Traceback of the framework\n");
            assert!(
                record["record"]["message"]
                    .as_str()
                    .unwrap()
                    .ends_with("503 Out of Tea")
            );
            done.assert_exit(0);
        }
    }
    for application in ["is_well", "environ_json.py"] {
        let folder = Folder::new();
        let application = application.replace("is_well", "recorded.py:is_well");
        Run::of(&application)
            .option(folder.option())
            .post("x")
            .done()
            .assert_exit(0);
        assert!(folder.files().is_empty());
    }
    // The client's fault.
    let folder = Folder::new();
    let request = run("upload", &folder).variable("CONTENT_LENGTH", "many");
    request.done().assert_status("400 Bad Request");
    assert!(folder.files().is_empty());
}

#[test]
fn nothing_secret_is_in_the_file() {
    let multipart =
        "--x\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\nmarzipan\r\n--x--\r\n";
    for (kind, body, kept) in [
        (
            "application/x-www-form-urlencoded",
            "user=me&password=marzi%70an&x=1",
            "user=me",
        ),
        ("multipart/form-data; boundary=x", multipart, "form-data"),
        (
            "application/json",
            r#"{"user": "me", "api_key": {"is": "marzipan"}, "password": "marzipan"}"#,
            "user",
        ),
    ] {
        let folder = Folder::new();
        let done = run("quotes", &folder)
            .post(body)
            .request("POST", "/a?token=treacle-tart&page=2")
            .variable("REQUEST_URI", "/a?token=treacle-tart&page=2")
            .variable(
                "HTTP_REFERER",
                "https://example.org/?page=1&token=treacle-tart",
            )
            .variable("CONTENT_TYPE", kind)
            .variable("HTTP_COOKIE", "sessionid=gingerbread; theme=nougat-dark")
            .variable("HTTP_AUTHORIZATION", "Basic bWU6c2hvcnRicmVhZA==")
            .variable("HTTP_X_API_KEY", "butterscotch")
            .variable("DATABASE_PASSWORD", "rhubarb-crumble")
            .variable("REDIRECT_DATABASE_PASSWORD", "rhubarb-crumble")
            .done();
        assert!(done.err.contains("ValueError: b"), "{done}");
        let (file, record) = folder.record();
        let text = fs::read_to_string(&file).unwrap();
        for secret in [
            "marzi",
            "treacle",
            "gingerbread",
            "nougat",
            "shortbread",
            "bWU6",
            "butterscotch",
            "rhubarb",
        ] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
        assert!(text.contains(kept) && text.contains("page=2"), "{text}");
        assert_eq!(
            record["variables"]["HTTP_COOKIE"],
            "sessionid=***; theme=***"
        );
        replay(&file, "quotes").assert_exit(1);
    }
}

#[test]
fn a_long_body_is_cut_and_a_full_folder_keeps_the_newest() {
    let folder = Folder::new();
    fs::create_dir(folder.path()).unwrap();
    for number in 0..120 {
        let name = format!("20200101T000{number:03}.000000Z-WC040-1.json");
        fs::write(folder.path().join(name), "{}").unwrap();
    }
    fs::write(folder.path().join("notes.json"), "mine").unwrap();
    let body = vec![b'a'; (1 << 20) + 5];
    run("upload", &folder).post(body).done().assert_exit(1);
    let files = folder.files();
    assert_eq!(files.len(), 101, "{files:?}");
    let names: Vec<_> = files
        .iter()
        .map(|file| file.file_name().unwrap().to_str().unwrap())
        .collect();
    assert!(
        names.contains(&"notes.json") && names[0].starts_with("20200101T000021"),
        "{names:?}"
    );
    let newest = &files[files.len() - 2];
    let record: Value = serde_json::from_slice(&fs::read(newest).unwrap()).unwrap();
    assert_eq!(record["record"]["body_cut_from"], (1 << 20) + 5);
    assert_eq!(record["body"].as_str().unwrap().len(), 1 << 20);
}

#[test]
fn a_folder_that_visitors_can_read_is_refused() {
    let folder = Folder::new();
    let done = run("upload", &folder)
        .variable("DOCUMENT_ROOT", folder.0.path())
        .done();
    done.assert_status("500 Internal Server Error")
        .assert_told("WC074")
        .assert_told("document root");
    assert!(folder.files().is_empty());
}

/// Its folder is another user's, where root starts the server.
#[test]
fn under_every_server_an_upload_that_fails_is_answered_and_kept() {
    let source = fs::read_to_string(app("recorded.py")).unwrap();
    for kind in ALL {
        let server = server(kind);
        let folder = Folder::new();
        for path in [folder.0.path().to_owned(), folder.path()] {
            let _ = fs::create_dir(&path);
            fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
        }
        let program = server.root.join("bin/wsgi-cgi");
        let text = format!(
            "#!{}\n# wsgi-cgi: python=/usr/bin/python3 record={}\n{source}\napplication = upload\n",
            program.display(),
            folder.path().display()
        );
        let name = format!("recorded-{kind:?}.cgi");
        write_program(&server.root.join("cgi-bin").join(&name), &text, 0o755);
        let target = format!("/cgi-bin/{name}/a%20b?c=d");
        for number in 1..=3 {
            let reply = Connection::to(server.port).exchange("POST", &target, &[], &upload());
            let is_right = reply.status == 500 && reply.text().contains("WC040");
            assert!(is_right, "{server}: {reply}");
            until("the record", || folder.files().len() == number);
        }
        let message = |log: &str| {
            let line = log.lines().find(|line| line.contains("ValueError: "));
            line.unwrap_or_default()
                .split("ValueError: ")
                .nth(1)
                .map(|text| text.split(" (").next().unwrap_or_default().to_owned())
        };
        let file = folder.files().remove(0);
        let record: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        let told = message(record["record"]["message"].as_str().unwrap());
        assert!(told.is_some(), "{record}");
        assert_eq!(message(&replay(&file, "upload").err), told, "{server}");
    }
}

#[test]
fn events_and_functions_are_kept_too() {
    let folder = Folder::new();
    let application = app("recorded.py:upload");
    let event = r#"{"version": "2.0", "rawPath": "/x", "rawQueryString": "token=treacle",
        "headers": {"host": "a", "content-type": "text/plain", "authorization": "Bearer gingerbread"},
        "requestContext": {"http": {"method": "POST", "path": "/x", "sourceIp": "1.2.3.4"}, "domainName": "a.lambda-url.b"},
        "body": "hello", "isBase64Encoded": false}"#;
    let option = folder.option();
    let words = ["lambda".as_ref(), option.as_ref(), application.as_os_str()];
    let done = Run::by_hand(&words).input(event).done();
    let (file, record) = folder.record();
    assert_eq!(record["body"], "hello", "{done}");
    assert!(
        !record.to_string().contains("treacle") && !record.to_string().contains("gingerbread"),
        "{record}"
    );
    assert_eq!(message(&replay(&file, "upload").err), message(&done.err));

    let folder = Folder::new();
    let option = folder.option();
    let words = [
        "watchdog".as_ref(),
        option.as_ref(),
        application.as_os_str(),
    ];
    let done = Run::by_hand(&words)
        .input("hello")
        .variable("Http_Method", "POST")
        .variable("Http_Path", "/x")
        .variable("Http_ContentLength", "-1")
        .variable("combine_output", "false")
        .done();
    let (file, record) = folder.record();
    assert_eq!(record["body"], "hello", "{done}");
    assert_eq!(message(&replay(&file, "upload").err), message(&done.err));
}
