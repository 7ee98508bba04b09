//! SCRIPT_NAME and PATH_INFO, mended where servers give them wrongly; and the query that a fallback lost.

pub use super::mount::{Handler, Rule};

use super::meta_variables::MetaVariables;
use super::mount::{Mount, mend};
use super::request_uri::RequestUri;

/// Mends SCRIPT_NAME and PATH_INFO, so that links which an application builds lead back to it and its
/// routes match; and takes up the query where a fallback lost it. To be called before
/// [`MetaVariables::complete`]: an absent PATH_INFO and an empty one are not the same here.
///
/// REQUEST_URI is the client's. It confirms where the server's PATH_INFO begins, and replaces a
/// PATH_INFO only where the server gave none: otherwise it could name a place that the server's access
/// rules, which looked at the rewritten address, have not seen.
pub fn repair(
    variables: &mut MetaVariables,
    script_name_option: Option<&[u8]>,
    handler: Handler<'_>,
) -> Rule {
    let given = Mount::given(variables, handler);
    let address = address(variables);
    let (rule, mount) = match &address {
        Some(address) => mend(given, address, variables),
        None => (Rule::NoAddress, given),
    };
    let is_fallback = rule.takes_address() || variables.get("REDIRECT_STATUS") == Some(b"404");
    if is_fallback && variables.get("QUERY_STRING").is_none() {
        // A query that the server dropped on purpose (`[QSD]`) came with a path of its own.
        let redirected = variables.get("REDIRECT_QUERY_STRING").map(<[u8]>::to_vec);
        if let Some(query) = redirected.or_else(|| address.and_then(|address| address.query)) {
            variables.set("QUERY_STRING", query);
        }
    }
    let rule = match handler {
        Handler::Action { .. } if rule == Rule::AsGiven => Rule::Action,
        _ => rule,
    };
    let (rule, mount) = match script_name_option {
        Some(prefix) => (Rule::Option, mount.under(prefix, rule, variables)),
        None => (rule, mount),
    };
    let Mount {
        script_name,
        path_info,
    } = mount.tidy();
    variables.set("SCRIPT_NAME", script_name);
    variables.set("PATH_INFO", path_info);
    rule
}

/// REQUEST_URI, unless the server refused to answer it. Behind `ErrorDocument 403 /app.cgi` it names
/// the very place that the client may not see.
fn address(variables: &MetaVariables) -> Option<RequestUri> {
    // Each further redirect of Apache puts one more REDIRECT_ before the name. Some servers have other
    // words here than a number; 404 is what a fallback looks like.
    let is_refusal = |(name, value): (&[u8], &[u8])| {
        let is_status = name.starts_with(b"REDIRECT_") && name.ends_with(b"REDIRECT_STATUS");
        is_status && matches!(value, [b'3'..=b'5', _, _]) && value != b"404"
    };
    if variables.iter().any(is_refusal) {
        return None;
    }
    RequestUri::parse(variables.get("REQUEST_URI")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "SCRIPT_FILENAME=/srv/app.cgi";

    /// `NAME=value` to variables; a value of `-` is an absent one.
    fn variables<'a>(words: impl IntoIterator<Item = &'a str>) -> MetaVariables {
        let pairs = words.into_iter().filter_map(|word| word.split_once('='));
        let given = pairs.filter(|(_, value)| *value != "-");
        MetaVariables::from_environment(given.map(|(name, value)| (name.into(), value.into())))
    }

    #[track_caller]
    fn check(
        row: &str,
        words: &[&str],
        handler: Handler<'_>,
        option: Option<&str>,
        expected: &str,
    ) {
        let mut variables = variables(words.iter().copied());
        let rule = repair(&mut variables, option.map(str::as_bytes), handler);
        let text = |name| String::from_utf8_lossy(variables.get(name).unwrap_or_default());
        let found = format!("{rule:?} {}|{}", text("SCRIPT_NAME"), text("PATH_INFO"));
        assert_eq!(found, expected, "{row}");
    }

    /// Rows of: SCRIPT_NAME, PATH_INFO, REQUEST_URI, one more variable; rule, SCRIPT_NAME, PATH_INFO; name.
    fn check_table(table: &str) {
        for row in table.lines() {
            let columns: Vec<_> = row.split('|').map(str::trim).collect();
            let [script_name, path_info, uri, more, rule, mended, rest, ..] = columns[..] else {
                panic!("{row}");
            };
            let words = [
                ("SCRIPT_NAME", script_name),
                ("PATH_INFO", path_info),
                ("REQUEST_URI", uri),
            ];
            let words = words.map(|(name, value)| format!("{name}={value}"));
            let [script_name, path_info, uri] = words.each_ref().map(String::as_str);
            let words = [FILE, script_name, path_info, uri, more];
            check(
                row,
                &words,
                Handler::None,
                None,
                &format!("{rule} {mended}|{rest}"),
            );
        }
    }

    /// The table of SURVEY.md section 3.4, and what lies beside its rows.
    #[test]
    fn every_measured_configuration_is_mended() {
        check_table(
            "              | /x/y z          | /x/y%20z?q              |                            | AsGiven               |               | /x/y z          | Apache ScriptAlias /
             /m            | /a b            | /m/a%20b                |                            | AsGiven               | /m            | /a b            | ScriptAlias /m
             /m            | -               | /m?q                    |                            | AsGiven               | /m            |                 | … called by its name
             /m            | /a%2Fb c        | /m/a%2Fb%20c            |                            | AsGiven               | /m            | /a%2Fb c        | … NoDecode
             /app/app.cgi  | /x              | /app/x                  | REDIRECT_STATUS=200        | BeforePathInfo        | /app          | /x              | .htaccess
             /app/app.cgi  | /               | /app/?q                 |                            | BeforePathInfo        | /app          | /               | … the folder
             /app/app.cgi  | /a%2Fb          | /app/a%2Fb              |                            | BeforePathInfo        | /app          | /a%2Fb          | … NoDecode
             /app/app.cgi  | /7              | /app/blog/7             |                            | BeforePathInfo        | /app/blog     | /7              | … ^blog/(.*) app.cgi/$1
             /app/app.cgi  | /new/7          | /app/old/7              |                            | Unexplained           | /app/app.cgi  | /new/7          | … ^old/(.*) app.cgi/new/$1
             /app/app.cgi  | /x              | /app/app.cgi/x          |                            | AsGiven               | /app/app.cgi  | /x              | … called by its name
             /cgi/app.cgi  | /x/y z          | /x/y%20z                |                            | BeforePathInfo        |               | /x/y z          | RewriteRule [PT]
             /cgi/app.cgi  | /x+y%3fz%25%2fw | /x%20y%3Fz%25/w         |                            | BeforeEscapedPathInfo |               | /x+y%3fz%25%2fw | RewriteRule [PT,B]
             /app/app.cgi  | -               | /app/a%20b%3Fc?q        |                            | ScriptFolder          | /app          | /a b?c          | FallbackResource
             /app/app.cgi  | -               | /app/                   |                            | ScriptFolder          | /app          | /               | … the folder
             /app/app.cgi  | -               | /app/app.cgi            |                            | AsGiven               | /app/app.cgi  |                 | … called by its name
             /cgi/app.cgi  | -               | /a%20b                  |                            | SiteRoot              |               | /a b            | … from another folder
             /app/app.cgi  | -               | /app/x?q                | REDIRECT_STATUS=404        | ScriptFolder          | /app          | /x              | ErrorDocument 404
                           | /x/y            | /x/y                    |                            | AsGiven               |               | /x/y            | lighttpd alias /
             /m            | /a/b c/d        | /m/a%2Fb%20c//d         |                            | AsGiven               | /m            | /a/b c/d        | lighttpd alias /m
             /cgi/app.cgi  | /x y?z%/w       | /x%20y%3Fz%25/w         |                            | BeforePathInfo        |               | /x y?z%/w       | lighttpd url.rewrite-once
             /cgi/app.cgi  | -               | /x/y?q                  | REDIRECT_STATUS=404        | SiteRoot              |               | /x/y            | lighttpd 404 handler
             /foo.wsgi     | /pi             | /foo.wsgi/pi            |                            | AsGiven               | /foo.wsgi     | /pi             | lighttpd cgi.assign
             /cgi/app.cgi  | /a b/c/d        | /cgi/app.cgi/a%20b//c/d |                            | AsGiven               | /cgi/app.cgi  | /a b/c/d        | nginx split
             /m            |                 | /m                      | DOCUMENT_URI=/m            | AsGiven               | /m            |                 | … called by its name
             /site/z       | -               | /site/z?q               | SERVER_SOFTWARE=nginx/1.2  | WholeAddress          |               | /site/z         | nginx stock
             /site/z       | -               | /site/z                 | DOCUMENT_URI=/site/z       | WholeAddress          |               | /site/z         | … name hidden
             /site/app.cgi | -               | /site/app.cgi           | DOCUMENT_URI=/site/app.cgi | AsGiven               | /site/app.cgi |                 | … called by its name
             /m            | -               | /m/a%20b                |                            | AfterScriptName       | /m            | /a b            | no PATH_INFO
             /             | x               | /x                      |                            | AsGiven               |               | /x              | a slash as SCRIPT_NAME
             //app/app.cgi | /x              | /app/x                  |                            | BeforePathInfo        | /app          | /x              | doubled slashes",
        );
    }

    #[test]
    fn the_client_cannot_name_what_the_server_has_not_seen() {
        check_table(
            "/app/app.cgi | -       | /app/x/../../etc      |                              | SiteRoot       |              | /etc
             /app/app.cgi | -       | /app/%2e%2e/%2E./etc  |                              | SiteRoot       |              | /etc
             /app/app.cgi | -       | //evil/x              |                              | SiteRoot       |              | /evil/x
             /app/app.cgi | -       | http://evil//app//x?q |                              | ScriptFolder   | /app         | /x
             /app/app.cgi | -       | /app/%zz%4            |                              | ScriptFolder   | /app         | /%zz%4
             /app/app.cgi | -       | /app/%ff              |                              | ScriptFolder   | /app         | /\u{fffd}
             /app/app.cgi | -       | /application/x        |                              | SiteRoot       |              | /application/x
             /app/app.cgi | -       | /app/app.cgix         |                              | ScriptFolder   | /app         | /app.cgix
             /app/app.cgi | -       | /app/%00              |                              | NoAddress      | /app/app.cgi |
             /app/app.cgi | -       | *                     |                              | NoAddress      | /app/app.cgi |
             /app/app.cgi | -       | -                     |                              | NoAddress      | /app/app.cgi |
             /app/app.cgi | -       | /app/admin            | REDIRECT_STATUS=403          | NoAddress      | /app/app.cgi |
             /app/app.cgi | -       | /app/admin            | REDIRECT_REDIRECT_STATUS=401 | NoAddress      | /app/app.cgi |
             /app/app.cgi | -       | /app/x                | REDIRECT_STATUS=true         | ScriptFolder   | /app         | /x
             /app/app.cgi | -       | /app/admin%2Fx        | REDIRECT_STATUS=404          | ScriptFolder   | /app         | /admin%2Fx
             /app/app.cgi | /public | /app/admin            |                              | Unexplained    | /app/app.cgi | /public
             /app/app.cgi | /x      | //evil/x              |                              | BeforePathInfo | /evil        | /x
             /app/app.cgi | /x      | /%5Cevil/x            |                              | Unexplained    | /app/app.cgi | /x
             /app/app.cgi | /x      | /a%0d%0ab/x           |                              | Unexplained    | /app/app.cgi | /x",
        );
    }

    #[test]
    fn an_action_stands_in_the_address_by_its_script() {
        for (uri, path_info, extra_path, option, expected) in [
            (
                "/foo.wsgi/pi",
                "/foo.wsgi/pi",
                "/pi",
                None,
                "Action /foo.wsgi|/pi",
            ),
            (
                "/foo.wsgi/pi",
                "/foo.wsgi/pi",
                "/pi",
                Some("/"),
                "Option |/pi",
            ),
            (
                "-",
                "/a/foo.wsgi/pi",
                "/pi",
                None,
                "NoAddress /a/foo.wsgi|/pi",
            ),
            // A rewriting server on top of it.
            (
                "/app/pi",
                "/app/foo.wsgi/pi",
                "/pi",
                None,
                "BeforePathInfo /app|/pi",
            ),
            ("/app/x", "/app/foo.wsgi", "", None, "ScriptFolder /app|/x"),
        ] {
            let (uri, path_info) = (
                format!("REQUEST_URI={uri}"),
                format!("PATH_INFO={path_info}"),
            );
            let words = [
                "SCRIPT_NAME=/bin/wsgi-cgi",
                "SCRIPT_FILENAME=/bin/wsgi-cgi",
                &uri,
                &path_info,
            ];
            let extra_path = extra_path.as_bytes();
            check(
                &uri,
                &words,
                Handler::Action { extra_path },
                option,
                expected,
            );
        }
    }

    #[test]
    fn the_query_is_taken_up_where_a_fallback_lost_it() {
        for (more, uri, expected) in [
            (
                "REDIRECT_STATUS=404 REDIRECT_QUERY_STRING=a=%31",
                "/app/x?b",
                Some("a=%31"),
            ),
            ("REDIRECT_STATUS=404", "/app/x?b=%32", Some("b=%32")),
            ("REDIRECT_STATUS=404 QUERY_STRING=c", "/app/x?b", Some("c")),
            (
                "PATH_INFO=/x REDIRECT_QUERY_STRING=dropped",
                "/app/x?dropped",
                None,
            ),
            (
                "REDIRECT_STATUS=403 REDIRECT_QUERY_STRING=a",
                "/app/x?b",
                None,
            ),
        ] {
            let uri = format!("REQUEST_URI={uri}");
            let mut variables =
                variables(more.split(' ').chain(["SCRIPT_NAME=/app/app.cgi", &uri]));
            repair(&mut variables, None, Handler::None);
            assert_eq!(
                variables.get("QUERY_STRING"),
                expected.map(str::as_bytes),
                "{more}"
            );
        }
    }

    #[test]
    fn the_option_decides() {
        for (script_name, path_info, uri, option, expected) in [
            ("/app/app.cgi", "-", "/app/a%20b", "/app", "/app|/a b"),
            ("/app/app.cgi", "/x", "/app/x", "/app/", "/app|/x"),
            ("/app/app.cgi", "/x", "/app/app.cgi/x", "/app", "/app|/x"),
            (
                "/app/app.cgi",
                "/new/7",
                "/app/old/7",
                "/app",
                "/app|/new/7",
            ),
            ("/cgi/app.cgi", "-", "/shop/a", "/shop", "/shop|/a"),
            ("/site/z", "-", "/site/z", "/site", "/site|/z"),
            ("/api", "/x", "/api/x", "/", "|/api/x"),
            ("", "/x", "/x", "/svc", "/svc|/x"),
            ("/cgi/app.cgi", "/app/x", "-", "/app", "/app|/x"),
            ("/app/app.cgi", "/x", "-", "", "|/x"),
        ] {
            let words = [
                ("SCRIPT_NAME", script_name),
                ("PATH_INFO", path_info),
                ("REQUEST_URI", uri),
            ];
            let words = words.map(|(name, value)| format!("{name}={value}"));
            let words: Vec<_> = words.iter().map(String::as_str).chain([FILE]).collect();
            check(
                uri,
                &words,
                Handler::None,
                Some(option),
                &format!("Option {expected}"),
            );
        }
    }
}
