//! systemd: a socket, and the service that the first connection starts, or each of them.

use std::path::PathBuf;

use contract::report::Failure;

use super::place::Place;
use super::quote::{SYSTEMD, SYSTEMD_PROGRAM};
use super::{File, join, steps};
use crate::plan::Bind;
use crate::plan::config::Port;

/// What a listener allows an application, where nobody has said anything: seconds.
const TIMEOUT: u64 = 60;

/// Above the command.
const NO_DEBUG: &str =
    "# --debug=false: visitors see an error's code; its traceback is in the journal.";

/// The units' name.
pub fn unit(place: &Place) -> String {
    format!("wsgi-cgi-{}", place.label)
}

/// `--timeout`, or what stands for it here.
pub fn limit(place: &Place) -> u64 {
    place.timeout.map_or(TIMEOUT, |limit| limit.as_secs())
}

/// The socket between a proxy and the listener.
pub fn socket_behind_proxy(place: &Place) -> Bind {
    let default = || Bind::Unix(PathBuf::from(format!("/run/{}.sock", unit(place))));
    place.mount.socket.clone().unwrap_or_else(default)
}

/// `serve`, by a socket of its own.
pub fn serve(place: &Place) -> Result<Vec<File>, Failure> {
    let title = format!(
        "systemd: {} at {}",
        place.target.below(&place.folder),
        address(place)
    );
    let socket = socket(place, &title, &own_socket(place), None, &[])?;
    let mut words = static_words(place)?;
    words.splice(0..0, listener_words(place));
    let service = listener(place, &words, "")?;
    Ok(vec![socket, service])
}

/// `serve`, by the socket that a proxy of this group connects to.
pub fn behind_proxy(place: &Place, group: &str, is_https: bool) -> Result<Vec<File>, Failure> {
    let title = format!(
        "systemd: where {} is answered",
        place.target.below(&place.folder)
    );
    let socket = socket(place, &title, &socket_behind_proxy(place), Some(group), &[])?;
    let mut words = listener_words(place);
    words.push("--warm".into());
    let mut note = "";
    if is_https {
        words.push("--env=HTTPS=on".into());
        note = "# HTTPS=on: visitors come by https, to the proxy.\n";
    }
    Ok(vec![socket, listener(place, &words, note)?])
}

/// `inetd`, once for each connection.
pub fn inetd(place: &Place) -> Result<Vec<File>, Failure> {
    let title = format!(
        "systemd: {} at {}",
        place.target.below(&place.folder),
        address(place)
    );
    let limits = [
        "# A process for each connection.",
        "Accept=yes",
        "# Beyond these, connections are closed at once.",
        "MaxConnections=64",
        "MaxConnectionsPerSource=16",
    ];
    let socket = socket(place, &title, &own_socket(place), None, &limits)?;
    let mut words = vec![
        format!("--timeout={TIMEOUT}"),
        "--log-format=combined".to_owned(),
        "--debug=false".into(),
    ];
    words.extend(script_name(place));
    words.extend(static_words(place)?);
    let mut lines = vec![
        format!(
            "# /etc/systemd/system/{}@.service: one connection of the socket",
            unit(place)
        ),
        "[Unit]".into(),
        format!("Description=WSGI application {}, one request", place.label),
        "# What failed is in the journal, and no unit that stays.".into(),
        "CollectMode=inactive-or-failed".into(),
        String::new(),
        "[Service]".into(),
        NO_DEBUG.into(),
        format!("ExecStart={}", command(place, "inetd", &words)?),
        "StandardInput=socket".into(),
        "# Else it would follow standard output, to the client.".into(),
        "StandardError=journal".into(),
    ];
    lines.extend(user(place));
    lines.extend([
        "# What the application does after its response goes on.".into(),
        "KillMode=process".into(),
    ]);
    let service = File::new(&format!("{}@.service", unit(place)), join(lines));
    Ok(vec![socket, service])
}

/// Options of `serve` and `inetd`, by their `--static`.
pub fn static_words(place: &Place) -> Result<Vec<String>, Failure> {
    let words = place.mount.statics.iter();
    words
        .map(|(url, folder)| Ok(format!("--static={url}={}", super::path(folder)?)))
        .collect()
}

/// What tells an application below a prefix where it is.
pub fn script_name(place: &Place) -> Option<String> {
    let url = Some(&place.mount.url).filter(|url| !url.is_empty());
    url.map(|url| format!("--script-name={url}"))
}

/// `ADDRESS:PORT` of a service that has no web server in front: this machine's own, if nothing was said.
pub fn own_port(place: &Place) -> String {
    let Port { address, number } = place.mount.port.unwrap_or(Port {
        address: None,
        number: 8000,
    });
    let address = address.unwrap_or(std::net::Ipv4Addr::LOCALHOST.into());
    std::net::SocketAddr::new(address, number).to_string()
}

fn own_socket(place: &Place) -> Bind {
    match (&place.mount.socket, own_port(place).parse()) {
        (Some(socket), _) => socket.clone(),
        (None, Ok(address)) => Bind::Address(address),
        (None, Err(_)) => Bind::Address((std::net::Ipv4Addr::LOCALHOST, 8000).into()),
    }
}

fn address(place: &Place) -> String {
    match own_socket(place) {
        Bind::Address(address) => format!("http://{address}{}/", place.mount.url),
        Bind::Unix(path) => path.display().to_string(),
    }
}

fn listener_words(place: &Place) -> Vec<String> {
    let words = [
        "--max-processes=8",
        "--log-format=combined",
        "--debug=false",
    ]
    .map(String::from);
    let timeout = [format!("--timeout={TIMEOUT}")];
    timeout
        .into_iter()
        .chain(words)
        .chain(script_name(place))
        .collect()
}

fn socket(
    place: &Place,
    title: &str,
    bind: &Bind,
    group: Option<&str>,
    more: &[&str],
) -> Result<File, Failure> {
    let name = unit(place);
    let mut lines = steps(
        title,
        &[
            &format!("save this as /etc/systemd/system/{name}.socket, and the service beside it"),
            &format!("systemctl daemon-reload; systemctl enable --now {name}.socket"),
        ],
    );
    lines.extend([
        "[Unit]".into(),
        format!("Description=Socket of the WSGI application {}", place.label),
        String::new(),
        "[Socket]".into(),
    ]);
    match bind {
        Bind::Address(address) => lines.push(format!("ListenStream={address}")),
        Bind::Unix(path) => lines.push(format!(
            "ListenStream={}",
            super::path(path)?.replace('%', "%%")
        )),
    }
    if let (Bind::Unix(_), Some(group)) = (bind, group) {
        lines.extend([
            "# The proxy may connect, and nobody else.".into(),
            "SocketMode=0660".into(),
            format!("SocketGroup={group}"),
        ]);
    }
    lines.extend(more.iter().map(|line| (*line).to_owned()));
    lines.extend([
        String::new(),
        "[Install]".into(),
        "WantedBy=sockets.target".into(),
    ]);
    Ok(File::new(&format!("{name}.socket"), join(lines)))
}

fn listener(place: &Place, words: &[String], note: &str) -> Result<File, Failure> {
    let name = unit(place);
    let mut lines = vec![
        format!(
            "# /etc/systemd/system/{name}.service: started by the first connection to {name}.socket"
        ),
        "[Unit]".into(),
        format!(
            "Description=WSGI application {}, one process per request",
            place.label
        ),
        format!("Requires={name}.socket"),
        String::new(),
        "[Service]".into(),
        NO_DEBUG.into(),
        format!("{note}ExecStart={}", command(place, "serve", words)?),
    ];
    lines.extend(user(place));
    lines.extend([
        "# Running requests have ten seconds (--grace).".into(),
        "TimeoutStopSec=20".into(),
    ]);
    Ok(File::new(&format!("{name}.service"), join(lines)))
}

fn command(place: &Place, name: &str, words: &[String]) -> Result<String, Failure> {
    let program = SYSTEMD_PROGRAM.word(&place.program)?;
    let words = SYSTEMD.words(&place.command(words))?;
    Ok(format!("{program} {name} {words}"))
}

fn user(place: &Place) -> Vec<String> {
    let user = match &place.mount.user {
        Some(user) => vec![format!("User={user}")],
        None => vec![
            "# A user of its own, who may write nowhere but in /tmp; with --user NAME it is that one.".into(),
            "DynamicUser=yes".into(),
        ],
    };
    user.into_iter()
        .chain(["PrivateTmp=yes".to_owned()])
        .collect()
}
