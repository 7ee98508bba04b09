//! The sites of each real server: an example's copy, and what `config` wrote for it.

use std::fmt;
use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use super::config_run::run;
use crate::frameworks::site::{copy, examples, virtualenv};
use crate::support::server::{folder, free_port};
use crate::support::{PROGRAM, copy_program, output, until};

/// A server, and how it is told of an application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deployment {
    ApacheCgid,
    ApacheCgi,
    HtaccessCgid,
    HtaccessCgi,
    Lighttpd,
    Nginx,
    NginxProxy,
    Caddy,
    Systemd,
    SystemdInetd,
    Xinetd,
}

use Deployment::{
    ApacheCgi, ApacheCgid, Caddy, HtaccessCgi, HtaccessCgid, Lighttpd, Nginx, NginxProxy, Systemd,
    SystemdInetd, Xinetd,
};

/// Whose example is deployed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framework {
    Flask,
    Django,
}

use Framework::{Django, Flask};

/// One application under a server.
pub struct Site {
    pub framework: Framework,
    /// Empty at the root.
    pub url: String,
    pub port: u16,
    /// For messages.
    pub deployment: &'static str,
    /// The application's folder.
    pub folder: PathBuf,
    /// What `config` wrote.
    pub files: PathBuf,
    pub root: PathBuf,
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} at {:?} under {} in {}",
            self.framework,
            self.url,
            self.deployment,
            self.root.display()
        )
    }
}

impl Site {
    /// Everything that the server and its scripts said.
    pub fn log(&self) -> String {
        ["error.log", "stderr.log"]
            .map(|name| fs::read_to_string(self.root.join(name)).unwrap_or_default())
            .concat()
    }
}

/// What stands in front of the example, to see what reaches it.
const SERVED: &str = r#"
import json
from @MODULE@ import @NAME@ as framework

def application(environ, start_response):
    if environ["PATH_INFO"] != "/environ":
        return framework(environ, start_response)
    told = {name: value for name, value in environ.items() if isinstance(value, str)}
    told["body"] = environ["wsgi.input"].read().decode()
    body = json.dumps(told).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
"#;

/// The applications' virtualenv and this program, where every user may run them.
pub fn installed() -> &'static Path {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| {
        let root = folder("installed");
        copy_program(PROGRAM.as_ref(), &root.join("wsgi-cgi"));
        let packages =
            "flask werkzeug jinja2 markupsafe itsdangerous click blinker django asgiref sqlparse";
        let library = fs::read_dir(virtualenv().join("lib"))
            .unwrap()
            .next()
            .unwrap()
            .unwrap();
        let target = root
            .join("venv/lib")
            .join(library.file_name())
            .join("site-packages");
        fs::create_dir_all(&target).unwrap();
        let from = packages
            .split(' ')
            .map(|name| library.path().join("site-packages").join(name));
        output(Command::new("cp").arg("-a").args(from).arg(&target));
        let more = ["bin", "pyvenv.cfg"].map(|name| virtualenv().join(name));
        output(
            Command::new("cp")
                .arg("-a")
                .args(more)
                .arg(root.join("venv")),
        );
        root
    })
}

/// A copy of the example as a user has it, which the web server's user may read and write.
pub fn deploy(framework: Framework, folder: &Path) {
    let (example, module, name) = match framework {
        Flask => ("flask", "app", "app"),
        Django => ("django", "mysite.wsgi", "application"),
    };
    copy(&examples().join(example), folder);
    symlink(installed().join("venv"), folder.join(".venv")).unwrap();
    let source = SERVED.replace("@MODULE@", module).replace("@NAME@", name);
    fs::write(folder.join("served.py"), source).unwrap();
    fs::create_dir(folder.join("files")).unwrap();
    fs::write(folder.join("files/only here.txt"), "sent by the server\n").unwrap();
    fs::set_permissions(folder, fs::Permissions::from_mode(0o777)).unwrap();
    if framework == Django {
        let python = folder.join(".venv/bin/python");
        output(
            Command::new(python)
                .args(["manage.py", "migrate", "--verbosity=0"])
                .current_dir(folder),
        );
        fs::set_permissions(folder.join("db.sqlite3"), fs::Permissions::from_mode(0o666)).unwrap();
    }
}

/// Runs `wsgi-cgi config` with these words, as a person would.
pub fn config(folder: &Path, words: &[String]) -> Vec<u8> {
    let mut command = Command::new(installed().join("wsgi-cgi"));
    command.arg("config").args(words).current_dir(folder);
    output(command.env_clear().env("PATH", "/usr/bin:/bin"))
}

fn server_name(deployment: Deployment) -> &'static str {
    match deployment {
        ApacheCgid | ApacheCgi => "apache",
        HtaccessCgid | HtaccessCgi => "htaccess",
        Lighttpd => "lighttpd",
        Nginx => "nginx",
        NginxProxy => "nginx-proxy",
        Caddy => "caddy",
        Systemd => "systemd",
        SystemdInetd => "systemd-inetd",
        Xinetd => "xinetd",
    }
}

/// The server with its sites, listening.
pub fn start(deployment: Deployment) -> Vec<Site> {
    let root = folder(&format!("config-{deployment:?}"));
    for name in ["uploads", "htdocs"] {
        fs::create_dir(root.join(name)).unwrap();
        fs::set_permissions(root.join(name), fs::Permissions::from_mode(0o777)).unwrap();
    }
    // Each server at the root and below a prefix; those that start scripts, with both frameworks at both.
    let wanted = match deployment {
        ApacheCgid | HtaccessCgid | Lighttpd | Nginx => {
            vec![
                (Flask, ""),
                (Flask, "/shop"),
                (Django, ""),
                (Django, "/shop/v1.0"),
            ]
        }
        ApacheCgi | NginxProxy | Systemd | Xinetd => vec![(Flask, ""), (Django, "/shop/v1.0")],
        HtaccessCgi | Caddy | SystemdInetd => vec![(Django, ""), (Flask, "/shop/v1.0")],
    };
    let sites: Vec<_> = wanted
        .into_iter()
        .enumerate()
        .map(|(number, (framework, url))| site(deployment, &root, number, framework, url))
        .collect();
    let has_ended = Arc::new(AtomicBool::new(false));
    run(deployment, &root, &sites, &has_ended);
    for site in &sites {
        until(&format!("{site} to listen"), || {
            assert!(
                !has_ended.load(Ordering::Relaxed),
                "{site} ended:\n{}",
                site.log()
            );
            is_listening(site.port)
        });
    }
    sites
}

/// Without a connection, which would be served.
pub fn is_listening(port: u16) -> bool {
    let listens = format!(":{port:04X} 00000000:0000 0A");
    fs::read_to_string("/proc/net/tcp").is_ok_and(|table| table.contains(&listens))
        && TcpStream::connect(("127.0.0.1", port)).is_ok()
}

fn site(
    deployment: Deployment,
    root: &Path,
    number: usize,
    framework: Framework,
    url: &str,
) -> Site {
    let name = match (deployment, number) {
        // Names that each server reads in its own way.
        (ApacheCgid | Lighttpd | Caddy | Systemd, 0) => "it's 50%% \"of\" $all, #1".to_owned(),
        (Nginx | NginxProxy | HtaccessCgid, 0) => "it's 50%% \"of\" all, #1".to_owned(),
        _ => format!("site-{number}"),
    };
    let is_folder = matches!(deployment, HtaccessCgid | HtaccessCgi);
    // With .htaccess, the application lies among the site's files.
    let folder = match is_folder {
        true => root
            .join("htdocs")
            .join(&name)
            .join(url.trim_start_matches('/')),
        false => root.join(&name),
    };
    deploy(framework, &folder);
    let files = match is_folder {
        true => folder.clone(),
        false => root.join("written").join(number.to_string()),
    };
    let port = free_port();
    let is_named = !url.is_empty();
    let mut words = vec![
        server_name(deployment).to_owned(),
        format!("--static={url}/files=files"),
        format!("--output={}", files.display()),
    ];
    if is_named {
        words.push(format!("--url={url}"));
    }
    if !is_folder {
        words.push(format!("--port=127.0.0.1:{port}"));
    }
    match deployment {
        ApacheCgid | ApacheCgi | Lighttpd | Nginx if is_named => {
            words.push("--name=localhost".into())
        }
        NginxProxy | Caddy => {
            words.push(format!(
                "--socket=unix:{}",
                root.join(format!("{number}.sock")).display()
            ));
            words.push("--warm-idle=20".into());
        }
        _ => {}
    }
    match deployment {
        // A file that this user may write; /var/log/lighttpd may be root's.
        Lighttpd => words.push(format!(
            "--error-log={}",
            root.join("uploads/failures").display()
        )),
        Nginx => words.push(format!(
            "--socket=unix:{}",
            root.join("fcgiwrap.sock").display()
        )),
        Xinetd => words.push(format!("--user={}", user())),
        _ => {}
    }
    words.extend(warm(deployment != SystemdInetd && framework == Django));
    words.push("served.py".into());
    config(&folder, &words);
    Site {
        framework,
        url: url.to_owned(),
        port,
        deployment: server_name(deployment),
        folder,
        files,
        root: root.to_owned(),
    }
}

/// Django's import takes longest: it is done once where it may.
pub fn warm(is_wanted: bool) -> Vec<String> {
    let words = if is_wanted {
        &["--warm", "--warm-idle=20"][..]
    } else {
        &[]
    };
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Whom a server starts scripts as: this user, where nobody else may be chosen.
pub fn user() -> String {
    match rustix::process::geteuid().is_root() {
        true => "www-data".into(),
        false => String::from_utf8(output(Command::new("id").arg("-un")))
            .unwrap()
            .trim()
            .into(),
    }
}
