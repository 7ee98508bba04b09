//! Requests that failed under real servers, in functions and in watchdogs are kept as well.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use super::record::{Folder, message, replay, upload};
use crate::support::http::Connection;
use crate::support::run::Run;
use crate::support::server::{ALL, server};
use crate::support::{app, until, write_program};

/// The server's user makes the folder, in one where everybody may.
#[test]
fn under_every_server_an_upload_that_fails_is_answered_and_kept() {
    let source = fs::read_to_string(app("recorded.py")).unwrap();
    for kind in ALL {
        let server = server(kind);
        let folder = Folder::new();
        fs::set_permissions(folder.0.path(), fs::Permissions::from_mode(0o777)).unwrap();
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
