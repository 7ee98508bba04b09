//! A response in the form that the maker of an event wants.

use base64::prelude::{BASE64_STANDARD, Engine};
use contract::codes::Code;
use contract::report::Failure;
use serde_json::{Map, Value, json};

use super::event::{Shape, Values};
use super::report::Report;
use crate::cgi::response::Head;
use crate::http::response_head::reason;

/// The most that Lambda takes for a buffered response, in bytes of JSON.
pub const LIMIT: usize = 6_291_556;
/// The most that a load balancer takes.
const BALANCER_LIMIT: usize = 1 << 20;

/// Media types that are text beside `text/`; and how the names of others end that are.
const TEXTS: [&str; 7] = [
    "application/json",
    "application/xml",
    "application/javascript",
    "application/ecmascript",
    "application/yaml",
    "application/x-yaml",
    "application/x-www-form-urlencoded",
];
const TEXT_ENDINGS: [&str; 3] = ["+json", "+xml", "+yaml"];

/// What there is to say of a body that was sent as base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Text,
    Base64,
}

/// The whole response.
pub fn buffered(shape: Shape, head: &Head, body: &[u8]) -> Result<(Vec<u8>, Encoding), Report> {
    if shape == Shape::Other {
        return other(head, body).map(|json| (json, Encoding::Text));
    }
    let text = match is_text(head) {
        true => str::from_utf8(body).ok(),
        false => None,
    };
    let mut response = begun(shape, head);
    let encoding = match text {
        Some(_) => Encoding::Text,
        None => Encoding::Base64,
    };
    response.insert(
        "isBase64Encoded".into(),
        (encoding == Encoding::Base64).into(),
    );
    let body = match text {
        Some(text) => text.to_owned(),
        None => BASE64_STANDARD.encode(body),
    };
    response.insert("body".into(), body.into());
    let json = Value::Object(response).to_string().into_bytes();
    let (limit, whose) = match shape {
        Shape::LoadBalancer(_) => (BALANCER_LIMIT, "a load balancer"),
        _ => (LIMIT, "Lambda"),
    };
    match json.len() <= limit {
        true => Ok((json, encoding)),
        false => Err(too_large(&format!(
            "{} bytes of JSON, of which {whose} takes {limit}",
            json.len()
        ))),
    }
}

/// The failure of a response that is too large.
pub fn too_large(what: &str) -> Report {
    let failure = Failure::new(Code::INEXPRESSIBLE, format!("it is too large: {what}"));
    Report {
        kind: "Function.ResponseSizeTooLarge".into(),
        message: failure.to_string(),
        trace: Vec::new(),
    }
}

/// Between the prelude of a streamed response and its body.
pub const SEPARATOR: [u8; 8] = [0; 8];

/// What goes before the body of a response that is sent as it is made.
pub fn prelude(head: &Head) -> Vec<u8> {
    let prelude = Value::Object(begun(Shape::Version2, head));
    prelude.to_string().into_bytes()
}

/// Everything but the body.
fn begun(shape: Shape, head: &Head) -> Map<String, Value> {
    let mut response = Map::new();
    response.insert("statusCode".into(), head.status.into());
    // The length is the platform's, which may encode the body anew.
    let fields: Vec<_> = head
        .for_client()
        .filter(|(name, _)| !name.eq_ignore_ascii_case("Content-Length"))
        .collect();
    let is_cookie = |name: &str| name.eq_ignore_ascii_case("Set-Cookie");
    match shape {
        Shape::Version1 | Shape::Other | Shape::LoadBalancer(Values::Multiple) => {
            let mut headers: Vec<(String, Vec<Value>)> = Vec::new();
            for (name, value) in fields {
                let value = text(value).into();
                let found = headers
                    .iter_mut()
                    .find(|(found, _)| found.eq_ignore_ascii_case(name));
                match found {
                    Some((_, values)) => values.push(value),
                    None => headers.push((name.clone(), vec![value])),
                }
            }
            let headers: Map<_, _> = headers
                .into_iter()
                .map(|(name, values)| (name, values.into()))
                .collect();
            response.insert("multiValueHeaders".into(), headers.into());
        }
        Shape::Version2 => {
            let cookies = fields.iter().filter(|(name, _)| is_cookie(name));
            let cookies: Vec<Value> = cookies.map(|(_, value)| text(value).into()).collect();
            let others = fields.iter().filter(|(name, _)| !is_cookie(name));
            response.insert(
                "headers".into(),
                joined(others.map(|(name, value)| (name, value))),
            );
            response.insert("cookies".into(), cookies.into());
        }
        Shape::LoadBalancer(Values::Single) => {
            let mut variants = 0;
            let fields: Vec<(String, &Vec<u8>)> = fields
                .into_iter()
                .map(|(name, value)| match is_cookie(name) {
                    // One map key each: names of fields have no case.
                    true => {
                        variants += 1;
                        (variant("set-cookie", variants - 1), value)
                    }
                    false => (name.clone(), value),
                })
                .collect();
            let named = fields.iter().map(|(name, value)| (name, *value));
            response.insert("headers".into(), joined(named));
        }
    }
    if let Shape::LoadBalancer(_) = shape {
        let phrase = head
            .reason
            .clone()
            .unwrap_or_else(|| reason(head.status).to_owned());
        let description = format!("{} {phrase}", head.status);
        response.insert("statusDescription".into(), description.trim_end().into());
    }
    response
}

/// One value for each name, in any case but that of [`variant`].
fn joined<'a>(fields: impl Iterator<Item = (&'a String, &'a Vec<u8>)>) -> Value {
    let mut headers: Vec<(String, String)> = Vec::new();
    for (name, value) in fields {
        let value = text(value);
        let is_variant = name.eq_ignore_ascii_case("Set-Cookie");
        let found = headers
            .iter_mut()
            .find(|(found, _)| found.eq_ignore_ascii_case(name) && !is_variant);
        match found {
            Some((_, joined)) => {
                joined.push_str(", ");
                joined.push_str(&value);
            }
            None => headers.push((name.clone(), value)),
        }
    }
    let headers: Map<_, _> = headers
        .into_iter()
        .map(|(name, value)| (name, value.into()))
        .collect();
    headers.into()
}

/// The name with the letters in upper case whose bits are set in `number`: 512 of `set-cookie`.
fn variant(name: &str, number: usize) -> String {
    let mut bit = 0;
    name.chars()
        .map(|letter| {
            if !letter.is_ascii_alphabetic() {
                return letter;
            }
            let is_upper = number >> bit & 1 == 1;
            bit += 1;
            if is_upper {
                letter.to_ascii_uppercase()
            } else {
                letter
            }
        })
        .collect()
}

/// Fields are latin-1 (PEP 3333).
fn text(value: &[u8]) -> String {
    value.iter().map(|byte| char::from(*byte)).collect()
}

/// Whether the body may be text: it has a type that is, in UTF-8, and no coding.
fn is_text(head: &Head) -> bool {
    let field = |name: &str| head.get(name).map(|value| text(value).to_ascii_lowercase());
    if field("Content-Encoding").is_some_and(|coding| coding != "identity") {
        return false;
    }
    let Some(media_type) = field("Content-Type") else {
        return true;
    };
    let mut parts = media_type.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let charset = parts.find_map(|part| part.strip_prefix("charset="));
    let is_utf8 = charset.is_none_or(|charset| {
        matches!(
            charset.trim_matches('"'),
            "utf-8" | "utf8" | "us-ascii" | "ascii"
        )
    });
    let is_text = name.starts_with("text/")
        || TEXTS.contains(&name)
        || TEXT_ENDINGS.iter().any(|ending| name.ends_with(ending));
    is_text && is_utf8
}

/// The answer to an event that is no HTTP: the body's JSON, or its text. An error's status fails the event, so that
/// its source may send it again.
fn other(head: &Head, body: &[u8]) -> Result<Vec<u8>, Report> {
    if head.status >= 400 {
        return Err(Report {
            kind: format!("HTTP.{}", head.status),
            message: format!(
                "the application answered {} {}",
                head.status,
                reason(head.status)
            ),
            trace: Vec::new(),
        });
    }
    let value = match (serde_json::from_slice::<Value>(body), str::from_utf8(body)) {
        (Ok(value), _) => value,
        (_, Ok("")) => Value::Null,
        (_, Ok(text)) => text.into(),
        _ => json!({ "isBase64Encoded": true, "body": BASE64_STANDARD.encode(body) }),
    };
    let json = value.to_string().into_bytes();
    match json.len() <= LIMIT {
        true => Ok(json),
        false => Err(too_large(&format!(
            "{} bytes of JSON, of which Lambda takes {LIMIT}",
            json.len()
        ))),
    }
}
