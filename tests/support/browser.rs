//! A real browser: headless Chromium, driven by ChromeDriver (W3C WebDriver).

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use super::http::Connection;

/// One browser with one window; it ends when it goes out of scope.
pub struct Browser {
    driver: Child,
    port: u16,
    session: String,
    profile: tempfile::TempDir,
    /// The driver stops where nobody reads what it says.
    _output: BufReader<ChildStdout>,
}

impl Browser {
    /// Starts it; nothing of it reaches beyond this machine.
    pub fn start() -> Self {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver is missing: apt-get install chromium chromium-driver");
        let mut output = BufReader::new(driver.stdout.take().unwrap());
        let lines = output.by_ref().lines();
        let port = lines.map_while(Result::ok).find_map(|line| {
            let (_, rest) = line.split_once("successfully on port ")?;
            rest.trim_end_matches('.').parse().ok()
        });
        let mut browser = Self {
            driver,
            port: port.expect("chromedriver tells its port"),
            session: String::new(),
            _output: output,
            profile: tempfile::tempdir().unwrap(),
        };
        let folder = format!("--user-data-dir={}", browser.profile.path().display());
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            &folder,
        ];
        let options = json!({ "args": arguments, "binary": "/usr/bin/chromium" });
        let wanted =
            json!({ "capabilities": { "alwaysMatch": { "goog:chromeOptions": options } } });
        let session = browser.call("POST", "", &wanted);
        browser.session = format!("/{}", session["sessionId"].as_str().unwrap());
        browser
    }

    /// Opens an address.
    pub fn open(&self, address: &str) {
        self.call("POST", "/url", &json!({ "url": address }));
    }

    /// What an expression of JavaScript gives in the page.
    pub fn value(&self, expression: &str) -> Value {
        let script = format!("return {expression};");
        self.call(
            "POST",
            "/execute/sync",
            &json!({ "script": script, "args": [] }),
        )
    }

    /// Clicks on the first element that a CSS selector finds, as a person would: it has to be visible.
    pub fn click(&self, selector: &str) {
        let wanted = json!({ "using": "css selector", "value": selector });
        let element = self.call("POST", "/element", &wanted);
        let id = element.as_object().unwrap().values().next().unwrap();
        let path = format!("/element/{}/click", id.as_str().unwrap());
        self.call("POST", &path, &json!({}));
    }

    #[track_caller]
    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let target = format!("/session{}{path}", self.session);
        let fields = [
            ("Content-Type", "application/json"),
            ("Connection", "close"),
        ];
        let body = body.to_string();
        let mut connection = Connection::to(self.port);
        let reply = connection.exchange(method, &target, &fields, body.as_bytes());
        let mut answer: Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!(reply.status, 200, "{method} {target}: {answer}");
        answer["value"].take()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // The driver ends the browser before it answers.
            let target = format!("/session{}", self.session);
            Connection::to(self.port).exchange("DELETE", &target, &[], b"");
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
