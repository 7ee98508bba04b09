//! Multipart forms (RFC 7578), of parts as curl has them.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use contract::report::Failure;

use super::asked::{file_or_stdin, wrong};

/// The body's type, and the body.
pub fn build(parts: &[OsString]) -> Result<(String, Vec<u8>), Failure> {
    let parts: Vec<Part> = parts
        .iter()
        .map(|part| Part::parse(part))
        .collect::<Result<_, _>>()?;
    // Random, so that no content holds it; and looked for all the same.
    let boundary = loop {
        let boundary = format!("----wsgi-cgi-{:016x}", fastrand::u64(..));
        let is_in = |part: &Part| contains(&part.content, boundary.as_bytes());
        if !parts.iter().any(is_in) {
            break boundary;
        }
    };
    let mut body = Vec::new();
    for part in &parts {
        body.extend(
            format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"{}\"",
                quoted(&part.name)
            )
            .bytes(),
        );
        if let Some(name) = &part.file_name {
            body.extend(format!("; filename=\"{}\"", quoted(name)).bytes());
        }
        body.extend(b"\r\n");
        if let Some(kind) = &part.content_type {
            body.extend(format!("Content-Type: {kind}\r\n").bytes());
        }
        body.extend(b"\r\n");
        body.extend(&part.content);
        body.extend(b"\r\n");
    }
    body.extend(format!("--{boundary}--\r\n").bytes());
    Ok((format!("multipart/form-data; boundary={boundary}"), body))
}

struct Part {
    name: String,
    file_name: Option<String>,
    content_type: Option<String>,
    content: Vec<u8>,
}

impl Part {
    /// `name=value`, `name=@FILE;type=TYPE;filename=NAME`, `name=<FILE`.
    fn parse(typed: &OsStr) -> Result<Self, Failure> {
        let bytes = typed.as_bytes();
        let equals = bytes.iter().position(|byte| *byte == b'=');
        let (name, value) = bytes.split_at(equals.unwrap_or(bytes.len()));
        let Some(value) = value.get(1..).filter(|_| !name.is_empty()) else {
            return Err(wrong(format!("-F {}: not name=value", typed.display())));
        };
        let name = String::from_utf8_lossy(name).into_owned();
        let plain = |content: Vec<u8>| Self {
            name: name.clone(),
            file_name: None,
            content_type: None,
            content,
        };
        let (sign, rest) = match value.split_first() {
            Some((sign @ (b'@' | b'<'), rest)) => (*sign, rest),
            _ => return Ok(plain(value.to_vec())),
        };
        let mut words = rest.split(|byte| *byte == b';');
        let file = OsStr::from_bytes(words.next().unwrap_or_default());
        let content = file_or_stdin(file, usize::MAX)?;
        if sign == b'<' {
            return Ok(plain(content));
        }
        let base = Path::new(file).file_name().unwrap_or(file);
        let mut part = Self {
            file_name: Some(base.to_string_lossy().into_owned()),
            content_type: Some(media_type(Path::new(file))),
            ..plain(content)
        };
        for word in words {
            let word = String::from_utf8_lossy(word).trim().to_owned();
            match word.split_once('=') {
                Some(("type", kind)) if !kind.contains(['\r', '\n']) => {
                    part.content_type = Some(kind.to_owned());
                }
                Some(("filename", name)) => part.file_name = Some(name.to_owned()),
                _ => {
                    return Err(wrong(format!(
                        "-F {}: {word:?} is neither type= nor filename=",
                        typed.display()
                    )));
                }
            }
        }
        Ok(part)
    }
}

fn media_type(file: &Path) -> String {
    let guess = mime_guess::from_path(file).first_raw();
    guess.unwrap_or("application/octet-stream").to_owned()
}

/// As browsers do (HTML, multipart/form-data encoding algorithm).
fn quoted(name: &str) -> String {
    name.replace('"', "%22")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
