//! Which web server it is, and what to write into its configuration.

use serde::Deserialize;

use crate::plan::config::Server as Config;

/// A web server that starts CGI programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    /// Apache, whose daemon gives one socket as stdin and stdout.
    ApacheCgid,
    /// Apache, with pipes.
    ApacheCgi,
    /// LiteSpeed, which reads Apache's configuration.
    LiteSpeed,
    /// Lighttpd.
    Lighttpd,
    /// nginx, whose FastCGI requests fcgiwrap turns into processes.
    Fcgiwrap,
    /// `wsgi-cgi serve`.
    Serve,
    /// `python -m http.server --cgi`.
    PythonLibrary,
    /// Any other.
    Other,
}

/// Something to be mended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// The field Authorization.
    Authorization,
    /// The response's length.
    ContentLength,
    /// Responses piece by piece.
    Streaming,
    /// A place for stderr.
    Stderr,
    /// No variable HTTP_PROXY.
    Proxy,
    /// Bodies of some megabytes.
    LargeBody,
    /// `%2F` in an address.
    EncodedSlash,
}

/// What tells servers apart.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Traits {
    /// SERVER_SOFTWARE.
    pub software: String,
    /// The name of the process that started us.
    pub parent: String,
    /// Whether stdin and stdout are one socket.
    pub is_shared: bool,
}

impl Server {
    /// By what a process was given.
    pub fn of(traits: &Traits) -> Self {
        let software = traits.software.to_ascii_lowercase();
        let is = |name: &str| software.starts_with(name);
        match () {
            () if traits.parent.starts_with("fcgiwrap") => Self::Fcgiwrap,
            () if is("apache") && traits.is_shared => Self::ApacheCgid,
            () if is("apache") => Self::ApacheCgi,
            () if is("litespeed") => Self::LiteSpeed,
            () if is("lighttpd") => Self::Lighttpd,
            // Others than fcgiwrap turn FastCGI into processes, too.
            () if is("nginx") => Self::Fcgiwrap,
            () if is("wsgi-cgi/") => Self::Serve,
            () if is("simplehttp/") => Self::PythonLibrary,
            () => Self::Other,
        }
    }

    /// For a person.
    pub fn name(self) -> &'static str {
        match self {
            Self::ApacheCgid => "Apache, mod_cgid",
            Self::ApacheCgi => "Apache, mod_cgi",
            Self::LiteSpeed => "LiteSpeed",
            Self::Lighttpd => "Lighttpd, mod_cgi",
            Self::Fcgiwrap => "nginx, fcgiwrap",
            Self::Serve => "wsgi-cgi serve",
            Self::PythonLibrary => "Python's http.server",
            Self::Other => "unknown",
        }
    }

    /// As `wsgi-cgi config` knows it.
    pub fn config(self) -> Option<Config> {
        match self {
            Self::ApacheCgid | Self::ApacheCgi | Self::LiteSpeed => Some(Config::Apache),
            Self::Lighttpd => Some(Config::Lighttpd),
            Self::Fcgiwrap => Some(Config::Nginx),
            Self::Serve | Self::PythonLibrary | Self::Other => None,
        }
    }

    /// How long a script may take, as far as that is known.
    pub fn timeout(self) -> &'static str {
        match self {
            Self::ApacheCgid => {
                "CGIDScriptTimeout, else Timeout, between two pieces: 60 s unless set"
            }
            Self::ApacheCgi => "Timeout, between two pieces: 60 s unless set",
            Self::LiteSpeed => "the host's setting; often 300 s",
            Self::Lighttpd => "none, unless cgi.limits has a read-timeout",
            Self::Fcgiwrap => "fastcgi_read_timeout, between two pieces: 60 s unless set",
            Self::Serve => "--timeout, if it is given",
            Self::PythonLibrary => "none",
            Self::Other => "not known",
        }
    }

    /// Where what the script writes to a pipe or socket as stderr comes out.
    pub fn log(self) -> &'static str {
        match self {
            Self::ApacheCgi => "Apache's ErrorLog, as lines of AH01215",
            Self::ApacheCgid => "Apache's ErrorLog",
            Self::Fcgiwrap => "fcgiwrap's stderr, or with -f nginx's error_log",
            Self::Serve => "the listener's stderr",
            Self::LiteSpeed => "LiteSpeed's stderr.log",
            Self::Lighttpd | Self::PythonLibrary | Self::Other => {
                "the server, which does with it what it likes"
            }
        }
    }

    /// The lines of the server's configuration that mend it, where there are such.
    pub fn lines(self, need: Need) -> &'static [&'static str] {
        match (self, need) {
            (Self::ApacheCgid | Self::ApacheCgi, Need::Authorization) => &["CGIPassAuth On"],
            (Self::LiteSpeed, Need::Authorization) => &[
                "RewriteEngine On",
                "RewriteRule .* - [E=HTTP_AUTHORIZATION:%{HTTP:Authorization}]",
            ],
            (Self::ApacheCgid | Self::ApacheCgi, Need::ContentLength) => {
                &["SetEnv ap_trust_cgilike_cl 1"]
            }
            (Self::ApacheCgid | Self::ApacheCgi | Self::LiteSpeed, Need::Streaming) => {
                &["SetEnv no-gzip 1"]
            }
            (Self::ApacheCgid | Self::ApacheCgi | Self::LiteSpeed, Need::LargeBody) => {
                &["LimitRequestBody 104857600"]
            }
            (Self::ApacheCgid | Self::ApacheCgi, Need::EncodedSlash) => &[
                "# in the virtual host: .htaccess does not take it",
                "AllowEncodedSlashes NoDecode",
            ],
            (Self::Lighttpd, Need::Streaming) => &["server.stream-response-body = 1"],
            (Self::Lighttpd, Need::Stderr) => {
                &["server.breakagelog = \"/var/log/lighttpd/scripts.log\""]
            }
            (Self::Lighttpd, Need::LargeBody) => &["server.max-request-size = 102400"],
            (Self::Fcgiwrap, Need::Authorization) => {
                &["fastcgi_param HTTP_AUTHORIZATION $http_authorization;"]
            }
            (Self::Fcgiwrap, Need::Streaming) => {
                &["fastcgi_buffering off;", "fastcgi_param NO_BUFFERING 1;"]
            }
            (Self::Fcgiwrap, Need::Proxy) => &["fastcgi_param HTTP_PROXY \"\";"],
            (Self::Fcgiwrap, Need::LargeBody) => &["client_max_body_size 100m;"],
            _ => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_known_by_its_name_its_process_and_its_descriptors() {
        for (software, parent, is_shared, expected) in [
            (
                "Apache/2.4.66 (Debian)",
                "apache2",
                true,
                Server::ApacheCgid,
            ),
            ("Apache", "httpd", false, Server::ApacheCgi),
            ("lighttpd/1.4.69", "lighttpd", false, Server::Lighttpd),
            ("nginx/1.22.1", "fcgiwrap", false, Server::Fcgiwrap),
            ("", "fcgiwrap", false, Server::Fcgiwrap),
            ("nginx/1.22.1", "spawn", false, Server::Fcgiwrap),
            ("LiteSpeed", "lsphp", false, Server::LiteSpeed),
            ("wsgi-cgi/0.1.0", "wsgi-cgi", false, Server::Serve),
            (
                "SimpleHTTP/0.6 Python/3.11",
                "python3",
                false,
                Server::PythonLibrary,
            ),
            ("Caddy", "caddy", false, Server::Other),
            ("", "", true, Server::Other),
        ] {
            let traits = Traits {
                software: software.into(),
                parent: parent.into(),
                is_shared,
            };
            assert_eq!(Server::of(&traits), expected, "{traits:?}");
        }
    }

    #[test]
    fn what_the_survey_knows_is_what_is_written() {
        for (server, need, expected) in [
            (Server::ApacheCgid, Need::Authorization, "CGIPassAuth On"),
            (
                Server::ApacheCgi,
                Need::ContentLength,
                "SetEnv ap_trust_cgilike_cl 1",
            ),
            (
                Server::Lighttpd,
                Need::Streaming,
                "server.stream-response-body = 1",
            ),
            (
                Server::Fcgiwrap,
                Need::Proxy,
                "fastcgi_param HTTP_PROXY \"\";",
            ),
        ] {
            assert_eq!(server.lines(need), [expected]);
        }
        assert!(Server::Other.lines(Need::Authorization).is_empty());
    }
}
