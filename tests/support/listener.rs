//! `wsgi-cgi serve`: a listener under test, on a free port, which ends with the tests.

use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::http::Connection;
use super::{PROGRAM, app, python, warm};

/// Nothing here takes long; what does hangs.
const DEADLINE: Duration = Duration::from_secs(60);

/// Runs the words behind it at a terminal of their own, and passes on what is shown there.
const TERMINAL: &str = "import os, pty, sys; os.dup2(2, 1); pty.spawn(sys.argv[1:])";

/// Runs the words behind it where everything is but the files in the root: Docker marks its containers by one.
const OUTSIDE: &str = r#"
mount -t tmpfs none /mnt
for entry in /*; do
    case $entry in
    /mnt | /run) ;;
    *)
        if [ -L "$entry" ]; then cp -P "$entry" "/mnt$entry"
        elif [ -d "$entry" ]; then mkdir "/mnt$entry" && mount --rbind "$entry" "/mnt$entry"
        fi ;;
    esac
done
exec unshare --root=/mnt -- "$@"
"#;

/// How a listener is to be started.
#[must_use]
#[derive(Clone)]
pub struct Setup {
    starter: Vec<OsString>,
    bind: Option<OsString>,
    options: Vec<OsString>,
    application: OsString,
    environment: Vec<(OsString, OsString)>,
}

/// A listener that accepts connections. It is told to end when it goes out of scope.
pub struct Listener {
    /// The port of its first address, 0 for a unix socket.
    pub port: u16,
    pub pid: u32,
    process: OwnedFd,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    log: Vec<u8>,
    /// Nobody writes to the log any more.
    log_has_ended: bool,
    ended: Option<ExitStatus>,
}

impl Setup {
    /// `wsgi-cgi serve APP` for an application of `tests/apps`.
    pub fn of(application: &str) -> Self {
        Self::with(app(application))
    }

    /// `wsgi-cgi serve` with this APP or DIR.
    pub fn with(application: impl AsRef<OsStr>) -> Self {
        Self {
            starter: Vec::new(),
            bind: Some("--bind=127.0.0.1:0".into()),
            options: Vec::new(),
            application: application.as_ref().to_owned(),
            environment: vec![
                ("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into()),
                ("WSGI_CGI_PYTHON".into(), python::default().into()),
            ],
        }
    }

    /// One more option, as one word: `--timeout=3`.
    pub fn option(mut self, option: impl AsRef<OsStr>) -> Self {
        self.options.push(option.as_ref().to_owned());
        self
    }

    /// Another address: `[::1]:0`, `unix:PATH`.
    pub fn bind(mut self, address: impl AsRef<OsStr>) -> Self {
        let mut option = OsString::from("--bind=");
        option.push(address);
        self.bind = Some(option);
        self
    }

    /// By another program, which gives it its socket and then becomes it.
    pub fn started_by(mut self, starter: &[&str]) -> Self {
        self.starter = starter.iter().map(OsString::from).collect();
        self.bind = None;
        self
    }

    /// At a terminal, and in no container.
    pub fn at_terminal(mut self) -> Self {
        let python = python::default();
        let terminal = [python.to_str().unwrap(), "-c", TERMINAL];
        let outside: &[&str] = match Path::new("/.dockerenv").exists() {
            true => &["unshare", "--mount", "sh", "-ec", OUTSIDE, "sh"],
            false => &[],
        };
        self.starter = [outside, &terminal]
            .concat()
            .iter()
            .map(OsString::from)
            .collect();
        self
    }

    /// With no more than this many descriptors.
    pub fn limit_descriptors(mut self, limit: u32) -> Self {
        let limit = format!("--nofile={limit}");
        self.starter = ["prlimit", &limit, "--"].map(OsString::from).to_vec();
        self
    }

    /// Sets a variable of the listener's own environment.
    pub fn variable(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.environment.retain(|(key, _)| key != name);
        self.environment
            .push((name.into(), value.as_ref().to_owned()));
        self
    }

    /// Starts it and waits until it tells its address.
    #[track_caller]
    pub fn start(&self) -> Listener {
        let setpriv = "/usr/bin/setpriv";
        assert!(
            Path::new(setpriv).exists(),
            "setpriv is missing: apt-get install util-linux"
        );
        let mut command = Command::new(setpriv);
        command
            .args(["--pdeathsig", "TERM", "--"])
            .args(&self.starter)
            .args([PROGRAM, "serve"])
            .args(&self.bind)
            .args(&self.options)
            .arg(&self.application)
            .env_clear()
            .envs(self.environment.iter().cloned())
            .envs(warm::environment())
            .current_dir(std::env::temp_dir())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let shared = Arc::new(Shared::default());
        let (started, is_started) = mpsc::channel();
        let of_thread = shared.clone();
        // The signal comes when the thread that started it ends: that one must not.
        thread::spawn(move || {
            let mut child = command.spawn().unwrap();
            let mut errors = child.stderr.take().unwrap();
            let process = pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).unwrap();
            started.send((child.id(), process)).unwrap();
            let of_log = of_thread.clone();
            thread::spawn(move || follow(&mut errors, &of_log));
            let status = child.wait().unwrap();
            of_thread.change(|state| state.ended = Some(status));
        });
        let (pid, process) = is_started.recv_timeout(DEADLINE).unwrap();
        let mut listener = Listener {
            port: 0,
            pid,
            process,
            shared,
        };
        listener.port = listener.wait("its address", |state| {
            assert!(
                state.ended.is_none(),
                "it ended: {:?}\n{}",
                state.ended,
                state.text()
            );
            address(&state.text())
        });
        listener
    }
}

/// Copies what is said into the log.
fn follow(from: &mut impl Read, shared: &Shared) {
    let mut piece = [0; 8192];
    while let Ok(length @ 1..) = from.read(&mut piece) {
        shared.change(|state| state.log.extend(&piece[..length]));
    }
    shared.change(|state| state.log_has_ended = true);
}

/// The port in the first whole line that tells an address.
fn address(log: &str) -> Option<u16> {
    let whole = &log[..log.rfind('\n')?];
    whole.lines().find_map(|line| {
        if let Some((_, rest)) = line.split_once("http://") {
            let authority = rest.split('/').next()?;
            return authority.rsplit(':').next()?.parse().ok();
        }
        line.contains("unix:").then_some(0)
    })
}

impl State {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.log).into_owned()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // A test that failed while it looked has changed nothing.
        self.state
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changed.notify_all();
    }
}

impl Listener {
    #[track_caller]
    fn wait<T>(&self, what: &str, found: impl Fn(&State) -> Option<T>) -> T {
        let deadline = Instant::now() + DEADLINE;
        let mut state = self.shared.state();
        loop {
            if let Some(value) = found(&state) {
                return value;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "waited in vain for {what}\n{}",
                state.text()
            );
            let waited = self.shared.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(|poisoned| poisoned.into_inner()).0;
        }
    }

    /// A connection of its own.
    pub fn connect(&self) -> Connection {
        Connection::to(self.port)
    }

    /// Waits until it says this; gives the whole line.
    #[track_caller]
    pub fn told(&self, text: &str) -> String {
        self.wait(&format!("{text:?} in the log"), |state| {
            let log = state.text();
            log.lines()
                .find(|line| line.contains(text))
                .map(str::to_owned)
        })
    }

    pub fn signal(&self, signal: Signal) {
        // One that has ended needs no signal.
        let _ = pidfd_send_signal(&self.process, signal);
    }

    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Whether it has ended, and how.
    pub fn ended(&self) -> Option<ExitStatus> {
        self.shared.state().ended
    }

    /// Waits until it has ended; gives how, and everything that it said.
    #[track_caller]
    pub fn end(&self) -> (ExitStatus, String) {
        self.wait("its end", |state| {
            let status = state.ended.filter(|_| state.log_has_ended)?;
            Some((status, state.text()))
        })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.terminate();
    }
}
