//! Completions, in the shells they are for.

use std::process::Command;

use super::{built, house};
use crate::support::output;

/// What a shell offers for these words.
fn offered(shell: &str, script: &str) -> Vec<String> {
    let folder = built().pages.join("completions");
    let mut command = Command::new(shell);
    let said = output(
        command
            .current_dir(house())
            .env("FOLDER", folder)
            .env("TERM", "dumb")
            .args(["-c", script]),
    );
    let said = String::from_utf8(said).unwrap();
    said.lines()
        .map(|line| line.split('\t').next().unwrap().to_owned())
        .collect()
}

#[test]
fn bash_completes_commands_and_their_options() {
    let script = |words: &str, last: &str| {
        format!(
            "source $FOLDER/wsgi-cgi.bash; COMP_WORDS=(wsgi-cgi {words} {last}); \
             COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _wsgi__cgi wsgi-cgi {last} ''; printf '%s\\n' \"${{COMPREPLY[@]}}\""
        )
    };
    assert_eq!(offered("bash", &script("", "ser")), ["serve"]);
    assert_eq!(offered("bash", &script("serve", "--max-b")), ["--max-body"]);
    assert_eq!(offered("bash", &script("warm", "sto")), ["stop"]);
    assert_eq!(offered("bash", &script("", "--warm-i")), ["--warm-idle"]);
}

#[test]
fn fish_completes_commands_and_their_options() {
    let script =
        |line: &str| format!("source $FOLDER/wsgi-cgi.fish; complete --do-complete '{line}'");
    assert!(offered("fish", &script("wsgi-cgi ser")).contains(&"serve".to_owned()));
    assert_eq!(
        offered("fish", &script("wsgi-cgi serve --max-b")),
        ["--max-body"]
    );
    assert!(offered("fish", &script("wsgi-cgi warm sto")).contains(&"stop".to_owned()));
}

/// It completes at a terminal only: a pseudo-terminal, a tabulator, and a command that tells its words.
#[test]
fn zsh_completes_commands_options_and_applications() {
    let script = |line: &str| {
        format!(
            r#"zmodload zsh/zpty; zpty z zsh -f -i
            zpty -w z "fpath=($FOLDER \$fpath); autoload -Uz compinit; compinit -D -u; wsgi-cgi() {{ print to''ld:\$* }}"
            zpty -w -n z "wsgi-cgi {line}"$'\t\n'
            zpty -r z out '*told:*'$'\n'; print -r -- ${{${{out#*told:}}%%$'\r'*}}"#
        )
    };
    assert_eq!(offered("zsh", &script("ser")), ["serve"]);
    assert_eq!(
        offered("zsh", &script("serve --max-b")),
        ["serve --max-body"]
    );
    assert_eq!(offered("zsh", &script("warm sto")), ["warm stop"]);
    assert_eq!(offered("zsh", &script("REA")), ["README.md"]);
}
