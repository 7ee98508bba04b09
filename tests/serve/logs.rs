//! What a person, and a program, reads on stderr.

use serde_json::Value;

use super::gateway::Scripts;
use crate::support::listener::Setup;
use crate::support::python;

#[test]
fn the_first_line_tells_address_application_and_interpreter() {
    let listener = Setup::of("serve_probe.py").start();
    let line = listener.told("http://");
    assert!(
        line.contains(&format!("http://127.0.0.1:{}/", listener.port)),
        "{line}"
    );
    let python = python::default();
    assert!(
        line.contains("serve_probe.py") && line.contains(python.to_str().unwrap()),
        "{line}"
    );
    assert!(line.contains("process per request"), "{line}");
}

#[test]
fn a_line_for_each_request_and_the_applications_own_beside_it() {
    let listener = Setup::of("serve_probe.py").start();
    listener.connect().exchange("GET", "/says?x", &[], b"");
    let line = listener.told("GET /says?x 200 4 bytes");
    let number = line.split(' ').next().unwrap();
    assert!(line.ends_with(" ms") && !line.contains('\u{1b}'), "{line}");
    for said in ["said to stdout", "said to stderr", "said to wsgi.errors"] {
        assert!(listener.told(said).starts_with(number));
    }
}

#[test]
fn the_combined_format() {
    let listener = Setup::of("serve_probe.py")
        .option("--log-format=combined")
        .start();
    let fields = [("User-Agent", "Test \"1\""), ("Referer", "http://x/")];
    listener
        .connect()
        .exchange("GET", "/bare?204", &fields, b"");
    let line = listener.told("\"GET /bare?204 HTTP/1.1\" 204 0");
    assert!(line.starts_with("127.0.0.1 - - ["), "{line}");
    assert!(
        line.ends_with(" +0000] \"GET /bare?204 HTTP/1.1\" 204 0 \"http://x/\" \"Test \\\"1\\\"\""),
        "{line}"
    );
}

#[test]
fn the_combined_format_can_be_taken_apart() {
    let listener = Setup::of("serve_probe.py")
        .option("--log-format=combined")
        .start();
    let fields = [("User-Agent", "a\\\"\tb"), ("Referer", "\u{202e}")];
    let target = "/says?x\"200\"9\"-\"curl";
    listener.connect().exchange("GET", target, &fields, b"");
    let line = listener.told("GET /says?x");
    let expected = r#"] "GET /says?x\"200\"9\"-\"curl HTTP/1.1" 200 4 "\xe2\x80\xae" "a\\\"\tb""#;
    assert!(line.ends_with(expected), "{line}");
}

#[test]
fn json_lines_are_json() {
    let listener = Setup::of("serve_probe.py")
        .option("--log-format=json")
        .start();
    listener.connect().exchange("GET", "/says", &[], b"");
    let request: Value = serde_json::from_str(&listener.told("\"method\"")).unwrap();
    assert_eq!(request["method"], "GET");
    assert_eq!(request["target"], "/says");
    assert_eq!(request["status"], 200);
    assert_eq!(request["bytes"], 4);
    assert!(request["milliseconds"].as_f64().unwrap() > 0.0);
    let said: Value = serde_json::from_str(&listener.told("said to stderr")).unwrap();
    assert_eq!(said["request"], request["request"]);
}

#[test]
fn nothing_from_outside_steers_the_terminal() {
    let is_steering = |char: char| char.is_control() || ('\u{202a}'..='\u{202e}').contains(&char);
    let listener = Setup::of("serve_probe.py").start();
    let target = "/\u{9b}31m\u{202e}gnp.exe";
    listener
        .connect()
        .exchange("GET", target, &[("Host", "x")], b"");
    let line = listener.told("#1 GET /");
    assert!(!line.contains(is_steering), "{line:?}");
    let script = r"printf 'a \342\200\256 complaint\n' >&2; printf 'Status: 200\n\n'";
    for option in ["--log-format=text", "--log-format=json"] {
        let scripts = Scripts::new(&[("says", script)], &[option]);
        scripts.get("/says");
        scripts.get("/%1b%5b31m%0a%e2%80%ae/none");
        for text in ["complaint", "No such file"] {
            let line = scripts.listener.told(text);
            assert!(
                !line.contains(is_steering) && line.contains("wsgi-cgi") == (text != "complaint"),
                "{line:?}"
            );
        }
    }
}
