//! Real web servers on loopback, started once, with the configuration files of `examples/servers`.

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, mpsc};
use std::thread;

use super::{PROGRAM, copy_program, until, warm, write_program};

/// The servers that run CGI programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Apache, event MPM: stdin and stdout are one socket.
    ApacheCgid,
    /// Apache, prefork MPM: pipes.
    ApacheCgi,
    Lighttpd,
    /// nginx with fcgiwrap.
    Nginx,
    /// Our own listener, with the folder of scripts.
    Serve,
}

pub const ALL: [Kind; 5] = [
    Kind::ApacheCgid,
    Kind::ApacheCgi,
    Kind::Lighttpd,
    Kind::Nginx,
    Kind::Serve,
];

/// A server that is running.
pub struct Server {
    pub kind: Kind,
    pub port: u16,
    /// Its folder: `cgi-bin`, `htdocs`, `bin`, and `signs` for what tests and applications tell each other.
    pub root: PathBuf,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} in {}", self.kind, self.root.display())
    }
}

/// The running server of this kind.
pub fn server(kind: Kind) -> &'static Server {
    static SERVERS: [OnceLock<Server>; ALL.len()] = [const { OnceLock::new() }; ALL.len()];
    SERVERS[kind as usize].get_or_init(|| start(kind))
}

impl Server {
    /// A name for a sign, not used before.
    pub fn sign(&self, name: &str) -> PathBuf {
        let sign = self.root.join("signs").join(name);
        assert!(!sign.exists(), "{} is used twice", sign.display());
        sign
    }

    /// Everything that the server and its scripts said.
    pub fn log(&self) -> String {
        let logs = ["error.log", "breakage.log", "stderr.log"];
        logs.map(|name| fs::read_to_string(self.root.join(name)).unwrap_or_default())
            .concat()
    }
}

fn start(kind: Kind) -> Server {
    let root = folder(&format!("{kind:?}"));
    for name in ["cgi-bin", "htdocs", "bin", "signs", "uploads"] {
        fs::create_dir(root.join(name)).unwrap();
        fs::set_permissions(root.join(name), fs::Permissions::from_mode(0o777)).unwrap();
    }
    copy_program(PROGRAM.as_ref(), &root.join("bin/wsgi-cgi"));
    deploy(kind, &root);
    let port = free_port();
    configure(kind, &root, port);
    let has_ended = run(kind, &root, port);
    let server = Server { kind, port, root };
    until(&format!("{server} to listen"), || {
        assert!(
            !has_ended.load(Ordering::Relaxed),
            "{server} ended:\n{}",
            server.log()
        );
        TcpStream::connect(("127.0.0.1", port)).is_ok()
    });
    for name in ["app.cgi", "env.cgi", "wrapper.cgi"] {
        warm::first_request(port, &format!("/cgi-bin/{name}/"));
    }
    server
}

/// Writes the configuration files.
fn configure(kind: Kind, root: &Path, port: u16) {
    let more = tests().join("servers/conf");
    let (main, extra) = match kind {
        Kind::ApacheCgid => ("apache-cgid.conf", "apache.conf"),
        Kind::ApacheCgi => ("apache-cgi.conf", "apache.conf"),
        Kind::Lighttpd => ("lighttpd.conf", "lighttpd.conf"),
        Kind::Nginx => ("nginx.conf", "nginx.conf"),
        Kind::Serve => return,
    };
    let fill = |from: PathBuf| fill(&fs::read_to_string(from).unwrap(), root, port);
    let mut configuration = fill(examples().join(main));
    match kind {
        // nginx includes what stands within its http block.
        Kind::Nginx => fs::write(root.join("more.conf"), fill(more.join(extra))).unwrap(),
        _ => configuration.push_str(&fill(more.join(extra))),
    }
    fs::write(root.join("server.conf"), configuration).unwrap();
    fs::write(
        root.join("apache-common.conf"),
        fill(examples().join("apache-common.conf")),
    )
    .unwrap();
}

/// A folder that other users may enter, named after this process. It stays, to be looked at, until
/// another run of the tests finds that its process is gone.
pub fn folder(name: &str) -> PathBuf {
    let prefix = "wsgi-cgi-tests-";
    for entry in fs::read_dir("/tmp").unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap_or_default();
        let owner = name
            .strip_prefix(prefix)
            .and_then(|rest| rest.split('-').next());
        if owner.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    let name = format!("{prefix}{}-{name}", std::process::id());
    let folder = Path::new("/tmp").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir(&folder).unwrap();
    // Where root starts a server, its children are somebody else.
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/servers")
}

fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

fn fill(text: &str, root: &Path, port: u16) -> String {
    let is_root = rustix::process::geteuid().is_root();
    let user_line = if is_root { "user www-data;" } else { "" };
    text.replace("@ROOT@", root.to_str().unwrap())
        .replace("@PORT@", &port.to_string())
        .replace("@MODULES@", "/usr/lib/apache2/modules")
        .replace("@USER@", "www-data")
        .replace("@GROUP@", "www-data")
        .replace("@USER_LINE@", user_line)
}

/// The application in each of the forms that a user would deploy.
fn deploy(kind: Kind, root: &Path) {
    let source = fs::read_to_string(tests().join("apps/served.py")).unwrap();
    let program = root.join("bin/wsgi-cgi");
    let shebang = format!(
        "#!{}\n# wsgi-cgi: python=/usr/bin/python3\n{source}",
        program.display()
    );
    let by_env = format!("#!/usr/bin/env wsgi-cgi\n# wsgi-cgi: python=/usr/bin/python3\n{source}");
    let wrapper = format!(
        "#!/bin/sh\nexec {} --python=/usr/bin/python3 {}/served.py\n",
        program.display(),
        root.display()
    );
    let mut scripts = vec![
        ("cgi-bin/app.cgi", &shebang),
        ("cgi-bin/env.cgi", &by_env),
        ("cgi-bin/wrapper.cgi", &wrapper),
        ("served.py", &source),
        ("htdocs/foo.wsgi", &shebang),
    ];
    // What these folders' .htaccess files or rules lead to.
    for folder in [
        "htdocs/rewritten",
        "htdocs/fallback",
        "htdocs/missing",
        "htdocs/site",
    ] {
        fs::create_dir(root.join(folder)).unwrap();
    }
    scripts.extend([
        ("htdocs/rewritten/app.cgi", &shebang),
        ("htdocs/fallback/app.cgi", &shebang),
        ("htdocs/missing/app.cgi", &shebang),
    ]);
    for (name, text) in scripts {
        write_program(&root.join(name), &warm::deployed(text), 0o755);
    }
    if matches!(kind, Kind::ApacheCgid | Kind::ApacheCgi) {
        let rules = [
            (
                "rewritten",
                "RewriteEngine On\nRewriteCond %{REQUEST_FILENAME} !-f\nRewriteRule ^(.*)$ app.cgi/$1 [QSA]\n",
            ),
            ("fallback", "FallbackResource /fallback/app.cgi\n"),
            ("missing", "ErrorDocument 404 /missing/app.cgi\n"),
        ];
        for (folder, text) in rules {
            fs::write(root.join("htdocs").join(folder).join(".htaccess"), text).unwrap();
        }
    }
}

/// Starts the server's processes, which end with this one. Gives whether one of them has ended.
fn run(kind: Kind, root: &Path, port: u16) -> Arc<AtomicBool> {
    let has_ended = Arc::new(AtomicBool::new(false));
    let configuration = root.join("server.conf").display().to_string();
    let ours = root.join("bin/wsgi-cgi").display().to_string();
    let bind = format!("--bind=127.0.0.1:{port}");
    let commands: Vec<(&str, &str, Vec<&str>)> = match kind {
        Kind::ApacheCgid | Kind::ApacheCgi => {
            vec![(
                "apache2",
                "/usr/sbin/apache2",
                vec!["-f", &configuration, "-DFOREGROUND"],
            )]
        }
        Kind::Lighttpd => vec![(
            "lighttpd",
            "/usr/sbin/lighttpd",
            vec!["-D", "-f", &configuration],
        )],
        Kind::Nginx => vec![
            ("fcgiwrap", "/usr/sbin/fcgiwrap", vec![]),
            ("fcgiwrap", "/usr/sbin/fcgiwrap", vec![]),
            ("fcgiwrap", "/usr/sbin/fcgiwrap", vec![]),
            ("fcgiwrap", "/usr/sbin/fcgiwrap", vec![]),
            ("nginx", "/usr/sbin/nginx", vec!["-c", &configuration]),
        ],
        Kind::Serve => vec![(
            "wsgi-cgi",
            &ours,
            vec![
                "serve",
                &bind,
                "--list",
                "--debug=false",
                "--max-processes=64",
                ".",
            ],
        )],
    };
    // Each fcgiwrap answers one request at a time, on the socket that is its standard input.
    let socket = root.join("fcgiwrap.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o777)).unwrap();
    for (package, program, arguments) in commands {
        spawn(package, program, &arguments, root, &listener, &has_ended);
    }
    has_ended
}

/// Starts a process of a server in its folder, which ends with this one. `has_ended` becomes true when it does.
pub fn spawn(
    package: &str,
    program: &str,
    arguments: &[impl AsRef<OsStr>],
    root: &Path,
    input: &UnixListener,
    has_ended: &Arc<AtomicBool>,
) {
    for (package, program) in [(package, program), ("util-linux", "/usr/bin/setpriv")] {
        assert!(
            Path::new(program).exists(),
            "{program} is missing: apt-get install {package}"
        );
    }
    let log = fs::File::options()
        .append(true)
        .create(true)
        .open(root.join("stderr.log"))
        .unwrap();
    let mut command = Command::new("/usr/bin/setpriv");
    // The signal comes when the thread that started it ends: that one must not.
    command
        .args(["--pdeathsig", "TERM", "--", program])
        .args(arguments)
        .env_clear()
        .env(
            "PATH",
            format!("{}/bin:/usr/sbin:/usr/bin:/bin", root.display()),
        )
        .env("HOME", root)
        .stdin(OwnedFd::from(input.try_clone().unwrap()))
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        // Apache signals its whole group when it ends.
        .process_group(0)
        .current_dir(root);
    let ended = has_ended.clone();
    let (started, is_started) = mpsc::channel();
    thread::spawn(move || {
        let mut child = command.spawn().unwrap();
        started.send(()).unwrap();
        child.wait().unwrap();
        ended.store(true, Ordering::Relaxed);
    });
    is_started.recv().unwrap();
}
