//! How each server is started, with a main file of the least that there must be, which includes what `config` wrote.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::config_servers::Deployment::{
    ApacheCgi, ApacheCgid, Caddy, HtaccessCgi, HtaccessCgid, Lighttpd, Nginx, NginxProxy, Systemd,
    SystemdInetd, Xinetd,
};
use super::config_servers::{Deployment, Site, user};
use crate::support::server::{free_port, spawn};
use crate::support::until;

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

pub fn run(deployment: Deployment, root: &Path, sites: &[Site], has_ended: &Arc<AtomicBool>) {
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
         User www-data\nGroup www-data\nTypesConfig /dev/null\n<Directory />\nRequire all denied\n</Directory>\n\
         {hosts}",
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
