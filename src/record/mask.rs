//! What is nobody's business, found by its name, and then wherever else it stands.

use std::collections::BTreeSet;

use base64::prelude::{BASE64_STANDARD, Engine};
use contract::page::is_secret;
use percent_encoding::percent_decode;

/// Stands for a secret. It means nothing to an address, a form, a cookie or JSON.
pub const MASK: &str = "***";

/// What is shorter is too likely to be a part of something else.
const SHORTEST: usize = 6;

/// So many are looked for elsewhere: a client can send any number of them.
const MOST: usize = 100;

/// Secrets that were found, and the names by which they were.
#[derive(Default)]
pub struct Masks {
    secrets: BTreeSet<String>,
    names: BTreeSet<String>,
}

impl Masks {
    /// Knows the secrets of a deployment, whose variables themselves are not kept.
    pub fn of<'a>(deployment: impl Iterator<Item = &'a (Vec<u8>, Vec<u8>)>) -> Self {
        let mut masks = Self::default();
        for (name, value) in deployment {
            if is_secret(&String::from_utf8_lossy(name)) {
                masks.learn(value);
            }
            masks.learn(password(value).unwrap_or_default());
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
        if is_secret(name) {
            return self.credentials(name, value);
        }
        self.pairs(value, b"?&;#", name, is_secret)
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
        let scheme = value.iter().position(|byte| *byte == b' ');
        let (scheme, secret) = value.split_at(scheme.map_or(0, |blank| blank + 1));
        self.hide(name, secret);
        if let Ok(decoded) = BASE64_STANDARD.decode(secret) {
            self.learn(&decoded);
            let password = decoded.splitn(2, |byte| *byte == b':').nth(1);
            self.learn(password.unwrap_or_default());
        }
        [scheme, MASK.as_bytes()].concat()
    }

    /// A secret of this name is not shown here, nor anywhere else.
    pub fn hide(&mut self, name: &str, secret: &[u8]) {
        self.names.insert(name.to_owned());
        self.learn(secret);
    }

    fn learn(&mut self, secret: &[u8]) {
        let blanks: Vec<_> = secret
            .iter()
            .map(|byte| if *byte == b'+' { b' ' } else { *byte })
            .collect();
        let decoded = percent_decode(&blanks).collect::<Vec<_>>();
        for form in [secret, &decoded] {
            let text = String::from_utf8_lossy(form);
            if text.len() >= SHORTEST && text != MASK && self.secrets.len() < MOST {
                self.secrets.insert(text.into_owned());
            }
        }
    }

    /// Text without any of the secrets that are known by now.
    pub fn scrubbed(&self, text: &str) -> String {
        let mut longest_first: Vec<_> = self.secrets.iter().collect();
        longest_first.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        longest_first
            .into_iter()
            .fold(text.to_owned(), |text, secret| text.replace(secret, MASK))
    }

    /// What was hidden.
    pub fn names(&self) -> Vec<&str> {
        self.names.iter().map(String::as_str).collect()
    }
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
        check("HTTP_X_API_KEY", "abc", "***");
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
}
