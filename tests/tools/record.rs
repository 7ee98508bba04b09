//! A request that failed is kept without its secrets, and fails in the same way when it is replayed.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use tempfile::TempDir;

use crate::doors::request::validate;
use crate::support::app;
use crate::support::listener::Setup;
use crate::support::run::{Done, Run, Watch};

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

pub struct Folder(pub TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Not there before the first failure.
    pub fn path(&self) -> PathBuf {
        self.0.path().join("records")
    }

    pub fn option(&self) -> String {
        format!("--record={}", self.path().display())
    }

    pub fn files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path()).into_iter().flatten();
        let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    }

    /// The one record.
    #[track_caller]
    pub fn record(&self) -> (PathBuf, Value) {
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

pub fn replay(file: &Path, application: &str) -> Done {
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
pub fn message(log: &str) -> String {
    let line = log
        .lines()
        .find_map(|line| Some(line.split_once("WC040 ")?.1));
    line.unwrap_or_else(|| panic!("{log}")).to_owned()
}

/// No text, longer than a pipe holds, and with something in it that is like a form.
pub fn upload() -> Vec<u8> {
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
            .contains("line 14, in upload"),
        "{record}"
    );
    let again = replay(&file, "upload");
    again.assert_exit(1);
    assert_eq!(message(&again.err), message(&done.err));
}

/// RFC 3875 has no REQUEST_URI; one that the replay makes up would say that nothing leads to the application.
#[test]
fn a_replay_keeps_the_place_of_a_request_without_its_address() {
    for address in [None, Some("/base/page")] {
        let folder = Folder::new();
        let mut request = run("place", &folder)
            .variable("SCRIPT_NAME", "/base")
            .variable("PATH_INFO", "/page")
            // They are the deployment's, and no event takes them.
            .variable("SERVER_ENV", "production")
            .variable("REDIRECT_SERVER_ENV", "production");
        if let Some(address) = address {
            request = request.variable("REQUEST_URI", address);
        }
        let done = request.done();
        assert!(done.err.contains("('/base', '/page'"), "{done}");
        let (file, record) = folder.record();
        assert_eq!(message(&replay(&file, "place").err), message(&done.err));
        assert!(!record.to_string().contains("SERVER_ENV"), "{record}");
        assert!(validate("request.json", &record.to_string()), "{record}");
    }
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
    for (name, below) in [("DOCUMENT_ROOT", ""), ("SCRIPT_FILENAME", "app.cgi")] {
        let folder = Folder::new();
        let done = run("upload", &folder)
            .variable(name, folder.0.path().join(below))
            .done();
        done.assert_status("500 Internal Server Error")
            .assert_told("WC074")
            .assert_told("document root");
        assert!(!folder.path().exists());
    }
}

#[test]
fn a_folder_in_which_others_can_write_is_refused() {
    for (mode, owner, told) in [
        (0o777, None, "chmod go-w"),
        (0o1777, None, "chmod go-w"),
        (0o770, None, "chmod go-w"),
        (0o700, Some(12345), "another user"),
    ] {
        let folder = Folder::new();
        let path = folder.path();
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        // Only root can give it away, and could write in it all the same.
        if owner.is_some() && chown(&path, owner, None).is_err() {
            continue;
        }
        let old = path.join("20200101T000000.000000Z-WC040-1.json");
        fs::write(&old, "{}").unwrap();
        let done = run("upload", &folder).post("x").done();
        done.assert_status("500 Internal Server Error")
            .assert_told("WC074")
            .assert_told(told);
        assert_eq!(folder.files(), [old]);
    }
}

#[test]
fn a_secret_is_masked_however_the_application_shows_it() {
    let many: String = (0..300)
        .map(|number| format!("token{number}=filler{number:04}&"))
        .collect();
    for (query, kind, body) in [
        ("", FORM, "password=a%5Cmarzipan"),
        ("", FORM, "password=%27%22marzipan"),
        (
            "",
            FORM,
            "private_key=-----BEGIN%0Amarzipan%0A%C3%A9%F0%9F%8D%B0",
        ),
        ("", FORM, "payload=%7B%22otp%22%3A%22marzipan%22%7D"),
        ("", JSON, r#"{"credentials": {"value": "marzipan"}}"#),
        ("", JSON, r#"{"tokens": [1, ["marzipan"]]}"#),
        ("", JSON, r#"{"pa\u0073s": "marzi\u0070an"}"#),
        (many.as_str(), FORM, "pass=marzipan"),
        ("pass=marzipan", FORM, ""),
        ("pin=marzipan", FORM, ""),
        ("otp=marzipan", FORM, ""),
        ("sid=marzipan", FORM, ""),
        ("session=marzipan", FORM, ""),
        ("code=marzipan", FORM, ""),
        ("sig=marzipan", FORM, ""),
        ("auth=marzipan", FORM, ""),
        ("csrf=marzipan", FORM, ""),
        ("SAMLResponse=marzipan", FORM, ""),
        ("hmac=marzipan", FORM, ""),
    ] {
        let folder = Folder::new();
        let done = run("parses", &folder)
            .post(body)
            .request("POST", &format!("/?{query}"))
            .variable("CONTENT_TYPE", kind)
            .variable("HTTP_AUTHORIZATION", "Bearer gingerbread")
            .done();
        assert!(done.err.contains("marzipan"), "{done}");
        let (file, record) = folder.record();
        let text = record.to_string();
        for secret in ["marzi", "gingerbread", "filler"] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
        replay(&file, "parses").assert_exit(1);
    }
}

/// Nobody can look into it for secrets.
#[test]
fn a_body_in_which_no_secret_can_be_found_is_left_out() {
    for (name, value, body) in [
        ("HTTP_CONTENT_ENCODING", "gzip", "marzipan"),
        ("CONTENT_TYPE", "application/json", "{\0\"\0p\0i\0n\0\"\0"),
    ] {
        let folder = Folder::new();
        run("upload", &folder)
            .post(body)
            .variable(name, value)
            .done()
            .assert_exit(1);
        let (_, record) = folder.record();
        assert_eq!(record["record"]["left_out"][0], "body", "{name}");
        assert_eq!(record.get("body"), None);
        assert_eq!(record.get("body_base64"), None);
    }
}

#[test]
fn a_body_of_unknown_length_is_kept_and_one_that_does_not_come_is_late() {
    let folder = Folder::new();
    let done = run("upload", &folder)
        .input(upload())
        .variable("REQUEST_METHOD", "POST")
        .variable("HTTP_TRANSFER_ENCODING", "chunked")
        .done();
    let (file, _) = folder.record();
    assert_eq!(message(&replay(&file, "upload").err), message(&done.err));

    let mut waiting = run("upload", &folder)
        .variable("CONTENT_LENGTH", "10")
        .option("--timeout=0.2")
        .option("--warm=false")
        .command()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let input = waiting.stdin.take();
    let watch = Watch::over(&waiting);
    let answer = waiting.wait_with_output().unwrap();
    drop((input, watch));
    let text = String::from_utf8_lossy(&answer.stdout);
    assert!(
        text.starts_with("Status: 504 ") && text.contains("WC054"),
        "{text}"
    );
    assert_eq!(answer.status.code(), Some(124));
}

#[test]
fn the_printed_command_asks_the_same_application_again() {
    let site = tempfile::tempdir().unwrap();
    let place = site.path().join("it's mine");
    fs::create_dir(&place).unwrap();
    fs::copy(app("recorded.py"), place.join("recorded.py")).unwrap();
    let file = place.join("recorded.py:upload");
    for application in [file.to_str().unwrap(), "recorded:upload"] {
        let records = place.join("records");
        let done = Run::with_arguments(&[application])
            .option(format!("--record={}", records.display()))
            .directory(&place)
            .post("the body")
            .done();
        let (_, command) = done.err.split_once("recorded: ").unwrap();
        let programs = Path::new(crate::support::PROGRAM).parent().unwrap();
        let again = Run::by_hand(&["-c", command])
            .program("/bin/sh")
            .variable("PATH", format!("{}:/usr/bin:/bin", programs.display()))
            .variable("WSGI_CGI_WARM", "0")
            .directory(site.path())
            .done();
        assert_eq!(message(&again.err), message(&done.err), "{command}");
    }
}

#[test]
fn without_a_place_for_its_body_a_request_is_answered_all_the_same() {
    let folder = Folder::new();
    let done = run("is_well", &folder)
        .post("the body")
        .option("--warm=false")
        .variable("TMPDIR", folder.0.path().join("nowhere"))
        .done();
    done.assert_status("404 Not Found")
        .assert_told("WC074")
        .assert_told("nowhere");
    assert!(folder.files().is_empty());
}
