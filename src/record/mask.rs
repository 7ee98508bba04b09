//! What is nobody's business, found by its name, and then wherever else it stands.

use std::collections::BTreeSet;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use contract::secrets::{is_secret, is_secret_field};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode, percent_encode};

use super::forms;
use super::written::Secrets;

/// Stands for a secret. It means nothing to an address, a form, a cookie or JSON.
pub const MASK: &str = "***";

/// As clients write it: with padding or without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// How deep secrets in secrets are looked for: JSON in a string in JSON.
const DEPTH: usize = 4;

/// Secrets that were found, and the names by which they were.
#[derive(Default)]
pub struct Masks {
    secrets: Secrets,
    names: BTreeSet<String>,
}

impl Masks {
    /// Knows the secrets of a deployment, whose variables themselves are not kept.
    pub fn of<'a>(deployment: impl Iterator<Item = &'a (Vec<u8>, Vec<u8>)>) -> Self {
        let mut masks = Self::default();
        for (name, value) in deployment {
            if is_secret(&String::from_utf8_lossy(name)) {
                masks.learn(value, DEPTH);
            }
            masks.learn(password(value).unwrap_or_default(), 0);
        }
        masks
    }

    /// A meta-variable's value: all of it, or the part that is secret.
    pub fn variable(&mut self, name: &str, value: &[u8]) -> Vec<u8> {
        let upper = name.to_ascii_uppercase();
        if upper.ends_with("COOKIE") {
            // Names tell what was sent; none of the values is for others.
            return self.pairs(value, b";,", name, |_| true);
        }
        // A client names its headers as it names its fields; the other names are the server's own.
        let is_hidden = match upper.contains("HTTP_") {
            true => is_secret_field,
            false => is_secret,
        };
        if is_hidden(name) {
            return self.credentials(name, value);
        }
        self.pairs(value, b"?&;#", name, is_secret_field)
    }

    /// A form's, or an address's, pairs of names and values, of which some are secret.
    pub fn pairs(
        &mut self,
        text: &[u8],
        separators: &[u8],
        whose: &str,
        is_secret: impl Fn(&str) -> bool,
    ) -> Vec<u8> {
        let mut masked = Vec::with_capacity(text.len());
        for pair in text.split_inclusive(|byte| separators.contains(byte)) {
            let (pair, separator) = match pair.split_last() {
                Some((last, rest)) if separators.contains(last) => (rest, Some(last)),
                _ => (pair, None),
            };
            let equals = pair.iter().position(|byte| *byte == b'=');
            let (name, value) = pair.split_at(equals.unwrap_or(pair.len()));
            let plain: Vec<_> = percent_decode(name.trim_ascii()).collect();
            let plain = String::from_utf8_lossy(&plain);
            masked.extend_from_slice(name);
            match value.split_first() {
                Some((_, value)) if !value.is_empty() && is_secret(&plain) => {
                    self.hide(&format!("{whose}: {plain}"), value);
                    masked.push(b'=');
                    masked.extend_from_slice(MASK.as_bytes());
                }
                Some((_, rest)) => {
                    masked.push(b'=');
                    masked.extend(self.document(rest));
                }
                _ => masked.extend_from_slice(value),
            }
            masked.extend(separator);
        }
        masked
    }

    /// `Basic …`, `Bearer …`: the scheme is no secret.
    fn credentials(&mut self, name: &str, value: &[u8]) -> Vec<u8> {
        if value.is_empty() {
            return Vec::new();
        }
        let blank = match name.to_ascii_uppercase().ends_with("AUTHORIZATION") {
            true => value.iter().position(|byte| *byte == b' '),
            false => None,
        };
        let (scheme, secret) = value.split_at(blank.map_or(0, |blank| blank + 1));
        self.hide(name, secret);
        [scheme, MASK.as_bytes()].concat()
    }

    /// A field's value that is JSON, without its secrets; any other as it is.
    fn document(&mut self, value: &[u8]) -> Vec<u8> {
        let plain = form_decoded(value);
        let masked = forms::document(self, &plain);
        match masked == plain {
            true => value.to_vec(),
            false => percent_encode(&masked, NON_ALPHANUMERIC).to_string().into(),
        }
    }

    /// A secret of this name is not shown here, nor anywhere else.
    pub fn hide(&mut self, name: &str, secret: &[u8]) {
        self.names.insert(name.to_owned());
        self.learn(secret, DEPTH);
    }

    /// And all that it is made of: an application may show a part of it.
    fn learn(&mut self, secret: &[u8], depth: usize) {
        let unquoted = secret
            .strip_prefix(b"\"")
            .and_then(|rest| rest.strip_suffix(b"\""));
        self.secrets.add(unquoted.unwrap_or(secret));
        let Some(depth) = depth.checked_sub(1) else {
            return;
        };
        let mut parts = forms::strings(secret);
        parts.push(form_decoded(secret));
        for part in parts.iter().filter(|part| *part != secret) {
            self.learn(part, depth);
        }
        // `Basic …`, in a header or in a field.
        let encoded = secret.rsplit(|byte| *byte == b' ').next();
        let decoded = BASE64
            .decode(encoded.unwrap_or_default())
            .unwrap_or_default();
        if let Some(colon) = decoded.iter().position(|byte| *byte == b':') {
            self.secrets.add(&decoded);
            self.secrets
                .add(decoded.get(colon + 1..).unwrap_or_default());
        }
    }

    /// Text without any of the secrets that are known by now.
    pub fn scrubbed(&self, text: &str) -> String {
        String::from_utf8_lossy(&self.scrubbed_bytes(text.as_bytes())).into_owned()
    }

    /// The same of what may be no text.
    pub fn scrubbed_bytes(&self, bytes: &[u8]) -> Vec<u8> {
        self.secrets.scrubbed(bytes)
    }

    /// What was hidden.
    pub fn names(&self) -> Vec<&str> {
        self.names.iter().map(String::as_str).collect()
    }
}

/// As `application/x-www-form-urlencoded` has it.
fn form_decoded(text: &[u8]) -> Vec<u8> {
    let blanks: Vec<_> = text
        .iter()
        .map(|byte| if *byte == b'+' { b' ' } else { *byte })
        .collect();
    percent_decode(&blanks).collect()
}

/// Of `scheme://user:password@host/`, as in DATABASE_URL.
fn password(address: &[u8]) -> Option<&[u8]> {
    let (_, rest) = str::from_utf8(address).ok()?.split_once("://")?;
    let (user, _) = rest.split(['/', '?', '#']).next()?.rsplit_once('@')?;
    Some(user.split_once(':')?.1.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, value: &str, expected: &str) {
        let masked = Masks::default().variable(name, value.as_bytes());
        assert_eq!(String::from_utf8(masked).unwrap(), expected, "{name}");
    }

    #[test]
    fn values_are_hidden_by_their_names() {
        check(
            "HTTP_COOKIE",
            "a=1; sessionid=abcdef; b",
            "a=***; sessionid=***; b",
        );
        check("HTTP_AUTHORIZATION", "Basic dTpwYXNzd29yZA==", "Basic ***");
        check("HTTP_X_API_KEY", "a b", "***");
        check("AUTH_TYPE", "Basic", "Basic");
        check("GEOIP_COUNTRY_CODE", "CH", "CH");
        check("SSL_SESSION_ID", "abc", "***");
        check("REDIRECT_HTTP_X_CODE", "abc", "***");
        check(
            "QUERY_STRING",
            "a={1}&data=%7B%22pin%22:+1,%22b%22:+%22x%22%7D",
            "a={1}&data=%7B%22pin%22%3A%20%22%2A%2A%2A%22%2C%22b%22%3A%20%22x%22%7D",
        );
        check(
            "QUERY_STRING",
            "page=2&api_key=abc&q=a=b",
            "page=2&api_key=***&q=a=b",
        );
        check(
            "QUERY_STRING",
            "pass%77ord=abc&token=",
            "pass%77ord=***&token=",
        );
        check("REQUEST_URI", "/reset?token=abc#x", "/reset?token=***#x");
        check(
            "HTTP_REFERER",
            "https://a/b?c=1&password=x",
            "https://a/b?c=1&password=***",
        );
        check("HTTP_ACCEPT", "text/html;q=0.9,*/*", "text/html;q=0.9,*/*");
    }

    #[test]
    fn a_secret_is_hidden_wherever_else_it_stands() {
        let deployment = [
            ("DB_PASSWORD", "correct horse"),
            ("CACHE_URL", "redis://:rhubarb%20pie@cache:6379/0"),
        ]
        .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()));
        let mut masks = Masks::of(deployment.iter());
        masks.variable("HTTP_AUTHORIZATION", b"Basic dXNlcjpodW50ZXIyMg==");
        masks.variable("QUERY_STRING", b"token=a%20b+c%2Fd");
        let text =
            "hunter22, user:hunter22, a b c/d, a%20b+c%2Fd, correct horse, horse, rhubarb pie";
        let expected = "***, ***, ***, ***, ***, horse, ***";
        assert_eq!(masks.scrubbed(text), expected);
        assert_eq!(masks.names(), ["HTTP_AUTHORIZATION", "QUERY_STRING: token"]);
    }

    #[test]
    fn what_a_secret_is_made_of_is_hidden_as_well() {
        let mut masks = Masks::default();
        masks.variable(
            "HTTP_COOKIE",
            b"a=%7B%22b%22:+%22cinnamon%22%7D; c=\"ginger\\054bread\"",
        );
        masks.variable("QUERY_STRING", b"auth=Basic+bWU6cGVwcGVybWludA");
        masks.variable("HTTP_AUTHORIZATION", b"Digest response=\"allspice\"");
        masks.hide(
            "x",
            b"{\"type\": [12345678, \"{\\\"d\\\": \\\"cardamom\\\"}\"]}",
        );
        for text in [
            "{'b': 'cinnamon'}",
            "ginger,bread",
            "allspice",
            "peppermint",
            "cardamom",
            "12345678",
        ] {
            let scrubbed = masks.scrubbed(text);
            assert!(scrubbed.contains(MASK), "{text}: {scrubbed}");
        }
        assert_eq!(masks.scrubbed("'type'"), "'type'");
    }

    #[test]
    fn a_client_cannot_fill_the_list_of_secrets() {
        let mut masks = Masks::default();
        let names = (0..10_000).map(|number| format!("token{number}=filler{number:05}&"));
        masks.variable("QUERY_STRING", names.collect::<String>().as_bytes());
        masks.variable("HTTP_AUTHORIZATION", b"Bearer peppermint");
        assert_eq!(masks.scrubbed("peppermint"), MASK);
    }
}
