//! Percent-encoding (RFC 3986 section 2.1), as bytes.

/// Percent-decodes once. An escape that is none stays as it is.
///
/// ```
/// use wsgi_cgi_gateway::cgi::percent::percent_decode;
///
/// assert_eq!(percent_decode(b"/a%20b%2Fc/%2520%zz"), b"/a b/c/%20%zz");
/// ```
pub fn percent_decode(encoded: &[u8]) -> Vec<u8> {
    decode(encoded, EncodedSlash::Decode)
}

/// What becomes of `%2F`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncodedSlash {
    /// A slash.
    Decode,
    /// It stays as it is: decoded, it would name another place.
    Keep,
}

/// Percent-decodes once, slashes as `slash` says. An escape that is none stays as it is.
pub fn decode(mut encoded: &[u8], slash: EncodedSlash) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(encoded.len());
    while let Some((first, rest)) = encoded.split_first() {
        match escape(encoded) {
            Some((byte, behind)) if byte != b'/' || slash == EncodedSlash::Decode => {
                decoded.push(byte);
                encoded = behind;
            }
            _ => {
                decoded.push(*first);
                encoded = rest;
            }
        }
    }
    decoded
}

/// The byte that an escape at the start stands for, and what is behind the escape.
fn escape(encoded: &[u8]) -> Option<(u8, &[u8])> {
    let [b'%', high, low, behind @ ..] = encoded else {
        return None;
    };
    Some((hex_digit(*high)? << 4 | hex_digit(*low)?, behind))
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}
