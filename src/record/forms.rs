//! Secrets in a request's body: forms, uploads and JSON, whole or cut.

use contract::secrets::is_secret_field;

use super::mask::{MASK, Masks};

/// The body without them, as far as its type and the names in it tell.
pub fn masked(masks: &mut Masks, content_type: &str, body: &[u8]) -> Vec<u8> {
    let lower = content_type.to_ascii_lowercase();
    let kind = lower.split(';').next().unwrap_or_default().trim();
    match kind {
        "application/x-www-form-urlencoded" => masks.pairs(body, b"&", "body", is_secret_field),
        "multipart/form-data" => match boundary(content_type) {
            Some(boundary) => parts(masks, body, &boundary),
            None => body.to_vec(),
        },
        kind if kind.ends_with("json") => json(masks, body),
        _ => body.to_vec(),
    }
}

fn boundary(content_type: &str) -> Option<Vec<u8>> {
    let mut parameters = content_type.split(';').skip(1).map(str::trim);
    let value = parameters.find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.eq_ignore_ascii_case("boundary").then_some(value)
    })?;
    Some(format!("--{}", value.trim_matches('"')).into_bytes())
}

/// RFC 7578: parts between lines of the boundary, each with headers and an empty line.
fn parts(masks: &mut Masks, body: &[u8], boundary: &[u8]) -> Vec<u8> {
    let mut masked = Vec::with_capacity(body.len());
    let mut rest = body;
    while !rest.is_empty() {
        let end = find(rest, boundary).map_or(rest.len(), |start| start + boundary.len());
        let (part, behind) = rest.split_at(end);
        let mark = part.len() - part.strip_suffix(boundary).map_or(0, |_| boundary.len());
        let (part, mark) = part.split_at(mark);
        masked.extend(part_masked(masks, part));
        masked.extend_from_slice(mark);
        rest = behind;
    }
    masked
}

fn part_masked(masks: &mut Masks, part: &[u8]) -> Vec<u8> {
    // Some readers take the line ends of Unix, too.
    let ends = [&b"\r\n\r\n"[..], b"\n\n"].map(|end| find(part, end).map(|at| at + end.len()));
    let Some(length) = ends.into_iter().flatten().min() else {
        return part.to_vec();
    };
    let (head, content) = part.split_at(length);
    let name = name(&String::from_utf8_lossy(head));
    match name {
        Some(name) if is_secret_field(&name) => {
            let secret = content.strip_suffix(b"\n").unwrap_or(content);
            let secret = secret.strip_suffix(b"\r").unwrap_or(secret);
            let end = content.get(secret.len()..).unwrap_or_default();
            masks.hide(&format!("body: {name}"), secret);
            [head, MASK.as_bytes(), end].concat()
        }
        _ => [head, &document(masks, content)].concat(),
    }
}

/// `Content-Disposition: form-data; name="…"`.
fn name(head: &str) -> Option<String> {
    let disposition = head.lines().find(|line| {
        let start = line.get(..20).unwrap_or_default();
        start.eq_ignore_ascii_case("content-disposition:")
    })?;
    disposition.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let is_it = name.trim().eq_ignore_ascii_case("name");
        is_it.then(|| value.trim().trim_matches('"').to_owned())
    })
}

/// JSON, wherever it stands; what is none is left as it is.
pub fn document(masks: &mut Masks, text: &[u8]) -> Vec<u8> {
    match text.trim_ascii_start() {
        [b'{' | b'[', ..] => json(masks, text),
        _ => text.to_vec(),
    }
}

/// The strings, numbers and words of JSON, but for names; and what stands in quotation marks anywhere.
pub fn strings(text: &[u8]) -> Vec<Vec<u8>> {
    let is_json = matches!(text.trim_ascii_start(), [b'{' | b'[', ..]);
    let is_word = |byte: &&u8| byte.is_ascii_alphanumeric() || b"+-._".contains(byte);
    let mut found = Vec::new();
    let mut position = 0;
    while let Some(byte) = text.get(position) {
        let rest = text.get(position..).unwrap_or_default();
        let word = rest.iter().take_while(is_word).count();
        if *byte == b'"' {
            let end = value_end(text, position);
            let is_name = is_json && text.get(skip_blanks(text, end)) == Some(&b':');
            if !is_name {
                found.push(plain(text.get(position..end).unwrap_or_default()));
            }
            position = end;
        } else if is_json && word > 0 {
            found.push(rest.get(..word).unwrap_or_default().to_vec());
            position += word;
        } else {
            position += 1;
        }
    }
    found
}

/// A string's text, whole or cut.
fn plain(string: &[u8]) -> Vec<u8> {
    serde_json::from_slice::<String>(string).map_or_else(
        |_| {
            let text = string.strip_prefix(b"\"").unwrap_or(string);
            text.strip_suffix(b"\"").unwrap_or(text).to_vec()
        },
        String::into_bytes,
    )
}

/// The values of secret names, in text that may be cut or broken: that may be why the request failed.
fn json(masks: &mut Masks, body: &[u8]) -> Vec<u8> {
    let mut masked = Vec::with_capacity(body.len());
    let mut position = 0;
    while let Some(byte) = body.get(position) {
        if *byte != b'"' {
            masked.push(*byte);
            position += 1;
            continue;
        }
        let end = value_end(body, position);
        let name = body.get(position..end).unwrap_or_default();
        masked.extend_from_slice(name);
        position = end;
        let name = String::from_utf8_lossy(&plain(name)).into_owned();
        let behind = skip_blanks(body, position);
        if body.get(behind) != Some(&b':') || !is_secret_field(&name) {
            continue;
        }
        let start = skip_blanks(body, behind + 1);
        let end = value_end(body, start);
        let value = body.get(start..end).unwrap_or_default();
        let name = format!("body: {name}");
        let strings = strings(value);
        if strings.is_empty() {
            masks.hide(&name, value);
        }
        for string in strings {
            masks.hide(&name, &string);
        }
        masked.extend_from_slice(body.get(position..start).unwrap_or_default());
        masked.extend(format!("\"{MASK}\"").bytes());
        position = end;
    }
    masked
}

fn skip_blanks(body: &[u8], from: usize) -> usize {
    let rest = body.get(from..).unwrap_or_default();
    from + rest
        .iter()
        .take_while(|byte| byte.is_ascii_whitespace())
        .count()
}

/// Behind the value that begins here: a string, a nested value with all that is in it, or a plain word.
fn value_end(body: &[u8], start: usize) -> usize {
    let (mut depth, mut in_string, mut is_escaped) = (0_usize, false, false);
    for (position, byte) in body.iter().enumerate().skip(start) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_string => is_escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => depth += 1,
            // The value was a plain word.
            b'}' | b']' | b',' if depth == 0 => return position,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        let is_closed = depth == 0 && !in_string && matches!(byte, b'"' | b'}' | b']');
        if is_closed && !is_escaped {
            return position + 1;
        }
    }
    body.len()
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len())
        .position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(kind: &str, body: &str, expected: &str) {
        let found = masked(&mut Masks::default(), kind, body.as_bytes());
        assert_eq!(String::from_utf8(found).unwrap(), expected);
    }

    #[test]
    fn forms_keep_their_shape() {
        let kind = "application/x-www-form-urlencoded; charset=utf-8";
        check(
            kind,
            "user=me&password=a%26b&next=/",
            "user=me&password=***&next=/",
        );
        check(kind, "password=", "password=");
        check("text/plain", "password=abc", "password=abc");
    }

    #[test]
    fn a_part_of_a_form_is_hidden_whole_or_cut() {
        let part = |name: &str, value: &str| {
            format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        };
        let kind = "multipart/form-data; boundary=\"x\"";
        let whole = |secret: &str| {
            format!(
                "{}{}{}--x--\r\n",
                part("a", "1"),
                part("token", secret),
                part("b", "2")
            )
        };
        check(kind, &whole("se\r\ncret"), &whole(MASK));
        let cut = part("api_key", "secret");
        let cut = cut.trim_end();
        check(kind, cut, &cut.replace("secret", MASK));
        check(kind, "no form at all", "no form at all");
        let unix = "--x\nContent-Disposition: form-data; Name = pin\n\n1234\n--x--\n";
        check(kind, unix, &unix.replace("1234", MASK));
        let json = part("a", r#"{"pin": 1}"#);
        check(kind, &json, &json.replace('1', "\"***\""));
    }

    #[test]
    fn json_is_masked_whole_nested_cut_or_broken() {
        let kind = "application/problem+json";
        for (body, expected) in [
            (
                r#"{"user": "me", "password": "a\"b}", "n": 1}"#,
                r#"{"user": "me", "password": "***", "n": 1}"#,
            ),
            (
                r#"{"token":{"value":["x"],"y":"}"},"n":[1,2]}"#,
                r#"{"token":"***","n":[1,2]}"#,
            ),
            (
                r#"{"pass\u0077ord": "x", "a": {"PIN": [1, {"b": "c"}], "keyboard": 1}}"#,
                r#"{"pass\u0077ord": "***", "a": {"PIN": "***", "keyboard": 1}}"#,
            ),
            (r#"{"pin_token": 1234}"#, r#"{"pin_token": "***"}"#),
            (
                r#"[{"secret":null},"secret"]"#,
                r#"[{"secret":"***"},"secret"]"#,
            ),
            (r#"{"password": "cut off he"#, r#"{"password": "***""#),
            (r#"{"a": "password", "b": 2"#, r#"{"a": "password", "b": 2"#),
            (
                "{broken \"password\" : yes",
                "{broken \"password\" : \"***\"",
            ),
        ] {
            check(kind, body, expected);
        }
    }
}
