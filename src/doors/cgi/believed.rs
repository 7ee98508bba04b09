//! Which arguments are the deployment's, and which the client may have chosen.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use contract::codes::Code;
use contract::report::Failure;

use super::Door;
use crate::cgi::arguments::{Query, find_foreign, split_shebang_words};
use crate::cgi::script::{ActionScript, Named, named, named_by_action, same_file};
use crate::cli::{self, Refusal, Typed};
use crate::doors::is_own_file;
use crate::pragma;

impl Door {
    /// What the server names as its script.
    pub fn script(&self) -> Option<&Path> {
        let file = self.variables.get("SCRIPT_FILENAME")?;
        Some(Path::new(OsStr::from_bytes(file)))
    }

    /// The arguments, if all that is read of them comes from the deployment; and the script that Apache's `Action`
    /// names.
    pub fn believed(
        &self,
        arguments: Vec<OsString>,
    ) -> Result<(Typed, Option<ActionScript>), Refusal> {
        let named = match named(&self.variables, is_own_file) {
            Named::ByArguments => {
                let typed = self.arguments_of_the_deployment(arguments)?;
                if typed.application.is_some() {
                    return Ok((typed, None));
                }
                // A wrapper script may be the handler of an `Action`.
                match named_by_action(&self.variables, is_own_file) {
                    Named::ByAction(script) => return Ok((typed, Some(script))),
                    Named::StartedDirectly => return Ok((typed, None)),
                    other => other,
                }
            }
            other => other,
        };
        match named {
            Named::ByAction(script) => Ok((cli::parse(&[])?, Some(script))),
            Named::Missing(path) => {
                Err(Failure::new(Code::NO_SUCH_FILE, path.display().to_string()).into())
            }
            _ => Err(Failure::new(Code::STARTED_DIRECTLY, "").into()),
        }
    }

    fn arguments_of_the_deployment(&self, arguments: Vec<OsString>) -> Result<Typed, Refusal> {
        let query = Query::of(&self.variables);
        // A file that the client may have named is not opened.
        let is_foreign = |file: &Path| {
            let is_script = self.script().is_some_and(|script| same_file(file, script));
            !is_script && query.may_have_made(file.as_os_str())
        };
        let first_line = |file: &Path| match is_foreign(file) {
            true => None,
            false => pragma::first_line(file),
        };
        let arguments = split_shebang_words(arguments, first_line);
        let parsed = cli::parse_script(&arguments);
        let application = parsed.as_ref().ok().and_then(|(_, place)| *place);
        let script = self.script();
        if let Some(word) = find_foreign(&arguments, application, &query, script, first_line) {
            let reason = format!("{:?}", String::from_utf8_lossy(word.as_bytes()));
            return Err(Failure::new(Code::CLIENTS_ARGUMENT, reason).into());
        }
        match parsed {
            Ok((typed, _)) => Ok(typed),
            Err(Refusal::Answered(_)) => Err(Failure::new(Code::NO_APPLICATION, "").into()),
            Err(refusal) => Err(refusal),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::super::Caller;
    use super::*;
    use crate::cgi::meta_variables::MetaVariables;
    use crate::plan::Settings;

    /// What a client would like to have among the arguments.
    const WISHES: [&str; 8] = [
        "--python=/tmp/evil /tmp/evil.py",
        "/tmp/evil.py",
        "--python /tmp/evil",
        "--error-log /tmp/evil.log evil",
        "-v evil:application",
        "--debug -- /tmp/evil.py",
        "--warm /srv/wrapper.cgi",
        "--help",
    ];

    /// What a client may write around, between and into its words.
    const JUNK: &str = "%00 %00junk %0a %09 %0C %20 %zz % %ff %5C \\ %22";

    /// A query of these words in each spelling that some server decodes to them.
    fn spellings(wish: &str) -> Vec<String> {
        let plain = wish.replace(' ', "+").replace('=', "%3D");
        let byte = |byte: u8| match byte {
            b' ' => "+".to_owned(),
            byte => format!("%{byte:02X}"),
        };
        let encoded: String = wish.bytes().map(byte).collect();
        let mut spellings = vec![
            encoded.to_lowercase(),
            encoded.replace('%', "%25"),
            encoded,
            format!("{plain}%2500"),
            format!("+{plain}+"),
            plain.replace("evil", "ev*"),
            plain.replace("evil", "[de]v?l"),
        ];
        for junk in JUNK.split(' ').filter(|_| wish == WISHES[0]) {
            spellings.push(plain.replace('+', &format!("{junk}+{junk}")) + junk);
            spellings.push(plain.replace('+', junk));
            spellings.push(plain.replace("evil", &format!("ev{junk}il")));
        }
        spellings.push(plain);
        spellings
    }

    fn decode(text: &[u8]) -> Vec<u8> {
        crate::cgi::request_uri::percent_decode(text)
    }

    /// What hosts make of a query.
    fn hosts(query: &str) -> Vec<Vec<Vec<u8>>> {
        let words = |text: &[u8]| {
            text.split(|byte| *byte == b'+')
                .map(<[u8]>::to_vec)
                .collect::<Vec<_>>()
        };
        let raw = words(query.as_bytes());
        let cut = |word: Vec<u8>| {
            word.split(|byte| *byte == 0)
                .next()
                .unwrap_or_default()
                .to_vec()
        };
        let each = |map: &dyn Fn(&[u8]) -> Vec<u8>| {
            raw.iter().map(|word| cut(map(word))).collect::<Vec<_>>()
        };
        let escaped = |word: Vec<u8>| {
            let escape = |byte: u8| match b"&;`'\"|*?~<>^()[]{}$\\\n".contains(&byte) {
                true => vec![b'\\', byte],
                false => vec![byte],
            };
            cut(word).into_iter().flat_map(escape).collect()
        };
        vec![
            each(&decode),
            // Apache.
            each(&|word| escaped(decode(word))),
            each(&|word| decode(&decode(word))),
            // Split behind the decoding.
            words(&decode(query.as_bytes()))
                .into_iter()
                .map(cut)
                .collect(),
            vec![query.as_bytes().to_vec()],
            raw,
        ]
    }

    /// What shells make of `"$@"`, `$@`, `"$*"`, `"$1"`, and of a second reading.
    fn shells(words: &[Vec<u8>]) -> Vec<Vec<Vec<u8>>> {
        let split = |blanks: &[u8]| {
            let parts = |word: &Vec<u8>| {
                let parts = word.split(|byte| blanks.contains(byte));
                parts
                    .filter(|part| !part.is_empty())
                    .map(<[u8]>::to_vec)
                    .collect::<Vec<_>>()
            };
            words.iter().flat_map(parts).collect::<Vec<_>>()
        };
        let unescaped = |word: &Vec<u8>| {
            word.iter()
                .copied()
                .filter(|byte| !b"\\'\"".contains(byte))
                .collect::<Vec<_>>()
        };
        let found = |word: &Vec<u8>| match str::from_utf8(word) {
            Ok(text) => text
                .replace("ev*", "evil")
                .replace("[de]v?l", "evil")
                .into_bytes(),
            Err(_) => word.clone(),
        };
        vec![
            words.to_vec(),
            split(b" \t\n"),
            split(b" \t\n\r\x0b\x0c"),
            split(b" \t\n").iter().map(unescaped).collect(),
            split(b" \t\n").iter().map(found).collect(),
            vec![words.join(&b' ')],
            words.iter().take(1).cloned().collect(),
        ]
    }

    /// What wrapper scripts execute, with `@` for the words.
    const SAFE: [&str; 2] = [
        "/srv/app.py @",
        "--python=/srv/venv --record /srv/log package.web:app @",
    ];
    const OPEN: [&str; 5] = [
        "@",
        "--python /srv/venv @",
        "@ --python /srv/venv /srv/app.py",
        "--python=/srv/venv @ /srv/app.py",
        // A script for both languages, which starts itself.
        "@ /srv/wrapper.cgi",
    ];

    fn door(query: &str) -> Door {
        let pairs = [
            ("GATEWAY_INTERFACE", "CGI/1.1"),
            ("QUERY_STRING", query),
            ("SCRIPT_FILENAME", "/srv/wrapper.cgi"),
        ];
        let variables = pairs.map(|(name, value)| (name.into(), value.into()));
        Door::new(Caller::Server, MetaVariables::from_environment(variables))
    }

    /// APP and settings, if they are believed.
    fn meant(door: &Door, arguments: Vec<OsString>) -> Option<String> {
        let (typed, action) = door.believed(arguments).ok()?;
        let application = typed.application.clone();
        let mut settings = Settings::default();
        typed.apply(&mut settings, Path::new("/"));
        Some(format!("{application:?} {action:?} {settings:?}"))
    }

    /// CVE-2012-1823, CVE-2024-4577, and all that a server, a wrapper script and a shell may do to a word.
    #[test]
    fn a_client_chooses_nothing_behind_any_wrapper() {
        for query in WISHES.iter().flat_map(|wish| spellings(wish)) {
            let door = door(&query);
            let lists: HashSet<_> = hosts(&query)
                .iter()
                .flat_map(|words| shells(words))
                .collect();
            for wrapper in SAFE.iter().chain(&OPEN) {
                let own = |text: &str| {
                    text.split_whitespace()
                        .map(OsString::from)
                        .collect::<Vec<_>>()
                };
                let (before, behind) = wrapper.split_once('@').unwrap();
                let expected = meant(&door, own(before)).filter(|_| SAFE.contains(wrapper));
                for words in lists.iter().filter(|words| !words.is_empty()) {
                    let words = words.iter().map(|word| OsStr::from_bytes(word).to_owned());
                    let arguments = [own(before), words.collect(), own(behind)].concat();
                    let found = meant(&door, arguments.clone());
                    assert_eq!(found, expected, "{arguments:?} of {query}");
                }
            }
        }
    }

    #[test]
    fn ordinary_queries_are_answered_behind_ordinary_wrappers() {
        for query in [
            "",
            "a=1&b=2",
            "30",
            "a+b",
            "q[]",
            "what+is+this?",
            "/srv",
            "app.py",
            "%00",
            "+",
            "--debug",
        ] {
            let door = door(query);
            for arguments in [
                &["/srv/app.py"][..],
                &["--timeout=30", "/srv/app.py"],
                &[
                    "--warm",
                    "--timeout=30",
                    "--python=/srv/venv",
                    "package.web",
                ],
                &["--warm"],
            ] {
                let arguments = arguments.iter().map(OsString::from).collect();
                assert!(door.believed(arguments).is_ok(), "{query}");
            }
        }
        // The client refuses itself.
        for query in ["30", "--timeout", "/srv/app.py", "%2Fsrv/app.py"] {
            let arguments = ["--timeout", "30", "/srv/app.py"]
                .map(OsString::from)
                .to_vec();
            let refused = door(query).believed(arguments);
            let Err(Refusal::Wrong(failure)) = refused else {
                panic!("{query}")
            };
            assert_eq!(failure.code, Code::CLIENTS_ARGUMENT, "{query}");
        }
    }
}
