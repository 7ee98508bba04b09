//! Lambda's HTTP events as requests, each recognised by its own shape.

use std::net::IpAddr;

use base64::prelude::{BASE64_STANDARD, Engine};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use serde_json::{Map, Value};

use crate::gateway::event::{Event, Scheme, encode_path};
use crate::gateway::percent::percent_decode;
use crate::http::Fields;

/// Kept in a query that is encoded again (RFC 3986 section 2.3).
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Who made an event, and so which form its answer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// API Gateway's REST API, and an HTTP API with payload format 1.0.
    Version1,
    /// An HTTP API with payload format 2.0, and function URLs.
    Version2,
    /// An application load balancer; whether its target group has multi-value headers.
    LoadBalancer(Values),
    /// No HTTP: it was posted, as it is, to a path that the user named.
    Other,
}

/// Whether a header may have several values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Values {
    /// `headers`
    Single,
    /// `multiValueHeaders`
    Multiple,
}

/// An event that is a request.
#[derive(Debug, PartialEq, Eq)]
pub struct Request {
    pub shape: Shape,
    pub event: Event,
    pub body: Vec<u8>,
    /// Whether the event has a body at all, be it empty.
    pub has_body: bool,
}

/// What is wrong with an event; names the field.
pub type Wrong = String;

/// Takes an event apart. `other` is the path that gets what is no HTTP.
pub fn parse(json: &[u8], other: Option<&str>) -> Result<Request, Wrong> {
    let event: Value =
        serde_json::from_slice(json).map_err(|error| format!("the event is no JSON: {error}"))?;
    let Some(fields) = event.as_object() else {
        return match other {
            Some(path) => Ok(posted(path, json)),
            None => Err(format!("the event is {}, not an object", kind(&event))),
        };
    };
    let of = Object {
        name: String::new(),
        fields,
    };
    let request = of.object("requestContext")?;
    let version = of.text("version")?;
    let is_http = |request: &Object<'_>| request.fields.contains_key("http");
    match (version, &request) {
        (_, Some(request)) if request.fields.contains_key("elb") => load_balancer(&of),
        (Some("2.0"), Some(request)) if is_http(request) => version_2(&of, request),
        (Some("1.0") | None, Some(request)) if of.fields.contains_key("httpMethod") => {
            version_1(&of, request)
        }
        _ => match other {
            Some(path) => Ok(posted(path, json)),
            None => Err(unknown(&of, version)),
        },
    }
}

fn unknown(of: &Object<'_>, version: Option<&str>) -> Wrong {
    let names: Vec<_> = of.fields.keys().take(8).map(String::as_str).collect();
    let version = version.map_or(String::new(), |version| format!(" of version {version:?}"));
    format!(
        "the event{version} has the shape of no HTTP event (its fields: {}): API Gateway, function URLs and load \
         balancers send requestContext with httpMethod, or with http; --events PATH takes others",
        names.join(", ")
    )
}

fn posted(path: &str, json: &[u8]) -> Request {
    let mut fields = Fields::default();
    fields.push("Content-Type", "application/json");
    fields.push("Host", "localhost");
    Request {
        shape: Shape::Other,
        event: Event {
            method: "POST".into(),
            path: percent_decode(path.as_bytes()),
            raw_path: Some(path.into()),
            fields,
            remote_address: "127.0.0.1".into(),
            ..Event::default()
        },
        body: json.to_vec(),
        has_body: true,
    }
}

fn version_1(of: &Object<'_>, request: &Object<'_>) -> Result<Request, Wrong> {
    let fields = of.headers(Values::Multiple)?;
    let path = of.required("path")?;
    // An HTTP API has decoded it, a REST API has not.
    let is_decoded = of.text("version")?.is_some();
    let script_name = request
        .text("path")?
        .and_then(|whole| whole.strip_suffix(path))
        .filter(|prefix| prefix.starts_with('/'))
        .unwrap_or_default();
    let identity = request.object("identity")?;
    let identity = |name: &str| match &identity {
        Some(identity) => identity.text(name),
        None => Ok(None),
    };
    let user = match request.object("authorizer")? {
        Some(authorizer) => authorizer.text_if_any("principalId"),
        None => None,
    };
    let event = Event {
        method: of.required("httpMethod")?.to_owned(),
        query: of.query(Encoded::No)?,
        script_name: script_name.as_bytes().to_vec(),
        protocol: protocol(request.text("protocol")?),
        remote_address: identity("sourceIp")?.unwrap_or_default().to_owned(),
        remote_user: user.or(identity("userArn")?).map(str::to_owned),
        ..addressed(path, script_name, is_decoded, with_host(fields, request)?)
    };
    of.finish(Shape::Version1, event)
}

fn version_2(of: &Object<'_>, request: &Object<'_>) -> Result<Request, Wrong> {
    let mut fields = of.headers(Values::Single)?;
    if let Some(cookies) = of.texts("cookies")? {
        // Function URLs give them twice.
        fields.remove("Cookie");
        if !cookies.is_empty() {
            fields.push("Cookie", cookies.join("; "));
        }
    }
    let http = request
        .object("http")?
        .ok_or("requestContext.http is missing")?;
    let raw_path = of.required("rawPath")?;
    let stage = request.text("stage")?.filter(|stage| *stage != "$default");
    let script_name = stage
        .map(|stage| format!("/{stage}"))
        .filter(|prefix| {
            let rest = raw_path.strip_prefix(prefix.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
        .unwrap_or_default();
    // API Gateway has decoded the path; a function URL has not, nor does what stands in for one on a desk.
    let domain = request.text("domainName")?.unwrap_or_default();
    let is_decoded = domain.contains('.') && !domain.contains(".lambda-url.");
    let path = raw_path.strip_prefix(script_name.as_str());
    let event = Event {
        method: http.required("method")?.to_owned(),
        query: of.text("rawQueryString")?.unwrap_or_default().into(),
        script_name: script_name.as_bytes().to_vec(),
        protocol: protocol(http.text("protocol")?),
        remote_address: http.text("sourceIp")?.unwrap_or_default().to_owned(),
        remote_user: user_of_version_2(request)?,
        ..addressed(
            path.unwrap_or(raw_path),
            &script_name,
            is_decoded,
            with_host(fields, request)?,
        )
    };
    of.finish(Shape::Version2, event)
}

/// By a token, or by IAM.
fn user_of_version_2(request: &Object<'_>) -> Result<Option<String>, Wrong> {
    let Some(authorizer) = request.object("authorizer")? else {
        return Ok(None);
    };
    let claims = match authorizer.object("jwt")? {
        Some(jwt) => jwt.object("claims")?,
        None => None,
    };
    let subject = claims.as_ref().and_then(|claims| claims.text_if_any("sub"));
    let iam = authorizer.object("iam")?;
    let arn = iam.as_ref().and_then(|iam| iam.text_if_any("userArn"));
    Ok(subject.or(arn).map(str::to_owned))
}

fn load_balancer(of: &Object<'_>) -> Result<Request, Wrong> {
    let values = match of.fields.contains_key("multiValueHeaders") {
        true => Values::Multiple,
        false => Values::Single,
    };
    let fields = of.headers(values)?;
    // The balancer adds the client that it sees at the end; what is before is the client's word.
    let forwarded = fields.list("X-Forwarded-For").last();
    let remote = forwarded.and_then(|address| str::from_utf8(address).ok());
    let remote = remote.filter(|address| address.parse::<IpAddr>().is_ok());
    let remote = remote.unwrap_or_default().to_owned();
    let event = Event {
        method: of.required("httpMethod")?.to_owned(),
        query: of.query(Encoded::Yes)?,
        remote_address: remote,
        ..addressed(of.required("path")?, "", false, fields)
    };
    of.finish(Shape::LoadBalancer(values), event)
}

/// The path, decoded once and never twice; scheme and port as the platform's own fields tell them.
fn addressed(path: &str, script_name: &str, is_decoded: bool, fields: Fields) -> Event {
    let last = |name: &str| {
        let value = fields.list(name).last()?;
        str::from_utf8(value).ok().map(str::to_owned)
    };
    let scheme = match last("X-Forwarded-Proto").as_deref() {
        Some("http") => Scheme::Http,
        _ => Scheme::Https,
    };
    let port = last("X-Forwarded-Port").and_then(|port| port.parse().ok());
    let raw = [script_name, path].concat().into_bytes();
    let (path, raw_path) = match is_decoded {
        true => (path.as_bytes().to_vec(), encode_path(&raw)),
        false => (percent_decode(path.as_bytes()), raw),
    };
    Event {
        path,
        raw_path: Some(raw_path),
        scheme,
        server_port: port,
        fields,
        ..Event::default()
    }
}

/// A console's test event may have no Host; the gateway knows its name all the same.
fn with_host(mut fields: Fields, request: &Object<'_>) -> Result<Fields, Wrong> {
    if !fields.contains("Host")
        && let Some(domain) = request.text("domainName")?
    {
        fields.push("Host", domain);
    }
    Ok(fields)
}

fn protocol(text: Option<&str>) -> Option<String> {
    text.filter(|text| text.starts_with("HTTP/"))
        .map(str::to_owned)
}

/// Whether the values of a query's parameters are percent-encoded still.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Encoded {
    Yes,
    No,
}

/// An object of the event, with its name for messages. A field that is null is not there.
struct Object<'a> {
    name: String,
    fields: &'a Map<String, Value>,
}

impl<'a> Object<'a> {
    fn path(&self, name: &str) -> String {
        match self.name.as_str() {
            "" => name.to_owned(),
            parent => format!("{parent}.{name}"),
        }
    }

    fn get(&self, name: &str) -> Option<&'a Value> {
        self.fields.get(name).filter(|value| !value.is_null())
    }

    fn text(&self, name: &str) -> Result<Option<&'a str>, Wrong> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(format!(
                "{} is {}, not a string",
                self.path(name),
                kind(other)
            )),
        }
    }

    /// What somebody else's code has put there may be anything.
    fn text_if_any(&self, name: &str) -> Option<&'a str> {
        self.get(name).and_then(Value::as_str)
    }

    fn required(&self, name: &str) -> Result<&'a str, Wrong> {
        self.text(name)?
            .ok_or_else(|| format!("{} is missing", self.path(name)))
    }

    fn object(&self, name: &str) -> Result<Option<Object<'a>>, Wrong> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Object(fields)) => Ok(Some(Object {
                name: self.path(name),
                fields,
            })),
            Some(other) => Err(format!(
                "{} is {}, not an object",
                self.path(name),
                kind(other)
            )),
        }
    }

    fn texts(&self, name: &str) -> Result<Option<Vec<&'a str>>, Wrong> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Array(values)) => values
                .iter()
                .map(|value| {
                    value
                        .as_str()
                        .ok_or_else(|| format!("{} holds {}", self.path(name), kind(value)))
                })
                .collect::<Result<_, _>>()
                .map(Some),
            Some(other) => Err(format!(
                "{} is {}, not a list",
                self.path(name),
                kind(other)
            )),
        }
    }

    /// Names and values of two maps, of which the one with several values for a name wins.
    fn pairs(&self, single: &str, multiple: &str) -> Result<Vec<(&'a str, &'a str)>, Wrong> {
        let mut pairs = Vec::new();
        if let Some(map) = self.object(multiple)? {
            for name in map.fields.keys() {
                let values = map.texts(name)?.unwrap_or_default();
                pairs.extend(values.into_iter().map(|value| (name.as_str(), value)));
            }
        } else if let Some(map) = self.object(single)? {
            for name in map.fields.keys() {
                pairs.extend(map.text(name)?.map(|value| (name.as_str(), value)));
            }
        }
        Ok(pairs)
    }

    fn headers(&self, values: Values) -> Result<Fields, Wrong> {
        let multiple = match values {
            Values::Multiple => "multiValueHeaders",
            Values::Single => "",
        };
        let mut fields = Fields::default();
        for (name, value) in self.pairs("headers", multiple)? {
            fields.push(name, value);
        }
        Ok(fields)
    }

    /// The query string that the maps were made of, but for its order.
    fn query(&self, encoded: Encoded) -> Result<Vec<u8>, Wrong> {
        let pairs = self.pairs("queryStringParameters", "multiValueQueryStringParameters")?;
        let word = |text: &str| match encoded {
            Encoded::Yes => text.to_owned(),
            Encoded::No => percent_encode(text.as_bytes(), UNRESERVED).to_string(),
        };
        let words = pairs
            .iter()
            .map(|(name, value)| format!("{}={}", word(name), word(value)));
        Ok(words.collect::<Vec<_>>().join("&").into_bytes())
    }

    fn finish(&self, shape: Shape, event: Event) -> Result<Request, Wrong> {
        let text = self.text("body")?;
        let is_base64 = match self.get("isBase64Encoded") {
            None => false,
            Some(Value::Bool(is_base64)) => *is_base64,
            Some(other) => {
                return Err(format!("isBase64Encoded is {}, not a boolean", kind(other)));
            }
        };
        let body = match (text, is_base64) {
            (Some(text), true) => BASE64_STANDARD
                .decode(text)
                .map_err(|error| format!("body is no base64: {error}"))?,
            (text, _) => text.unwrap_or_default().into(),
        };
        let takes_none = matches!(event.method.as_str(), "GET" | "HEAD" | "DELETE" | "OPTIONS");
        Ok(Request {
            shape,
            has_body: text.is_some() && !(takes_none && body.is_empty()),
            event,
            body,
        })
    }
}

/// A value's type, for messages.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
