//! Apache 2.4: a virtual host, or a `.htaccess` file.

use contract::codes::Code;
use contract::report::Failure;

use super::place::Place;
use super::quote::{APACHE, SHELL};
use super::{File, join, listens_on, script, steps};

/// A virtual host, and the script behind it.
pub fn site(place: &Place) -> Result<Vec<File>, Failure> {
    let quote = |text: &str| APACHE.quote(text);
    let (name, mount) = (format!("{}.conf", place.label), &place.mount);
    let saved = format!("save this as /etc/apache2/sites-available/{name}");
    let script_step = format!(
        "save the script as {}; chmod 755 {0}",
        SHELL.word(&place.script)?
    );
    let mut steps_to_take = vec![
        &*saved,
        &script_step,
        "a2enmod alias env cgi   (it takes cgid where that is the right one)",
    ];
    if mount.name.is_none() && mount.port.is_none() {
        steps_to_take.push("without --name, this site is the only one: a2dissite 000-default");
    }
    // Reloaded, mod_cgid has no daemon: it is started with Apache only.
    let enable = format!(
        "a2ensite {}; apachectl configtest && systemctl restart apache2",
        place.label
    );
    steps_to_take.push(&enable);
    let mut lines = steps(
        &format!(
            "Apache 2.4: {} at {}",
            place.target.below(&place.folder),
            place.address()
        ),
        &steps_to_take,
    );
    let listen = listens_on(mount.port, "*:80");
    // Debian listens on 80 already; twice is an error.
    if let Some(port) = mount.port.filter(|port| port.number != 80) {
        lines.push(format!(
            "Listen {}",
            listens_on(Some(port), "").trim_start_matches("*:")
        ));
    }
    lines.push(format!("<VirtualHost {listen}>"));
    if let Some(name) = &mount.name {
        lines.push(format!("    ServerName {name}"));
    }
    if let Some(root) = &mount.document_root {
        let root = quote(&super::path(root)?)?;
        lines.push("    # The site's other files.".into());
        lines.push(format!("    DocumentRoot {root}"));
        lines.extend(granted(&root));
    }
    for (url, folder) in &mount.statics {
        let folder = quote(&super::path(folder)?)?;
        lines.push("    # Files that Apache sends itself.".into());
        lines.push(format!("    Alias \"{url}\" {folder}"));
        lines.extend(granted(&folder));
    }
    let (folder, script_name) = place.script_parts();
    lines.push(match mount.url.as_str() {
        "" => "    # Every other address is the application's. Both slashes matter: SCRIPT_NAME is empty then, as it\n    \
               # has to be at the root of a site."
            .into(),
        url => format!("    # Every address from {url} on is the application's; SCRIPT_NAME is {url}."),
    });
    lines.push(match mount.url.as_str() {
        "" => format!(
            "    ScriptAlias \"/\" {}",
            quote(&format!("{}/", place.script))?
        ),
        url => format!("    ScriptAlias \"{url}\" {}", quote(&place.script)?),
    });
    lines.extend([
        format!("    <Directory {}>", quote(folder)?),
        "        # The script alone: nothing else of this folder has an address.".into(),
        format!("        <Files {}>", quote(script_name)?),
        "            Require all granted".into(),
        "        </Files>".into(),
        "        # Without this, Apache keeps the Authorization field to itself.".into(),
        "        CGIPassAuth On".into(),
        "    </Directory>".into(),
        "    # Without this, Apache throws the script's Content-Length away: no progress bar, and a response that was cut".into(),
        "    # looks whole.".into(),
        "    SetEnv ap_trust_cgilike_cl 1".into(),
    ]);
    if let Some(limit) = place.timeout {
        lines.extend([
            "    # Longer than --timeout: the application's own 504 says more than Apache's."
                .into(),
            format!("    Timeout {}", limit.as_secs().saturating_add(5)),
        ]);
    }
    lines.push("</VirtualHost>".into());
    Ok(vec![File::new(&name, join(lines)), script::file(place)?])
}

fn granted(folder: &str) -> [String; 3] {
    [
        format!("    <Directory {folder}>"),
        "        Require all granted".into(),
        "    </Directory>".into(),
    ]
}

/// For the folder of the script, which lies among a site's files.
pub fn folder(place: &Place) -> Result<Vec<File>, Failure> {
    let (folder, script_name) = place.script_parts();
    let url = &place.mount.url;
    let script_url = format!("{url}/{script_name}");
    if !super::quote::is_plain(script_name) {
        let reason = format!(
            "{script_name:?}: a script in a URL has letters, digits and - . _ only; see --script"
        );
        return Err(Failure::new(Code::CANNOT_CONFIGURE, reason));
    }
    let mut shown = vec![format!("{}(/|$)", regex(script_name))];
    for (static_url, files) in &place.mount.statics {
        let below = static_url.strip_prefix(&format!("{url}/"));
        let Some(below) = below.filter(|below| files == &std::path::Path::new(folder).join(below))
        else {
            let reason = format!(
                "--static {static_url}={}: a .htaccess file shows only what lies in its folder; link it there, and name it so: \
                 ln -s {1} {folder}/static, --static {url}/static={folder}/static",
                static_url,
                files.display()
            );
            return Err(Failure::new(Code::CANNOT_CONFIGURE, reason));
        };
        shown.push(format!("{}/", regex(below)));
    }
    let usual = ["static/", r"\.well-known/", r"(favicon\.ico|robots\.txt)$"].map(String::from);
    shown.extend(usual);
    let mut lines = steps(
        &format!(
            "Apache 2.4: {} at {}/",
            place.target.below(&place.folder),
            url
        ),
        &[
            &format!("save this as {folder}/.htaccess; {folder} is what visitors see as {url}/"),
            &format!(
                "save the script as {}; chmod 755 {0}",
                SHELL.word(&place.script)?
            ),
            "the host must allow it: AllowOverride All, or Options FileInfo Indexes AuthConfig Limit;",
            "and it needs mod_mime, mod_dir, mod_env, and mod_cgid or mod_cgi",
        ],
    );
    lines.extend([
        "# Files that end in .cgi are programs; nothing is listed.".into(),
        "Options +ExecCGI -Indexes".into(),
        "AddHandler cgi-script .cgi".into(),
        "# Every address below this folder that is no file goes to the script, whose name no address shows. SCRIPT_NAME is".into(),
        format!("# mended to {:?}.", url),
        format!("DirectoryIndex {script_name}"),
        format!("FallbackResource {script_url}"),
        "# Without this, Apache keeps the Authorization field to itself.".into(),
        "CGIPassAuth On".into(),
        "# Without this, Apache throws the script's Content-Length away: no progress bar, and a response that was cut".into(),
        "# looks whole.".into(),
        "SetEnv ap_trust_cgilike_cl 1".into(),
        "# Of the files that lie here, visitors get these only: no source, no settings, no database, no virtualenv.".into(),
        format!(
            "<If \"-f %{{REQUEST_FILENAME}} && %{{REQUEST_URI}} !~ m#^{}/({})#\">",
            regex(url),
            shown.join("|")
        ),
        "    Require all denied".into(),
        "</If>".into(),
        "# The worst of them once more, for servers that read this file and do not know <If> (LiteSpeed).".into(),
        r#"<FilesMatch "^\.|\.(pyc?|sqlite3?|ini|toml|cfg|bak)$">"#.into(),
        "    Require all denied".into(),
        "</FilesMatch>".into(),
    ]);
    Ok(vec![
        File::new(".htaccess", join(lines)),
        script::file(place)?,
    ])
}

/// A URL's path, or a file's plain name, in a pattern.
fn regex(text: &str) -> String {
    text.replace('.', r"\.").replace('+', r"\+")
}
