//! The command line of `request`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{Parser, ValueEnum};
use contract::codes::Code;
use contract::report::Failure;

use super::{Options, Refusal, refusal};
use crate::plan::{Asked, Data, Mode, RequestPlan, Showing, Work};

const ABOUT: &str = "Sends one request to an application, as curl would, without a server.";

const DETAILS: &str = "\
PATH is /path?query or a whole URL [default: /]. The body goes to standard
output, what the application complains of to standard error. Options that curl
has are curl's.

Examples:
  wsgi-cgi request app.py /users?n=1
  wsgi-cgi request -i -X PUT --json '{\"a\": 1}' app.py /items/7
  wsgi-cgi request -F name=x -F file=@photo.png app.py /upload
  wsgi-cgi request --time app.py                       where the time goes
  wsgi-cgi request --time --repeat 20 --warm app.py    the same, of twenty
  wsgi-cgi request --compare cold,warm,wsgiref app.py  is it the same each way?
  wsgi-cgi request --event request.json app.py         JSON in, JSON out

Exit status: 0 the response was complete; 1 the application failed, or
--compare found a difference; 2 wrong usage; 3 application or interpreter not
found; 22 an HTTP error, with -f; 124 timed out; 128+N ended by signal N.";

// The groups of options in --help.
const REQUEST: &str = "The request";
const RESPONSE: &str = "What is shown of the response";
const INSTEAD: &str = "Instead of the response";

#[derive(Parser)]
#[command(name = "wsgi-cgi request", bin_name = "wsgi-cgi request", about = ABOUT, after_help = DETAILS, args_override_self = true)]
pub(super) struct RequestLine {
    /// The method [default: GET, or POST with data]
    #[arg(short = 'X', long = "request", value_name = "METHOD", help_heading = REQUEST)]
    method: Option<String>,
    /// A header, `Name: value`; `Name:` takes back one that is sent by default (repeatable)
    #[arg(short = 'H', long = "header", value_name = "HEADER", help_heading = REQUEST)]
    headers: Vec<OsString>,
    /// Send this, or with @FILE what is in it (@- is standard input), as a form does; several are joined by &
    #[arg(short = 'd', long = "data", value_name = "DATA", help_heading = REQUEST)]
    data: Vec<OsString>,
    /// The same, with the line ends of a file
    #[arg(long, value_name = "DATA", help_heading = REQUEST)]
    data_binary: Vec<OsString>,
    /// The same as JSON, with the headers for it
    #[arg(long, value_name = "DATA", help_heading = REQUEST)]
    json: Vec<OsString>,
    /// A part of a multipart form: name=value, name=@FILE[;type=TYPE][;filename=NAME] (repeatable)
    #[arg(short = 'F', long = "form", value_name = "PART", help_heading = REQUEST)]
    form: Vec<OsString>,
    /// Send this as the field Cookie
    #[arg(short = 'b', long = "cookie", value_name = "DATA", help_heading = REQUEST)]
    cookie: Option<OsString>,
    /// Send these credentials (Basic)
    #[arg(short = 'u', long = "user", value_name = "NAME:PASSWORD", help_heading = REQUEST)]
    user: Option<String>,
    /// Show the response's head, too
    #[arg(short = 'i', long = "include", help_heading = RESPONSE)]
    include: bool,
    /// Ask by HEAD, and show the head
    #[arg(short = 'I', long = "head", help_heading = RESPONSE)]
    head: bool,
    /// Write the body to this file
    #[arg(short = 'o', long = "output", value_name = "FILE", help_heading = RESPONSE)]
    output: Option<PathBuf>,
    /// Show no page of an HTTP error, and exit with 22
    #[arg(short = 'f', long = "fail", help_heading = RESPONSE)]
    fail: bool,
    /// Show the environ that the application would get, and do not ask it
    #[arg(long, help_heading = INSTEAD)]
    env: bool,
    /// Tell where the time went, and which imports took longest
    #[arg(long, help_heading = INSTEAD)]
    time: bool,
    /// Send it so often, and tell the least, median and most time of each part
    #[arg(
        long,
        value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..),
        help_heading = INSTEAD,
    )]
    repeat: Option<u32>,
    /// Send it in each of these ways, and show what differs
    #[arg(long, value_name = "MODES", value_enum, value_delimiter = ',', help_heading = INSTEAD)]
    compare: Vec<Mode>,
    /// Read the request from this file as JSON (- is standard input), and write the response as JSON
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["method", "headers", "data", "data_binary", "json", "form", "cookie", "user", "target"],
        help_heading = INSTEAD,
    )]
    event: Option<PathBuf>,
    #[command(flatten)]
    options: Options,
    /// The application
    #[arg(value_name = "APP")]
    application: OsString,
    /// What is asked for
    #[arg(value_name = "PATH")]
    target: Option<OsString>,
}

/// Reads the command line behind `request`; relative paths count from `here`.
pub fn parse_request(arguments: &[OsString], here: &Path) -> Result<RequestPlan, Refusal> {
    let program = OsString::from("wsgi-cgi request");
    let words = std::iter::once(&program).chain(arguments);
    let line = RequestLine::try_parse_from(words).map_err(|error| refusal(&error))?;
    let kinds = [&line.data, &line.data_binary, &line.json, &line.form];
    if kinds.iter().filter(|kind| !kind.is_empty()).count() > 1 {
        let reason = "--data, --data-binary, --json and --form exclude each other";
        return Err(Failure::new(Code::BAD_SETTING, reason).into());
    }
    let (data, values) = match () {
        () if !line.form.is_empty() => (Data::Form, line.form),
        () if !line.json.is_empty() => (Data::Json, line.json),
        () if !line.data_binary.is_empty() => (Data::Binary, line.data_binary),
        () if !line.data.is_empty() => (Data::Text, line.data),
        () => (Data::None, Vec::new()),
    };
    let method = match (line.method, line.head) {
        (Some(method), _) => Some(method),
        (None, true) => Some("HEAD".to_owned()),
        (None, false) => None,
    };
    Ok(RequestPlan {
        arguments: line.options.call(&line.application, here),
        asked: Asked {
            method,
            target: line.target.unwrap_or_else(|| "/".into()),
            headers: line.headers,
            data,
            values,
            cookie: line.cookie,
            user: line.user,
        },
        work: match (line.event, line.env, line.compare.is_empty()) {
            (Some(file), ..) => Work::Event(file),
            (None, true, _) => Work::Environ,
            (None, false, false) => Work::Compare(line.compare),
            (None, false, true) => match (line.repeat, line.time) {
                (Some(number), _) => Work::Repeat(number),
                (None, true) => Work::Time,
                (None, false) => Work::Answer,
            },
        },
        showing: Showing {
            head: line.include || line.head,
            output: line.output.map(|file| here.join(file)),
            fail: line.fail,
        },
    })
}

impl ValueEnum for Mode {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Cold, Self::Warm, Self::Wsgiref]
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(clap::builder::PossibleValue::new(self.name()))
    }
}

#[cfg(test)]
fn words(text: &str) -> Vec<OsString> {
    text.split(' ').map(OsString::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_excludes_each_other_is_told() {
        let wrong = [
            "-d a --json b app.py",
            "--event - -d a app.py",
            "--compare hot app.py",
            "--repeat 0 app.py",
        ];
        for text in wrong {
            assert!(
                parse_request(&words(text), Path::new("/")).is_err(),
                "{text}"
            );
        }
        let plan = parse_request(&words("-I -o x app.py /a"), Path::new("/here"))
            .unwrap_or_else(|_| unreachable!());
        assert_eq!(plan.asked.method.as_deref(), Some("HEAD"));
        assert_eq!(plan.showing.output.as_deref(), Some(Path::new("/here/x")));
        let plan = parse_request(&words("--compare cold,warm app.py"), Path::new("/"))
            .unwrap_or_else(|_| unreachable!());
        assert!(matches!(plan.work, Work::Compare(modes) if modes == [Mode::Cold, Mode::Warm]));
    }
}
