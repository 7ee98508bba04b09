//! Under real web servers: Apache with mod_cgid and mod_cgi, Lighttpd, nginx with fcgiwrap.

mod ending;
mod exchanges;
mod faults;
mod forms;
mod mounts;

use crate::support::http::{Connection, Reply};
use crate::support::server::Server;
use crate::support::{warm, write_program};

/// One exchange with the application's shebang script, on a connection of its own.
#[track_caller]
fn exchange(
    server: &Server,
    method: &str,
    path: &str,
    fields: &[(&str, &str)],
    body: &[u8],
) -> Reply {
    let target = format!("/cgi-bin/app.cgi{path}");
    Connection::to(server.port).exchange(method, &target, fields, body)
}

/// Puts a script into the server's `cgi-bin`; gives its address.
fn deploy(server: &Server, name: &str, text: &str) -> String {
    let file = server.root.join("cgi-bin").join(name);
    write_program(&file, &warm::deployed(text), 0o755);
    let address = format!("/cgi-bin/{name}");
    if name.ends_with(".cgi") {
        warm::first_request(server.port, &format!("{address}/"));
    }
    address
}

/// A string that the application saw in its environ.
fn told(reply: &Reply, name: &str) -> Option<String> {
    let environ: std::collections::HashMap<String, String> = parse(&reply.text());
    environ.get(name).cloned()
}

/// The flat JSON object of strings that `tell` makes.
fn parse(text: &str) -> std::collections::HashMap<String, String> {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}
