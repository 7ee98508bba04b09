//! The argument list as data: which of its words the server's configuration wrote, and which the client.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::meta_variables::MetaVariables;
use super::request_uri::percent_decode;
use super::script::same_file;

/// Servers decode once. Whatever stands between a server and this program may do it again.
const DECODINGS: usize = 3;

/// What a client may have put among the arguments: its query, as it came and decoded.
///
/// RFC 3875 section 4.4: where a query string has no unencoded `=`, the server may split it at `+`,
/// decode the words, and append them to the script's arguments. They come from the network. `?-s`
/// made php-cgi show its source, `?-d+auto_prepend_file=…` (its `=` encoded) made it run the client's
/// code (CVE-2012-1823), and twelve years later a soft hyphen, which Windows turns into `-`, got past
/// the guard that looked for a leading `-` (CVE-2024-4577). So the guard here does not look at what a
/// word means, but at where it may come from.
#[derive(Default)]
pub struct Query(Vec<Vec<u8>>);

impl Query {
    /// Of every variable that holds the query, before and after the server's internal redirects: a
    /// wrapper script may have changed one of them.
    pub fn of(variables: &MetaVariables) -> Self {
        let texts = variables.iter().filter_map(|(name, value)| match name {
            b"REQUEST_URI" => value.splitn(2, |byte| *byte == b'?').nth(1),
            _ => Some(value).filter(|_| name.ends_with(b"QUERY_STRING")),
        });
        let mut forms: Vec<Vec<u8>> = Vec::new();
        for text in texts.filter(|text| !text.is_empty() && !text.contains(&b'=')) {
            let mut form = text.to_vec();
            for _ in 0..=DECODINGS {
                let decoded = percent_decode(&form);
                let plain = without_escapes(&form);
                if !forms.contains(&plain) {
                    forms.push(plain);
                }
                form = decoded;
            }
        }
        Self(forms)
    }

    /// Whether server, wrapper script and shell may have made this argument of the query, or the value
    /// behind its `=`. What exactly they do with a word is not guessed: the argument may be the client's
    /// if each of its parts stands in the query.
    pub fn may_have_made(&self, argument: &OsStr) -> bool {
        let argument = without_escapes(argument.as_bytes());
        let value = argument.splitn(2, |byte| *byte == b'=').nth(1);
        // `?30` and `?true` are ordinary queries, and such a value names neither a program nor a file.
        let value = value.filter(|value| names_something(value));
        [Some(argument.as_slice()), value]
            .into_iter()
            .flatten()
            .any(|text| self.may_be(text))
    }

    fn may_be(&self, argument: &[u8]) -> bool {
        self.0.iter().any(|text| {
            let words: Vec<_> = text.split(ends_part).collect();
            match parts(argument).next() {
                None => words.contains(&&b""[..]),
                Some(_) => {
                    parts(argument).all(|part| words.contains(&part))
                        || words.iter().any(|word| may_expand_to(word, argument))
                }
            }
        })
    }
}

/// Whether an option's value is more than a number or a switch.
fn names_something(value: &[u8]) -> bool {
    let is_number = value
        .iter()
        .all(|byte| byte.is_ascii_digit() || *byte == b'.');
    !is_number && value != b"true" && value != b"false"
}

/// Finds an argument that the client may have chosen. `application` is the place of APP in `arguments`:
/// what stands behind it is never read, and so servers may append what they like.
///
/// APP is nobody's choice if it is the very file that the server names as its script: so Lighttpd's
/// `cgi.assign` calls a handler, and so the kernel calls the interpreter of a `#!` line. Neither are
/// options that stand on this file's `#!` line.
pub fn find_foreign<'a>(
    arguments: &'a [OsString],
    application: Option<usize>,
    query: &Query,
    script_filename: Option<&Path>,
    read_first_line: impl Fn(&Path) -> Option<Vec<u8>>,
) -> Option<&'a OsStr> {
    let (options, behind) = arguments.split_at(application.unwrap_or(arguments.len()));
    let application = behind.first();
    let script = application
        .map(Path::new)
        .filter(|application| script_filename.is_some_and(|script| same_file(application, script)));
    let is_foreign = |argument: &&'a OsString| query.may_have_made(argument);
    let are_the_scripts = || {
        let line = script.and_then(&read_first_line);
        line.is_some_and(|line| ends_in(&line, options))
    };
    let option = options.iter().find(is_foreign);
    option
        .filter(|_| !are_the_scripts())
        .or(application.filter(|_| script.is_none()).filter(is_foreign))
        .map(OsString::as_os_str)
}

/// Splits the options of a `#!` line, which the kernel passes as one argument: for
/// `#!/usr/bin/wsgi-cgi --warm -v` the list is `["--warm -v", "/path/of/script", …]`.
///
/// An argument with blanks may also be meant as it is. It is split only if the file named behind it
/// has exactly this text on its `#!` line. `read_first_line` returns that line, or None where there
/// is no such file.
pub fn split_shebang_words(
    args: Vec<OsString>,
    read_first_line: impl Fn(&Path) -> Option<Vec<u8>>,
) -> Vec<OsString> {
    let [options, script, ..] = args.as_slice() else {
        return args;
    };
    let text = options.as_bytes().trim_ascii_end();
    let is_list = text.starts_with(b"-") && text.iter().any(is_blank);
    let is_on_line = |line: Vec<u8>| shebang_argument(&line) == Some(text);
    if !is_list || !read_first_line(Path::new(script)).is_some_and(is_on_line) {
        return args;
    }
    let words = text.split(is_blank).filter(|word| !word.is_empty());
    let words = words.map(|word| OsStr::from_bytes(word).to_owned());
    words.chain(args.iter().skip(1).cloned()).collect()
}

/// Apache puts a backslash before each character that means something to a shell; what reads its input as
/// a shell does takes quotes away.
fn without_escapes(text: &[u8]) -> Vec<u8> {
    let is_kept = |byte: &u8| !b"\\'\"".contains(byte);
    text.iter().copied().filter(is_kept).collect()
}

fn parts(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(ends_part).filter(|part| !part.is_empty())
}

/// Servers split at `+`, shells at blanks (an unquoted `$@`; `"$*"` joins), and a NUL ends an argument.
fn ends_part(byte: &u8) -> bool {
    *byte <= b' ' || matches!(byte, b'+' | 0x7f)
}

/// Whether a shell that finds this word outside of quotes may put the argument, a file's name, in its place.
fn may_expand_to(word: &[u8], argument: &[u8]) -> bool {
    let is_special = |byte: &u8| b"*?[]".contains(byte);
    let slashes = |text: &[u8]| text.iter().filter(|byte| **byte == b'/').count();
    let (Some(first), Some(last)) = (
        word.iter().position(is_special),
        word.iter().rposition(is_special),
    ) else {
        return false;
    };
    let (before, behind) = (word.get(..first), word.get(last + 1..));
    argument.starts_with(before.unwrap_or_default())
        && argument.ends_with(behind.unwrap_or_default())
        && slashes(argument) == slashes(word)
}

/// Whether these options are the last words of a `#!` line.
fn ends_in(line: &[u8], options: &[OsString]) -> bool {
    let line = line.strip_prefix(b"#!").unwrap_or_default();
    let words: Vec<_> = line
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty())
        .map(OsStr::from_bytes)
        .collect();
    words.ends_with(&options.iter().map(OsString::as_os_str).collect::<Vec<_>>())
}

/// What stands behind the interpreter on a `#!` line, divided as the kernel does it.
fn shebang_argument(line: &[u8]) -> Option<&[u8]> {
    let command = line.strip_prefix(b"#!")?.trim_ascii();
    let interpreter_length = command.iter().position(is_blank)?;
    Some(command.split_at_checked(interpreter_length)?.1.trim_ascii())
}

fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    fn list(words: &[&str]) -> Vec<OsString> {
        words.iter().map(OsString::from).collect()
    }

    fn foreign<'a>(
        arguments: &'a [OsString],
        application: usize,
        query: &[u8],
        script: Option<&Path>,
        line: &str,
    ) -> Option<&'a OsStr> {
        let variables = [(b"QUERY_STRING".to_vec(), query.to_vec())];
        let query = Query::of(&variables.into_iter().collect());
        let first_line = |_: &Path| Some(line.as_bytes().to_vec());
        find_foreign(arguments, Some(application), &query, script, first_line)
    }

    #[test]
    fn what_stands_behind_app_is_not_looked_at() {
        for query in ["a+b", "--debug+/etc/passwd", "", "a=app.py", "a+x=app.py"] {
            let arguments = list(&["-v", "app.py", "--debug", "/etc/passwd", "a", "b", "app.py"]);
            assert_eq!(
                foreign(&arguments, 1, query.as_bytes(), None, ""),
                None,
                "{query}"
            );
        }
    }

    #[test]
    fn an_argument_may_be_part_of_a_word_or_several_words() {
        for (argument, query, is_foreign) in [
            ("app.py", "app.py", true),
            ("app.py", "x+app.py%00y", true),
            ("app.py", "a%5Cp%27p.py", true),
            ("a b", "a+b", true),
            ("a b", "a%20%0cb", true),
            ("a b", "a%00x+b%00y", true),
            ("a b", "a+c", false),
            ("app.py", "app.pyx", false),
            ("app.py", "app.p*", true),
            ("/srv/app.py", "*", false),
            ("", "a+", true),
            ("", "a+b", false),
            // CVE-2024-4577: the guard does not care for what a word looks like.
            ("\u{ad}d", "%C2%ADd", true),
            // A wrapper script has put its own name in front: `--python="$1"`.
            ("--python=/tmp/evil", "/tmp/evil", true),
            ("--python=/tmp/evil", "/tmp/e*", true),
            ("--timeout=30", "30", false),
            ("--warm=true", "true", false),
            // An escape that is none reaches the program as it is.
            ("%zz", "%zz", true),
            ("%41", "%41", true),
        ] {
            let arguments = list(&[argument]);
            let found = foreign(&arguments, 0, query.as_bytes(), None, "");
            assert_eq!(found.is_some(), is_foreign, "{argument} of {query}");
        }
        let arguments = [OsString::from_vec(vec![0xff])];
        assert!(foreign(&arguments, 0, b"%fF", None, "").is_some());
    }

    #[test]
    fn the_query_is_taken_from_each_variable_that_holds_one() {
        for (name, value, is_foreign) in [
            ("REQUEST_URI", "/x?app.py", true),
            ("REQUEST_URI", "/app.py", false),
            ("REDIRECT_QUERY_STRING", "app.py", true),
            ("REDIRECT_REDIRECT_QUERY_STRING", "app.py", true),
            ("HTTP_X", "app.py", false),
        ] {
            let variables = [("QUERY_STRING", "a=b"), (name, value)];
            let variables = variables.map(|(name, value)| (name.into(), value.into()));
            let query = Query::of(&MetaVariables::from_environment(variables));
            assert_eq!(
                query.may_have_made("app.py".as_ref()),
                is_foreign,
                "{name}={value}"
            );
        }
    }

    #[test]
    fn the_script_and_the_options_of_its_first_line_are_believed() {
        let script = std::env::current_exe().unwrap();
        let query = ["--debug+30+", script.to_str().unwrap()].concat();
        let query = query.as_bytes();
        let name = script.clone().into_os_string();
        // The same file by another name, as suexec's bare names are.
        let other_name = script
            .parent()
            .unwrap()
            .join(".")
            .join(script.file_name().unwrap());
        for (options, line, is_foreign) in [
            (&[][..], "", false),
            (&["--timeout", "30"], "#!/bin/wsgi-cgi --timeout 30", false),
            (
                &["--timeout", "30"],
                "#!/usr/bin/env -S wsgi-cgi --timeout 30\r",
                false,
            ),
            (&["--debug"], "#!/bin/wsgi-cgi", true),
            (&["--debug"], "#!/bin/sh", true),
            (&["--debug"], "#!/bin/wsgi-cgi --debug -v", true),
        ] {
            let mut arguments = list(options);
            arguments.push(name.clone());
            let place = options.len();
            let found = foreign(&arguments, place, query, Some(&other_name), line);
            assert_eq!(found.is_some(), is_foreign, "{options:?} {line}");
            // Not the script: it comes from the network.
            assert!(foreign(&arguments, place, query, Some(Path::new("/")), line).is_some());
            assert!(foreign(&arguments, place, query, None, line).is_some());
        }
    }

    fn split(args: &[&str], first_line: Option<&str>) -> Vec<OsString> {
        split_shebang_words(list(args), |path| {
            assert_eq!(path, Path::new("app.cgi"));
            first_line.map(|line| line.as_bytes().to_vec())
        })
    }

    #[test]
    fn the_options_of_a_shebang_line_are_split() {
        for line in [
            "#!/usr/bin/wsgi-cgi --warm \t-v",
            "#! /usr/bin/wsgi-cgi  --warm \t-v  ",
            "#!/usr/bin/wsgi-cgi\t--warm \t-v\r\n",
        ] {
            let words = split(&["--warm \t-v", "app.cgi", "x"], Some(line));
            assert_eq!(words, list(&["--warm", "-v", "app.cgi", "x"]), "{line}");
        }
        // The kernel keeps the carriage return of a file written on Windows.
        let words = split(
            &["--warm -v\r", "app.cgi"],
            Some("#!/wsgi-cgi --warm -v\r\n"),
        );
        assert_eq!(words, list(&["--warm", "-v", "app.cgi"]));
    }

    #[test]
    fn an_argument_that_is_not_on_the_line_stays_whole() {
        for line in [
            None,
            Some(""),
            Some("--warm -v"),
            Some("#!--warm -v"),
            Some("#!/wsgi-cgi"),
            Some("#!/wsgi-cgi -v"),
            Some("#!/wsgi-cgi x --warm -v"),
            Some("#!/wsgi-cgi --warm -v x"),
        ] {
            assert_eq!(
                split(&["--warm -v", "app.cgi"], line),
                list(&["--warm -v", "app.cgi"]),
                "{line:?}"
            );
        }
    }

    #[test]
    fn the_file_is_read_only_where_it_matters() {
        for args in [&["-v", "app.cgi"][..], &["a b", "app.cgi"], &["-v -v"], &[]] {
            let words = split_shebang_words(list(args), |_| panic!("{args:?}"));
            assert_eq!(words, list(args));
        }
    }
}
