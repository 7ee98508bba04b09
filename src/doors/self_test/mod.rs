//! The self-test: answers `check --through` with what the web server gave this process, and never runs the application.
//!
//! Only who has the token of a token file beside the application is answered; everybody else's request goes on to
//! the application, as if there were nothing here.

mod process;
pub mod token;

use std::env;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use contract::handover::{BodyLength, ResponseForm};
use contract::report;
use serde_json::{Value, json};

use self::token::{Ticket, Verdict};
use crate::cgi::meta_variables::MetaVariables;
use crate::cgi::script_name::Rule;
use crate::runner::cold;

pub use self::process::more_descriptors;

/// What its address holds, before the token. No dot: many servers are told to refuse names that begin with one.
pub const MARK: &str = "/wsgi-cgi-self-test/";

/// The length that `length` and `short` announce.
pub const LENGTH: usize = 1000;

/// How long a streamed response waits for its client's sign.
const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(10);

/// A body is not read beyond this.
const BODY_LIMIT: u64 = 16 << 20;

/// A request that has the token.
pub struct SelfTest {
    /// The application's folder, where the token file is.
    folder: PathBuf,
    owner: u32,
    token: String,
    /// What is asked, and what stands behind it.
    question: String,
    /// What PATH_INFO has before [`MARK`].
    before: String,
    /// Or why it is refused.
    ticket: Result<Ticket, &'static str>,
    /// What made SCRIPT_NAME.
    rule: Rule,
}

/// Whether an address, as a server gives it, may be a self-test's: all that an ordinary request is asked.
pub fn may_be_asked() -> bool {
    let holds_mark =
        |name| env::var_os(name).is_some_and(|value| find_mark(value.as_encoded_bytes()).is_some());
    holds_mark("PATH_INFO") || holds_mark("REQUEST_URI")
}

/// A request's address, for a log: it holds no token.
pub fn without_token(address: &str) -> String {
    match address.split_once(MARK) {
        Some((before, _)) => format!("{before}{MARK}TOKEN"),
        None => address.to_owned(),
    }
}

fn find_mark(bytes: &[u8]) -> Option<usize> {
    let mark = MARK.as_bytes();
    bytes.windows(mark.len()).position(|window| window == mark)
}

/// The self-test that a request, already mended by `rule`, asks for; none where it has not the token that the file in
/// the application's folder is for. `owner` is the application file's, if there is one.
pub fn asked(
    variables: &MetaVariables,
    rule: Rule,
    folder: &Path,
    owner: Option<u32>,
) -> Option<SelfTest> {
    let path = variables.get("PATH_INFO")?;
    let (before, rest) = path.split_at_checked(find_mark(path)?)?;
    let rest = str::from_utf8(rest.get(MARK.len()..)?).ok()?;
    let (token, question) = rest.split_once('/')?;
    let owner = owner_of(folder, owner)?;
    let ticket = match token::verify(
        &folder.join(token::FILE),
        owner,
        token.as_bytes(),
        token::now(),
    ) {
        Verdict::Open(ticket) => Ok(ticket),
        Verdict::Refused(reason) => Err(reason),
        Verdict::Unknown => return None,
    };
    Some(SelfTest {
        folder: folder.to_owned(),
        owner,
        token: token.to_owned(),
        question: question.to_owned(),
        before: String::from_utf8_lossy(before).into_owned(),
        ticket,
        rule,
    })
}

/// Who owns an application: its file's owner, else its folder's.
pub fn owner_of(folder: &Path, file_owner: Option<u32>) -> Option<u32> {
    file_owner.or_else(|| Some(fs::metadata(folder).ok()?.uid()))
}

impl SelfTest {
    /// Answers on standard output. `descriptors` are those that the server gave beyond the first three.
    pub fn answer(
        &self,
        variables: &MetaVariables,
        form: ResponseForm,
        descriptors: &[String],
    ) -> io::Result<()> {
        let body = variables.body_length().unwrap_or(BodyLength::Empty);
        let answer = Answer {
            form,
            is_head: variables.get("REQUEST_METHOD") == Some(b"HEAD"),
        };
        let ticket = match &self.ticket {
            Ok(ticket) => ticket,
            Err(reason) => {
                answer.json(
                    "403 Forbidden",
                    &json!({ "wsgi_cgi_self_test": "refused", "reason": reason }),
                )?;
                cold::drain_after_death(body);
                return Ok(());
            }
        };
        let question = self.question.split('/').next().unwrap_or_default();
        match question {
            "process" => {
                let name = ticket.name();
                let text = format!(
                    "self-test {name} of wsgi-cgi check --through: this line shows where stderr goes\n"
                );
                report::tell_line(&text, None);
                let mut facts = process::described(&self.folder, self.owner, descriptors);
                facts["name"] = name.into();
                answer.json("200 OK", &self.told(variables, facts))?;
            }
            "body" => {
                let facts = read_body(body)?;
                return answer.json("200 OK", &self.told(variables, facts));
            }
            "length" => answer.head(Some(LENGTH))?,
            "stream" => {
                answer.head(None)?;
                self.pieces(1)?;
            }
            // A server that has all of it before it answers mends the length.
            "short" => {
                answer.head(Some(LENGTH))?;
                self.pieces(2)?;
            }
            // `address`, and `unread` with a body.
            _ => answer.json("200 OK", &self.told(variables, json!({})))?,
        }
        cold::drain_after_death(body);
        Ok(())
    }

    /// With what every answer tells: the environment, and what was made of the address.
    fn told(&self, variables: &MetaVariables, facts: Value) -> Value {
        let given = MetaVariables::from_environment(env::vars_os());
        let text = |name| {
            String::from_utf8_lossy(variables.get(name).unwrap_or_default())
                .replace(&self.token, "TOKEN")
        };
        json!({
            "wsgi_cgi_self_test": "answered",
            "environment": process::environment(&given, &self.token),
            "address": {
                "script_name": text("SCRIPT_NAME"),
                "path_info": text("PATH_INFO"),
                "before": self.before,
                "rule": format!("{:?}", self.rule),
                "meaning": self.rule.to_string(),
            },
            "facts": facts,
        })
    }

    /// The first piece; then, when the client has seen so many or will not see this one before the end, the second.
    fn pieces(&self, number: usize) -> io::Result<()> {
        write(b"first\n")?;
        let place = self.folder.join(token::FILE);
        let deadline = Instant::now() + PATIENCE;
        let is_seen = loop {
            match token::read(&place) {
                Ok((ticket, ..)) if ticket.seen >= number => break true,
                Ok(_) if Instant::now() < deadline => thread::sleep(PAUSE),
                _ => break false,
            }
        };
        write(if is_seen {
            b"streamed\n"
        } else {
            b"buffered\n"
        })
    }
}

/// How the answer is written.
struct Answer {
    form: ResponseForm,
    is_head: bool,
}

impl Answer {
    fn json(&self, status: &str, value: &Value) -> io::Result<()> {
        let text = value.to_string();
        self.write(
            status,
            "application/json",
            Some(text.len()),
            text.as_bytes(),
        )
    }

    /// The head of a response with this length, or one that ends with the connection.
    fn head(&self, length: Option<usize>) -> io::Result<()> {
        self.write("200 OK", "text/plain", length, b"")
    }

    fn write(
        &self,
        status: &str,
        kind: &str,
        length: Option<usize>,
        body: &[u8],
    ) -> io::Result<()> {
        let first = match self.form {
            ResponseForm::Cgi => format!("Status: {status}\r\n"),
            ResponseForm::Nph => format!("HTTP/1.1 {status}\r\nConnection: close\r\n"),
        };
        let length = length.map_or(String::new(), |length| {
            format!("Content-Length: {length}\r\n")
        });
        let head =
            format!("{first}Content-Type: {kind}\r\n{length}Cache-Control: no-store\r\n\r\n");
        let mut bytes = head.into_bytes();
        if !self.is_head {
            bytes.extend(body);
        }
        write(&bytes)
    }
}

fn write(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}

/// Reads the body, which is all `x`, to its end; tells how it came, how long it is and whether it is as it was.
fn read_body(length: BodyLength) -> io::Result<Value> {
    let (how, limit) = match length {
        BodyLength::Empty => ("none", 0),
        BodyLength::Exactly(length) => ("length", length.min(BODY_LIMIT)),
        BodyLength::UntilEnd => ("until its end", BODY_LIMIT),
    };
    let mut body = io::stdin().lock().take(limit);
    let mut is_intact = true;
    let mut piece = vec![0; 64 << 10];
    let mut read = 0;
    loop {
        match body.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => {
                is_intact &= piece.iter().take(count).all(|byte| *byte == b'x');
                read += count;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // What arrived is told.
            Err(_) => break,
        }
    }
    Ok(json!({
        "how": how,
        "bytes": read,
        "is_intact": is_intact,
        "descriptor": process::kind(0),
    }))
}
