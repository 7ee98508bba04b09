//! What was meant by `config` and `init`: a server, and what it has to be told.

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;

use clap::ValueEnum;

use super::{Bind, Settings};

/// What a configuration can be written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Server {
    /// a virtual host of Apache 2.4, one CGI process per request
    Apache,
    /// Apache on a shared host: a .htaccess file in the site's folder
    Htaccess,
    /// Lighttpd, one CGI process per request
    Lighttpd,
    /// nginx with fcgiwrap, one CGI process per request
    Nginx,
    /// nginx in front of `wsgi-cgi serve --warm`
    NginxProxy,
    /// Caddy in front of `wsgi-cgi serve --warm`
    Caddy,
    /// systemd: a socket that starts `wsgi-cgi serve`
    Systemd,
    /// systemd: a socket that starts `wsgi-cgi inetd` for each connection
    SystemdInetd,
    /// xinetd: `wsgi-cgi inetd` for each connection
    Xinetd,
    /// OpenFaaS: a stack file and a Dockerfile
    Openfaas,
    /// AWS Lambda: a SAM template, a bootstrap and a Dockerfile
    Lambda,
}

/// What `config` is to write.
#[derive(Clone, Debug)]
pub struct ConfigPlan {
    /// For which server; none: which there are.
    pub server: Option<Server>,
    /// APP, and the options that are to run it.
    pub asked: Application,
    /// Where the application is to be.
    pub mount: Mounting,
    /// The folder to write into; none: standard output.
    pub output: Option<PathBuf>,
    /// What becomes of files that are there.
    pub existing: Existing,
}

/// What `init` is to do.
#[derive(Clone, Debug)]
pub struct InitPlan {
    /// The application's folder, absolute; its options.
    pub asked: Application,
    /// The server whose configuration is written.
    pub server: Server,
    /// Where the application is to be.
    pub mount: Mounting,
    /// `--url` was given: the folder's place tells nothing.
    pub has_url: bool,
    /// What becomes of files that are there.
    pub existing: Existing,
    /// Whether somebody has to agree.
    pub consent: Consent,
}

/// An application as it was named, with its options.
#[derive(Clone, Debug)]
pub struct Application {
    /// APP.
    pub application: OsString,
    /// The options, as they would be typed; paths are absolute.
    pub words: Vec<OsString>,
    /// What they mean.
    pub settings: Settings,
}

/// What becomes of files that are there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// They stay, and nothing is written.
    Kept,
    /// They are replaced.
    Replaced,
}

/// Whether somebody has to agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consent {
    /// A person at the terminal is asked.
    Asked,
    /// `--yes`.
    Given,
}

/// Where an application is to be: what nobody but the site's owner knows.
#[derive(Clone, Debug, Default)]
pub struct Mounting {
    /// The URL's path that leads to it: empty for a site's root, else `/prefix`.
    pub url: String,
    /// The site's host name.
    pub name: Option<String>,
    /// Where the site listens.
    pub port: Option<Port>,
    /// Where fcgiwrap or `serve` listens.
    pub socket: Option<Bind>,
    /// The folder of the site's other files; absolute.
    pub document_root: Option<PathBuf>,
    /// URL paths without a slash at the end, and the folders whose files they show; absolute.
    pub statics: Vec<(String, PathBuf)>,
    /// The user that the application runs as.
    pub user: Option<String>,
    /// The script that a web server runs; absolute.
    pub script: Option<PathBuf>,
}

/// `[ADDRESS:]PORT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Port {
    /// One of the machine's addresses.
    pub address: Option<IpAddr>,
    /// The number.
    pub number: u16,
}
