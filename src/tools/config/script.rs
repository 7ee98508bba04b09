//! The script that a web server runs: one `#!` line where the kernel takes it, else two lines of sh.

use contract::report::Failure;

use super::File;
use super::place::Place;
use super::quote::{SHELL, is_plain};

/// Older kernels cut a `#!` line behind so many bytes (execve(2)).
const SHEBANG_LIMIT: usize = 127;

/// The script, at its place.
pub fn file(place: &Place) -> Result<File, Failure> {
    Ok(File {
        path: place.script.clone().into(),
        mode: 0o755,
        text: text(&place.program, &place.command(&[]))?,
    })
}

/// Full paths: Lighttpd gives scripts no PATH, and suexec a short one. Nothing is passed on behind APP: it would be
/// the visitor's (RFC 3875 section 4.4).
fn text(program: &str, words: &[String]) -> Result<String, Failure> {
    let line = format!("#!{program} {}", words.join(" "));
    let is_taken = line.len() <= SHEBANG_LIMIT
        && is_plain(program)
        && words.iter().all(|word| is_plain(word))
        // Several words are one for the kernel, and are split only behind an option.
        && (words.len() == 1 || words.first().is_some_and(|word| word.starts_with('-')));
    Ok(match is_taken {
        true => format!("{line}\n"),
        false => format!(
            "#!/bin/sh\nexec {} {}\n",
            SHELL.word(program)?,
            SHELL.words(words)?
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shebang_line_where_the_kernel_takes_it() {
        let words = |words: &[&str]| {
            words
                .iter()
                .map(|word| word.to_string())
                .collect::<Vec<_>>()
        };
        for (app, expected) in [
            (&["/srv/app.py"][..], "#!/bin/wsgi-cgi /srv/app.py\n"),
            (
                &["--warm", "/srv/app.py"],
                "#!/bin/wsgi-cgi --warm /srv/app.py\n",
            ),
            (
                &["/srv/a b.py"],
                "#!/bin/sh\nexec /bin/wsgi-cgi '/srv/a b.py'\n",
            ),
            (
                &["--debug", "/it's"],
                "#!/bin/sh\nexec /bin/wsgi-cgi --debug '/it'\\''s'\n",
            ),
        ] {
            assert_eq!(text("/bin/wsgi-cgi", &words(app)).unwrap(), expected);
        }
        let fits = "x".repeat(SHEBANG_LIMIT - "#!/bin/wsgi-cgi ".len());
        let shebang = text("/bin/wsgi-cgi", &words(&[&fits])).unwrap();
        assert_eq!(shebang.lines().next().map(str::len), Some(SHEBANG_LIMIT));
        let too_long = text("/bin/wsgi-cgi", &words(&[&format!("{fits}x")])).unwrap();
        assert!(too_long.starts_with("#!/bin/sh\n"), "{too_long}");
    }
}
