//! nginx: with fcgiwrap, which runs the script, or in front of `wsgi-cgi serve`.

use std::path::Path;

use contract::codes::Code;
use contract::report::Failure;

use super::place::Place;
use super::quote::{NGINX, SHELL};
use super::systemd;
use super::{File, join, listens_on, script, steps};
use crate::plan::Bind;

/// What FastCGI tells, beside what differs from place to place.
const PARAMETERS: &[(&str, &str)] = &[
    ("QUERY_STRING", "$query_string"),
    ("REQUEST_METHOD", "$request_method"),
    ("REQUEST_URI", "$request_uri"),
    ("CONTENT_TYPE", "$content_type"),
    ("CONTENT_LENGTH", "$content_length"),
    ("DOCUMENT_ROOT", "$document_root"),
    ("SERVER_PROTOCOL", "$server_protocol"),
    ("SERVER_PORT", "$server_port"),
    ("SERVER_SOFTWARE", "nginx/$nginx_version"),
    ("REMOTE_ADDR", "$remote_addr"),
    ("REMOTE_PORT", "$remote_port"),
    ("GATEWAY_INTERFACE", "CGI/1.1"),
    ("HTTPS", "$https if_not_empty"),
];

/// A server block for fcgiwrap, and the script behind it.
pub fn fcgiwrap(place: &Place) -> Result<Vec<File>, Failure> {
    let name = format!("{}.conf", place.label);
    let saved = save(place, &name);
    let script_step = format!(
        "save the script as {}; chmod 755 {0}",
        SHELL.word(&place.script)?
    );
    let mut steps_to_take =
        vec!["apt-get install fcgiwrap; systemctl enable --now fcgiwrap.socket"];
    steps_to_take.extend(saved.iter().map(String::as_str));
    steps_to_take.extend([&script_step, "nginx -t && systemctl reload nginx"]);
    let mut lines = steps(
        &format!(
            "nginx with fcgiwrap: {} at {}",
            place.target.below(&place.folder),
            place.address()
        ),
        &steps_to_take,
    );
    lines.extend(server(place)?);
    let url = place.mount.url.replace('.', r"\.");
    lines.extend(location(place));
    let mut parameter =
        |name: &str, value: &str| lines.push(format!("        fastcgi_param {name} {value};"));
    parameter("SCRIPT_FILENAME", &NGINX.quote(&place.script)?);
    match url.as_str() {
        "" => {
            parameter("SCRIPT_NAME", "\"\"");
            parameter("PATH_INFO", "$uri");
        }
        _ => {
            parameter("SCRIPT_NAME", "$fastcgi_script_name");
            parameter("PATH_INFO", "$fastcgi_path_info");
        }
    }
    // What a client calls the host counts only where the site has no name.
    let host = match place.mount.name {
        Some(_) => "$server_name",
        None => "$host",
    };
    parameter("SERVER_NAME", host);
    for (name, value) in PARAMETERS {
        parameter(name, value);
    }
    if !url.is_empty() {
        lines.push("        # Without this, the whole address would be SCRIPT_NAME.".into());
        lines.push(format!(
            "        fastcgi_split_path_info \"^({url})(/.*)?$\";"
        ));
    }
    let socket = match &place.mount.socket {
        Some(socket) => upstream(socket)?,
        None => "unix:/run/fcgiwrap.socket".into(),
    };
    lines.extend([
        "        # A client's Proxy field must not become the application's proxy (httpoxy)."
            .into(),
        "        fastcgi_param HTTP_PROXY \"\";".into(),
        "        # Each piece of a response goes out when the application gives it.".into(),
        "        fastcgi_param NO_BUFFERING 1;".into(),
        "        fastcgi_buffering off;".into(),
    ]);
    if let Some(limit) = place.timeout {
        lines.extend([
            "        # Longer than --timeout: the application's own 504 says more than nginx's."
                .into(),
            format!(
                "        fastcgi_read_timeout {}s;",
                limit.as_secs().saturating_add(5)
            ),
        ]);
    }
    lines.push(format!("        fastcgi_pass {};", NGINX.word(&socket)?));
    lines.extend(["    }".into(), "}".into()]);
    Ok(vec![File::new(&name, join(lines)), script::file(place)?])
}

/// A server block, and the units of the listener behind it.
pub fn proxy(place: &Place) -> Result<Vec<File>, Failure> {
    let name = format!("{}.conf", place.label);
    let socket = systemd::socket_behind_proxy(place);
    let saved = save(place, &name);
    let units = systemd::unit(place);
    let unit_step = format!(
        "save the units as /etc/systemd/system/{units}.socket and {units}.service; systemctl daemon-reload"
    );
    let enable = format!("systemctl enable --now {units}.socket");
    let mut steps_to_take: Vec<&str> = saved.iter().map(String::as_str).collect();
    steps_to_take.extend([&unit_step, &enable, "nginx -t && systemctl reload nginx"]);
    let mut lines = steps(
        &format!(
            "nginx in front of wsgi-cgi serve: {} at {}",
            place.target.below(&place.folder),
            place.address()
        ),
        &steps_to_take,
    );
    lines.extend(server(place)?);
    lines.extend(location(place));
    lines.extend([
        "        # What the client asked for, as it was asked: no address is rewritten, so that all links lead back.".into(),
        format!("        proxy_pass {};", NGINX.word(&match upstream(&socket)? {
            unix if unix.starts_with("unix:") => format!("http://{unix}:"),
            address => format!("http://{address}"),
        })?),
        "        proxy_set_header Host $http_host;".into(),
        "        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;".into(),
        "        proxy_set_header X-Forwarded-Proto $scheme;".into(),
        "        proxy_http_version 1.1;".into(),
        "        proxy_redirect off;".into(),
        "        # Each piece of a response goes out when the application gives it.".into(),
        "        proxy_buffering off;".into(),
        "        # Longer than --timeout: the listener's own 504 says more than nginx's.".into(),
        format!("        proxy_read_timeout {}s;", systemd::limit(place).saturating_add(5)),
        "    }".into(),
        "}".into(),
    ]);
    let mut files = vec![File::new(&name, join(lines))];
    files.extend(systemd::behind_proxy(place, "www-data", false)?);
    Ok(files)
}

fn save(place: &Place, name: &str) -> Vec<String> {
    let mut steps = vec![format!(
        "save this as /etc/nginx/sites-available/{name}; ln -s ../sites-available/{name} /etc/nginx/sites-enabled/"
    )];
    if place.mount.name.is_none() && place.mount.port.is_none() {
        steps.push(
            "without --name, this site is the only one: rm /etc/nginx/sites-enabled/default".into(),
        );
    }
    steps
}

/// The block's beginning, and its static files.
fn server(place: &Place) -> Result<Vec<String>, Failure> {
    let mount = &place.mount;
    let mut lines = vec![
        "server {".to_owned(),
        format!("    listen {};", listens_on(mount.port, "80")),
    ];
    if mount.port.is_none_or(|port| port.address.is_none()) {
        let number = mount.port.map_or(80, |port| port.number);
        lines.push(format!("    listen [::]:{number};"));
    }
    lines.extend([
        format!("    server_name {};", mount.name.as_deref().unwrap_or("_")),
        "    # The largest upload; nginx's own limit is 1m.".into(),
        "    client_max_body_size 100m;".into(),
    ]);
    if let Some(root) = &mount.document_root {
        lines.push("    # The site's other files.".into());
        lines.push(format!("    root {};", NGINX.quote(&super::path(root)?)?));
    }
    for (url, folder) in &mount.statics {
        let folder = NGINX.quote(&format!("{}/", super::path(folder)?))?;
        lines.push("    # Files that nginx sends itself.".into());
        lines.push(format!("    location ^~ {url}/ {{ alias {folder}; }}"));
    }
    Ok(lines)
}

/// Where the application begins.
fn location(place: &Place) -> [String; 2] {
    match place.mount.url.as_str() {
        "" => [
            "    # Every other address is the application's: SCRIPT_NAME is empty.".into(),
            "    location / {".into(),
        ],
        url => [
            format!(
                "    # Every address from {url} on is the application's; SCRIPT_NAME is {url}."
            ),
            format!("    location ~ \"^{}(/|$)\" {{", url.replace('.', r"\.")),
        ],
    }
}

/// As nginx has it: `unix:PATH` or `ADDRESS:PORT`.
fn upstream(socket: &Bind) -> Result<String, Failure> {
    match socket {
        Bind::Address(address) => Ok(address.to_string()),
        Bind::Unix(path) => {
            let path = super::path(Path::new(path))?;
            if path.contains(':') {
                let reason = format!("--socket unix:{path}: nginx ends a socket's path at a colon");
                return Err(Failure::new(Code::CANNOT_CONFIGURE, reason));
            }
            Ok(format!("unix:{path}"))
        }
    }
}
