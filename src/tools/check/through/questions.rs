//! What is asked of the web server, and what it answers.

use serde::{Deserialize, Serialize};

/// More than a pipe, and than a socket's buffer holds; more than mod_cgid's together.
const SMALL: usize = 200 << 10;
const LARGE: usize = 3_000_000;

/// One request.
#[derive(Serialize)]
pub struct Question {
    /// Names the answer.
    pub name: &'static str,
    method: &'static str,
    /// Behind the application's own address.
    path: String,
    fields: Vec<(&'static str, &'static str)>,
    /// Its length.
    body: usize,
    is_chunked: bool,
    /// Whether the script is told when the first piece of its response is seen.
    tells: bool,
}

/// What came back.
#[derive(Deserialize)]
pub struct Answer {
    /// The question's.
    pub name: String,
    /// The address that a redirect led to.
    #[serde(default)]
    pub moved: Option<String>,
    /// None where [`Answer::lost`] says why.
    #[serde(default)]
    pub reply: Option<Reply>,
    /// A kind and a text.
    #[serde(default)]
    pub lost: Option<(String, String)>,
}

/// An HTTP response.
#[derive(Deserialize)]
pub struct Reply {
    /// Its status.
    pub status: u16,
    /// Names in lower case.
    pub fields: Vec<(String, String)>,
    /// As text.
    pub body: String,
    /// Whether its framing says that nothing is missing.
    pub is_whole: bool,
}

impl Reply {
    /// A field's value.
    pub fn field(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(found, _)| found == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// All of them; the first one decides whether the others are asked. `root` leads to the self-test.
pub fn all(root: &str) -> Vec<Question> {
    let question = |name, method, path: &str| Question {
        name,
        method,
        path: format!("{root}{path}"),
        fields: Vec::new(),
        body: 0,
        is_chunked: false,
        tells: false,
    };
    let get = |name, path| question(name, "GET", path);
    let field = |name, field| Question {
        fields: vec![field],
        ..get(name, "address")
    };
    let post = |name, path, body| Question {
        body,
        ..question(name, "POST", path)
    };
    vec![
        get("process", "process"),
        get("slashes", "address/a//b"),
        get("encoded slash", "address/a%2Fb"),
        field(
            "authorization",
            ("Authorization", "Bearer wsgi-cgi-self-test"),
        ),
        field("underscore", ("X_Wsgi_Cgi", "1")),
        field("proxy", ("Proxy", "http://127.0.0.1:9/")),
        question("head", "HEAD", "length"),
        Question {
            tells: true,
            ..get("stream", "stream")
        },
        Question {
            tells: true,
            ..get("short", "short")
        },
        post("body", "body", SMALL),
        post("large body", "body", LARGE),
        Question {
            is_chunked: true,
            ..post("chunked body", "body", SMALL)
        },
        post("unread body", "unread", 5),
        post("large unread body", "unread", LARGE),
    ]
}

/// Of the body that the question of this name sends.
pub fn length(name: &str) -> usize {
    let all = all("");
    let found = all.iter().find(|question| question.name == name);
    found.map_or(0, |question| question.body)
}
