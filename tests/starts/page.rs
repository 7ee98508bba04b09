//! A page of the docs as what a reader does: files that are written, commands that are typed, lines that appear.

use std::fs;
use std::path::Path;

/// One thing that the page tells to do.
#[derive(Debug, PartialEq)]
pub enum Step {
    /// A block ```` ```python,file=app.py ````: write this file.
    File { name: String, text: String },
    /// A block ```` ```sh ````: type this; the lines of the block ```` ```text ```` behind it appear.
    Commands { text: String, lines: Vec<String> },
}

/// The steps of a page, in their order. Other kinds of blocks are for looking at.
pub fn steps(page: &Path) -> Vec<Step> {
    steps_of(&whole(page))
}

/// With what it takes from other pages (mdBook's `{{#include FILE:ANCHOR}}`).
fn whole(page: &Path) -> String {
    let text =
        fs::read_to_string(page).unwrap_or_else(|error| panic!("{}: {error}", page.display()));
    let lines = text.lines().map(|line| {
        let Some(included) = line.strip_prefix("{{#include ") else {
            return line.to_owned();
        };
        let (file, anchor) = included.trim_end_matches("}}").split_once(':').unwrap();
        let other = fs::read_to_string(page.parent().unwrap().join(file)).unwrap();
        let start = other.split(&format!("ANCHOR: {anchor} -->")).nth(1);
        let part = start.and_then(|rest| rest.split("<!-- ANCHOR_END").next());
        part.unwrap_or_else(|| panic!("{file} has no {anchor}"))
            .to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn steps_of(text: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(kind) = line.strip_prefix("```") else {
            continue;
        };
        let block: Vec<_> = lines.by_ref().take_while(|line| *line != "```").collect();
        let text = block.join("\n") + "\n";
        if let Some((_, name)) = kind.split_once("file=") {
            let name = name.to_owned();
            steps.push(Step::File { name, text });
        } else if kind == "sh" {
            let lines = Vec::new();
            steps.push(Step::Commands { text, lines });
        } else if kind == "text" {
            let Some(Step::Commands { lines, .. }) = steps.last_mut() else {
                panic!("nothing was typed before {text}");
            };
            lines.extend(block.into_iter().map(str::to_owned));
        }
    }
    steps
}

/// A script that does it all, in one shell, and fails where a command does or a line is missing.
pub fn script(steps: &[Step]) -> String {
    let mut script = String::from("set -eu\nexec 3>&1 4>&2\ntrap 'cat /tmp/step >&4' EXIT\n");
    for step in steps {
        script += &match step {
            Step::File { name, text } => {
                format!("cat > {name} <<'END_OF_FILE'\n{text}END_OF_FILE\n")
            }
            Step::Commands { text, lines } => {
                let looks: String = lines
                    .iter()
                    .map(|line| {
                        let line = line.trim().replace('\'', r"'\''");
                        format!("grep -qF -e '{line}' /tmp/step || {{ echo 'not shown: {line}' >&2; exit 1; }}\n")
                    })
                    .collect();
                // `set -v` shows what was typed, and the end of the block takes the output back.
                format!("exec >/tmp/step 2>&1\nset -v\n{text}set +v\nexec >&3 2>&4\n{looks}")
            }
        };
    }
    script + "trap - EXIT\n"
}

#[test]
fn a_page_is_what_a_reader_does() {
    let page = "Write `app.py`:\n```python,file=app.py\nx = 1\n```\nand\n```sh\nls\n```\n```text\napp.py\n```\n```console\n$ no\n```\n";
    let commands = Step::Commands {
        text: "ls\n".into(),
        lines: vec!["app.py".into()],
    };
    let file = Step::File {
        name: "app.py".into(),
        text: "x = 1\n".into(),
    };
    assert_eq!(steps_of(page), [file, commands]);
}
