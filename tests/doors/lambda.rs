//! `wsgi-cgi lambda` with cargo-lambda's emulator of the runtime API.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::lambda_events::{event, event_file};
use crate::support::lambda::{Function, invoke_broken};
use crate::support::run::Run;
use crate::support::{PROGRAM, app, output, until};

fn words(application: &Path) -> [&OsStr; 1] {
    [application.as_os_str()]
}

#[test]
fn events_of_the_emulator_are_answered_each_by_its_own_process() {
    let application = app("lambda_app.py");
    let function = Function::start(&words(&application));
    let mut seen = Vec::new();
    for number in 0..5 {
        let target = format!("/a%20b?n={number}");
        let reply = function.exchange("POST", &target, &[("Cookie", "c=1"), ("X-A", "1")], b"body");
        assert_eq!(reply.status, 200, "{}", reply.text());
        let told: Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!(told["path"], "/a b", "{told}");
        assert_eq!(told["query"], format!("n={number}"));
        assert_eq!(told["input"], "body");
        assert_eq!(told["calls"], 1, "what an earlier event has left");
        assert_eq!(
            (&told["run_once"], &told["imported"]),
            (&json!(true), &json!(1))
        );
        assert!(
            told["event"].as_bool().unwrap()
                && told["trace"].as_str().unwrap().starts_with("Root=")
        );
        assert_eq!(told["function_name"], told["expected_name"]);
        seen.push(told["pid"].clone());
    }
    seen.sort_by_key(Value::to_string);
    seen.dedup();
    assert_eq!(seen.len(), 5, "a process answered twice");
    let (status, log) = function.end();
    assert_eq!((status, log.as_str()), (Some(0), ""), "{log}");
}

#[test]
fn bad_events_and_dying_processes_do_not_end_the_loop() {
    let application = app("lambda_app.py");
    let function = Function::start(&words(&application));
    let url = |path: &str| {
        let mut event = event("url.json");
        event["rawPath"] = path.into();
        event.to_string()
    };
    let (status, error) = function.invoke("{\"a\": 1}");
    assert_eq!(
        (status, &error["errorType"]),
        (500, &json!("Runtime.UnmarshalError"))
    );
    let (status, result) = function.invoke(&url("/raise"));
    assert_eq!((status, &result["statusCode"]), (200, &json!(500)));
    let (_, result) = function.invoke(&url("/exit"));
    assert_eq!(result["statusCode"], 500);
    assert!(
        result["body"].as_str().unwrap().contains("WC052"),
        "{result}"
    );
    let (_, result) = function.invoke(&url("/kill"));
    assert!(
        result["body"].as_str().unwrap().contains("WC053"),
        "{result}"
    );
    let (status, error) = function.invoke(&url("/large"));
    assert_eq!(
        (status, &error["errorType"]),
        (500, &json!("Function.ResponseSizeTooLarge"))
    );
    let (_, result) = function.invoke(&url("/cut"));
    assert!(
        result["body"].as_str().unwrap().contains("WC063"),
        "{result}"
    );
    let (_, result) = function.invoke(&url("/"));
    assert_eq!(result["statusCode"], 200);
    let (status, log) = function.end();
    assert_eq!(status, Some(0));
    for told in [
        "WC040",
        "WC052",
        "WC053",
        "Runtime.UnmarshalError",
        "Function.ResponseSizeTooLarge",
    ] {
        assert!(log.contains(told), "nothing of {told}:\n{log}");
    }
}

#[test]
fn the_same_process_answers_all_events_and_is_replaced_when_it_dies() {
    let application = app("lambda_app.py");
    let function = Function::start(&["--same-process".as_ref(), application.as_os_str()]);
    let told = |path: &str| -> Value {
        let reply = function.exchange("GET", path, &[], b"");
        serde_json::from_slice(&reply.body).unwrap_or_else(|_| panic!("{}", reply.text()))
    };
    let first = told("/");
    assert_eq!(
        (&first["calls"], &first["run_once"]),
        (&json!(1), &json!(false))
    );
    let second = told("/");
    assert_eq!(
        (&second["calls"], &second["pid"]),
        (&json!(2), &first["pid"])
    );
    assert_eq!(function.exchange("GET", "/raise", &[], b"").status, 500);
    assert_eq!(function.exchange("GET", "/large", &[], b"").status, 500);
    assert_eq!(told("/")["calls"], 5);
    assert_eq!(function.exchange("GET", "/exit", &[], b"").status, 500);
    let third = told("/");
    assert_eq!(third["calls"], 1);
    assert_ne!(third["pid"], first["pid"]);
    let (status, log) = function.end();
    assert_eq!(status, Some(0), "{log}");
}

#[test]
fn an_application_that_cannot_be_forked_is_imported_for_each_event() {
    let folder = tempfile::tempdir().unwrap();
    let application = folder.path().join("app.py");
    let text = format!(
        "import threading, time\nthreading.Thread(target=time.sleep, args=(100,), daemon=True).start()\n{}",
        fs::read_to_string(app("lambda_app.py")).unwrap()
    );
    fs::write(&application, text).unwrap();
    let function = Function::start(&words(&application));
    for _ in 0..2 {
        let reply = function.exchange("GET", "/", &[], b"");
        let told: Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!(
            (&told["calls"], &told["run_once"]),
            (&json!(1), &json!(true))
        );
    }
    let (_, log) = function.end();
    assert!(
        log.contains("cannot be forked") && log.contains("app.py, line 2"),
        "{log}"
    );
}

/// Each waits for the other.
#[test]
fn events_run_at_once_where_the_platform_gives_them_so() {
    let application = app("lambda_app.py");
    let folder = tempfile::tempdir().unwrap();
    let variables = [("AWS_LAMBDA_MAX_CONCURRENCY", "2")];
    let function = Function::start_with(&words(&application), &variables);
    let meet = |own: &str, other: &str| {
        let path = |name: &str| folder.path().join(name).display().to_string();
        let target = format!("/meet?{}&{}", path(own), path(other));
        let reply = function.exchange("GET", &target, &[], b"");
        assert_eq!(reply.status, 200, "{}", reply.text());
    };
    std::thread::scope(|scope| {
        scope.spawn(|| meet("one", "two"));
        scope.spawn(|| meet("two", "one"));
    });
    let (status, log) = function.end();
    assert_eq!((status, log.as_str()), (Some(0), ""), "{log}");
}

/// As the zip of the example has it.
#[test]
fn the_examples_bootstrap_starts_the_runtime() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/lambda/bootstrap");
    let task = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(PROGRAM, task.path().join("wsgi-cgi")).unwrap();
    fs::copy(app("environ_json.py"), task.path().join("app.py")).unwrap();
    let mut bootstrap = Command::new(example);
    bootstrap
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("LAMBDA_TASK_ROOT", task.path())
        .env("_HANDLER", "app.py")
        .stdin(fs::File::open(event_file("url.json")).unwrap());
    let result: Value = serde_json::from_slice(&output(&mut bootstrap)).unwrap();
    assert_eq!(result["statusCode"], 200, "{result}");
}

#[test]
fn a_rehearsal_is_one_request_before_the_first() {
    let application = app("lambda_app.py");
    for option in [
        &["--warm-rehearse=/rehearse"][..],
        &["--warm-rehearse=/rehearse", "--same-process"],
    ] {
        let mut words: Vec<&OsStr> = option.iter().map(OsStr::new).collect();
        words.push(application.as_os_str());
        let function = Function::start(&words);
        let told = function.exchange("GET", "/", &[], b"");
        let told: Value = serde_json::from_slice(&told.body).unwrap();
        assert_eq!(told["calls"], 2, "{option:?}: {told}");
        let (_, log) = function.end();
        assert_eq!(log, "", "{option:?}");
    }
}

#[test]
fn a_late_application_is_answered_for_before_the_platform_ends_it() {
    let application = app("lambda_app.py");
    let function = Function::start(&["--timeout=1".as_ref(), application.as_os_str()]);
    let reply = function.exchange("GET", "/sleep", &[], b"");
    assert_eq!(reply.status, 504);
    assert_eq!(function.exchange("GET", "/", &[], b"").status, 200);
    let (_, log) = function.end();
    // The Python stack.
    assert!(log.contains("WC054") && log.contains("in sleeps"), "{log}");
}

#[test]
fn a_process_is_seen_to_end_whoever_has_its_descriptors() {
    let application = app("lambda_app.py");
    let folder = tempfile::tempdir().unwrap();
    let over = folder.path().join("over");
    for option in ["--same-process=false", "--same-process"] {
        let words = [
            "--timeout=5".as_ref(),
            option.as_ref(),
            application.as_os_str(),
        ];
        let function = Function::start(&words);
        let target = format!("/orphan?{}", over.display());
        let reply = function.exchange("GET", &target, &[], b"");
        assert_eq!(reply.status, 500, "{option}: {}", reply.text());
        assert!(reply.text().contains("WC053"), "{}", reply.text());
        // It has the log.
        fs::write(&over, "").unwrap();
        let reply = function.exchange("GET", "/closes", &[], b"");
        assert_eq!(reply.status, 504, "{option}: {}", reply.text());
        let (_, log) = function.end();
        assert!(log.contains("in sleeps"), "{option}: {log}");
        fs::remove_file(&over).unwrap();
    }
}

#[test]
fn a_response_is_streamed_as_it_is_made() {
    let application = app("lambda_app.py");
    let folder = tempfile::tempdir().unwrap();
    let function = Function::start(&["--stream".as_ref(), application.as_os_str()]);
    let path: PathBuf = folder.path().join("go");
    let target = format!("/stream?{}", path.display());
    let reply = std::thread::scope(|scope| {
        let reply = scope.spawn(|| function.exchange("GET", &target, &[], b""));
        // The application writes it when its first block has left.
        until("the first block", || folder.path().join("first").exists());
        fs::write(&path, "").unwrap();
        reply.join().unwrap()
    });
    assert_eq!(reply.status, 203);
    assert_eq!(reply.field("X-A"), Some("1"));
    assert!(reply.all("Set-Cookie").eq(["c=1", "d=2"]));
    assert_eq!(reply.text(), "first second");
    assert_eq!(function.exchange("GET", "/raise", &[], b"").status, 500);
    let large = function.exchange("GET", "/large", &[], b"");
    assert_eq!((large.status, large.body.len()), (200, 7 << 20));
    let (status, log) = function.end();
    assert_eq!(status, Some(0), "{log}");
}

#[test]
fn an_import_that_fails_is_told_to_the_platform() {
    let folder = tempfile::tempdir().unwrap();
    let application = folder.path().join("app.py");
    fs::write(&application, "import no_such_package\n").unwrap();
    let (error, status, log) = invoke_broken(&words(&application));
    assert_eq!(error["errorType"], "Runtime.ImportModuleError", "{error}");
    let trace = error["stackTrace"].to_string();
    assert!(trace.contains("app.py"), "{error}");
    assert_eq!(status, Some(1));
    assert!(
        log.contains("WC031") && log.contains("no_such_package"),
        "{log}"
    );
}

/// Exit handlers of the application run when the platform shuts the function down.
#[test]
fn the_end_of_the_function_is_the_end_of_the_application() {
    let folder = tempfile::tempdir().unwrap();
    let sign = folder.path().join("ended");
    for options in [&[][..], &["--same-process"]] {
        let application = app("lambda_app.py");
        let mut words: Vec<&OsStr> = options.iter().map(OsStr::new).collect();
        words.push(application.as_os_str());
        let sign_text = sign.display().to_string();
        let function = Function::start_with(&words, &[("AT_EXIT", &sign_text)]);
        assert_eq!(function.exchange("GET", "/", &[], b"").status, 200);
        let _ = fs::remove_file(&sign);
        function.end();
        assert!(sign.exists(), "{options:?}");
        fs::remove_file(&sign).unwrap();
    }
}

/// The first signal waits for the event that is being answered, the second does not.
#[test]
fn a_second_signal_ends_it_at_once_with_all_that_it_has_started() {
    let application = app("lambda_app.py");
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    for (signals, status) in [(1, Some(0)), (2, Some(128 + 15))] {
        let mut function = Function::start(&words(&application));
        let mut asked = function.ask(&format!("/meet?{}&{}", path("pid"), path("other")));
        until("the application to run", || {
            folder.path().join("pid").exists()
        });
        function.terminate();
        if signals == 1 {
            fs::write(folder.path().join("other"), "").unwrap();
            assert_eq!(asked.reply("GET").status, 200);
        } else {
            // The first may still be on its way, and two of a kind are one then.
            until("its end", || {
                function.terminate();
                function.has_ended()
            });
        }
        let worker = fs::read_to_string(folder.path().join("pid")).unwrap();
        assert_eq!(function.ended().0, status);
        until("the worker to end", || {
            !Path::new("/proc").join(&worker).exists()
        });
        for name in ["pid", "other"] {
            let _ = fs::remove_file(folder.path().join(name));
        }
    }
}

#[test]
fn a_runtime_api_that_is_gone_ends_the_process() {
    let application = app("environ_json.py");
    let words = ["lambda".as_ref(), application.as_os_str()];
    let run = Run::by_hand(&words).variable("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:1");
    run.done().assert_exit(1).assert_told("WC077");
    let wrong = Run::by_hand(&words).variable("AWS_LAMBDA_RUNTIME_API", "example.org:80");
    wrong
        .done()
        .assert_exit(2)
        .assert_told("is not ADDRESS:PORT");
}
