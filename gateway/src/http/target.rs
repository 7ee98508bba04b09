//! What a request asks for: the forms of its target, and the host in it.

use super::Refusal;

/// RFC 9112 section 3.2; authority-form belongs to CONNECT, which is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A path with or without a query.
    Origin,
    /// With scheme and authority, which wins over the Host field.
    Absolute {
        /// Host and port.
        authority: Vec<u8>,
        /// Path and query; begins with a slash.
        path_and_query: Vec<u8>,
    },
    /// `OPTIONS *`: the server as a whole.
    Asterisk,
}

/// Reads a target; the method decides what `*` means.
pub(crate) fn parse_target(method: &str, raw: &[u8]) -> Result<Target, Refusal> {
    if raw
        .iter()
        .any(|byte| matches!(byte, 0..=0x20 | 0x7f | b'#'))
    {
        return Err(Refusal::bad("the target holds what no address may hold"));
    }
    if raw.starts_with(b"/") {
        return Ok(Target::Origin);
    }
    if raw == b"*" {
        return match method {
            "OPTIONS" => Ok(Target::Asterisk),
            _ => Err(Refusal::bad("the target * belongs to OPTIONS")),
        };
    }
    let scheme_length = [&b"http://"[..], b"https://"]
        .into_iter()
        .find(|scheme| {
            raw.get(..scheme.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
        })
        .map(<[u8]>::len);
    let Some(rest) = scheme_length.and_then(|length| raw.get(length..)) else {
        return Err(Refusal::bad("the target does not begin with a slash"));
    };
    let authority_length = rest.iter().position(|byte| matches!(byte, b'/' | b'?'));
    let (authority, rest) = rest.split_at(authority_length.unwrap_or(rest.len()));
    if authority.is_empty() || !is_host(authority) {
        return Err(Refusal::bad("the target's authority is no host"));
    }
    let mut path_and_query = rest.to_vec();
    if !rest.starts_with(b"/") {
        path_and_query.insert(0, b'/');
    }
    Ok(Target::Absolute {
        authority: authority.to_vec(),
        path_and_query,
    })
}

/// A name or an address, with or without a port: what may stand in SERVER_NAME and in links.
pub fn is_host(host: &[u8]) -> bool {
    let (name, port) = split_port(host);
    let is_name = match name {
        [b'[', address @ .., b']'] => {
            !address.is_empty()
                && address
                    .iter()
                    .all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'))
        }
        name => {
            !name.is_empty()
                && name
                    .iter()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%".contains(byte))
        }
    };
    is_name && port.is_none_or(|port| port.len() <= 5 && port.iter().all(u8::is_ascii_digit))
}

/// Host and port of an authority; the brackets of an IPv6 address stay.
pub fn split_port(authority: &[u8]) -> (&[u8], Option<&[u8]>) {
    let bracket = authority.iter().rposition(|byte| *byte == b']');
    match authority.iter().rposition(|byte| *byte == b':') {
        Some(colon) if bracket.is_none_or(|bracket| bracket < colon) => {
            let (name, port) = authority.split_at(colon);
            (name, port.get(1..))
        }
        _ => (authority, None),
    }
}
