//! xinetd: a process for each connection.

use contract::report::Failure;

use super::place::Place;
use super::quote::XINETD;
use super::{File, join, steps, systemd};

/// A service.
pub fn service(place: &Place) -> Result<Vec<File>, Failure> {
    let name = systemd::unit(place);
    let listen = systemd::own_port(place);
    let mut words = vec!["--timeout=60".to_owned(), "--debug=false".into()];
    words.extend(systemd::script_name(place));
    words.extend(systemd::static_words(place)?);
    let (address, port) = listen.rsplit_once(':').unwrap_or_default();
    let mut lines = steps(
        &format!(
            "xinetd: {} at http://{listen}{}/",
            place.target.below(&place.folder),
            place.mount.url
        ),
        &[
            &format!("save this as /etc/xinetd.d/{name}"),
            "systemctl restart xinetd",
        ],
    );
    lines.extend([
        format!("service {name}"),
        "{".into(),
        "    # Not one of /etc/services.".into(),
        "    type        = UNLISTED".into(),
        format!("    bind        = {}", address.trim_matches(['[', ']'])),
        format!("    port        = {port}"),
        "    socket_type = stream".into(),
        "    protocol    = tcp".into(),
        "    # A process for each connection; it gets the connection itself.".into(),
        "    wait        = no".into(),
        format!(
            "    user        = {}",
            place.mount.user.as_deref().unwrap_or("www-data")
        ),
        format!("    server      = {}", XINETD.word(&place.program)?),
        "    # --debug=false: visitors see an error's code; its traceback is in syslog.".into(),
        format!(
            "    server_args = inetd {}",
            XINETD.words(&place.command(&words))?
        ),
        "    # At once.".into(),
        "    instances   = 64".into(),
        "    disable     = no".into(),
        "}".into(),
    ]);
    Ok(vec![File::new(&name, join(lines))])
}
