//! Lighttpd 1.4 with mod_cgi.

use contract::report::Failure;

use super::place::Place;
use super::quote::{LIGHTTPD, SHELL};
use super::{File, join, script, steps};

/// A file for the folder of configurations, and the script behind it.
pub fn site(place: &Place) -> Result<Vec<File>, Failure> {
    let quote = |text: &str| LIGHTTPD.quote(text);
    let (name, mount) = (format!("90-{}.conf", place.label), &place.mount);
    let mut lines = steps(
        &format!(
            "Lighttpd 1.4: {} at {}",
            place.target.below(&place.folder),
            place.address()
        ),
        &[
            &format!("save this as /etc/lighttpd/conf-enabled/{name}"),
            &format!(
                "save the script as {}; chmod 755 {0}",
                SHELL.word(&place.script)?
            ),
            "lighttpd -tt -f /etc/lighttpd/lighttpd.conf && systemctl restart lighttpd",
        ],
    );
    lines.push("server.modules += ( \"mod_alias\", \"mod_cgi\" )".into());
    let mut conditions = Vec::new();
    if let Some(port) = mount.port {
        let address = super::listens_on(Some(port), "");
        conditions.push(format!(
            "$SERVER[\"socket\"] == \"{}\"",
            address.trim_start_matches('*')
        ));
    }
    if let Some(name) = &mount.name {
        // A client may name the port, too.
        conditions.push(format!(
            "$HTTP[\"host\"] =~ \"^{}(:[0-9]+)?$\"",
            name.replace('.', r"\.")
        ));
    }
    let mut body = Vec::new();
    if let Some(root) = &mount.document_root {
        body.push("# The site's other files.".into());
        body.push(format!(
            "server.document-root = {}",
            quote(&super::path(root)?)?
        ));
    }
    let mut aliases = Vec::new();
    for (url, folder) in &mount.statics {
        let folder = quote(&format!("{}/", super::path(folder)?))?;
        aliases.push(format!(
            "    \"{url}/\" => {folder},   # sent by Lighttpd itself"
        ));
    }
    let url = mount.url.replace('.', r"\.");
    aliases.push(match url.as_str() {
        "" => format!("    \"/\" => {}", quote(&format!("{}/", place.script))?),
        _ => format!("    \"{}\" => {}", mount.url, quote(&place.script)?),
    });
    // Other files may have aliases for the whole server (Debian's javascript-common): outside of a condition, setting
    // them a second time is an error.
    let set = match conditions.is_empty() && mount.url.is_empty() {
        true => "+=",
        false => "=",
    };
    let mut application = vec![
        format!("alias.url {set} ("),
        aliases.join("\n"),
        ")".into(),
        "# By its own first line. Nothing else here is a program.".into(),
        format!("cgi.assign {set} ( {} => \"\" )", quote(&place.script)?),
        "cgi.execute-x-only = \"enable\"".into(),
        "# Each piece of a response goes out when the application gives it, not all at the end."
            .into(),
        "server.stream-response-body = 1".into(),
    ];
    if !place.has_error_log {
        application.extend([
            "# Where the script's complaints go: a daemon loses them otherwise. (With --error-log they have a file of their own.)".into(),
            "server.breakagelog = \"/var/log/lighttpd/breakage.log\"".into(),
        ]);
    }
    if let Some(limit) = place.timeout {
        application.extend([
            "# Longer than --timeout: the application's own 504 says more than Lighttpd's.".into(),
            format!(
                "cgi.limits = ( \"read-timeout\" => {} )",
                limit.as_secs().saturating_add(5)
            ),
        ]);
    }
    match url.as_str() {
        "" => {
            body.push("# Every address is the application's. Both slashes matter: SCRIPT_NAME is empty then, as it has to be.".into());
            body.extend(application);
        }
        url => {
            body.push(format!(
                "# Every address from {} on is the application's; SCRIPT_NAME is {0}.",
                mount.url
            ));
            body.extend(block(
                &format!("$HTTP[\"url\"] =~ \"^{url}(/|$)\""),
                application,
            ));
        }
    }
    for condition in conditions.iter().rev() {
        body = block(condition, body);
    }
    lines.extend(body);
    Ok(vec![File::new(&name, join(lines)), script::file(place)?])
}

fn block(condition: &str, body: Vec<String>) -> Vec<String> {
    let body = body.iter().flat_map(|text| text.lines());
    let body = body.map(|line| format!("    {line}"));
    let mut lines = vec![format!("{condition} {{")];
    lines.extend(body);
    lines.push("}".into());
    lines
}
