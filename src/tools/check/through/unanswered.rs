//! Why the self-test was not answered, as far as what came instead tells it.

use contract::codes::Code;
use contract::report::Failure;

use super::facts::Answers;
use super::questions::Reply;

/// The failure for these answers. `source` is the beginning of the application's file.
pub fn failure(url: &str, answers: &Answers, source: &str) -> Failure {
    let (reason, causes) = reason(answers, source);
    Failure::new(Code::NOT_ANSWERED, format!("{url}: {reason}")).with_detail(causes.join("\n"))
}

fn reason(answers: &Answers, source: &str) -> (String, Vec<&'static str>) {
    let Some(first) = answers.get("process") else {
        return ("nothing was asked".to_owned(), Vec::new());
    };
    let Some(reply) = &first.reply else {
        let (kind, text) = first.lost.clone().unwrap_or_default();
        return lost(&kind, &text);
    };
    let itself = answers.reply("address itself");
    let replies = [Some(reply), itself].into_iter().flatten();
    if let Some(reason) = refusal(reply) {
        return (
            format!("the self-test refused the token: {reason}"),
            Vec::new(),
        );
    }
    if replies.clone().any(|reply| is_source(reply, source)) {
        return (
            "the text of the script came back: the server does not execute CGI there".to_owned(),
            vec![
                "Apache: Options +ExecCGI and AddHandler cgi-script .cgi for its folder, or ScriptAlias",
                "Lighttpd: mod_cgi, and cgi.assign for its ending",
                "nginx: a location with fastcgi_pass to fcgiwrap",
            ],
        );
    }
    if let Some(code) = replies.clone().find_map(|reply| our_code(&reply.body)) {
        return (
            format!("wsgi-cgi itself failed there with {code}"),
            vec![
                "the web server's error log has the reason; wsgi-cgi explain CODE tells what to do",
            ],
        );
    }
    status(reply, itself)
}

/// The self-test's own word.
fn refusal(reply: &Reply) -> Option<String> {
    let value: serde_json::Value = serde_json::from_str(&reply.body).ok()?;
    (value["wsgi_cgi_self_test"] == "refused")
        .then(|| value["reason"].as_str().unwrap_or_default().to_owned())
}

fn is_source(reply: &Reply, source: &str) -> bool {
    let mut lines = source.lines().map(str::trim).filter(|line| line.len() > 2);
    let first = lines.next().unwrap_or("#!");
    let begins = reply.body.trim_start().trim_start_matches('\u{feff}');
    reply.status == 200 && (begins.starts_with("#!") || begins.starts_with(first))
}

/// The code on a failure page of ours.
fn our_code(body: &str) -> Option<&str> {
    let start = body.find("<b>WC")? + "<b>".len();
    let code = body.get(start..start + "WC000".len())?;
    code.bytes()
        .skip(2)
        .all(|byte| byte.is_ascii_digit())
        .then_some(code)
}

fn lost(kind: &str, text: &str) -> (String, Vec<&'static str>) {
    match kind {
        "name" => (
            format!("the host's name cannot be resolved ({text})"),
            Vec::new(),
        ),
        "connection" => (
            format!("no connection ({text})"),
            vec!["is the web server running, and does it listen at this address and port?"],
        ),
        "certificate" => (
            format!("the certificate is not valid: {text}"),
            vec!["--insecure accepts it, such as one that is self-signed"],
        ),
        "tls" => (
            format!("no TLS there ({text})"),
            vec!["is it http:// at this port?"],
        ),
        "timeout" => (
            "no answer within 20 s".to_owned(),
            vec![
                "a script of another program, or a server that waits for one; its error log may tell",
            ],
        ),
        "http" => (
            format!("what answers there is no HTTP server: {text:?}"),
            Vec::new(),
        ),
        _ => (
            "the server closed the connection without an answer".to_owned(),
            Vec::new(),
        ),
    }
}

fn status(reply: &Reply, itself: Option<&Reply>) -> (String, Vec<&'static str>) {
    let location = reply.field("location").unwrap_or_default();
    match reply.status {
        301..=308 if !location.is_empty() => (
            // Our own path in it holds the token.
            format!("status {}: redirected to {}", reply.status, host(location)),
            vec![
                "name the address that the redirect leads to; the token is not sent to another host",
            ],
        ),
        401 => (
            "status 401: the server wants a password before it asks the application".to_owned(),
            vec![
                "allow the self-test for a moment (Require ip 127.0.0.1), or check another address of the application",
            ],
        ),
        403 => (
            "status 403: the server refuses to run it".to_owned(),
            vec![
                "Options +ExecCGI or Require all granted is missing",
                "a script without run bit, or a folder above it that the server's user may not enter (chmod o+x)",
                "suexec, or a rule of mod_security",
            ],
        ),
        404 => (
            match itself {
                Some(itself) if itself.status < 400 => {
                    format!(
                        "status 404, though the address itself answers with {}",
                        itself.status
                    )
                }
                _ => "status 404: the address does not lead to the application".to_owned(),
            },
            vec![
                "another application, or another copy of it than APP (another folder, container or host)",
                "APP is a wrapper script: name the application that it runs",
                "a server that takes no path behind the script's name (AcceptPathInfo Off)",
                "the web server's user cannot read the token file: it must be able to enter the application's folder",
                "the script is run by another program than wsgi-cgi, or by an older one",
            ],
        ),
        500 => (
            "status 500: the script did not run to its end".to_owned(),
            vec![
                "no run bit (chmod 755), or writable for the group where suexec is used",
                "a #! line whose program is missing, or that ends with CR LF: wsgi-cgi check APP tells",
                "the error log has the reason; wsgi-cgi explain AH01215 and others tell what it means",
            ],
        ),
        502..=504 => (
            format!(
                "status {}: a server in front did not reach the one that runs scripts",
                reply.status
            ),
            vec![
                "is fcgiwrap, or the server behind, running, and may the front one use its socket?",
            ],
        ),
        status => (
            format!("status {status}, and not an answer of the self-test"),
            vec![
                "another application answers there, or another copy of it than APP",
                "APP is a wrapper script: name the application that it runs",
                "the web server's user cannot read the token file: it must be able to enter the application's folder",
                "the script is run by another program than wsgi-cgi, or by an older one",
            ],
        ),
    }
}

/// Scheme and host of an address.
fn host(address: &str) -> String {
    let parts: Vec<_> = address.splitn(4, '/').take(3).collect();
    match parts.as_slice() {
        [scheme, "", host] => format!("{scheme}//{host}/"),
        _ => "another path".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(lines: &str, expected: &str) {
        let answers = lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let failure = failure(
            "http://h/",
            &Answers(answers),
            "\nimport flask\n\napp = 1\n",
        );
        assert!(failure.reason.contains(expected), "{failure}");
    }

    #[track_caller]
    fn check_reply(status: u16, body: &str, expected: &str) {
        let line = serde_json::json!({"name": "process", "reply": {
            "status": status, "fields": [["location", "https://other/wsgi-cgi-self-test/abc/"]],
            "length": 0, "body": body, "is_whole": true,
        }});
        check(&line.to_string(), expected);
    }

    #[test]
    fn every_way_to_fail_has_its_reason() {
        check(
            r#"{"name": "process", "lost": ["connection", "Connection refused"]}"#,
            "no connection (Connection refused)",
        );
        check(
            r#"{"name": "process", "lost": ["certificate", "self-signed certificate"]}"#,
            "certificate is not valid",
        );
        check(
            r#"{"name": "process", "lost": ["name", "Name or service not known"]}"#,
            "cannot be resolved",
        );
        check_reply(
            200,
            "#!/usr/bin/env wsgi-cgi\n",
            "text of the script came back",
        );
        check_reply(200, "import flask\n", "text of the script came back");
        check_reply(
            500,
            "<p>look for <b>WC011</b> in",
            "failed there with WC011",
        );
        check_reply(200, "<html>", "status 200, and not");
        check_reply(401, "", "wants a password");
        check_reply(403, "", "refuses to run it");
        check_reply(
            403,
            r#"{"wsgi_cgi_self_test": "refused", "reason": "the token has expired"}"#,
            "the token has expired",
        );
        check_reply(404, "", "does not lead to the application");
        check_reply(500, "Internal Server Error", "did not run to its end");
        check_reply(301, "", "redirected to https://other/");
        check_reply(502, "", "a server in front");
    }

    #[test]
    fn a_redirect_is_told_without_the_token() {
        let line = r#"{"name": "process", "reply": {"status": 302, "fields": [["location", "/login?next=abc"]], "length": 0, "body": "", "is_whole": true}}"#;
        check(line, "redirected to another path");
    }
}
