//! Secrets in text, however they are written there: as they came, percent-encoded, by Python's `repr`, in JSON, in HTML.

use std::collections::BTreeSet;
use std::ops::Range;

use super::mask::MASK;

/// What is shorter is too likely to be a part of something else, in bytes.
const SHORTEST: usize = 6;

/// So many characters of a longer secret are enough, and all that follows as far as it is the same: it may be cut.
const ENOUGH: usize = 32;

/// Text that was written in another's way, in another's way, and so on.
const NESTING: usize = 6;

/// A character, as it is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Char {
    code: u32,
    /// Where it is written in the text.
    start: u32,
    end: u32,
}

/// What must not be shown. There may be very many of them: a client can send any number.
#[derive(Default)]
pub struct Secrets(BTreeSet<Vec<u32>>);

impl Secrets {
    /// Adds one, if it is long enough to be told from other text.
    pub fn add(&mut self, secret: &[u8]) {
        let written = chars(secret);
        for form in [meant(&written), written] {
            let codes: Vec<_> = form.iter().map(|char| char.code).collect();
            let length = |code: &u32| char::from_u32(*code).map_or(1, char::len_utf8);
            if codes.iter().map(length).sum::<usize>() >= SHORTEST {
                self.0.insert(codes);
            }
        }
    }

    /// Text without any of them.
    pub fn scrubbed(&self, text: &[u8]) -> Vec<u8> {
        if self.0.is_empty() {
            return text.to_vec();
        }
        let sorted: Vec<_> = self.0.iter().map(Vec::as_slice).collect();
        let written = chars(text);
        let mut places = find(&written, &sorted);
        places.extend(find(&meant(&written), &sorted));
        places.sort_by_key(|place| place.start);
        let mut scrubbed = Vec::with_capacity(text.len());
        let mut end = 0;
        for place in places {
            // It may overlap with the one before.
            if place.start >= end {
                scrubbed.extend_from_slice(text.get(end..place.start).unwrap_or_default());
                scrubbed.extend_from_slice(MASK.as_bytes());
            }
            end = end.max(place.end);
        }
        scrubbed.extend_from_slice(text.get(end..).unwrap_or_default());
        scrubbed
    }
}

/// Where they are, in bytes. `secrets` are sorted: those that begin in the same way stand together.
fn find(text: &[Char], secrets: &[&[u32]]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.first() {
        let length = longest(rest, secrets);
        if let Some(last) = length.checked_sub(1).and_then(|last| rest.get(last)) {
            found.push(first.start as usize..last.end as usize);
        }
        rest = rest.get(length.max(1)..).unwrap_or_default();
    }
    found
}

/// How much of this text, from its start, is a secret.
fn longest(text: &[Char], mut secrets: &[&[u32]]) -> usize {
    let mut longest = 0;
    for (depth, char) in text.iter().enumerate() {
        let start = secrets.partition_point(|secret| secret.get(depth) < Some(&char.code));
        let end = secrets.partition_point(|secret| secret.get(depth) <= Some(&char.code));
        secrets = secrets.get(start..end).unwrap_or_default();
        let Some(shortest) = secrets.first() else {
            break;
        };
        if shortest.len() == depth + 1 || depth >= ENOUGH {
            longest = depth + 1;
        }
    }
    longest
}

/// As they are written; bytes that are no UTF-8 are as WSGI gives them.
fn chars(text: &[u8]) -> Vec<Char> {
    let place = |start: usize, code: u32, length: usize| Char {
        code,
        start: start as u32,
        end: (start + length) as u32,
    };
    let char = |(start, char): (usize, char)| place(start, char.into(), char.len_utf8());
    let byte = |(start, byte): (usize, &u8)| place(start, (*byte).into(), 1);
    match str::from_utf8(text) {
        Ok(text) => text.char_indices().map(char).collect(),
        Err(_) => text.iter().enumerate().map(byte).collect(),
    }
}

/// Without escapes of any kind. It must not be exact: the same is done to a secret and to the text around it.
fn meant(written: &[Char]) -> Vec<Char> {
    let mut text = written.to_vec();
    for _ in 0..NESTING {
        let mut next = Vec::with_capacity(text.len());
        let mut rest = text.as_slice();
        while let Some(first) = rest.first() {
            let (code, length) = unescaped(rest);
            if let (Some(code), Some(last)) = (code, rest.get(length - 1)) {
                next.push(Char {
                    code,
                    start: first.start,
                    end: last.end,
                });
            }
            rest = rest.get(length..).unwrap_or_default();
        }
        let is_done = next == text;
        text = next;
        if is_done {
            break;
        }
    }
    text
}

/// The first character that is meant, if any, and in how many it is written.
fn unescaped(text: &[Char]) -> (Option<u32>, usize) {
    let at = |place: usize| text.get(place).map(|char| char.code);
    let ascii = |place: usize| at(place).and_then(char::from_u32).filter(char::is_ascii);
    let Some(first) = at(0) else {
        return (None, 1);
    };
    let plain = (Some(first), 1);
    match char::from_u32(first) {
        Some('+') => (Some(' '.into()), 1),
        Some('%') => match number(text, 1, 2, 16) {
            Some(code) => (Some(code), 3),
            None => plain,
        },
        Some('&') => entity(text).unwrap_or(plain),
        Some('\\') => {
            // Each further way of writing doubles them.
            let run = text.iter().take_while(|char| char.code == first).count();
            let code = |length, base| number(text, run + 1, length, base);
            let control = |code: u8| (Some(code.into()), run + 1);
            let hexadecimal = |length| match code(length, 16) {
                Some(code) => (Some(code), run + 1 + length),
                None => (at(run), run + 1),
            };
            match ascii(run) {
                None if at(run).is_none() => (None, run),
                Some('x') => hexadecimal(2),
                Some('u') => hexadecimal(4),
                Some('U') => hexadecimal(8),
                Some('n') => control(b'\n'),
                Some('r') => control(b'\r'),
                Some('t') => control(b'\t'),
                Some('b') => control(8),
                Some('f') => control(12),
                // As Python's cookies have it.
                Some('0'..='3') => match number(text, run, 3, 8) {
                    Some(code) => (Some(code), run + 3),
                    None => (at(run), run + 1),
                },
                _ => (at(run), run + 1),
            }
        }
        // UTF-8 whose bytes were taken for characters.
        Some('\u{80}'..='\u{ff}') => {
            let is_byte = |char: &&Char| (0x80..=0xff).contains(&char.code);
            let bytes = text.iter().take(4).take_while(is_byte);
            let bytes: Vec<_> = bytes
                .filter_map(|char| u8::try_from(char.code).ok())
                .collect();
            let char = bytes
                .utf8_chunks()
                .next()
                .and_then(|chunk| chunk.valid().chars().next());
            char.map_or(plain, |char| (Some(char.into()), char.len_utf8()))
        }
        Some(_) => plain,
        None => surrogate(first, at(1)),
    }
}

/// Half of a character in JSON; or a byte that Python could not decode.
fn surrogate(first: u32, second: Option<u32>) -> (Option<u32>, usize) {
    match (first, second) {
        (0xd800..=0xdbff, Some(second @ 0xdc00..=0xdfff)) => {
            let code = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
            (Some(code), 2)
        }
        (0xdc80..=0xdcff, _) => (Some(first - 0xdc00), 1),
        _ => (Some(first), 1),
    }
}

/// `&amp;`, `&#39;`, `&#x27;`.
fn entity(text: &[Char]) -> Option<(Option<u32>, usize)> {
    let length = text
        .iter()
        .take(12)
        .position(|char| char.code == u32::from(';'))?;
    let name = text.get(1..length)?;
    let name: String = name
        .iter()
        .filter_map(|char| char::from_u32(char.code))
        .collect();
    let code = match (name.as_str(), name.strip_prefix('#')) {
        ("amp", _) => '&'.into(),
        ("lt", _) => '<'.into(),
        ("gt", _) => '>'.into(),
        ("quot", _) => '"'.into(),
        (_, Some(digits)) => match digits.strip_prefix(['x', 'X']) {
            Some(digits) => u32::from_str_radix(digits, 16).ok()?,
            None => digits.parse().ok()?,
        },
        _ => return None,
    };
    Some((Some(code), length + 1))
}

/// Of exactly this many digits.
fn number(text: &[Char], start: usize, length: usize, base: u32) -> Option<u32> {
    let digits = text.get(start..start + length)?;
    digits.iter().try_fold(0_u32, |number, char| {
        let digit = char::from_u32(char.code)?.to_digit(base)?;
        number.checked_mul(base)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scrubbed(secrets: &Secrets, text: &str) -> String {
        String::from_utf8(secrets.scrubbed(text.as_bytes())).unwrap()
    }

    #[track_caller]
    fn check(secret: &[u8], text: &str, expected: &str) {
        let mut secrets = Secrets::default();
        secrets.add(secret);
        assert_eq!(scrubbed(&secrets, text), expected);
    }

    #[test]
    fn a_secret_is_found_however_it_is_written() {
        let secret = "a\\n'\"\n\u{e9}\u{1f600}&<z".as_bytes();
        for written in [
            "a\\n'\"\n\u{e9}\u{1f600}&<z",
            // `repr`, `ascii`, of bytes, of a `repr`.
            "a\\\\n\\'\"\\n\u{e9}\u{1f600}&<z",
            "a\\\\n\\'\"\\n\\xe9\\U0001f600&<z",
            "a\\\\n\\'\"\\n\\xc3\\xa9\\xf0\\x9f\\x98\\x80&<z",
            "a\\\\\\\\n\\\\\\'\"\\\\n\u{e9}\u{1f600}&<z",
            // JSON, HTML, addresses, WSGI's strings.
            "a\\\\n'\\\"\\n\\u00e9\\ud83d\\ude00&<z",
            "a\\n&#x27;&quot;\n\u{e9}\u{1f600}&amp;&lt;z",
            "a%5Cn%27%22%0A%C3%A9%F0%9F%98%80%26%3Cz",
            "a\\n'\"\n\u{c3}\u{a9}\u{f0}\u{9f}\u{98}\u{80}&<z",
        ] {
            check(secret, &format!("x={written};"), "x=***;");
            check(written.as_bytes(), &format!("x={written};"), "x=***;");
        }
    }

    #[test]
    fn what_stands_before_a_secret_does_not_hide_it() {
        for text in [
            "C:\\nutmeg12",
            "\\nutmeg12",
            "%nutmeg12",
            "\\x41nutmeg12",
            "+nutmeg12",
        ] {
            let mut secrets = Secrets::default();
            secrets.add(b"nutmeg12");
            let scrubbed = scrubbed(&secrets, text);
            assert!(
                scrubbed.ends_with("***") && !scrubbed.contains("utmeg"),
                "{scrubbed}"
            );
        }
    }

    #[test]
    fn a_long_secret_is_found_cut_and_a_short_one_is_left() {
        let secret = "0123456789".repeat(10);
        check(
            secret.as_bytes(),
            &format!("'{}...'", &secret[..50]),
            "'***...'",
        );
        check(b"short", "short", "short");
        check(
            b"h\xe9lium",
            "h\u{e9}lium h\\xe9lium h\\udce9lium",
            "*** *** ***",
        );
    }

    #[test]
    fn very_many_secrets_are_all_found() {
        let mut secrets = Secrets::default();
        for number in 0..20_000 {
            secrets.add(format!("filler{number:05}").as_bytes());
        }
        let text = scrubbed(&secrets, "a filler00000, filler19999 filler20000");
        assert_eq!(text, "a ***, *** filler20000");
        // Text that is like a secret, but for its end, takes no longer.
        let like = "a".repeat(1 << 18);
        secrets.add(format!("{like}b").as_bytes());
        assert_eq!(scrubbed(&secrets, &like), MASK);
    }
}
