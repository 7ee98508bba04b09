//! A CGI response (RFC 3875 section 6), as a web server reads it.

/// Head and body of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// Field names and values, in order; `Status` is one of them.
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
    /// Takes what a script wrote; `None` if there is no whole head.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = bytes[..end]
            .iter()
            .map(|byte| char::from(*byte))
            .collect::<String>();
        let fields = head.split("\r\n").map(|line| {
            let (name, value) = line.split_once(": ")?;
            Some((name.to_owned(), value.to_owned()))
        });
        Some(Self {
            fields: fields.collect::<Option<_>>()?,
            body: bytes[end + 4..].to_vec(),
        })
    }

    /// The values of all fields of that name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let matching = move |field: &&(String, String)| field.0.eq_ignore_ascii_case(name);
        self.fields
            .iter()
            .filter(matching)
            .map(|field| field.1.as_str())
    }

    /// The first field of that name.
    pub fn field<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.all(name).next()
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}
