//! `wsgi-cgi config`: a server's configuration for an application, complete, commented, ready to paste.

mod apache;
mod caddy;
#[cfg(test)]
mod examples;
mod lambda;
mod lighttpd;
mod nginx;
mod openfaas;
pub mod place;
pub mod quote;
pub mod script;
mod systemd;
pub mod write;
mod xinetd;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use contract::codes::Code;
use contract::outcome::Outcome;
use contract::report::Failure;

use self::place::Place;
use crate::cli::{self, Refusal};
use crate::doors::{here, refuse};
use crate::plan::Warm;
use crate::plan::config::{ConfigPlan, Port, Server};

/// One file of a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its name; absolute where the configuration names it.
    pub path: PathBuf,
    /// Its permissions.
    pub mode: u32,
    /// What it holds.
    pub text: String,
}

impl File {
    fn new(name: &str, text: String) -> Self {
        Self {
            path: name.into(),
            mode: 0o644,
            text,
        }
    }
}

/// `arguments` stand behind `config`.
pub fn run(arguments: &[OsString]) -> Outcome {
    let done = here().map_err(Refusal::from).and_then(|here| {
        let plan = cli::parse_config(arguments, &here)?;
        Ok(configure(&plan, &here)?)
    });
    match done {
        Ok(()) => Outcome::Complete,
        Err(refusal) => refuse(refusal),
    }
}

fn configure(plan: &ConfigPlan, here: &Path) -> Result<(), Failure> {
    let Some(server) = plan.server else {
        write::print(&servers());
        return Ok(());
    };
    let place = Place::find(&plan.asked, &plan.mount, here)?;
    let files = files(server, &place)?;
    match &plan.output {
        Some(folder) => {
            write::write(&files, folder, plan.existing)?;
            write::print(&next(&files));
            Ok(())
        }
        None => {
            write::print(&write::shown(&files));
            Ok(())
        }
    }
}

/// The files that `server` needs to run the application at this place; the first one is the server's own.
pub fn files(server: Server, place: &Place) -> Result<Vec<File>, Failure> {
    refuse_unused(server, place)?;
    match server {
        Server::Apache => apache::site(place),
        Server::Htaccess => apache::folder(place),
        Server::Lighttpd => lighttpd::site(place),
        Server::Nginx => nginx::fcgiwrap(place),
        Server::NginxProxy => nginx::proxy(place),
        Server::Caddy => caddy::proxy(place),
        Server::Systemd => systemd::serve(place),
        Server::SystemdInetd => systemd::inetd(place),
        Server::Xinetd => xinetd::service(place),
        Server::Openfaas => openfaas::stack(place),
        Server::Lambda => lambda::function(place),
    }
}

/// A setting that nothing is made of would be believed to be at work.
fn refuse_unused(server: Server, place: &Place) -> Result<(), Failure> {
    use Server::{
        Apache, Caddy, Htaccess, Lambda, Lighttpd, Nginx, NginxProxy, Openfaas, Systemd,
        SystemdInetd, Xinetd,
    };
    let is_used = |option: &str| match option {
        "--name" if server == Htaccess => true,
        "--name" | "--document-root" => {
            matches!(server, Apache | Lighttpd | Nginx | NginxProxy | Caddy)
        }
        "--port" => !matches!(server, Htaccess | Openfaas | Lambda),
        "--socket" => matches!(server, Nginx | NginxProxy | Caddy | Systemd | SystemdInetd),
        "--user" => matches!(server, NginxProxy | Caddy | Systemd | SystemdInetd | Xinetd),
        "--static" => !matches!(server, Openfaas | Lambda),
        // Each connection has a unit of its own, with its own /tmp: it would find nobody there.
        "--warm" => server != SystemdInetd,
        _ => server != Lambda,
    };
    let mount = &place.mount;
    let given = [
        ("--warm", place.warm == Warm::Wanted),
        ("--url", !mount.url.is_empty()),
        ("--name", mount.name.is_some()),
        ("--port", mount.port.is_some()),
        ("--socket", mount.socket.is_some()),
        ("--document-root", mount.document_root.is_some()),
        ("--static", !mount.statics.is_empty()),
        ("--user", mount.user.is_some()),
    ];
    match given
        .iter()
        .find(|(option, is_given)| *is_given && !is_used(option))
    {
        None => Ok(()),
        Some((option, _)) => {
            let reason = format!("{option} has no meaning for {}", name(server));
            Err(Failure::new(Code::CANNOT_CONFIGURE, reason))
        }
    }
}

/// As it is typed.
pub fn name(server: Server) -> String {
    let value = server.to_possible_value();
    value.map_or_else(String::new, |value| value.get_name().to_owned())
}

/// What `config` can be asked for.
fn servers() -> String {
    let mut text = String::from("A configuration can be written for:\n");
    for value in Server::value_variants()
        .iter()
        .filter_map(ValueEnum::to_possible_value)
    {
        let about = value
            .get_help()
            .map(ToString::to_string)
            .unwrap_or_default();
        text.push_str(&format!("  {:<14} {about}\n", value.get_name()));
    }
    text.push_str(
        "\nwsgi-cgi config SERVER APP prints it; wsgi-cgi config --help tells the options.\n",
    );
    text
}

/// The comment on top: what this is, and the steps to take.
fn steps(title: &str, steps: &[&str]) -> Vec<String> {
    let mut lines = vec![
        format!("# {title}"),
        "# Made by wsgi-cgi config. What to do:".into(),
    ];
    lines.extend(steps.iter().map(|step| format!("#   {step}")));
    lines.push(String::new());
    lines
}

/// The same once more, for who has not looked into the files.
fn next(files: &[File]) -> String {
    let Some(file) = files.first() else {
        return String::new();
    };
    let lines = file.text.lines().take_while(|line| !line.is_empty());
    let steps: String = lines
        .filter_map(|line| line.strip_prefix("#   "))
        .map(|step| format!("  {step}\n"))
        .collect();
    let name = file.path.display();
    format!("\nWhat to do, as it stands on top of {name}:\n{steps}")
}

fn join(lines: Vec<String>) -> String {
    let mut text = lines.join("\n");
    text.push('\n');
    text
}

/// `ADDRESS:PORT`, with `*` for all addresses.
fn listens_on(port: Option<Port>, default: &str) -> String {
    match port {
        None => default.to_owned(),
        Some(Port {
            address: None,
            number,
        }) => format!("*:{number}"),
        Some(Port {
            address: Some(address),
            number,
        }) => std::net::SocketAddr::new(address, number).to_string(),
    }
}

/// A folder or socket as it is written.
fn path(path: &Path) -> Result<String, Failure> {
    let text = place::text(path.as_os_str())?;
    Ok(match text.trim_end_matches('/') {
        "" => text,
        short => short.to_owned(),
    })
}
