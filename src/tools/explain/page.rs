//! docs/errors.md: everything that `explain` knows, as a page.

use std::io::{self, Write};

use super::topic::{Group, Topic};

const HEAD: &str = "\
# Errors
Made by `wsgi-cgi explain --markdown`; do not edit. On a machine, `wsgi-cgi explain CODE` tells the same of one code or
message, and `wsgi-cgi explain - < error.log` of all that a log holds ([how](explain.md)).
";

/// Writes it.
pub fn write(out: &mut impl Write, groups: &[Group]) -> io::Result<()> {
    out.write_all(HEAD.as_bytes())?;
    for group in groups {
        writeln!(out, "\n## {}", group.title)?;
        for topic in &group.topics {
            write_topic(out, topic)?;
        }
    }
    Ok(())
}

fn write_topic(out: &mut impl Write, topic: &Topic) -> io::Result<()> {
    let [name, sentence, remedy] = [topic.name, topic.sentence, topic.remedy].map(escaped);
    let cause = escaped(&topic.why());
    writeln!(
        out,
        "\n### {name}: {sentence}\n{cause}\n\n**What to do:** {remedy}."
    )?;
    match topic.answer {
        None => Ok(()),
        Some(answer) if answer.status.is_empty() => writeln!(out, "\nThe answer stays as it is."),
        Some(answer) => writeln!(
            out,
            "\nAnswer: {}; exit status {}.",
            answer.status, answer.exit
        ),
    }
}

/// What Markdown would take for its own, but for what stands between backticks.
fn escaped(text: &str) -> String {
    let mut is_code = false;
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        is_code ^= char == '`';
        if !is_code && matches!(char, '*' | '<' | '[' | '\\') {
            escaped.push('\\');
        }
        escaped.push(char);
    }
    // One between letters is nothing special.
    escaped.replace("__", "\\_\\_")
}
