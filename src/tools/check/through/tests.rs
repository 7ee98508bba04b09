//! The judgements, on answers as servers give them.

use serde_json::{Value, json};

use super::facts::Answers;
use contract::handover::Source;

use super::configuration::{self, Whole};
use super::{exchange, judge};
use crate::plan::Settings;
use crate::plan::config::Application;

const URL: &str = "http://h/a%20b/app.cgi/";

/// What Apache's mod_cgi answers where nothing is to be mended.
fn good() -> Vec<Value> {
    let process = json!({
        "name": "abc", "user": 33, "group": 33, "groups": [], "owner": 1001, "umask": 0o022, "folder": "/srv",
        "parent": "apache2", "is_noexec": false, "descriptors": ["pipe", "pipe", "pipe"], "is_shared": false,
        "more_descriptors": [], "stderr_file": null,
        "limits": {"memory": null, "data": null, "cpu": null, "processes": 4000, "files": 1024, "file_size": null},
    });
    let body = |bytes: usize| json!({"how": "length", "bytes": bytes, "is_intact": true, "descriptor": "pipe"});
    vec![
        answer("process", "/process", process),
        answer("slashes", "/address/a/b", json!({})),
        answer("encoded slash", "/address/a/b", json!({})),
        answer("authorization", "/address", json!({})),
        answer("underscore", "/address", json!({})),
        answer("proxy", "/address", json!({})),
        reply("head", json!({"fields": [["content-length", "1000"]]})),
        reply("stream", json!({"body": "first\nstreamed\n"})),
        reply(
            "short",
            json!({"fields": [["content-length", "1000"]], "is_whole": false}),
        ),
        answer("body", "/body", body(200 << 10)),
        answer("large body", "/body", body(3_000_000)),
        answer("chunked body", "/body", body(200 << 10)),
        answer("unread body", "/unread", json!({})),
        answer("large unread body", "/unread", json!({})),
    ]
}

fn reply(name: &str, changes: Value) -> Value {
    let mut reply = json!({"status": 200, "fields": [], "body": "", "is_whole": true});
    for (name, value) in changes.as_object().unwrap() {
        reply[name] = value.clone();
    }
    json!({"name": name, "reply": reply})
}

fn answer(name: &str, path: &str, facts: Value) -> Value {
    let told = json!({
        "environment": {
            "SERVER_SOFTWARE": "Apache/2.4", "PATH": "/bin", "SITE": null, "HTTP_AUTHORIZATION": null,
            "DOCUMENT_ROOT": "/srv", "SCRIPT_FILENAME": "/srv/a b/app.cgi",
        },
        "address": {
            "script_name": "/a b/app.cgi", "path_info": format!("/wsgi-cgi-self-test/TOKEN{path}"), "before": "",
            "rule": "AsGiven", "meaning": "as given",
        },
        "facts": facts,
    });
    reply(name, json!({"body": told.to_string()}))
}

/// One answer of the good ones, changed.
fn changed(name: &str, change: impl Fn(&mut Value)) -> Answers {
    let mut answers = good();
    let place = answers
        .iter_mut()
        .find(|answer| answer["name"] == name)
        .unwrap();
    let mut told: Value = place["reply"]["body"]
        .as_str()
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap();
    change(&mut told);
    place["reply"]["body"] = told.to_string().into();
    understood(answers)
}

/// One answer of the good ones, replaced.
fn replaced(answer: Value) -> Answers {
    let mut answers = good();
    let place = answers
        .iter_mut()
        .find(|found| found["name"] == answer["name"])
        .unwrap();
    *place = answer;
    understood(answers)
}

fn understood(answers: Vec<Value>) -> Answers {
    Answers(
        answers
            .into_iter()
            .map(|answer| serde_json::from_value(answer).unwrap())
            .collect(),
    )
}

/// The row of this name is in this state, its value holds this, and its lines hold that.
#[track_caller]
fn check(answers: &Answers, (name, state, value, line): (&str, &str, &str, &str)) {
    let report = judge(URL, answers).unwrap().report;
    let told: Value = serde_json::from_str(&report.json("", None, &Value::Null)).unwrap();
    let rows = told["seen"].as_array().unwrap();
    let row = rows.iter().find(|row| row["name"] == name).unwrap();
    let is_right = row["state"] == state
        && row["value"].as_str().unwrap().contains(value)
        && row["lines"].to_string().contains(line);
    assert!(is_right, "{name} {state} {value} {line}: {row}");
}

#[test]
fn nothing_is_to_be_changed_where_all_is_well() {
    let judged = judge(URL, &understood(good())).unwrap();
    assert!(
        !judged.report.has_changes(),
        "{}",
        judged.report.json("", None, &Value::Null)
    );
    check(
        &understood(good()),
        ("server", "fact", "Apache, mod_cgi (Apache/2.4)", ""),
    );
    check(
        &understood(good()),
        ("your variables", "fact", "arrive: SITE", ""),
    );
}

#[test]
fn what_is_wrong_with_a_process_is_said() {
    type Case = (
        fn(&mut Value),
        (&'static str, &'static str, &'static str, &'static str),
    );
    let cases: [Case; 9] = [
        (
            |told| told["facts"]["user"] = 0.into(),
            ("user", "note", "(0)", ""),
        ),
        (
            |told| told["facts"]["user"] = 1001.into(),
            ("user", "fact", "suexec", ""),
        ),
        (
            |told| told["facts"]["umask"] = 0.into(),
            ("umask", "note", "000", ""),
        ),
        (
            |told| told["facts"]["is_noexec"] = true.into(),
            ("file system", "note", "noexec", ""),
        ),
        (
            |told| told["facts"]["descriptors"][2] = "/dev/null".into(),
            (
                "stderr",
                "change",
                "lost",
                "# wsgi-cgi: error-log=error.log",
            ),
        ),
        (
            |told| told["facts"]["more_descriptors"] = json!(["3: socket"]),
            ("more of them", "fact", "3: socket", ""),
        ),
        (
            |told| told["facts"]["limits"]["memory"] = (64 << 20).into(),
            ("limits", "note", "memory 64 MiB", ""),
        ),
        (
            |told| told["facts"]["limits"]["processes"] = 10.into(),
            ("limits", "note", "processes 10", ""),
        ),
        (
            |told| told["environment"]["PATH"] = Value::Null,
            ("PATH", "note", "none", ""),
        ),
    ];
    for (change, row) in cases {
        check(&changed("process", change), row);
    }
    let bare = |told: &mut Value| drop(told["environment"].as_object_mut().unwrap().remove("SITE"));
    check(
        &changed("process", bare),
        ("your variables", "fact", "none", ""),
    );
}

#[test]
fn what_becomes_of_a_request_is_judged() {
    let without = |told: &mut Value| {
        drop(
            told["environment"]
                .as_object_mut()
                .unwrap()
                .remove("HTTP_AUTHORIZATION"),
        )
    };
    check(
        &changed("authorization", without),
        ("Authorization", "change", "kept back", "CGIPassAuth On"),
    );
    // By a rewriting rule, which wsgi-cgi understands.
    let redirected = |told: &mut Value| {
        without(told);
        told["environment"]["REDIRECT_HTTP_AUTHORIZATION"] = Value::Null;
    };
    check(
        &changed("authorization", redirected),
        ("Authorization", "good", "arrives", ""),
    );
    check(
        &replaced(reply("authorization", json!({"status": 401}))),
        ("Authorization", "note", "status 401", ""),
    );
    let named =
        |name: &'static str| move |told: &mut Value| told["environment"][name] = Value::Null;
    check(
        &changed("proxy", named("HTTP_PROXY")),
        ("Proxy", "note", "arrives", "[]"),
    );
    check(
        &changed("underscore", named("HTTP_X_WSGI_CGI")),
        ("names with _", "fact", "arrive", ""),
    );
    let encoded = |told: &mut Value| told["address"]["path_info"] = "/x/a%2Fb".into();
    check(
        &changed("encoded slash", encoded),
        ("%2F in a path", "fact", "stays", ""),
    );
    check(
        &replaced(reply("encoded slash", json!({"status": 404}))),
        ("%2F in a path", "note", "AllowEncodedSlashes", "[]"),
    );
    let large = |status: u16| replaced(reply("large body", json!({"status": status})));
    check(
        &large(413),
        ("body of 3 MB", "change", "413", "LimitRequestBody"),
    );
    check(&large(500), ("body of 3 MB", "note", "status 500", ""));
    let short = |told: &mut Value| told["facts"]["bytes"] = 5.into();
    check(
        &changed("body", short),
        ("body of 200 KiB", "note", "5 of 204800 bytes", ""),
    );
    check(
        &replaced(reply("chunked body", json!({"status": 411}))),
        ("chunked body", "note", "411", ""),
    );
}

#[test]
fn the_address_decides_what_script_name_should_be() {
    let other = |told: &mut Value| told["address"]["script_name"] = "/cgi/x".into();
    check(
        &changed("process", other),
        (
            "SCRIPT_NAME",
            "change",
            "/cgi/x",
            "exec wsgi-cgi --script-name '/a b/app.cgi' APP",
        ),
    );
    let all = |told: &mut Value| {
        told["address"]["script_name"] = "".into();
        told["address"]["before"] = "/a b/app.cgi".into();
    };
    check(
        &changed("process", all),
        (
            "SCRIPT_NAME",
            "change",
            "begins with /a b/app.cgi",
            "script-name",
        ),
    );
    for (url, expected) in [
        ("http://h", ""),
        ("http://h/", ""),
        ("http://h/a%2Fb/", "/a/b"),
        ("https://h//", ""),
    ] {
        assert_eq!(exchange::path(url), expected, "{url}");
    }
}

#[test]
fn what_becomes_of_a_response_is_judged() {
    let held = replaced(reply("stream", json!({"body": "first\nbuffered\n"})));
    check(&held, ("pieces", "change", "wait", "no-gzip"));
    let dropped = replaced(reply("short", json!({})));
    check(
        &dropped,
        (
            "Content-Length",
            "change",
            "thrown away",
            "SetEnv ap_trust_cgilike_cl 1",
        ),
    );
    check(&dropped, ("cut responses", "fact", "look whole", ""));
    check(
        &replaced(reply("head", json!({}))),
        ("HEAD", "note", "no length", ""),
    );
    let lost = json!({"name": "unread body", "lost": ["reset", ""]});
    check(
        &replaced(lost),
        ("unread body", "note", "ended without an answer", ""),
    );
}

#[test]
fn the_command_for_the_whole_configuration_is_complete() {
    let judged = judge(URL, &replaced(reply("short", json!({})))).unwrap();
    let lines = configuration::lines(judged.server, &judged.report);
    assert!(
        lines.ends_with("\n    SetEnv ap_trust_cgilike_cl 1\n"),
        "{lines}"
    );
    let asked = Application {
        application: "it's.py".into(),
        words: vec!["--warm=true".into()],
        settings: Settings::default(),
    };
    let file = |path: &str| Source::File(path.into());
    let whole = Whole::of(&judged, URL, &file("/srv/it's.py")).unwrap();
    assert_eq!(
        whole.command(&asked),
        "wsgi-cgi config htaccess --url '/a b' --script '/srv/a b/app.cgi' --warm=true 'it'\\''s.py'"
    );
    // It would write the script over the application.
    assert!(Whole::of(&judged, URL, &file("/srv/a b/app.cgi")).is_none());
}
