//! What HTTP and CGI both ask of bytes.

/// Digits only: no sign, no blank, nothing that does not fit (RFC 9110 section 8.6, RFC 3875 section 4.1.2).
pub fn decimal(digits: &[u8]) -> Option<u64> {
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    str::from_utf8(digits).ok()?.parse().ok()
}

/// Whether this may name a field or a method (RFC 9110 section 5.6.2).
pub fn is_token(bytes: &[u8]) -> bool {
    let is_tchar = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !bytes.is_empty() && bytes.iter().all(is_tchar)
}

/// As text that cannot steer the terminal that shows it: no control character but the tab, and none that reorders the
/// text around it or ends a line.
pub fn printable(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .chars()
        .map(|char| match char {
            '\t' => char,
            '\u{61c}' | '\u{200e}' | '\u{200f}' => char::REPLACEMENT_CHARACTER,
            '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => char::REPLACEMENT_CHARACTER,
            char if char.is_control() => char::REPLACEMENT_CHARACTER,
            char => char,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printable_text_steers_no_terminal() {
        let text = "a\u{202e}b\u{2067}\u{1b}[m\u{200f}\n\tc\u{2028}\u{9b}\u{e9}";
        let expected = "a\u{fffd}b\u{fffd}\u{fffd}[m\u{fffd}\u{fffd}\tc\u{fffd}\u{fffd}\u{e9}";
        assert_eq!(printable(text.as_bytes()), expected);
    }
}
