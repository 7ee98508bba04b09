//! AWS Lambda on this machine: cargo-lambda's emulator of the runtime API, and functions that take events from it.

use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::Value;

use super::http::{Connection, Reply};
use super::wire::wait_until_read;
use super::{PROGRAM, output, python, until};

/// The emulator gives events only to functions that it knows: `f0` and so on.
const FUNCTIONS: usize = 40;

/// Python packages that stand for somebody's own tools.
const PACKAGES: [&str; 2] = ["cargo-lambda", "jsonschema"];

/// A virtualenv with those packages; what they need besides is not all wanted.
pub fn tools() -> &'static Path {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tools");
        let stamp = folder.join("made-from");
        if fs::read_to_string(&stamp).is_ok_and(|made_from| made_from == PACKAGES.concat()) {
            return folder;
        }
        let _ = fs::remove_dir_all(&folder);
        output(Command::new("python3").args(["-m", "venv"]).arg(&folder));
        let pip = |words: &[&str]| {
            let mut pip = Command::new(folder.join("bin/pip"));
            pip.args(["install", "--quiet", "--disable-pip-version-check"]);
            output(pip.args(words));
        };
        // It would bring a compiler.
        pip(&["--no-deps", PACKAGES[0]]);
        pip(&[PACKAGES[1]]);
        fs::write(&stamp, PACKAGES.concat()).unwrap();
        folder
    })
}

/// The port of the emulator that tests share. It ends with them.
fn shared_emulator() -> u16 {
    static STARTED: OnceLock<u16> = OnceLock::new();
    *STARTED.get_or_init(start_emulator)
}

/// One more emulator; gives its port. It ends with the tests.
fn start_emulator() -> u16 {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("functions");
    fs::create_dir_all(folder.join("src")).unwrap();
    let binaries: String = (0..FUNCTIONS)
        .map(|number| format!("[[bin]]\nname = \"f{number}\"\npath = \"src/main.rs\"\n"))
        .collect();
    let manifest =
        format!("[package]\nname = \"functions\"\nedition = \"2021\"\n{binaries}[workspace]\n");
    fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    fs::write(folder.join("src/main.rs"), "fn main() {}\n").unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let mut command = Command::new("/usr/bin/setpriv");
    command
        .args(["--pdeathsig", "KILL", "--"])
        .arg(tools().join("bin/cargo-lambda"))
        .args(["lambda", "watch", "--only-lambda-apis"])
        .args(["--invoke-address", "127.0.0.1"])
        .arg(format!("--invoke-port={port}"))
        .current_dir(&folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    // The signal comes when the thread that started it ends: that one must not.
    thread::spawn(move || command.spawn().unwrap().wait());
    until("the emulator", || {
        TcpStream::connect(("127.0.0.1", port)).is_ok()
    });
    port
}

/// Gives a function that does not start the one event that waits for it: the emulator tells whoever waits first of a
/// failed start. Gives the answer, and the function's exit status and log.
pub fn invoke_broken(words: &[&OsStr]) -> (Value, Option<i32>, String) {
    let port = start_emulator();
    let target = "/2015-03-31/functions/f0/invocations";
    let mut connection = Connection::to(port);
    connection.send("POST", target, &[], b"{}");
    let stream = connection.into_stream();
    wait_until_read(&stream);
    let function = Function::of(port, "f0".into(), words, &[]);
    let reply = Connection::over(stream).reply("POST");
    let (status, log) = function.ended();
    (serde_json::from_slice(&reply.body).unwrap(), status, log)
}

/// A function under test: `wsgi-cgi lambda`, which takes its events from the emulator.
pub struct Function {
    port: u16,
    name: String,
    child: Child,
    log: Option<thread::JoinHandle<String>>,
}

impl Function {
    /// With these words behind `lambda`.
    pub fn start(words: &[&OsStr]) -> Self {
        Self::start_with(words, &[])
    }

    /// With more variables.
    pub fn start_with(words: &[&OsStr], variables: &[(&str, &str)]) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        assert!(number < FUNCTIONS, "more functions are needed");
        let name = format!("f{number}");
        Self::of(shared_emulator(), name, words, variables)
    }

    /// With an API at this port.
    pub fn of(port: u16, name: String, words: &[&OsStr], variables: &[(&str, &str)]) -> Self {
        let mut child = Command::new(PROGRAM)
            .arg("lambda")
            .args(words)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("WSGI_CGI_PYTHON", python::default())
            .env(
                "AWS_LAMBDA_RUNTIME_API",
                format!("http://127.0.0.1:{port}/.rt/{name}"),
            )
            .env("AWS_LAMBDA_FUNCTION_NAME", &name)
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512")
            .envs(variables.iter().copied())
            .current_dir(std::env::temp_dir())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut errors = child.stderr.take().unwrap();
        let log = thread::spawn(move || {
            let mut text = Vec::new();
            let _ = errors.read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        });
        Self {
            port,
            name,
            child,
            log: Some(log),
        }
    }

    /// A request at its URL.
    #[track_caller]
    pub fn exchange(
        &self,
        method: &str,
        target: &str,
        fields: &[(&str, &str)],
        body: &[u8],
    ) -> Reply {
        let target = format!("/lambda-url/{}{target}", self.name);
        Connection::to(self.port).exchange(method, &target, fields, body)
    }

    /// A request at its URL whose answer nobody waits for yet.
    pub fn ask(&self, target: &str) -> Connection {
        let mut connection = Connection::to(self.port);
        let target = format!("/lambda-url/{}{target}", self.name);
        connection.send("GET", &target, &[], b"");
        connection
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Gives it an event; the status of the invocation, and the result.
    #[track_caller]
    pub fn invoke(&self, event: &str) -> (u16, Value) {
        let target = format!("/2015-03-31/functions/{}/invocations", self.name);
        let reply = Connection::to(self.port).exchange("POST", &target, &[], event.as_bytes());
        let result = serde_json::from_slice(&reply.body)
            .unwrap_or_else(|error| panic!("{error}: {}", reply.text()));
        (reply.status, result)
    }

    /// Ends it; gives its exit status and everything that it said.
    pub fn end(self) -> (Option<i32>, String) {
        self.terminate();
        self.ended()
    }

    /// Tells it to end.
    pub fn terminate(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    }

    /// Waits until it has ended by itself.
    pub fn ended(mut self) -> (Option<i32>, String) {
        let status = self.child.wait().unwrap();
        (status.code(), self.log.take().unwrap().join().unwrap())
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
