//! What was typed as a request: method, address, fields and body, by curl's habits.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;

use base64::prelude::{BASE64_STANDARD, Engine};
use contract::codes::Code;
use contract::report::Failure;
use percent_encoding::{AsciiSet, CONTROLS, percent_encode};

use super::form;
use crate::gateway::event::{Event, Scheme};
use crate::gateway::{Address, Variables};
use crate::http::{Fields, SERVER};
use crate::plan::{Asked, Data};

/// What somebody types in an address, and no address may hold.
const TYPED: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>');

/// A request that can be sent, again and again.
pub struct Request {
    /// For the environment of a CGI process.
    pub variables: Variables,
    /// For its standard input.
    pub body: Vec<u8>,
}

impl Request {
    /// Reads files, and standard input, where they were named.
    pub fn of(asked: &Asked) -> Result<Self, Failure> {
        let body = body(asked)?;
        let (content_type, body) = match body {
            Some((content_type, body)) => (Some(content_type), Some(body)),
            None => (None, None),
        };
        let method = asked.method.clone();
        let default = if body.is_some() { "POST" } else { "GET" };
        let target = target(&asked.target)?;
        let address =
            Address::parse(&target.path_and_query).map_err(|refusal| wrong(refusal.reason))?;
        let raw_path = target.path_and_query.split(|byte| *byte == b'?').next();
        let event = Event {
            method: method.unwrap_or_else(|| default.to_owned()),
            raw_path: raw_path.map(<[u8]>::to_vec),
            path: address.path,
            query: address.query,
            fields: fields(asked, &target.host, content_type)?,
            scheme: target.scheme,
            remote_address: "127.0.0.1".into(),
            ..Event::default()
        };
        let length = body.as_ref().map(|body| body.len() as u64);
        Ok(Self {
            variables: event.variables(length).map_err(wrong)?,
            body: body.unwrap_or_default(),
        })
    }
}

struct Target {
    scheme: Scheme,
    host: String,
    path_and_query: Vec<u8>,
}

/// A path, or a URL; a fragment stays with whoever typed it.
fn target(typed: &OsStr) -> Result<Target, Failure> {
    let typed = percent_encode(typed.as_bytes(), TYPED).to_string();
    let typed = typed.split('#').next().unwrap_or_default();
    let url = [("http://", Scheme::Http), ("https://", Scheme::Https)];
    let found = url
        .iter()
        .find_map(|(start, scheme)| Some((typed.strip_prefix(start)?, *scheme)));
    let (host, rest, scheme) = match found {
        None => ("localhost", typed, Scheme::Http),
        Some((rest, scheme)) => {
            let end = rest.find(['/', '?']).unwrap_or(rest.len());
            let (host, rest) = rest.split_at(end);
            (host, rest, scheme)
        }
    };
    if host.is_empty() || host.contains('@') {
        return Err(wrong(format!("{typed:?} names no host")));
    }
    let slash = if rest.starts_with('/') { "" } else { "/" };
    Ok(Target {
        scheme,
        host: host.to_owned(),
        path_and_query: format!("{slash}{rest}").into_bytes(),
    })
}

fn fields(asked: &Asked, host: &str, content_type: Option<String>) -> Result<Fields, Failure> {
    let mut fields = Fields::default();
    fields.push("Host", host);
    fields.push("User-Agent", SERVER);
    fields.push("Accept", "*/*");
    if let Some(content_type) = content_type {
        fields.push("Content-Type", content_type);
    }
    if asked.data == Data::Json {
        fields.remove("Accept");
        fields.push("Accept", "application/json");
    }
    if let Some(cookie) = &asked.cookie {
        fields.push("Cookie", cookie.as_bytes());
    }
    if let Some(user) = &asked.user {
        fields.push(
            "Authorization",
            format!("Basic {}", BASE64_STANDARD.encode(user)),
        );
    }
    // What is typed takes the place of what is sent by default, and several of a name are several.
    let mut typed = Fields::default();
    for header in &asked.headers {
        let header = header.as_bytes();
        let colon = header.iter().position(|byte| matches!(byte, b':' | b';'));
        let (name, value) = header.split_at(colon.unwrap_or(header.len()));
        let name = str::from_utf8(name).unwrap_or_default();
        let is_empty = value.get(1..).unwrap_or_default().trim_ascii().is_empty();
        match value.first() {
            None => {
                let header = String::from_utf8_lossy(header).into_owned();
                return Err(wrong(format!("-H {header:?}: not `Name: value`")));
            }
            Some(b':') if is_empty => fields.remove(name),
            Some(b';') if !is_empty => return Err(wrong(format!("-H {name}: not `Name: value`"))),
            _ => {
                fields.remove(name);
                typed.push(name, value.get(1..).unwrap_or_default().trim_ascii());
            }
        }
    }
    for (name, value) in typed.iter() {
        fields.push(name, value);
    }
    Ok(fields)
}

/// The body and its type.
fn body(asked: &Asked) -> Result<Option<(String, Vec<u8>)>, Failure> {
    const FORM: &str = "application/x-www-form-urlencoded";
    let joined = |between: &[u8]| -> Result<Vec<u8>, Failure> {
        let pieces: Vec<_> = asked
            .values
            .iter()
            .map(|value| read(value, asked.data))
            .collect::<Result<_, _>>()?;
        Ok(pieces.join(between))
    };
    Ok(match asked.data {
        Data::None => None,
        Data::Text | Data::Binary => Some((FORM.into(), joined(b"&")?)),
        Data::Json => Some(("application/json".into(), joined(b"")?)),
        Data::Form => Some(form::build(&asked.values)?),
    })
}

/// `DATA`, or `@FILE`.
fn read(value: &OsString, data: Data) -> Result<Vec<u8>, Failure> {
    let Some(file) = value.as_bytes().strip_prefix(b"@") else {
        return Ok(value.as_bytes().to_vec());
    };
    let mut bytes = file_or_stdin(OsStr::from_bytes(file), usize::MAX)?;
    if data == Data::Text {
        bytes.retain(|byte| !matches!(byte, b'\r' | b'\n' | 0));
    }
    Ok(bytes)
}

/// What is in a file; `-` is standard input. Of more than `most` bytes, one more than that.
pub fn file_or_stdin(file: &OsStr, most: usize) -> Result<Vec<u8>, Failure> {
    let most = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    let read = match file.as_bytes() {
        b"-" => io::stdin().take(most).read_to_end(&mut bytes),
        _ => File::open(file).and_then(|file| file.take(most).read_to_end(&mut bytes)),
    };
    match read {
        Ok(_) => Ok(bytes),
        Err(error) => Err(wrong(format!("{}: {error}", file.display()))),
    }
}

/// Something that was typed.
pub fn wrong(reason: String) -> Failure {
    Failure::new(Code::BAD_SETTING, reason)
}
