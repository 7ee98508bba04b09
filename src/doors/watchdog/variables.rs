//! The classic watchdog's variables as a request. Its names are those of Go's `http.Header`, `-` written as `_`.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;

use base64::prelude::{BASE64_STANDARD, Engine};
use contract::codes::Code;
use contract::report::Failure;
use serde::Deserialize;

use crate::bytes::decimal;
use crate::gateway::event::Event;
use crate::http::Fields;

const PREFIX: &[u8] = b"Http_";

/// A request, and what belongs to the deployment.
#[derive(Debug)]
pub struct Request {
    pub event: Event,
    pub body: Body,
    /// Every other variable.
    pub deployment: Vec<(OsString, OsString)>,
}

/// Where the body is.
#[derive(Debug, PartialEq, Eq)]
pub enum Body {
    /// On standard input, in bytes.
    Known(u64),
    /// On standard input, to its end.
    UntilEnd,
    /// Here (`marshal_request`).
    Given(Vec<u8>),
}

/// What `marshal_request` puts on standard input.
#[derive(Deserialize)]
struct Marshalled {
    #[serde(default)]
    header: Option<BTreeMap<String, Vec<String>>>,
    #[serde(default)]
    body: MarshalledBody,
}

#[derive(Default, Deserialize)]
struct MarshalledBody {
    #[serde(default)]
    raw: Option<String>,
}

impl Request {
    /// Of this environment, and of standard input where that holds the request's head, too.
    pub fn read(environment: &[(OsString, OsString)]) -> Result<Self, Failure> {
        let is_marshalled = environment
            .iter()
            .any(|(name, value)| name == "marshal_request" && value == "true");
        match is_marshalled {
            true => Self::of(environment, Some(&mut io::stdin())),
            false => Self::of(environment, None),
        }
    }

    fn of(
        environment: &[(OsString, OsString)],
        marshalled: Option<&mut dyn io::Read>,
    ) -> Result<Self, Failure> {
        let (of_request, deployment): (Vec<_>, Vec<_>) = environment
            .iter()
            .cloned()
            .partition(|(name, _)| name.as_bytes().starts_with(PREFIX));
        let variable = |name: &str| {
            let is_it =
                |found: &OsStr| found.as_bytes().strip_prefix(PREFIX) == Some(name.as_bytes());
            let found = of_request.iter().find(|(found, _)| is_it(found));
            found.map(|(_, value)| value.as_bytes().to_vec())
        };
        let mut fields = Fields::default();
        for (name, value) in &of_request {
            let name = name.as_bytes().get(PREFIX.len()..).unwrap_or_default();
            // Those of the watchdog itself: a header of such a name is hidden by them.
            let is_own = [
                &b"Method"[..],
                b"Path",
                b"Query",
                b"ContentLength",
                b"Content_Length",
            ]
            .contains(&name);
            if !is_own && !name.is_empty() {
                let name = String::from_utf8_lossy(name).replace('_', "-");
                fields.push(name, value.as_bytes());
            }
        }
        let length = variable("ContentLength").or_else(|| variable("Content_Length"));
        let mut body = match length.as_deref().and_then(decimal) {
            Some(length) => Body::Known(length),
            // -1 is chunked or unknown, and of-watchdog may say nothing.
            None => Body::UntilEnd,
        };
        if let Some(from) = marshalled {
            let (header, raw) = unmarshal(from)?;
            for (name, values) in header {
                fields.remove(&name);
                for value in values {
                    fields.push(name.clone(), value.into_bytes());
                }
            }
            body = Body::Given(raw);
        }
        let method = variable("Method").unwrap_or_else(|| b"GET".to_vec());
        let method = String::from_utf8(method).map_err(|_| bad("Http_Method is no text"))?;
        let path = variable("Path").filter(|path| !path.is_empty());
        Ok(Self {
            event: Event {
                method,
                path: path.unwrap_or_else(|| b"/".to_vec()),
                query: variable("Query").unwrap_or_default(),
                fields,
                // The watchdog, which asks.
                remote_address: "127.0.0.1".into(),
                ..Event::default()
            },
            body,
            deployment,
        })
    }
}

/// Header fields with their values, and the body.
type Unmarshalled = (BTreeMap<String, Vec<String>>, Vec<u8>);

fn unmarshal(from: &mut dyn io::Read) -> Result<Unmarshalled, Failure> {
    let mut text = Vec::new();
    io::Read::read_to_end(from, &mut text)
        .map_err(|error| Failure::new(Code::SYSTEM, error.to_string()))?;
    let request: Marshalled = serde_json::from_slice(&text)
        .map_err(|error| bad(&format!("marshal_request on standard input: {error}")))?;
    let raw = request.body.raw.unwrap_or_default();
    let body = BASE64_STANDARD
        .decode(raw)
        .map_err(|error| bad(&format!("body.raw is no base64: {error}")))?;
    Ok((request.header.unwrap_or_default(), body))
}

fn bad(reason: &str) -> Failure {
    Failure::new(Code::BAD_EVENT, reason)
}

/// `NAME=value` words.
#[cfg(test)]
fn environment(words: &[&str]) -> Vec<(OsString, OsString)> {
    let pair = |word: &&str| {
        word.split_once('=')
            .map(|(name, value)| (name.into(), value.into()))
    };
    words.iter().filter_map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_watchdogs_variables_are_a_request() {
        let environment = environment(&[
            "PATH=/bin",
            "Http_Method=POST",
            "Http_Path=/a b",
            "Http_Query=c=%20",
            "Http_Host=example.org:8080",
            "Http_ContentLength=4",
            "Http_Content_Length=4",
            "Http_X_Forwarded_For=10.0.0.1",
            "Http_Content_Type=text/plain",
            "http_proxy=http://proxy",
        ]);
        let request = Request::of(&environment, None).unwrap();
        assert_eq!(request.event.method, "POST");
        assert_eq!(request.event.path, b"/a b");
        assert_eq!(request.event.query, b"c=%20");
        let names: Vec<_> = request.event.fields.iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["Host", "X-Forwarded-For", "Content-Type"]);
        assert_eq!(request.body, Body::Known(4));
        let names: Vec<_> = request.deployment.iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["PATH", "http_proxy"]);
    }

    #[test]
    fn an_unknown_length_is_read_to_its_end() {
        for words in [&["Http_ContentLength=-1"][..], &["Http_Method=GET"]] {
            let request = Request::of(&environment(words), None).unwrap();
            assert_eq!(request.body, Body::UntilEnd, "{words:?}");
            assert_eq!(request.event.path, b"/");
        }
    }

    #[test]
    fn marshal_request_keeps_repeated_headers() {
        let environment = environment(&["Http_Cookie=a=1", "Http_ContentLength=9"]);
        let read = |text: &str| Request::of(&environment, Some(&mut text.as_bytes()));
        let request =
            read(r#"{"header":{"Cookie":["a=1","b=2"],"X-A":["1"]},"body":{"raw":"Ym9keQ=="}}"#)
                .unwrap();
        let cookies: Vec<_> = request.event.fields.all("Cookie").collect();
        assert_eq!(cookies, [b"a=1", b"b=2"]);
        assert_eq!(request.body, Body::Given(b"body".to_vec()));
        assert_eq!(
            read(r#"{"header":null,"body":{"raw":null}}"#).unwrap().body,
            Body::Given(vec![])
        );
        for (text, expected) in [
            ("{", "marshal_request on standard input"),
            (
                r#"{"header":{"A":"1"}}"#,
                "marshal_request on standard input",
            ),
            (r#"{"body":{"raw":"*"}}"#, "body.raw is no base64"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
