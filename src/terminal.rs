//! What a person at a terminal is shown beside plain text: colour, symbols, and progress. Pipes and files get neither.

use std::env;
use std::ffi::OsStr;
use std::io::{self, IsTerminal, Write};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use contract::report::{is_steering, printable_line};

/// What takes less needs no progress.
const PATIENCE: Duration = Duration::from_secs(1);

/// Back to the line's start, and nothing on it.
const ERASE: &str = "\r\x1b[K";

/// How text is written to one descriptor.
#[derive(Clone, Copy, Debug)]
pub struct Manners {
    colour: bool,
    symbols: bool,
}

impl Manners {
    /// Those of standard output.
    pub fn of_output() -> Self {
        Self::of(io::stdout().is_terminal(), |name| env::var_os(name))
    }

    /// <https://no-color.org>: any value but an empty one.
    fn of<V: AsRef<OsStr>>(is_terminal: bool, variable: impl Fn(&str) -> Option<V>) -> Self {
        let is_set = |name| variable(name).is_some_and(|value| !value.as_ref().is_empty());
        let is_dumb = variable("TERM").is_none_or(|term| term.as_ref() == "dumb");
        // The first that is set says which characters there are (locale(7)).
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
            .into_iter()
            .find(|name| is_set(name))
            .and_then(&variable)
            .map(|value| value.as_ref().to_string_lossy().to_ascii_lowercase());
        let is_utf8 = locale.is_some_and(|name| name.contains("utf-8") || name.contains("utf8"));
        Self {
            colour: is_terminal && !is_dumb && !is_set("NO_COLOR"),
            symbols: is_terminal && is_utf8,
        }
    }

    /// What matters most.
    pub fn bold(self, text: &str) -> String {
        self.painted("1", text)
    }

    /// What matters least.
    pub fn dim(self, text: &str) -> String {
        self.painted("2", text)
    }

    /// What is wrong.
    pub fn red(self, text: &str) -> String {
        self.painted("31", text)
    }

    /// What is right.
    pub fn green(self, text: &str) -> String {
        self.painted("32", text)
    }

    /// What may be wrong.
    pub fn yellow(self, text: &str) -> String {
        self.painted("33", text)
    }

    /// The symbol where it can be shown, else the word.
    pub fn symbol<'a>(self, symbol: &'a str, word: &'a str) -> &'a str {
        if self.symbols { symbol } else { word }
    }

    fn painted(self, code: &str, text: &str) -> String {
        match self.colour {
            true => format!("\x1b[{code}m{text}\x1b[0m"),
            false => text.to_owned(),
        }
    }
}

/// A line on a terminal's standard error that tells what takes longer than a second; it goes when this is dropped.
#[derive(Debug)]
pub struct Progress {
    ending: Option<Sender<()>>,
    teller: Option<JoinHandle<()>>,
}

impl Progress {
    /// `what` is being done, for a person: `importing app.py`.
    pub fn of(what: &str) -> Self {
        let is_dumb = env::var_os("TERM").is_none_or(|term| term == "dumb");
        if is_dumb || !io::stderr().is_terminal() {
            return Self {
                ending: None,
                teller: None,
            };
        }
        let (ending, ended) = mpsc::channel();
        let (what, start) = (printable_line(what), Instant::now());
        let teller = thread::spawn(move || {
            let mut is_shown = false;
            while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(PATIENCE) {
                tell(&format!(
                    "{ERASE}{what} ... {} s",
                    start.elapsed().as_secs()
                ));
                is_shown = true;
            }
            if is_shown {
                tell(ERASE);
            }
        });
        Self {
            ending: Some(ending),
            teller: Some(teller),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        drop(self.ending.take());
        if let Some(teller) = self.teller.take() {
            let _ = teller.join();
        }
    }
}

/// A word as a shell reads it. What a terminal must not be sent is written in octal numbers, as bash, ksh and zsh read
/// them, and any shell by POSIX of 2024.
pub fn quoted(word: impl AsRef<OsStr>) -> String {
    let word = word.as_ref();
    let is_plain = |char: char| char.is_alphanumeric() || "/._-+=:@%,".contains(char);
    match word.to_str().filter(|text| !text.contains(is_steering)) {
        Some(text) if !text.is_empty() && text.chars().all(is_plain) => text.to_owned(),
        Some(text) => format!("'{}'", text.replace('\'', "'\\''")),
        None => {
            let byte = |byte: &u8| match byte {
                b'\'' | b'\\' => format!("\\{byte:03o}"),
                b' '..=b'~' => char::from(*byte).to_string(),
                byte => format!("\\{byte:03o}"),
            };
            let bytes: String = word.as_encoded_bytes().iter().map(byte).collect();
            format!("$'{bytes}'")
        }
    }
}

fn tell(text: &str) {
    let mut out = io::stderr().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manners(is_terminal: bool, variables: &[(&str, &'static str)]) -> Manners {
        Manners::of(is_terminal, |name| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| *value)
        })
    }

    #[test]
    fn a_word_is_one_for_a_shell_and_steers_no_terminal() {
        use std::os::unix::ffi::OsStrExt;
        for word in [
            &b"plain/_-.py"[..],
            b"",
            b"it's a $(touch x) `y`",
            b"a\x1b[2J\n'\\",
            "a\u{202e}b \u{eb}".as_bytes(),
            b"\xff\x01",
        ] {
            let word = OsStr::from_bytes(word);
            let quoted = quoted(word);
            assert!(!quoted.contains(is_steering), "{quoted:?}");
            let command = format!("printf %s {quoted}");
            let read = std::process::Command::new("bash")
                .args(["-c", &command])
                .output()
                .unwrap();
            assert_eq!(OsStr::from_bytes(&read.stdout), word, "{quoted}");
        }
    }

    #[test]
    fn colour_and_symbols_are_for_a_terminal_that_shows_them() {
        let usual = [("TERM", "xterm"), ("LANG", "de_DE.UTF-8")];
        let shown = manners(true, &usual);
        assert_eq!(shown.red("x"), "\x1b[31mx\x1b[0m");
        assert_eq!(shown.symbol("✓", "ok"), "✓");
        let piped = manners(false, &usual);
        assert_eq!(
            (piped.red("x").as_str(), piped.symbol("✓", "ok")),
            ("x", "ok")
        );
        for refusal in [("NO_COLOR", "1"), ("TERM", "dumb")] {
            let variables: Vec<_> = [refusal].into_iter().chain(usual).collect();
            assert_eq!(manners(true, &variables).red("x"), "x", "{refusal:?}");
        }
        assert_eq!(
            manners(true, &[("TERM", "xterm"), ("NO_COLOR", "")]).bold("x"),
            "\x1b[1mx\x1b[0m"
        );
        let plain = [("LC_ALL", "C"), ("LANG", "de_DE.UTF-8"), ("TERM", "xterm")];
        assert_eq!(manners(true, &plain).symbol("✓", "ok"), "ok");
    }
}
