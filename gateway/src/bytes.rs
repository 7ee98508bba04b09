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

/// As text that cannot steer the terminal that shows it: no control character but the tab.
pub fn printable(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .chars()
        .map(|char| match char {
            '\t' => char,
            char if char.is_control() => '\u{fffd}',
            char => char,
        })
        .collect()
}
