//! What to paste: the lines that mend what was found, and the whole configuration that has them in their place.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use contract::handover::Source;
use contract::report::Failure;

use super::report::{Place, Report};
use super::server::Server;
use super::{Judged, process, request};
use crate::plan::config::{Application, Mounting, Server as Config};
use crate::terminal::quoted;
use crate::tools::config::{self, place, write};

/// The lines, each below where it belongs; empty where nothing is to be changed.
pub fn lines(server: Server, report: &Report) -> String {
    let mut text = String::new();
    let mut list = |title: &str, place| {
        let lines = report.lines(place);
        if lines.is_empty() {
            return;
        }
        let _ = writeln!(text, "{title}");
        for line in lines {
            let _ = writeln!(text, "    {line}");
        }
    };
    let title = match server {
        Server::ApacheCgid | Server::ApacheCgi | Server::LiteSpeed => {
            "In the <Directory> or .htaccess of the application (which needs AllowOverride All there):"
        }
        Server::Lighttpd => "In Lighttpd's configuration, for the application's address:",
        Server::Fcgiwrap => "In the location of nginx's configuration that has fastcgi_pass:",
        Server::Serve | Server::PythonLibrary | Server::Other => "In the server's configuration:",
    };
    list(title, Place::Server);
    list(
        "In the first lines of the application's file:",
        Place::Application,
    );
    text
}

/// A whole configuration, as `wsgi-cgi config` writes it.
pub struct Whole {
    server: Config,
    /// Without the script's own name.
    url: String,
    /// That the server runs.
    script: String,
}

impl Whole {
    /// For an application at this address; none where the server is none that `config` knows, or where the application
    /// is the script itself: `config` writes one that runs it.
    pub fn of(judged: &Judged, url: &str, source: &Source) -> Option<Self> {
        let script = process::value(&judged.told, "SCRIPT_FILENAME");
        let root = process::value(&judged.told, "DOCUMENT_ROOT");
        let (folder, file) = script.rsplit_once('/')?;
        if let Source::File(application) = source
            && is_same(application, script.as_ref())
        {
            return None;
        }
        let server = match judged.server.config()? {
            // Among the site's own files, where .htaccess is looked for.
            Config::Apache if !root.is_empty() && Path::new(folder).starts_with(root) => {
                Config::Htaccess
            }
            server => server,
        };
        let path = request::path(url);
        let folder = path
            .strip_suffix(file)
            .and_then(|path| path.strip_suffix('/'));
        Some(Self {
            server,
            url: folder.unwrap_or(&path).to_owned(),
            script: script.clone(),
        })
    }

    /// What prints it, for a shell.
    pub fn command(&self, asked: &Application) -> String {
        let mut words = vec![
            "wsgi-cgi".to_owned(),
            "config".to_owned(),
            config::name(self.server),
        ];
        let url = ("--url", self.url.as_str());
        for (option, value) in [url, ("--script", &self.script)] {
            if !value.is_empty() {
                words.extend([option.to_owned(), quoted(value)]);
            }
        }
        let all = asked.words.iter().chain([&asked.application]);
        words.extend(all.map(quoted));
        words.join(" ")
    }

    /// The text.
    pub fn text(&self, asked: &Application, here: &Path) -> Result<String, Failure> {
        let mount = Mounting {
            url: self.url.clone(),
            script: Some(self.script.clone().into()),
            ..Mounting::default()
        };
        let place = place::Place::find(asked, &mount, here)?;
        Ok(write::shown(&config::files(self.server, &place)?))
    }
}

fn is_same(one: &Path, other: &Path) -> bool {
    match (fs::canonicalize(one), fs::canonicalize(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => one == other,
    }
}
