//! The command line of `config`, and what `init` has in common with it.

use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use clap::{Args, Parser};
use contract::codes::Code;
use contract::report::Failure;

use super::serve::bind;
use super::{Options, Refusal, refusal};
use crate::plan::config::{Application, ConfigPlan, Existing, Mounting, Port, Server};
use crate::plan::{Bind, Settings};

const ABOUT: &str =
    "Writes a server's configuration for an application: complete, commented, ready to paste.";

const DETAILS: &str = "\
It goes to standard output, with the steps to take on top. Where several files
are needed, each is printed with its name; --output DIR writes them. Nothing is
installed and no server is touched.

Examples:
  wsgi-cgi config                                    which servers there are
  wsgi-cgi config apache --name example.org app.py   a site of its own
  wsgi-cgi config htaccess --url /shop --output . .  a shared host's folder
  wsgi-cgi config nginx-proxy --static /static=static mysite.wsgi
  wsgi-cgi config systemd --user www-data --output /etc/systemd/system app.py";

#[derive(Parser)]
#[command(name = "wsgi-cgi config", bin_name = "wsgi-cgi config", about = ABOUT, after_help = DETAILS, args_override_self = true)]
pub(super) struct ConfigLine {
    /// What the configuration is for; without one, they are listed
    #[arg(value_name = "SERVER", value_enum, hide_possible_values = true)]
    server: Option<Server>,
    /// The application
    #[arg(value_name = "APP")]
    application: Option<OsString>,
    /// Write the files into this folder, instead of showing them
    #[arg(long, value_name = "DIR", help_heading = "Writing")]
    output: Option<PathBuf>,
    /// Replace files that are there
    #[arg(long, help_heading = "Writing")]
    force: bool,
    #[command(flatten)]
    mount: MountOptions,
    #[command(flatten, next_help_heading = "The application")]
    options: Options,
}

/// Where the application is to be.
#[derive(Args)]
#[command(next_help_heading = "The site")]
pub(super) struct MountOptions {
    /// The URL's path that leads to the application: / or /prefix [default: /]
    #[arg(long, value_name = "/PREFIX", value_parser = url_path)]
    pub(super) url: Option<String>,
    /// The site's host name
    #[arg(long, value_name = "HOST", value_parser = host_name)]
    name: Option<String>,
    /// Where the site listens: PORT or ADDRESS:PORT
    #[arg(long, value_name = "PORT", value_parser = port)]
    port: Option<Port>,
    /// Where fcgiwrap, or wsgi-cgi serve, listens: unix:PATH or ADDRESS:PORT
    #[arg(long, value_name = "ADDR", value_parser = bind)]
    socket: Option<Bind>,
    /// The folder of the site's other files
    #[arg(long, value_name = "DIR")]
    document_root: Option<PathBuf>,
    /// The server itself sends the files of DIR below URL (repeatable)
    #[arg(long = "static", value_name = "URL=DIR", value_parser = static_files)]
    statics: Vec<(String, PathBuf)>,
    /// The user that the application runs as
    #[arg(long, value_name = "USER", value_parser = user_name)]
    user: Option<String>,
    /// The script that the web server runs [default: app.cgi beside the application, or in DIR of --output]
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,
}

/// Reads the command line behind `config`; relative paths count from `here`.
pub fn parse_config(arguments: &[OsString], here: &Path) -> Result<ConfigPlan, Refusal> {
    let program = OsString::from("wsgi-cgi config");
    let words = std::iter::once(&program).chain(arguments);
    let line = ConfigLine::try_parse_from(words).map_err(|error| refusal(&error))?;
    let application = match (line.server, line.application) {
        (Some(_), None) => return Err(Failure::new(Code::NO_APPLICATION, "").into()),
        (_, application) => application.unwrap_or_default(),
    };
    let output = line
        .output
        .map(|folder| here.join(folder).components().collect::<PathBuf>());
    let mut mount = line.mount.meant(here);
    mount.script = mount
        .script
        .or_else(|| Some(output.as_ref()?.join("app.cgi")));
    Ok(ConfigPlan {
        server: line.server,
        asked: line.options.asked(application, here),
        mount,
        output,
        existing: match line.force {
            true => Existing::Replaced,
            false => Existing::Kept,
        },
    })
}

impl MountOptions {
    pub(super) fn meant(self, here: &Path) -> Mounting {
        let absolute = |path: PathBuf| here.join(path);
        let statics = self.statics.into_iter();
        Mounting {
            url: self.url.unwrap_or_default(),
            name: self.name,
            port: self.port,
            socket: self.socket.map(|socket| match socket {
                Bind::Unix(path) => Bind::Unix(absolute(path)),
                address @ Bind::Address(_) => address,
            }),
            document_root: self.document_root.map(absolute),
            statics: statics
                .map(|(url, folder)| (url, absolute(folder)))
                .collect(),
            user: self.user,
            script: self.script.map(absolute),
        }
    }
}

impl Options {
    /// `application` with these options; relative paths count from `here`.
    pub(super) fn asked(self, application: OsString, here: &Path) -> Application {
        let mut words = self.words(here);
        if let Some(on) = self.debug {
            words.push(format!("--debug={on}").into());
        }
        let mut settings = Settings::default();
        self.apply(&mut settings, here, "--python");
        Application {
            application,
            words,
            settings,
        }
    }
}

/// A path of plain names, without a slash at its end: no server reads it differently from another.
fn url_path(text: &str) -> Result<String, String> {
    let path = text.trim_end_matches('/');
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let is_name = |name: &str| !matches!(name, "" | "." | "..") && name.bytes().all(is_plain);
    let mut names = path.split('/');
    match names.next() == Some("") && names.all(is_name) && !text.is_empty() {
        true => Ok(path.to_owned()),
        false => {
            Err("not a path such as /shop: letters, digits and - . _ ~ between slashes".into())
        }
    }
}

/// Whether `url` is one, or empty for the root.
pub fn is_url_path(url: &str) -> bool {
    url.is_empty() || url_path(url).is_ok_and(|path| path == url)
}

fn host_name(text: &str) -> Result<String, String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    match !text.is_empty() && text.bytes().all(is_plain) {
        true => Ok(text.to_owned()),
        false => Err("not a host name such as example.org".into()),
    }
}

fn user_name(text: &str) -> Result<String, String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    match !text.is_empty() && text.bytes().all(is_plain) {
        true => Ok(text.to_owned()),
        false => Err("not a user's name".into()),
    }
}

fn port(text: &str) -> Result<Port, String> {
    let (address, number) = match text.parse::<SocketAddr>() {
        Ok(address) => (Some(address.ip()), address.port()),
        Err(_) => (None::<IpAddr>, text.parse().unwrap_or(0)),
    };
    match number {
        0 => Err("not PORT, ADDRESS:PORT or [ADDRESS]:PORT".into()),
        number => Ok(Port { address, number }),
    }
}

fn static_files(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((url, folder)) if !folder.is_empty() => match url_path(url)?.as_str() {
            "" => {
                Err("the root of the site is the application's: name a path such as /static".into())
            }
            url => Ok((url.to_owned(), folder.into())),
        },
        _ => Err("not URL=DIR, such as /static=static".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(words: &[&str]) -> Result<ConfigPlan, String> {
        let words: Vec<_> = words.iter().map(OsString::from).collect();
        parse_config(&words, Path::new("/here")).map_err(|refusal| match refusal {
            Refusal::Answered(text) => text,
            Refusal::Wrong(failure) => failure.to_string(),
        })
    }

    #[test]
    fn paths_are_absolute_and_the_site_is_understood() {
        let plan = plan(&[
            "nginx-proxy",
            "--url=/shop/",
            "--port=127.0.0.1:8080",
            "--static=/shop/static/=static",
            "--socket=unix:run.sock",
            "--warm",
            "--output=out",
            "app.py",
        ])
        .unwrap();
        assert_eq!(plan.server, Some(Server::NginxProxy));
        assert_eq!(plan.mount.url, "/shop");
        let expected = ("/shop/static".to_owned(), PathBuf::from("/here/static"));
        assert_eq!(plan.mount.statics, [expected]);
        assert_eq!(plan.mount.socket, Some(Bind::Unix("/here/run.sock".into())));
        assert_eq!(plan.mount.script, Some("/here/out/app.cgi".into()));
        assert_eq!(plan.asked.words, ["--warm=true"]);
    }

    #[test]
    fn what_a_server_could_misread_is_refused() {
        for wrong in [
            "--url=shop",
            "--url=",
            "--url=/a//b",
            "--url=/a/../b",
            "--url=/a b",
            "--url=/a$b",
            "--name=a;b",
            "--name=",
            "--port=0",
            "--port=localhost:80",
            "--user=a b",
            "--static=/static",
            "--static=/=x",
        ] {
            assert!(plan(&["apache", wrong, "app.py"]).is_err(), "{wrong}");
        }
        assert!(plan(&["apache"]).unwrap_err().contains("WC001"));
        assert!(plan(&["apach", "app.py"]).unwrap_err().contains("apach"));
    }
}
