//! A visitor: sends requests to a site that is mounted at `/mount`, and keeps its cookies.

use std::fmt;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::Stdio;

use super::site::Site;
use crate::support::response::Response;
use crate::support::run::{Done, Run, Watch};

/// Where the web server says that the application is.
pub const MOUNT: &str = "/mount";

/// One visitor's cookies.
pub struct Browser<'a> {
    site: &'a Site,
    cookies: Vec<(String, String)>,
}

/// A request, with what most of them have in common filled in by `get` and `post`.
#[must_use]
pub struct Request<'a> {
    method: &'a str,
    path: &'a str,
    query: &'a str,
    fields: Vec<(&'a str, &'a str)>,
    content_type: &'a str,
    body: Vec<u8>,
}

/// A response, and what the run left behind.
pub struct Answer {
    pub done: Done,
    response: Response,
}

pub fn get(path: &str) -> Request<'_> {
    Request {
        method: "GET",
        path,
        query: "",
        fields: Vec::new(),
        content_type: "",
        body: Vec::new(),
    }
}

pub fn head(path: &str) -> Request<'_> {
    Request {
        method: "HEAD",
        ..get(path)
    }
}

/// A form with one field, already encoded.
pub fn post_form<'a>(path: &'a str, form: &str) -> Request<'a> {
    Request {
        method: "POST",
        content_type: "application/x-www-form-urlencoded",
        body: form.into(),
        ..get(path)
    }
}

/// A form with one file, in the field `file`.
pub fn post_file<'a>(path: &'a str, name: &str, data: &[u8]) -> Request<'a> {
    let mut body = format!(
        "--boundary\r\n\
         Content-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n"
    )
    .into_bytes();
    body.extend_from_slice(data);
    body.extend_from_slice(b"\r\n--boundary--\r\n");
    Request {
        method: "POST",
        content_type: "multipart/form-data; boundary=boundary",
        body,
        ..get(path)
    }
}

impl<'a> Request<'a> {
    /// With a query, already encoded.
    pub fn query(mut self, query: &'a str) -> Self {
        self.query = query;
        self
    }

    /// With a header field, under its CGI name.
    pub fn field(mut self, name: &'a str, value: &'a str) -> Self {
        self.fields.push((name, value));
        self
    }
}

impl Answer {
    #[track_caller]
    fn of(done: Done) -> Self {
        let response = done.response();
        Self { done, response }
    }

    /// The number of the status.
    #[track_caller]
    pub fn status(&self) -> u16 {
        let (number, _) = self.field("Status").split_once(' ').unwrap();
        number.parse().unwrap()
    }

    /// The one field of that name.
    #[track_caller]
    pub fn field<'b>(&'b self, name: &'b str) -> &'b str {
        let mut values = self.fields(name);
        match (values.next(), values.next()) {
            (Some(value), None) => value,
            (first, _) => panic!("{name}: not once, but {first:?} in\n{self}"),
        }
    }

    /// All fields of that name.
    pub fn fields<'b>(&'b self, name: &'b str) -> impl Iterator<Item = &'b str> {
        self.response.all(name).map(str::trim)
    }

    pub fn body(&self) -> &[u8] {
        &self.response.body
    }

    pub fn text(&self) -> String {
        self.response.text()
    }

    /// What went to standard error.
    pub fn log(&self) -> &str {
        &self.done.err
    }

    #[track_caller]
    pub fn assert_status(&self, expected: u16) -> &Self {
        assert_eq!(self.status(), expected, "\n{self}");
        self
    }

    #[track_caller]
    pub fn assert_says(&self, expected: &str) -> &Self {
        assert!(self.text().contains(expected), "no {expected:?} in\n{self}");
        self
    }

    /// A complete response, with nothing to tell about it.
    #[track_caller]
    pub fn assert_quiet(&self) -> &Self {
        self.done.assert_quiet();
        self
    }

    #[track_caller]
    pub fn assert_told(&self, expected: &str) -> &Self {
        self.done.assert_told(expected);
        self
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.done.fmt(out)
    }
}

impl<'a> Browser<'a> {
    pub fn at(site: &'a Site) -> Self {
        Self {
            site,
            cookies: Vec::new(),
        }
    }

    /// A visitor who has seen the page with the forms, and so has its cookies.
    pub fn at_the_forms_of(site: &'a Site) -> Self {
        let mut browser = Self::at(site);
        browser.send(get("/")).assert_status(200);
        browser
    }

    pub fn cookie(&self, name: &str) -> Option<&str> {
        let mut cookies = self.cookies.iter();
        cookies.find_map(|(own, value)| (own == name).then_some(value.as_str()))
    }

    /// Sends the request, and keeps the cookies that come back.
    #[track_caller]
    pub fn send(&mut self, request: Request<'_>) -> Answer {
        let answer = Answer::of(self.run(request).done());
        self.keep_cookies(&answer);
        answer
    }

    /// Sends the request, and returns what each single write of the response held.
    #[track_caller]
    pub fn writes(&self, request: Request<'_>) -> Vec<String> {
        // A datagram keeps the borders that a pipe would lose.
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        let mut command = self.run(request).command();
        command
            .stdin(Stdio::null())
            .stdout(Stdio::from(OwnedFd::from(theirs)));
        let mut child = command.spawn().unwrap();
        let watch = Watch::over(&child);
        let status = child.wait().unwrap();
        drop(watch);
        assert!(status.success(), "{command:?}: {status}");
        ours.set_nonblocking(true).unwrap();
        let mut buffer = [0; 65536];
        let next = || {
            let length = ours.recv(&mut buffer).ok()?;
            Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
        };
        std::iter::from_fn(next).collect()
    }

    fn run(&self, request: Request<'_>) -> Run {
        let mut run = self
            .site
            .run()
            .variable("SERVER_NAME", "localhost")
            .variable("SERVER_PORT", "80")
            .variable("HTTP_HOST", "localhost")
            .variable("REMOTE_ADDR", "127.0.0.1")
            .variable("SCRIPT_NAME", MOUNT)
            .variable("PATH_INFO", request.path)
            .variable("QUERY_STRING", request.query);
        if !request.content_type.is_empty() {
            run = run
                .post(request.body)
                .variable("CONTENT_TYPE", request.content_type);
        }
        if !self.cookies.is_empty() {
            let pair = |(name, value): &(String, String)| format!("{name}={value}");
            let pairs: Vec<_> = self.cookies.iter().map(pair).collect();
            run = run.variable("HTTP_COOKIE", pairs.join("; "));
        }
        // What Django's own documentation has a script in the page do.
        if let Some(token) = self.cookie("csrftoken") {
            run = run.variable("HTTP_X_CSRFTOKEN", token);
        }
        let site = self.site.variables.iter();
        run = site.fold(run, |run, (name, value)| run.variable(name, value));
        let fields = request.fields.into_iter();
        run = fields.fold(run, |run, (name, value)| run.variable(name, value));
        run.variable("REQUEST_METHOD", request.method)
    }

    fn keep_cookies(&mut self, answer: &Answer) {
        for cookie in answer.fields("Set-Cookie") {
            let mut parts = cookie.split(';').map(str::trim);
            let (name, value) = parts.next().unwrap().split_once('=').unwrap();
            let path = parts.find_map(|part| part.strip_prefix("Path="));
            if path.is_none_or(|path| format!("{MOUNT}/").starts_with(path)) {
                self.cookies.retain(|(own, _)| own != name);
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
    }
}
