//! Names of the site's owner in a server's own syntax: quoted, or refused where no quoting helps.

use contract::codes::Code;
use contract::report::Failure;

/// How a server reads a word of its configuration.
#[derive(Debug)]
pub struct Syntax {
    /// For messages.
    name: &'static str,
    /// What cannot be written.
    refused: &'static [&'static str],
    /// What is written in another way.
    escapes: &'static [(char, &'static str)],
    quotes: Quotes,
}

#[derive(Debug, PartialEq, Eq)]
enum Quotes {
    Single,
    Double,
    None,
}

/// Wildcards are for folders, `${` is a variable everywhere, and a backslash may join two lines.
pub const APACHE: Syntax = Syntax {
    name: "Apache",
    refused: &["${", "*", "?", "[", "]", "\\"],
    escapes: &[('"', "\\\"")],
    quotes: Quotes::Double,
};

/// A backslash is one, but before a quote.
pub const LIGHTTPD: Syntax = Syntax {
    name: "Lighttpd",
    refused: &["\\"],
    escapes: &[('"', "\\\"")],
    quotes: Quotes::Double,
};

/// `$` begins a variable, and has no other form.
pub const NGINX: Syntax = Syntax {
    name: "nginx",
    refused: &["$"],
    escapes: &[('\\', "\\\\"), ('"', "\\\"")],
    quotes: Quotes::Double,
};

/// Braces are placeholders.
pub const CADDY: Syntax = Syntax {
    name: "Caddy",
    refused: &["{", "}", "\\"],
    escapes: &[('"', "\\\"")],
    quotes: Quotes::Double,
};

/// systemd.service(5), "Command lines".
pub const SYSTEMD: Syntax = Syntax {
    name: "systemd",
    refused: &[],
    escapes: &[('\\', "\\\\"), ('"', "\\\""), ('%', "%%"), ('$', "$$")],
    quotes: Quotes::Double,
};

/// The program itself: there `$` is neither a variable nor doubled.
pub const SYSTEMD_PROGRAM: Syntax = Syntax {
    name: "systemd, in a program's name",
    refused: &["$"],
    escapes: SYSTEMD.escapes,
    quotes: Quotes::Double,
};

/// A setting is split at blanks, whatever stands around them.
pub const XINETD: Syntax = Syntax {
    name: "xinetd",
    refused: &[" "],
    escapes: &[],
    quotes: Quotes::None,
};

/// `fprocess`, which the watchdog splits at blanks, in a Dockerfile's ENV.
pub const WATCHDOG: Syntax = Syntax {
    name: "OpenFaaS's watchdog",
    refused: &[" "],
    escapes: &[('\\', "\\\\"), ('"', "\\\""), ('$', "\\$")],
    quotes: Quotes::None,
};

/// POSIX, "Single-quotes".
pub const SHELL: Syntax = Syntax {
    name: "sh",
    refused: &[],
    escapes: &[('\'', "'\\''")],
    quotes: Quotes::Single,
};

/// A JSON string is a double-quoted scalar of YAML.
pub const YAML: Syntax = Syntax {
    name: "YAML",
    refused: &[],
    escapes: &[('\\', "\\\\"), ('"', "\\\"")],
    quotes: Quotes::Double,
};

impl Syntax {
    /// `text` as one word, in quotes.
    pub fn quote(&self, text: &str) -> Result<String, Failure> {
        if let Some(refused) = self.refused.iter().find(|part| text.contains(**part)) {
            let reason = format!(
                "{text:?}: {} cannot be told a name with {refused:?} in it; choose another place",
                self.name
            );
            return Err(Failure::new(Code::CANNOT_CONFIGURE, reason));
        }
        let mut quoted = String::new();
        for char in text.chars() {
            match self.escapes.iter().find(|(escaped, _)| *escaped == char) {
                Some((_, escape)) => quoted.push_str(escape),
                None => quoted.push(char),
            }
        }
        Ok(match self.quotes {
            Quotes::Single => format!("'{quoted}'"),
            Quotes::Double => format!("\"{quoted}\""),
            Quotes::None => quoted,
        })
    }

    /// The same, without quotes where nobody needs them.
    pub fn word(&self, text: &str) -> Result<String, Failure> {
        match is_plain(text) {
            true => Ok(text.to_owned()),
            false => self.quote(text),
        }
    }

    /// Several words with a blank between them.
    pub fn words<'a>(
        &self,
        words: impl IntoIterator<Item = &'a String>,
    ) -> Result<String, Failure> {
        let words: Result<Vec<_>, _> = words.into_iter().map(|word| self.word(word)).collect();
        Ok(words?.join(" "))
    }
}

/// Whether no program reads anything else in it.
pub fn is_plain(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+=:,@".contains(&byte);
    !text.is_empty() && text.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_syntax_has_its_own_way_or_refuses() {
        let odd = "/a b/it's \"50%\" $x\\y";
        for (syntax, expected) in [
            (APACHE, None),
            (LIGHTTPD, None),
            (NGINX, None),
            (CADDY, None),
            (SYSTEMD, Some(r#""/a b/it's \"50%%\" $$x\\y""#)),
            (SYSTEMD_PROGRAM, None),
            (XINETD, None),
            (SHELL, Some(r#"'/a b/it'\''s "50%" $x\y'"#)),
            (YAML, Some(r#""/a b/it's \"50%\" $x\\y""#)),
        ] {
            let quoted = syntax.quote(odd).ok();
            assert_eq!(quoted.as_deref(), expected, "{}", syntax.name);
        }
        let failure = XINETD.quote("/a b").unwrap_err().to_string();
        assert!(
            failure.contains("xinetd") && failure.contains("\" \""),
            "{failure}"
        );
        for syntax in [APACHE, LIGHTTPD, NGINX, CADDY, SYSTEMD, XINETD, SHELL] {
            assert_eq!(syntax.word("--x=/a/b.py:c").unwrap(), "--x=/a/b.py:c");
        }
    }
}
