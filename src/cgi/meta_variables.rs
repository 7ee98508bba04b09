//! Meta-variables: what the server says of the request, completed as PEP 3333 demands it.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use contract::handover::{BodyLength, ResponseForm};

use super::{before, last_segment};
use crate::bytes::{decimal, is_token};

/// The process's environment as bytes, in its order: meta-variables and the deployment's own.
#[derive(Clone, Debug, Default)]
pub struct MetaVariables(Vec<(Vec<u8>, Vec<u8>)>);

/// CONTENT_LENGTH is not a plain decimal number; the answer is 400.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadContentLength {
    /// What was given instead.
    pub value: Vec<u8>,
}

/// A variable, what its value must fulfil, and what is wrong with one that does not.
type Rule = (&'static str, fn(&[u8]) -> bool, &'static str);

impl FromIterator<(Vec<u8>, Vec<u8>)> for MetaVariables {
    fn from_iter<T: IntoIterator<Item = (Vec<u8>, Vec<u8>)>>(variables: T) -> Self {
        Self(variables.into_iter().collect())
    }
}

/// Set by `serve` for its children, and seen by nobody else: their arguments are the listener's alone.
pub const SERVE_CHILD: &str = "WSGI_CGI_SERVE_CHILD";

/// Its value for a child whose request the listener has offered to a zygote in vain.
pub const ASKED: &str = "asked";

/// Its value for a child that is to become a script of somebody else.
pub const LIMITED_SCRIPT: &str = "script";

/// Its value for a child of `check`: the application is observed.
pub const CHECKED: &str = "check";

/// Before its value for a child of `check`, which is to leave the terminal and perhaps to become somebody else's first.
pub const OTHER_USER: &str = "as:";

/// Native libraries start one thread per core when they are imported: slow, over a shared host's
/// limit of processes, and a reason not to be warmed.
const THREAD_COUNTS: [&str; 3] = ["OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"];

impl MetaVariables {
    /// Takes the environment as `std::env::vars_os` gives it.
    pub fn from_environment(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let bytes = |(name, value): (OsString, OsString)| (name.into_vec(), value.into_vec());
        Self(variables.into_iter().map(bytes).collect())
    }

    /// The value of a variable. Empty counts as absent (RFC 3875 section 4.1).
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.find(name).filter(|value| !value.is_empty())
    }

    /// Whether the variable is there, be it empty.
    pub fn contains(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// Replaces a variable where it stands, or adds it at the end. Afterwards the name occurs once.
    pub fn set(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        let place = self
            .0
            .iter()
            .position(|(found, _)| found == name.as_bytes());
        self.remove(name);
        let place = place.unwrap_or(self.0.len());
        self.0.insert(place, (name.into(), value.into()));
    }

    /// Removes a variable, and gives its value.
    pub fn take(&mut self, name: &str) -> Option<Vec<u8>> {
        let value = self.find(name).map(<[u8]>::to_vec);
        self.remove(name);
        value
    }

    /// Removes every occurrence of a variable.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(found, _)| found != name.as_bytes());
    }

    /// Names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_slice(), value.as_slice()))
    }

    /// Names and values in order.
    pub fn as_slice(&self) -> &[(Vec<u8>, Vec<u8>)] {
        &self.0
    }

    /// Names and values in order.
    pub fn into_vec(self) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.0
    }

    /// Whether a web server started this process.
    pub fn is_cgi(&self) -> bool {
        self.contains("GATEWAY_INTERFACE")
    }

    /// Removes what is dangerous and adds what WSGI demands and servers leave out. To be called after
    /// [`super::script_name::repair`], which needs to know whether the server gave a PATH_INFO.
    pub fn complete(&mut self) {
        // httpoxy (CVE-2016-5385): a client's `Proxy:` header would become the proxy of every request
        // that the application makes. Python compares these names without regard to case.
        self.0
            .retain(|(name, _)| !name.eq_ignore_ascii_case(b"HTTP_PROXY"));
        // `wsgiref.validate` rejects both; their values are in the names without prefix.
        self.remove("HTTP_CONTENT_TYPE");
        self.remove("HTTP_CONTENT_LENGTH");
        self.take_up_authorization();
        let (name, port) = self.server();
        self.set_unless_given("REQUEST_METHOD", b"GET");
        self.set_unless_given("SCRIPT_NAME", b"");
        self.set_unless_given("PATH_INFO", b"");
        self.set_unless_given("QUERY_STRING", b"");
        self.set_unless_given("SERVER_NAME", &name);
        self.set_unless_given("SERVER_PORT", &port);
        self.set_unless_given("SERVER_PROTOCOL", b"HTTP/1.0");
        for name in THREAD_COUNTS {
            self.set_unless_given(name, b"1");
        }
    }

    /// A variable whose value RFC 3875 does not allow, and why. Servers take liberties that are mended; what a person
    /// has typed is a mistake.
    pub fn malformed(&self) -> Option<String> {
        let is_path = |value: &[u8]| value.starts_with(b"/");
        let is_port = |value: &[u8]| decimal(value).is_some_and(|port| port <= u16::MAX.into());
        let is_number = |value: &[u8]| decimal(value).is_some();
        let is_protocol = |value: &[u8]| value.split(|byte| *byte == b'/').all(is_token);
        let rules: [Rule; 6] = [
            ("REQUEST_METHOD", is_token, "not a method such as GET"),
            ("SCRIPT_NAME", is_path, "it does not begin with /"),
            ("PATH_INFO", is_path, "it does not begin with /"),
            ("CONTENT_LENGTH", is_number, "not a number of bytes"),
            ("SERVER_PORT", is_port, "not the number of a port"),
            (
                "SERVER_PROTOCOL",
                is_protocol,
                "not a protocol such as HTTP/1.1",
            ),
        ];
        rules.iter().find_map(|(name, is_right, reason)| {
            let value = self.get(name).filter(|value| !is_right(value))?;
            Some(format!(
                "{name} {:?}: {reason}",
                String::from_utf8_lossy(value)
            ))
        })
    }

    /// How the end of the body is known (RFC 3875 section 4.1.2).
    pub fn body_length(&self) -> Result<BodyLength, BadContentLength> {
        match self.get("CONTENT_LENGTH") {
            Some(value) => match decimal(value) {
                Some(0) => Ok(BodyLength::Empty),
                Some(length) => Ok(BodyLength::Exactly(length)),
                None => Err(BadContentLength {
                    value: value.to_vec(),
                }),
            },
            None if self.was_chunked() => Ok(BodyLength::UntilEnd),
            None => Ok(BodyLength::Empty),
        }
    }

    /// NPH where the script's file name begins with `nph-` (RFC 3875 section 5.1).
    pub fn response_form(&self) -> ResponseForm {
        let script = self
            .get("SCRIPT_FILENAME")
            .or_else(|| self.get("SCRIPT_NAME"));
        match script.is_some_and(|script| last_segment(script).starts_with(b"nph-")) {
            true => ResponseForm::Nph,
            false => ResponseForm::Cgi,
        }
    }

    fn find(&self, name: &str) -> Option<&[u8]> {
        self.iter()
            .find(|(found, _)| *found == name.as_bytes())
            .map(|(_, value)| value)
    }

    fn set_unless_given(&mut self, name: &str, value: &[u8]) {
        if self.get(name).is_none() {
            self.set(name, value);
        }
    }

    /// Apache drops the header without `CGIPassAuth On`. The known ways around it leave it under one
    /// of these names: `RewriteRule … [E=HTTP_AUTHORIZATION:…]` followed by an internal redirect, and
    /// `SetEnvIf Authorization`. A client can set neither, for its headers begin with `HTTP_`.
    fn take_up_authorization(&mut self) {
        let found = self
            .get("REDIRECT_HTTP_AUTHORIZATION")
            .or_else(|| self.get("Authorization"));
        if let Some(value) = found.map(<[u8]>::to_vec) {
            self.set_unless_given("HTTP_AUTHORIZATION", &value);
        }
    }

    /// SERVER_NAME and SERVER_PORT as far as they can be told without the server.
    fn server(&self) -> (Vec<u8>, Vec<u8>) {
        let host = self.get("HTTP_HOST").and_then(split_host);
        let name = match (host, self.get("SERVER_ADDR")) {
            (Some((name, _)), _) => name.to_vec(),
            (None, Some(address)) if address.contains(&b':') && !address.starts_with(b"[") => {
                [b"[", address, b"]"].concat()
            }
            (None, address) => address.unwrap_or(b"localhost").to_vec(),
        };
        let default_port: &[u8] = if self.is_https() { b"443" } else { b"80" };
        let port = host.and_then(|(_, port)| port).unwrap_or(default_port);
        (name, port.to_vec())
    }

    fn is_https(&self) -> bool {
        let https = self.get("HTTPS").unwrap_or_default();
        let scheme = self.get("REQUEST_SCHEME").unwrap_or_default();
        let words: [&[u8]; 4] = [b"on", b"1", b"true", b"yes"];
        words.iter().any(|word| https.eq_ignore_ascii_case(word))
            || scheme.eq_ignore_ascii_case(b"https")
    }

    /// Whether the server removed a chunked coding, which leaves the length unknown.
    fn was_chunked(&self) -> bool {
        let codings = self.get("HTTP_TRANSFER_ENCODING").unwrap_or_default();
        let last = codings
            .rsplit(|byte| *byte == b',')
            .next()
            .unwrap_or_default();
        last.trim_ascii().eq_ignore_ascii_case(b"chunked")
    }
}

/// Host and port of a Host header, as far as they can stand in a URL. The colons of an IPv6 address
/// stand in brackets, and those belong to SERVER_NAME (RFC 3875 section 4.1.14).
fn split_host(header: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    let behind_bracket = header.strip_prefix(b"[");
    let name = match behind_bracket.map(|address| before(address, b']')) {
        Some(address) => header.get(..address.len() + 2)?,
        None => before(header, b':'),
    };
    let allowed: &[u8] = if behind_bracket.is_some() {
        b"[]:."
    } else {
        b"-._"
    };
    let is_host = name
        .iter()
        .all(|byte| byte.is_ascii_alphanumeric() || allowed.contains(byte));
    let is_port = |port: &&[u8]| decimal(port).is_some_and(|port| port <= u16::MAX.into());
    let port = header
        .strip_prefix(name)?
        .strip_prefix(b":")
        .filter(is_port);
    (is_host && !name.is_empty() && name != b"[]").then_some((name, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `NAME=value` words to variables.
    fn variables(words: &str) -> MetaVariables {
        let pairs = words.split(' ').filter_map(|word| word.split_once('='));
        MetaVariables::from_environment(pairs.map(|(name, value)| (name.into(), value.into())))
    }

    fn completed(words: &str) -> MetaVariables {
        let mut variables = variables(words);
        variables.complete();
        variables
    }

    fn words(variables: &MetaVariables) -> String {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let word = |(name, value)| format!("{}={}", text(name), text(value));
        variables.iter().map(word).collect::<Vec<_>>().join(" ")
    }

    #[track_caller]
    fn check_completed(given: &str, name: &str, expected: &str) {
        let completed = completed(given);
        assert_eq!(completed.find(name), Some(expected.as_bytes()), "{given}");
    }

    #[test]
    fn empty_counts_as_absent_but_is_there() {
        let variables = variables("A= B=b");
        assert_eq!(variables.get("A"), None);
        assert!(variables.contains("A"));
        assert_eq!(variables.get("B"), Some(&b"b"[..]));
        assert!(!variables.contains("C"));
    }

    #[test]
    fn set_replaces_every_occurrence_in_place() {
        let mut variables = variables("A=1 B=2 A=3");
        variables.set("A", "4");
        variables.set("C", "5");
        assert_eq!(words(&variables), "A=4 B=2 C=5");
    }

    #[test]
    fn what_wsgi_demands_is_there_though_the_server_gave_nothing() {
        assert_eq!(
            words(&completed("")),
            "REQUEST_METHOD=GET SCRIPT_NAME= PATH_INFO= QUERY_STRING= \
             SERVER_NAME=localhost SERVER_PORT=80 SERVER_PROTOCOL=HTTP/1.0 \
             OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 MKL_NUM_THREADS=1"
        );
    }

    #[test]
    fn what_the_server_gave_stays() {
        let given = "REQUEST_METHOD=POST SCRIPT_NAME=/a PATH_INFO=/b QUERY_STRING=c \
                     SERVER_NAME=d SERVER_PORT=81 SERVER_PROTOCOL=HTTP/2.0 \
                     OPENBLAS_NUM_THREADS=4 OMP_NUM_THREADS=4 MKL_NUM_THREADS=4 HTTP_HOST=e:82";
        assert_eq!(words(&completed(given)), given);
    }

    #[test]
    fn httpoxy_is_removed_in_every_spelling() {
        let completed = words(&completed(
            "HTTP_PROXY=x Http_Proxy=y HTTP_PROXY=z HTTPS_PROXY=w",
        ));
        assert!(completed.starts_with("HTTPS_PROXY=w REQUEST_METHOD=GET"));
    }

    #[test]
    fn content_type_and_length_do_not_occur_twice() {
        let completed = words(&completed(
            "HTTP_CONTENT_TYPE=a HTTP_CONTENT_LENGTH=1 CONTENT_TYPE=b",
        ));
        assert!(completed.starts_with("CONTENT_TYPE=b REQUEST_METHOD=GET"));
    }

    #[test]
    fn authorization_is_taken_up() {
        let names = [
            "HTTP_AUTHORIZATION",
            "REDIRECT_HTTP_AUTHORIZATION",
            "Authorization",
        ];
        let given = names.map(|name| format!("{name}={name}"));
        for (first, name) in names.iter().enumerate() {
            let given: Vec<_> = given.iter().skip(first).map(String::as_str).collect();
            check_completed(&given.join(" "), "HTTP_AUTHORIZATION", name);
        }
        assert!(!completed("").contains("HTTP_AUTHORIZATION"));
    }

    #[test]
    fn server_name_and_port_come_from_the_host_header() {
        for (host, name, port) in [
            ("example.com", "example.com", "80"),
            ("example.com:8080", "example.com", "8080"),
            ("example.com:+1", "example.com", "80"),
            ("example.com:65536", "example.com", "80"),
            ("[::1]", "[::1]", "80"),
            ("[::1]:81", "[::1]", "81"),
            ("[]", "192.0.2.1", "80"),
            ("::1", "192.0.2.1", "80"),
            ("[::1", "192.0.2.1", "80"),
            (":81", "192.0.2.1", "80"),
            ("evil/x:81", "192.0.2.1", "80"),
        ] {
            let given = format!("HTTP_HOST={host} SERVER_ADDR=192.0.2.1 SERVER_NAME=");
            check_completed(&given, "SERVER_NAME", name);
            check_completed(&given, "SERVER_PORT", port);
        }
        check_completed("SERVER_ADDR=::1", "SERVER_NAME", "[::1]");
    }

    #[test]
    fn https_has_its_own_port() {
        check_completed("HTTPS=ON", "SERVER_PORT", "443");
        check_completed("REQUEST_SCHEME=https", "SERVER_PORT", "443");
        check_completed("HTTPS=off", "SERVER_PORT", "80");
    }

    #[test]
    fn content_length_is_a_plain_decimal_number() {
        let length = |value: &str| {
            MetaVariables(vec![("CONTENT_LENGTH".into(), value.into())]).body_length()
        };
        assert_eq!(variables("").body_length(), Ok(BodyLength::Empty));
        assert_eq!(length(""), Ok(BodyLength::Empty));
        assert_eq!(length("0"), Ok(BodyLength::Empty));
        assert_eq!(length("007"), Ok(BodyLength::Exactly(7)));
        assert_eq!(
            length("18446744073709551615"),
            Ok(BodyLength::Exactly(u64::MAX))
        );
        for value in [
            "+1",
            "-1",
            " 1",
            "1 ",
            "0x1",
            "1,1",
            "\u{0661}",
            "18446744073709551616",
        ] {
            let bad = BadContentLength {
                value: value.into(),
            };
            assert_eq!(length(value), Err(bad), "{value}");
        }
    }

    #[test]
    fn what_rfc_3875_does_not_allow_is_malformed() {
        for right in [
            "",
            "REQUEST_METHOD= CONTENT_LENGTH=",
            "REQUEST_METHOD=PROPFIND SCRIPT_NAME=/a PATH_INFO=/ CONTENT_LENGTH=3 SERVER_PORT=80",
            "SERVER_PROTOCOL=INCLUDED",
            "SERVER_PROTOCOL=HTTP/1.0",
        ] {
            assert_eq!(variables(right).malformed(), None);
        }
        for wrong in [
            "REQUEST_METHOD=G(T",
            "SCRIPT_NAME=a",
            "PATH_INFO=a",
            "CONTENT_LENGTH=1s",
            "SERVER_PORT=65536",
            "SERVER_PROTOCOL=HTTP/",
        ] {
            let (name, _) = wrong.split_once('=').unwrap();
            let reason = variables(wrong).malformed().unwrap();
            assert!(reason.starts_with(name), "{reason}");
        }
    }

    #[test]
    fn a_chunked_body_without_length_ends_at_its_end() {
        for (given, expected) in [
            ("HTTP_TRANSFER_ENCODING=chunked", BodyLength::UntilEnd),
            (
                "HTTP_TRANSFER_ENCODING=gzip,Chunked CONTENT_LENGTH=",
                BodyLength::UntilEnd,
            ),
            ("HTTP_TRANSFER_ENCODING=gzip", BodyLength::Empty),
            (
                "HTTP_TRANSFER_ENCODING=chunked CONTENT_LENGTH=5",
                BodyLength::Exactly(5),
            ),
        ] {
            assert_eq!(variables(given).body_length(), Ok(expected), "{given}");
        }
    }

    #[test]
    fn nph_is_known_by_the_file_name() {
        for (given, expected) in [
            ("", ResponseForm::Cgi),
            ("SCRIPT_FILENAME=/srv/nph-app.cgi", ResponseForm::Nph),
            (
                "SCRIPT_FILENAME=/nph-srv/app.cgi SCRIPT_NAME=/nph-x",
                ResponseForm::Cgi,
            ),
            ("SCRIPT_NAME=/cgi/nph-app", ResponseForm::Nph),
        ] {
            assert_eq!(variables(given).response_form(), expected, "{given}");
        }
    }
}
