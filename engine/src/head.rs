//! The response's head: what the application gave, checked, and how it is written.

use contract::codes::Code;
use contract::handover::ResponseForm;
use contract::report::Failure;

/// A checked status and its fields, in the application's order.
#[derive(Debug)]
pub struct Head {
    status: String,
    fields: Vec<(String, String)>,
}

/// Fields that belong to the connection, not to the response (RFC 2616 section 13.5.1, as PEP 3333
/// says), and those that mean something else to a CGI server.
const FORBIDDEN: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "status",
];

impl Head {
    /// Checks what the application gave to `start_response`; the reason names the culprit.
    pub fn new(status: String, fields: Vec<(String, String)>) -> Result<Self, Failure> {
        check_status(&status).map_err(|reason| Failure::new(Code::BAD_STATUS, reason))?;
        for (name, value) in &fields {
            check_field(name, value).map_err(|reason| Failure::new(Code::BAD_HEADER, reason))?;
        }
        let head = Self { status, fields };
        if head.all("content-length").count() > 1 {
            return Err(Failure::new(
                Code::BAD_HEADER,
                "Content-Length is given twice",
            ));
        }
        Ok(head)
    }

    /// The declared length of the body.
    pub fn content_length(&self) -> Option<u64> {
        self.all("content-length").next()?.trim().parse().ok()
    }

    /// Declares the length of the body, unless the application did.
    pub fn declare_length(&mut self, length: u64) {
        if self.content_length().is_none() && self.allows_body() {
            self.fields
                .push(("Content-Length".into(), length.to_string()));
        }
    }

    /// Adds a line of Server-Timing.
    pub fn add_timing(&mut self, value: String) {
        self.fields.push(("Server-Timing".into(), value));
    }

    /// Whether a response with this status has a body at all (RFC 9110 section 6.4.1).
    pub fn allows_body(&self) -> bool {
        !matches!(self.status.get(..3), Some("204" | "304"))
    }

    /// The status, if it says that a server failed.
    pub fn server_error(&self) -> Option<&str> {
        self.status.starts_with('5').then_some(&self.status)
    }

    /// Whether Apache would swallow this answer: it redirects by Location even with `Status: 200`.
    pub fn is_swallowed_by_apache(&self) -> bool {
        self.status.starts_with("200") && self.all("location").next().is_some()
    }

    /// The bytes that go to the server (RFC 3875 sections 6.3 and 5). `Status:` is always first:
    /// without it, a Location with an absolute path would be a local redirect.
    pub fn encode(&self, form: ResponseForm) -> Vec<u8> {
        let mut lines = match form {
            ResponseForm::Cgi => format!("Status: {}\r\n", self.status),
            ResponseForm::Nph => format!("HTTP/1.1 {}\r\nConnection: close\r\n", self.status),
        };
        for (name, value) in &self.fields {
            let dropped =
                name.eq_ignore_ascii_case("content-length") && self.status.starts_with("204");
            if !dropped {
                lines.extend([name, ": ", value, "\r\n"]);
            }
        }
        lines.push_str("\r\n");
        // Checked: no character is above U+00FF.
        lines.chars().map(|char| char as u8).collect()
    }

    fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let matching = move |field: &&(String, String)| field.0.eq_ignore_ascii_case(name);
        self.fields
            .iter()
            .filter(matching)
            .map(|(_, value)| value.as_str())
    }
}

fn check_status(status: &str) -> Result<(), String> {
    let (code, rest) = status.split_at_checked(3).unwrap_or((status, ""));
    let number = code
        .parse::<u16>()
        .ok()
        .filter(|_| code.bytes().all(|byte| byte.is_ascii_digit()));
    match number {
        Some(100..=199) => {
            return Err(format!(
                "{status:?}: an interim status belongs to the server"
            ));
        }
        Some(200..=999) if rest.is_empty() || rest.starts_with(' ') => {}
        _ => return Err(format!("{status:?}")),
    }
    check_text(rest).map_err(|reason| format!("{status:?} {reason}"))
}

fn check_field(name: &str, value: &str) -> Result<(), String> {
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err(format!("the name {name:?}"));
    }
    if FORBIDDEN
        .iter()
        .any(|forbidden| name.eq_ignore_ascii_case(forbidden))
    {
        return Err(format!("{name} belongs to the server"));
    }
    if name.eq_ignore_ascii_case("content-length") {
        let value = value.trim();
        if value.parse::<u64>().is_err() || !value.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(format!("{name}: {value:?} is not a number"));
        }
    }
    check_text(value).map_err(|reason| format!("{name}: {value:?} {reason}"))
}

/// Field text that cannot end its line (response splitting) and can be written as latin-1.
fn check_text(text: &str) -> Result<(), String> {
    match text
        .chars()
        .find(|char| (char.is_control() && *char != '\t' && *char < '\u{80}') || *char > '\u{ff}')
    {
        None => Ok(()),
        Some(char) if char > '\u{ff}' => Err(format!("holds {char:?}, which is not latin-1")),
        Some(char) => Err(format!("holds the control character {char:?}")),
    }
}

/// RFC 9110 section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(status: &str, fields: &[(&str, &str)]) -> Result<Head, Failure> {
        let own = |(name, value): &(&str, &str)| (String::from(*name), String::from(*value));
        Head::new(status.into(), fields.iter().map(own).collect())
    }

    #[test]
    fn status_comes_first_and_fields_keep_their_order() {
        let head = head(
            "302 Found",
            &[
                ("Location", "/x"),
                ("Set-Cookie", "a=\u{e9}"),
                ("Set-Cookie", "b"),
            ],
        )
        .unwrap();
        let expected =
            b"Status: 302 Found\r\nLocation: /x\r\nSet-Cookie: a=\xe9\r\nSet-Cookie: b\r\n\r\n";
        assert_eq!(head.encode(ResponseForm::Cgi), expected);
    }

    #[test]
    fn what_could_break_the_protocol_is_refused() {
        for status in [
            "",
            "20",
            "abc",
            "+20 OK",
            "200OK",
            "200 O\nK",
            "103 Early Hints",
            "200 \u{20ac}",
        ] {
            assert!(head(status, &[]).is_err(), "{status:?}");
        }
        for field in [
            ("", "x"),
            ("A B", "x"),
            ("A:", "x"),
            ("A", "x\r\nB: y"),
            ("A", "x\ny"),
            ("A", "x\0"),
            ("A", "\u{20ac}"),
            ("Connection", "close"),
            ("transfer-encoding", "chunked"),
            ("Status", "200"),
            ("Content-Length", "+5"),
            ("Content-Length", "5, 5"),
        ] {
            let failure = head("200 OK", &[field]).unwrap_err();
            assert!(failure.reason.contains(field.0), "{failure}");
        }
        assert!(
            head(
                "200 OK",
                &[("Content-Length", "5"), ("content-length", "5")]
            )
            .is_err()
        );
    }

    #[test]
    fn a_tab_and_latin_1_are_allowed() {
        assert!(head("200", &[("A", "x\ty\u{85}\u{e9}")]).is_ok());
    }
}
