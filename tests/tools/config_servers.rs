//! The real servers, each with a main file of the least that there must be, which includes what `config` wrote.

use std::fmt;
use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use crate::frameworks::site::{copy, examples, virtualenv};
use crate::support::server::{folder, free_port, spawn};
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
    deployment: Deployment,
    /// The application's folder.
    pub folder: PathBuf,
    /// What `config` wrote.
    pub files: PathBuf,
    root: PathBuf,
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} at {:?} under {:?} in {}",
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
    words.push("served.py".into());
    config(&folder, &words);
    Site {
        framework,
        url: url.to_owned(),
        port,
        deployment,
        folder,
        files,
        root: root.to_owned(),
    }
}

fn user() -> &'static str {
    match rustix::process::geteuid().is_root() {
        true => "www-data",
        false => "nobody",
    }
}

/// The files of one ending, of all sites.
fn written(sites: &[Site], ending: &str) -> Vec<PathBuf> {
    let files = sites
        .iter()
        .flat_map(|site| fs::read_dir(&site.files).unwrap());
    let files = files.map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files
        .filter(|path| path.to_string_lossy().ends_with(ending))
        .collect();
    files.sort();
    assert!(files.len() >= sites.len(), "{ending}: {files:?}");
    files
}

/// A line of each of these files.
fn lines(files: &[PathBuf], line: impl Fn(&str) -> String) -> String {
    files
        .iter()
        .map(|file| line(file.to_str().unwrap()))
        .collect()
}

fn run(deployment: Deployment, root: &Path, sites: &[Site], has_ended: &Arc<AtomicBool>) {
    let main = root.join("main.conf");
    let main_file = main.to_str().unwrap();
    let socket = root.join("fcgiwrap.sock");
    let input = UnixListener::bind(&socket).unwrap();
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o777)).unwrap();
    let begin = |package: &str, program: &str, arguments: &[&str]| {
        spawn(package, program, arguments, root, &input, has_ended);
    };
    let place = root.display();
    match deployment {
        ApacheCgid | ApacheCgi | HtaccessCgid | HtaccessCgi => {
            fs::write(&main, apache(deployment, root, sites)).unwrap();
            begin(
                "apache2",
                "/usr/sbin/apache2",
                &["-f", main_file, "-DFOREGROUND"],
            );
        }
        Lighttpd => {
            let includes = lines(&written(sites, ".conf"), |file| {
                format!("include \"{file}\"\n")
            });
            let own = free_port();
            let text = format!(
                "server.document-root = \"{place}/htdocs\"\nserver.bind = \"127.0.0.1\"\nserver.port = {own}\n\
                 server.errorlog = \"{place}/error.log\"\nserver.upload-dirs = ( \"{place}/uploads\" )\n{includes}"
            );
            fs::write(&main, text).unwrap();
            begin("lighttpd", "/usr/sbin/lighttpd", &["-D", "-f", main_file]);
        }
        Nginx | NginxProxy => {
            let includes = lines(&written(sites, ".conf"), |file| {
                format!("include \"{file}\";\n")
            });
            let user = if user() == "www-data" {
                "user www-data;"
            } else {
                ""
            };
            let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
            let temporary = temporary
                .map(|name| format!("{name}_temp_path \"{place}/{name}\";\n"))
                .concat();
            let text = format!(
                "daemon off;\npid \"{place}/pid\";\nerror_log \"{place}/error.log\";\n{user}\nevents {{}}\n\
                 http {{\naccess_log off;\n{temporary}{includes}}}\n"
            );
            fs::write(&main, text).unwrap();
            if deployment == Nginx {
                for _ in 0..4 {
                    begin("fcgiwrap", "/usr/sbin/fcgiwrap", &[]);
                }
            } else {
                activate(sites, &begin);
            }
            begin("nginx", "/usr/sbin/nginx", &["-c", main_file]);
        }
        Caddy => {
            let includes = lines(&written(sites, ".caddy"), |file| format!("import {file}\n"));
            fs::write(&main, format!("{{\n    admin off\n}}\n{includes}")).unwrap();
            activate(sites, &begin);
            begin(
                "caddy",
                "/usr/bin/caddy",
                &["run", "--adapter", "caddyfile", "--config", main_file],
            );
        }
        Systemd | SystemdInetd => activate(sites, &begin),
        Xinetd => {
            let includes = lines(&written(sites, ""), |file| format!("include {file}\n"));
            fs::write(&main, format!("defaults\n{{\n}}\n{includes}")).unwrap();
            begin(
                "xinetd",
                "/usr/sbin/xinetd",
                &["-dontfork", "-f", main_file],
            );
        }
    }
}

/// What systemd does with the units, without systemd as process 1.
fn activate(sites: &[Site], begin: &dyn Fn(&str, &str, &[&str])) {
    for site in sites {
        let one = std::slice::from_ref(site);
        let unit = |ending: &str| fs::read_to_string(&written(one, ending)[0]).unwrap();
        let (socket, service) = (unit(".socket"), unit(".service"));
        let setting = |unit: &str, name: &str| {
            let line = unit
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            line.unwrap_or_else(|| panic!("no {name} in\n{unit}"))
                .to_owned()
        };
        let listen = setting(&socket, "ListenStream");
        let command = setting(&service, "ExecStart");
        let mut words = vec![format!("--listen={listen}")];
        if socket.contains("\nAccept=yes\n") {
            assert_eq!(setting(&service, "StandardInput"), "socket");
            words.extend(["--accept", "--inetd"].map(String::from));
        }
        words.extend(systemd_words(&command));
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        begin("systemd", "/usr/bin/systemd-socket-activate", &words);
        if listen.starts_with('/') {
            // SocketMode and SocketGroup are systemd's own task.
            until("the socket", || Path::new(&listen).exists());
            fs::set_permissions(&listen, fs::Permissions::from_mode(0o777)).unwrap();
        }
    }
}

/// systemd.service(5), "Command lines": quotes, and what stands for `%` and `$`.
fn systemd_words(command: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let (mut is_quoted, mut chars) = (false, command.chars());
    while let Some(char) = chars.next() {
        let word = words.last_mut().unwrap();
        match char {
            '"' => is_quoted = !is_quoted,
            ' ' if !is_quoted => words.push(String::new()),
            '\\' => word.push(chars.next().unwrap()),
            '%' | '$' => {
                assert_eq!(chars.next(), Some(char), "{command}");
                word.push(char);
            }
            char => word.push(char),
        }
    }
    words
}

/// As Debian has it: its modules, and no access but what a site grants.
fn apache(deployment: Deployment, root: &Path, sites: &[Site]) -> String {
    let (mpm, cgi) = match deployment {
        ApacheCgi | HtaccessCgi => ("prefork", "cgi"),
        _ => ("event", "cgid"),
    };
    let hosts: String = match deployment {
        ApacheCgid | ApacheCgi => lines(&written(sites, ".conf"), |file| {
            format!("Include \"{file}\"\n")
        }),
        _ => sites.iter().map(|site| host(site, root)).collect(),
    };
    apache_main(mpm, cgi, root, &hosts)
}

/// A main file with these sites.
pub fn apache_main(mpm: &str, cgi: &str, root: &Path, hosts: &str) -> String {
    let place = root.display();
    let mpm = format!("mpm_{mpm}");
    let modules = [&mpm, cgi, "authz_core", "alias", "dir", "env", "mime"];
    let modules = modules
        .map(|name| format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"));
    let modules = modules.concat();
    let socket = match cgi {
        "cgid" => format!("ScriptSock {place}/cgid.sock\n"),
        _ => String::new(),
    };
    format!(
        "ServerRoot {place}\nServerName localhost\nPidFile {place}/pid\nErrorLog {place}/error.log\n{modules}{socket}\
         User {user}\nGroup {group}\nTypesConfig /dev/null\n<Directory />\nRequire all denied\n</Directory>\n\
         {hosts}",
        user = user(),
        group = if user() == "www-data" {
            "www-data"
        } else {
            "nogroup"
        },
    )
}

/// A shared host's site, as its operator has configured it.
fn host(site: &Site, root: &Path) -> String {
    let name = site.folder.strip_prefix(root.join("htdocs")).unwrap();
    let name = name
        .components()
        .next()
        .unwrap()
        .as_os_str()
        .to_str()
        .unwrap();
    format!(
        "Listen 127.0.0.1:{port}\n<VirtualHost 127.0.0.1:{port}>\nDocumentRoot \"{folder}\"\n\
         <Directory \"{folder}\">\nRequire all granted\nAllowOverride All\n</Directory>\n</VirtualHost>\n",
        port = site.port,
        folder = root
            .join("htdocs")
            .join(name)
            .to_str()
            .unwrap()
            .replace('"', "\\\""),
    )
}
