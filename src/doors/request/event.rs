//! One request as JSON, and its response as JSON: the plain contract for platforms that nobody here knows
//! (docs/event.md, docs/schemas).

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;

use base64::prelude::{BASE64_STANDARD, Engine};
use contract::codes::Code;
use contract::outcome::Outcome;
use contract::report::{self, Failure};
use contract::variables::is_of_request;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::asked::{Request, file_or_stdin};
use super::child::{self, Answered, command};
use crate::gateway::event::{Event, Scheme};
use crate::gateway::{self, Address, Variables};
use crate::http::Fields;

/// A request.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    #[serde(rename = "$schema", default)]
    _schema: Option<String>,
    /// What `--record` has noted of a request that failed.
    #[serde(rename = "record", default)]
    _record: IgnoredAny,
    #[serde(default = "get")]
    method: String,
    #[serde(default = "root")]
    path: String,
    #[serde(default)]
    headers: BTreeMap<String, Values>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    body_base64: Option<String>,
    #[serde(default)]
    scheme: GivenScheme,
    #[serde(default)]
    script_name: String,
    #[serde(default)]
    remote_addr: String,
    #[serde(default)]
    remote_user: Option<String>,
    /// More meta-variables, or others than these would become; null for one that is not to be there.
    #[serde(default)]
    variables: BTreeMap<String, Option<String>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Values {
    One(String),
    Several(Vec<String>),
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum GivenScheme {
    #[default]
    Http,
    Https,
}

/// A response.
#[derive(Serialize)]
struct Told {
    status: u16,
    headers: BTreeMap<String, Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body_base64: Option<String>,
}

fn get() -> String {
    "GET".into()
}

fn root() -> String {
    "/".into()
}

/// Answers the event in this file.
pub fn answer(arguments: &[OsString], file: &Path) -> Result<Outcome, Failure> {
    let request = match read(file).and_then(request) {
        Ok(request) => request,
        Err(failure) if failure.code == Code::BAD_EVENT => {
            report::tell(&failure, "", None);
            print(&error(&failure))?;
            return Ok(failure.code.entry().outcome);
        }
        Err(failure) => return Err(failure),
    };
    let answered = child::answer(command(arguments, &request), &request).map_err(system)?;
    match told(&answered) {
        Some(told) => print(&json!(told))?,
        None => print(&error(&Failure::new(
            Code::BAD_RESPONSE,
            "it wrote nothing",
        )))?,
    }
    Ok(answered.outcome)
}

/// An event that somebody has sent must not take all memory. A platform's events have a few megabytes.
const MOST: usize = 256 << 20;

fn read(file: &Path) -> Result<Given, Failure> {
    let text = file_or_stdin(file.as_os_str(), MOST)?;
    if text.len() > MOST {
        return Err(bad(format!("it is larger than {} MiB", MOST >> 20)));
    }
    // serde would take a list for the fields in their order.
    if text.trim_ascii_start().starts_with(b"[") {
        return Err(bad("it is a list and no object".into()));
    }
    // The message tells the field, or the line and the column.
    serde_json::from_slice(&text).map_err(|error| bad(error.to_string()))
}

fn request(given: Given) -> Result<Request, Failure> {
    let body = match (given.body, given.body_base64) {
        (Some(_), Some(_)) => return Err(bad("body and body_base64 exclude each other".into())),
        (Some(text), None) => Some(text.into_bytes()),
        (None, Some(text)) => {
            let decoded = BASE64_STANDARD.decode(text);
            Some(decoded.map_err(|error| bad(format!("body_base64 is no base64: {error}")))?)
        }
        (None, None) => None,
    };
    if !given.path.starts_with('/') {
        return Err(bad(format!(
            "path {:?} does not begin with a slash",
            given.path
        )));
    }
    let address = Address::parse(given.path.as_bytes()).map_err(|refusal| bad(refusal.reason))?;
    let raw_path = given.path.split('?').next().unwrap_or_default();
    let mut fields = Fields::default();
    for (name, values) in given.headers {
        match values {
            Values::One(value) => fields.push(name, value),
            Values::Several(values) => {
                for value in values {
                    fields.push(name.clone(), value);
                }
            }
        }
    }
    let event = Event {
        method: given.method,
        raw_path: Some(format!("{}{raw_path}", given.script_name).into_bytes()),
        path: address.path,
        query: address.query,
        fields,
        script_name: given.script_name.into_bytes(),
        scheme: match given.scheme {
            GivenScheme::Http => Scheme::Http,
            GivenScheme::Https => Scheme::Https,
        },
        remote_address: given.remote_addr,
        remote_user: given.remote_user,
        ..Event::default()
    };
    let length = body.as_ref().map(|body| body.len() as u64);
    let mut variables = event.variables(length).map_err(bad)?;
    for (name, value) in given.variables {
        set(&mut variables, &name, value.as_deref())?;
    }
    Ok(Request {
        variables,
        body: body.unwrap_or_default(),
    })
}

/// An event may come from somebody else: nothing in it is a setting of this program, of Python or of the system.
fn set(variables: &mut Variables, name: &str, value: Option<&str>) -> Result<(), Failure> {
    let shown = name.escape_debug();
    if !is_of_request(name.as_bytes()) {
        return Err(bad(format!(
            "variables.{shown} is not a request's variable, and an event can hold no other; set it in the environment \
             of this command"
        )));
    }
    match value {
        Some(value) if value.contains(['\0', '\r', '\n']) => {
            Err(bad(format!("a NUL or a line end in variables.{shown}")))
        }
        Some(value) => {
            gateway::set(variables, name.as_bytes(), value.as_bytes());
            Ok(())
        }
        // This program's child would not know that it is one.
        None if name == "GATEWAY_INTERFACE" => Err(bad(format!("variables.{shown} is null"))),
        None => {
            variables.retain(|(known, _)| known != name.as_bytes());
            Ok(())
        }
    }
}

fn told(answered: &Answered) -> Option<Told> {
    let head = answered.head.as_ref()?;
    let mut headers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in head.for_client() {
        // Fields are latin-1 (PEP 3333).
        let value = value.iter().map(|byte| char::from(*byte)).collect();
        let known = headers
            .keys()
            .find(|known| known.eq_ignore_ascii_case(name))
            .cloned();
        headers
            .entry(known.unwrap_or_else(|| name.clone()))
            .or_default()
            .push(value);
    }
    let text = str::from_utf8(&answered.body).ok();
    Some(Told {
        status: head.status,
        headers,
        body: text.map(str::to_owned),
        body_base64: match text {
            Some(_) => None,
            None => Some(BASE64_STANDARD.encode(&answered.body)),
        },
    })
}

fn error(failure: &Failure) -> serde_json::Value {
    json!({ "error": { "code": failure.code.entry().code, "message": failure.to_string() } })
}

fn print(value: &serde_json::Value) -> Result<(), Failure> {
    writeln!(io::stdout(), "{value}").map_err(system)
}

fn bad(reason: String) -> Failure {
    Failure::new(Code::BAD_EVENT, reason)
}

fn system(error: io::Error) -> Failure {
    Failure::new(Code::SYSTEM, error.to_string())
}
