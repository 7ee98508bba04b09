//! The argument list as data: which of its words the server's configuration wrote, and which the client.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::request_uri::percent_decode;
use super::script::same_file;

/// Removes the words that the server made of the query string, and returns what is left of the
/// arguments (without `argv[0]`). Only what is left may be read as options or as APP.
///
/// RFC 3875 section 4.4: where a query string has no unencoded `=`, the server may split it at `+`,
/// decode the words, and append them to the script's arguments. They come from the network. `?-s`
/// made php-cgi show its source, `?-d+auto_prepend_file=…` (its `=` encoded) made it run the client's
/// code (CVE-2012-1823), and twelve years later a soft hyphen, which Windows turns into `-`, got past
/// the guard that looked for a leading `-` (CVE-2024-4577). So the guard here does not look at what a
/// word means, but at where it comes from.
///
/// Servers append, hence the words are taken from the end, and never more of them than the query
/// holds. Taken from anywhere, `?--error-log` would turn that option's value into APP. Where a server
/// passes no words, a client that writes the name of APP into its query removes APP: it gets an
/// error, and can choose nothing.
///
/// One list is believed although the query may hold the same word: a single argument that is the
/// very file which the server names as its script. So Lighttpd's `cgi.assign` calls a handler, and so
/// the kernel calls the interpreter of a `#!` line.
pub fn strip_query_words(
    args: &[OsString],
    query: Option<&[u8]>,
    script_filename: Option<&Path>,
) -> Vec<OsString> {
    if let ([only], Some(script)) = (args, script_filename)
        && same_file(Path::new(only), script)
    {
        return args.to_vec();
    }
    let words = query_words(query.unwrap_or_default());
    let from_network = args.iter().rev().take(words.len());
    let count = from_network
        .take_while(|arg| words.contains(&without_backslashes(arg.as_bytes())))
        .count();
    args.iter().take(args.len() - count).cloned().collect()
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

/// What the server may have made of the query string, without backslashes.
fn query_words(query: &[u8]) -> Vec<Vec<u8>> {
    if query.is_empty() || query.contains(&b'=') {
        return Vec::new();
    }
    let mut words = Vec::new();
    for word in query.split(|byte| *byte == b'+') {
        let word = without_backslashes(&percent_decode(word));
        // A wrapper that forgot the quotes around `$@` hands on the parts of a word with blanks.
        let parts = word
            .split(u8::is_ascii_whitespace)
            .filter(|part| !part.is_empty() && *part != word);
        words.extend(parts.map(<[u8]>::to_vec));
        words.push(word);
    }
    words
}

/// Apache puts a backslash before each character that means something to a shell.
fn without_backslashes(word: &[u8]) -> Vec<u8> {
    word.iter().copied().filter(|byte| *byte != b'\\').collect()
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

    fn stripped(args: &[&str], query: &str) -> Vec<OsString> {
        strip_query_words(&list(args), Some(query.as_bytes()), None)
    }

    #[test]
    fn words_of_the_query_are_no_arguments() {
        for (args, query, left) in [
            (&["app.py", "-s"][..], "-s", &["app.py"][..]),
            (&["--python", "/tmp/evil"], "--python+/tmp/evil", &[]),
            (
                &["--warm", "app.py", "a", "b c"],
                "a+b%20c",
                &["--warm", "app.py"],
            ),
            (&["app.py", "-d", "x=y"], "-d+x%3Dy", &["app.py"]),
            (&["app.py", ""], "+", &["app.py"]),
            // CVE-2024-4577: the guard does not care for what a word looks like.
            (&["\u{ad}d"], "%C2%ADd", &[]),
            // An escape that is none reaches the program as it is.
            (&["%zz"], "%zz", &[]),
        ] {
            assert_eq!(stripped(args, query), list(left), "{query}");
        }
    }

    #[test]
    fn backslashes_that_apache_adds_do_not_matter() {
        assert_eq!(
            stripped(&["app.py", "\\;rm\\*"], "%3Brm*"),
            list(&["app.py"])
        );
        assert_eq!(stripped(&["app.py", "a\\\\b"], "a%5Cb"), list(&["app.py"]));
        assert_eq!(stripped(&["app.py", "ab"], "a%5Cb"), list(&["app.py"]));
    }

    #[test]
    fn a_word_that_a_careless_wrapper_split_is_a_word_of_the_query() {
        assert_eq!(
            stripped(&["--python", "/tmp/evil"], "--python%20/tmp/evil"),
            list(&[])
        );
        assert_eq!(
            stripped(&["--python", "/tmp/evil"], "--python%0A%09/tmp/evil"),
            list(&[])
        );
    }

    #[test]
    fn no_more_words_are_removed_than_the_query_holds() {
        assert_eq!(
            stripped(&["--debug", "app.py", "app.py"], "app.py"),
            list(&["--debug", "app.py"])
        );
        assert_eq!(stripped(&["a", "a", "b"], "a+b"), list(&["a"]));
    }

    #[test]
    fn words_are_removed_from_the_end_only() {
        let args = ["--error-log", "/var/log/x", "app.py"];
        assert_eq!(stripped(&args, "--error-log"), list(&args));
        assert_eq!(
            stripped(&["a", "app.py", "a"], "a+a"),
            list(&["a", "app.py"])
        );
    }

    #[test]
    fn a_query_with_fields_or_none_makes_no_words() {
        assert_eq!(stripped(&["app.py"], "app.py=1"), list(&["app.py"]));
        assert_eq!(stripped(&["app.py", ""], ""), list(&["app.py", ""]));
        assert_eq!(
            strip_query_words(&list(&["app.py"]), None, None),
            list(&["app.py"])
        );
    }

    #[test]
    fn bytes_that_are_not_utf_8_are_compared_too() {
        let args = [OsString::from("app.py"), OsString::from_vec(vec![0xff])];
        assert_eq!(
            strip_query_words(&args, Some(b"%ff"), None),
            list(&["app.py"])
        );
    }

    #[test]
    fn a_single_argument_that_is_the_script_is_believed() {
        let script = std::env::current_exe().unwrap();
        let args = [script.clone().into_os_string()];
        let query = script.as_os_str().as_bytes();
        assert_eq!(strip_query_words(&args, Some(query), Some(&script)), args);
        // The same file by another name, as suexec's bare names are.
        let other_name = script
            .parent()
            .unwrap()
            .join(".")
            .join(script.file_name().unwrap());
        assert_eq!(
            strip_query_words(&args, Some(query), Some(&other_name)),
            args
        );
        // Not the script: the word comes from the network.
        assert_eq!(
            strip_query_words(&args, Some(query), Some(Path::new("/"))),
            list(&[])
        );
        assert_eq!(strip_query_words(&args, Some(query), None), list(&[]));
        // Two arguments: the second one is the query's.
        let two = [args.clone(), args.clone()].concat();
        assert_eq!(strip_query_words(&two, Some(query), Some(&script)), args);
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
