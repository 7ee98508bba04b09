//! The address of `check --through`.

/// Nothing else than http://HOST/PATH, so that a path may be added.
pub(super) fn address(url: &str) -> Result<String, String> {
    let schemes = ["http://", "https://"];
    let behind = schemes.iter().find_map(|scheme| url.strip_prefix(scheme));
    let wrong = match behind {
        None => "an address begins with http:// or https://",
        Some(behind) if behind.is_empty() || behind.starts_with(['/', ':', '?', '#']) => {
            "the host's name is missing"
        }
        Some(behind) if !behind.bytes().all(|byte| byte.is_ascii_graphic()) => {
            "blanks and letters beyond ASCII are written as %20 and the like"
        }
        Some(behind) if behind.contains(['?', '#']) => "leave out what follows ? or #",
        Some(behind) if !is_authority(behind.split('/').next().unwrap_or_default()) => {
            "what follows // is HOST or HOST:PORT"
        }
        Some(_) => return Ok(url.to_owned()),
    };
    Err(wrong.to_owned())
}

/// `host`, `host:80`, `[::1]:80`.
fn is_authority(text: &str) -> bool {
    let behind_bracket = text.rsplit_once(']').map(|(_, rest)| rest);
    let is_port = match behind_bracket.unwrap_or(text).split_once(':') {
        Some((_, port)) => port.parse::<u16>().is_ok_and(|port| port > 0),
        None => true,
    };
    is_port && !text.contains('@')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_place_to_which_a_path_can_be_added() {
        for right in [
            "http://localhost",
            "https://example.org:8443/app.cgi",
            "http://[::1]/a%20b/",
            "http://[::1]:80/@",
        ] {
            assert_eq!(address(right).as_deref(), Ok(right));
        }
        for wrong in [
            "example.org",
            "ftp://example.org/",
            "http://",
            "http:///a",
            "http://h/a?b",
            "http://h/a b",
            "http://h:0/",
            "http://h:65536/",
            "http://h:http/",
            "http://me:secret@h/",
            "http://h/\r\nX: y",
        ] {
            assert!(address(wrong).is_err(), "{wrong}");
        }
    }
}
