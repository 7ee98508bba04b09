//! `wsgi-cgi lambda` with one event on standard input: every shape of events, and of the answers to them.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::frameworks::site::Site;
use crate::support::run::{Done, Run};
use crate::support::{app, output};

pub fn event_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/events")
        .join(name)
}

pub fn event(name: &str) -> Value {
    let text =
        fs::read_to_string(event_file(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    serde_json::from_str(&text).unwrap()
}

/// One event on standard input.
fn lambda(application: &str, options: &[&str], event: &str) -> Done {
    let application = app(application);
    let mut words = vec!["lambda".as_ref()];
    words.extend(options.iter().map(OsStr::new));
    words.push(application.as_os_str());
    Run::by_hand(&words).input(event).done()
}

#[track_caller]
fn result(done: &Done) -> Value {
    done.assert_exit(0);
    serde_json::from_slice(&done.out).unwrap_or_else(|error| panic!("{error}\n{done}"))
}

/// The environ that an application gets of an event.
#[track_caller]
fn environ(event: &Value) -> Value {
    let done = lambda("environ_json.py", &[], &event.to_string());
    let result = result(&done);
    let body = result["body"].as_str().unwrap();
    serde_json::from_str(body).unwrap()
}

#[track_caller]
fn check(environ: &Value, expected: &[(&str, &str)]) {
    for (name, value) in expected {
        let found = environ.get(*name).and_then(Value::as_str);
        assert_eq!(found.unwrap_or("(absent)"), *value, "{name}");
    }
}

#[test]
fn a_rest_api_gives_its_stage_its_several_values_and_its_client() {
    check(
        &environ(&event("rest.json")),
        &[
            ("REQUEST_METHOD", "POST"),
            ("SCRIPT_NAME", "/prod"),
            ("PATH_INFO", "/caf\u{c3}\u{a9} au lait"),
            (
                "REQUEST_URI",
                "/prod/caf%C3%A9%20au%20lait?a=1&a=two%20words&b=",
            ),
            ("QUERY_STRING", "a=1&a=two%20words&b="),
            ("HTTP_COOKIE", "c=1; d=2"),
            ("HTTP_X_MANY", "one, two"),
            (
                "SERVER_NAME",
                "abc123.execute-api.eu-central-1.amazonaws.com",
            ),
            ("SERVER_PORT", "443"),
            ("REMOTE_ADDR", "203.0.113.7"),
            ("REMOTE_USER", "user-7"),
            ("wsgi.url_scheme", "https"),
            ("CONTENT_LENGTH", "4"),
            ("CONTENT_TYPE", "application/octet-stream"),
            ("wsgi.input", "\0\u{ff}\u{fe}a"),
        ],
    );
}

#[test]
fn an_http_api_has_decoded_the_path_already() {
    check(
        &environ(&event("http.json")),
        &[
            ("REQUEST_METHOD", "GET"),
            ("SCRIPT_NAME", "/beta"),
            ("PATH_INFO", "/100% caf\u{c3}\u{a9}"),
            ("REQUEST_URI", "/beta/100%25%20caf%C3%A9?a=1&b=%20"),
            ("QUERY_STRING", "a=1&b=%20"),
            ("HTTP_COOKIE", "c=1; d=2"),
            ("REMOTE_ADDR", "203.0.113.7"),
            ("REMOTE_USER", "subject-1"),
            ("SERVER_PROTOCOL", "HTTP/1.1"),
            ("CONTENT_LENGTH", "(absent)"),
        ],
    );
}

#[test]
fn a_function_url_gives_its_path_raw_and_its_cookies_twice() {
    check(
        &environ(&event("url.json")),
        &[
            ("PATH_INFO", "/a b/c"),
            ("REQUEST_URI", "/a%20b%2Fc?q=%2F"),
            ("HTTP_COOKIE", "c=1; d=2"),
            ("SCRIPT_NAME", ""),
            ("wsgi.input", "text=h\u{c3}\u{a9}"),
            ("CONTENT_LENGTH", "8"),
        ],
    );
}

#[test]
fn a_load_balancer_gives_its_query_encoded_and_its_client_last() {
    check(
        &environ(&event("alb.json")),
        &[
            ("PATH_INFO", "/a b"),
            ("QUERY_STRING", "q=two%20words"),
            ("REMOTE_ADDR", "198.51.100.9"),
            ("SERVER_PORT", "80"),
            ("wsgi.url_scheme", "http"),
            ("HTTP_X_FORWARDED_FOR", "10.9.9.9, 198.51.100.9"),
        ],
    );
    check(
        &environ(&event("alb-multi.json")),
        &[
            ("QUERY_STRING", "q=1&q=%2F"),
            ("HTTP_X_MANY", "one, two"),
            ("wsgi.url_scheme", "https"),
        ],
    );
    // A health check has little more than a method.
    let health = json!({
        "requestContext": {"elb": {"targetGroupArn": "arn"}}, "httpMethod": "GET", "path": "/", "body": "",
        "queryStringParameters": {}, "headers": {"user-agent": "ELB-HealthChecker/2.0"}, "isBase64Encoded": false,
    });
    check(
        &environ(&health),
        &[
            ("PATH_INFO", "/"),
            ("HTTP_HOST", "(absent)"),
            ("SERVER_NAME", "localhost"),
        ],
    );
}

#[test]
fn a_base_path_can_be_named() {
    let mut event = event("url.json");
    event["rawPath"] = "/base/x".into();
    let done = lambda(
        "environ_json.py",
        &["--script-name=/base"],
        &event.to_string(),
    );
    let body = result(&done)["body"].as_str().unwrap().to_owned();
    let environ: Value = serde_json::from_str(&body).unwrap();
    check(&environ, &[("SCRIPT_NAME", "/base"), ("PATH_INFO", "/x")]);
}

/// What the application `responses.py` answers, in the form of an event's maker.
fn answered(name: &str, query: &str) -> Value {
    let mut event = event(name);
    if event.get("rawQueryString").is_some() {
        event["rawQueryString"] = query.into();
    } else {
        event["queryStringParameters"] = json!({ query: "" });
        event["multiValueQueryStringParameters"] = Value::Null;
    }
    event["isBase64Encoded"] = false.into();
    event["body"] = Value::Null;
    result(&lambda("responses.py", &[], &event.to_string()))
}

#[test]
fn each_maker_gets_its_own_form_of_a_response() {
    let cookies = json!(["a=1; Path=/", "b=2"]);
    let rest = answered("rest.json", "cookies");
    assert_eq!(rest["multiValueHeaders"]["Set-Cookie"], cookies);
    assert_eq!(rest["multiValueHeaders"]["X-Many"], json!(["one", "two"]));
    assert_eq!(rest.get("headers"), None, "they would be doubled");
    assert_eq!(rest.get("statusDescription"), None);
    assert_eq!(rest["statusCode"], 201);

    for name in ["http.json", "url.json"] {
        let answer = answered(name, "cookies");
        assert_eq!(answer["cookies"], cookies);
        assert_eq!(answer["headers"]["X-Many"], "one, two");
        assert_eq!(answer["headers"].get("Set-Cookie"), None);
    }

    let single = answered("alb.json", "cookies");
    assert_eq!(single["statusDescription"], "201 Created");
    assert_eq!(single["headers"]["X-Many"], "one, two");
    let headers = single["headers"].as_object().unwrap();
    let found = headers
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"));
    let mut found: Vec<_> = found.map(|(_, value)| value.clone()).collect();
    found.sort_by_key(Value::to_string);
    assert_eq!(Value::from(found), cookies);

    let multi = answered("alb-multi.json", "cookies");
    assert_eq!(multi["multiValueHeaders"]["Set-Cookie"], cookies);
    assert_eq!(multi["statusDescription"], "201 Created");
}

#[test]
fn bytes_are_base64_and_text_is_text() {
    for (query, is_base64, body) in [
        ("png", true, "iVBORw=="),
        ("gzip", true, "H4sIAA=="),
        ("svg", false, "<svg/>"),
        ("json", false, "{\"a\":1}"),
        ("latin", true, "6Q=="),
        ("notutf8", true, "/w=="),
        ("utf8", false, "h\u{e9}"),
        ("untyped", false, "x"),
    ] {
        let answer = answered("url.json", query);
        assert_eq!(answer["isBase64Encoded"], is_base64, "{query}: {answer}");
        assert_eq!(answer["body"], body, "{query}");
    }
}

#[test]
fn what_is_no_request_is_refused_by_the_name_of_its_field() {
    let with = |change: fn(&mut Value)| {
        let mut event = event("url.json");
        change(&mut event);
        event.to_string()
    };
    for (text, expected) in [
        ("{".to_owned(), "the event is no JSON"),
        ("[1]".to_owned(), "the event is a list"),
        (r#"{"Records": []}"#.to_owned(), "its fields: Records"),
        (
            with(|event| event["version"] = "3.0".into()),
            "of version \"3.0\"",
        ),
        (
            with(|event| event["body"] = "*".into()),
            "body is no base64",
        ),
        (
            with(|event| event["body"] = 1.into()),
            "body is a number, not a string",
        ),
        (
            with(|event| event["headers"]["host"] = 1.into()),
            "headers.host is a number",
        ),
        (
            with(|event| event["cookies"] = "a".into()),
            "cookies is a string, not a list",
        ),
        (
            with(|event| event["rawPath"] = Value::Null),
            "rawPath is missing",
        ),
        (
            with(|event| event["isBase64Encoded"] = "yes".into()),
            "isBase64Encoded is a string",
        ),
        (
            with(|event| event["requestContext"]["http"]["method"] = "GE T".into()),
            "the method",
        ),
        (
            with(|event| event["headers"]["x-a"] = "1\r\nb: 2".into()),
            "in the header x-a",
        ),
        (
            with(|event| event["rawPath"] = "/%00".into()),
            "in the path",
        ),
    ] {
        let done = lambda("environ_json.py", &[], &text);
        done.assert_exit(2);
        let error: Value = serde_json::from_slice(&done.out).unwrap();
        assert_eq!(error["errorType"], "Runtime.UnmarshalError");
        let message = error["errorMessage"].as_str().unwrap();
        assert!(
            message.starts_with("WC062") && message.contains(expected),
            "{message}"
        );
    }
}

#[test]
fn its_switches_are_variables_too() {
    let application = app("environ_json.py");
    let words = ["lambda".as_ref(), application.as_os_str()];
    let run = Run::by_hand(&words).variable("WSGI_CGI_EVENTS", "/jobs");
    let run = run
        .variable("WSGI_CGI_SAME_PROCESS", "1")
        .variable("WSGI_CGI_STREAM", "off");
    let environ = result(&run.input("{}").done());
    check(&environ, &[("PATH_INFO", "/jobs")]);
}

#[test]
fn what_is_no_http_can_be_posted_to_a_path() {
    let done = lambda(
        "environ_json.py",
        &["--events=/jobs"],
        r#"{"Records": [1]}"#,
    );
    let environ = result(&done);
    check(
        &environ,
        &[
            ("REQUEST_METHOD", "POST"),
            ("PATH_INFO", "/jobs"),
            ("CONTENT_TYPE", "application/json"),
            ("wsgi.input", r#"{"Records": [1]}"#),
        ],
    );
    // An error's status fails the event, so that the queue gives it again.
    let failed = lambda("failures.py:raises", &["--events=/jobs"], "{}");
    failed.assert_exit(1);
    let error: Value = serde_json::from_slice(&failed.out).unwrap();
    assert_eq!(error["errorType"], "HTTP.500");
}

#[test]
fn a_response_beyond_the_limits_is_an_error() {
    for (name, size, is_taken) in [
        ("url.json", 6_200_000, true),
        ("url.json", 6_300_000, false),
        ("alb.json", 1_040_000, true),
        ("alb.json", 1_100_000, false),
        ("url.json", 20_000_000, false),
    ] {
        let mut event = event(name);
        event["rawQueryString"] = size.to_string().into();
        event["queryStringParameters"] = json!({ size.to_string(): "" });
        event["body"] = Value::Null;
        let done = lambda("responses.py", &[], &event.to_string());
        let result: Value = serde_json::from_slice(&done.out).unwrap();
        match is_taken {
            true => assert_eq!(result["body"].as_str().map(str::len), Some(size), "{name}"),
            false => {
                assert_eq!(
                    result["errorType"], "Function.ResponseSizeTooLarge",
                    "{name} {size}"
                );
                done.assert_exit(1);
            }
        }
    }
}

/// The folder of a crate that collects events which others have published.
fn published() -> PathBuf {
    let cargo = || {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
        cargo
    };
    let version = String::from_utf8(output(cargo().arg("-vV"))).unwrap();
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    // Crates for other platforms were never downloaded.
    let mut metadata = cargo();
    metadata.args(["metadata", "--locked", "--offline", "--format-version", "1"]);
    let told = output(metadata.args(["--filter-platform", host.unwrap()]));
    let told: Value = serde_json::from_slice(&told).unwrap();
    let packages = told["packages"].as_array().unwrap();
    let found = packages
        .iter()
        .find(|package| package["name"] == "aws_lambda_events");
    let manifest = found.unwrap()["manifest_path"].as_str().unwrap();
    Path::new(manifest).parent().unwrap().join("src/fixtures")
}

#[test]
fn published_events_are_requests_if_they_are_http_and_refused_if_not() {
    let folder = published();
    let (mut requests, mut others) = (0, 0);
    for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder:?}: {error}")) {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.extension() != Some("json".as_ref()) {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let event: Value = serde_json::from_str(&text).unwrap();
        let method = match event["version"].as_str() {
            Some("2.0") => &event["requestContext"]["http"]["method"],
            _ => &event["httpMethod"],
        };
        let method = method
            .as_str()
            .filter(|_| event["requestContext"].is_object());
        let done = lambda("environ_json.py", &[], &text);
        match method {
            Some(method) => {
                let result = result(&done);
                let body = result["body"].as_str().unwrap();
                let environ: Value = serde_json::from_str(body).unwrap();
                check(&environ, &[("REQUEST_METHOD", method)]);
                let whole = [&environ["SCRIPT_NAME"], &environ["PATH_INFO"]]
                    .map(|part| part.as_str().unwrap())
                    .concat();
                let path = [&event["rawPath"], &event["path"]]
                    .into_iter()
                    .find_map(Value::as_str)
                    .unwrap();
                assert!(whole.ends_with(path), "{name}: {whole} of {path}");
                requests += 1;
            }
            None => {
                let error: Value = serde_json::from_slice(&done.out).unwrap();
                assert_eq!(error["errorType"], "Runtime.UnmarshalError", "{name}");
                done.assert_exit(2);
                others += 1;
            }
        }
    }
    assert!(
        requests > 20 && others > 100,
        "{requests} requests, {others} others"
    );
}

/// What frameworks make of it.
#[test]
fn links_of_flask_and_django_lead_below_the_stage() {
    let mut event = event("rest.json");
    event["httpMethod"] = "GET".into();
    event["path"] = "/".into();
    event["requestContext"]["path"] = "/prod/".into();
    // Django asks for a name that it knows.
    event["multiValueHeaders"]["Host"] = json!(["localhost"]);
    for (example, application) in [("flask", "app.py"), ("django", ".")] {
        let site = Site::copy_of(example, application);
        let application = site.path(application);
        let words = ["lambda".as_ref(), application.as_os_str()];
        let run = Run::by_hand(&words).without("WSGI_CGI_PYTHON");
        let result = result(&run.input(event.to_string()).done());
        let page = result["body"].as_str().unwrap();
        assert_eq!(result["statusCode"], 200, "{page}");
        assert!(page.contains("=\"/prod/"), "{example}: {page}");
    }
}
