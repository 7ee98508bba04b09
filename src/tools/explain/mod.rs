//! `wsgi-cgi explain`: cause and remedy of a code, of a message, or of all that a log holds.

mod apache;
mod lambda;
mod lighttpd;
mod nginx;
mod page;
mod python;
mod search;
mod suexec;
mod system;
mod topic;

use std::ffi::OsString;
use std::io::{self, BufRead, Write};

use contract::outcome::Outcome;
use contract::report::is_steering;

use self::search::{find, nearest};
use self::topic::{Group, Topic, groups};
use crate::cli::{ExplainPlan, parse_explain};
use crate::doors::refuse;
use crate::terminal::Manners;

/// Stands before a remedy.
const LABEL: &str = "What to do: ";

/// Text is broken before it gets longer.
const WIDTH: usize = 80;

/// A line of a log is shown up to here.
const SHOWN: usize = 160;

/// `arguments` stand behind `explain`.
pub fn run(arguments: &[OsString]) -> Outcome {
    let plan = match parse_explain(arguments) {
        Ok(plan) => plan,
        Err(refusal) => return refuse(refusal),
    };
    let (groups, manners) = (groups(), Manners::of_output());
    let mut out = io::stdout().lock();
    let written = match plan {
        ExplainPlan::Page => page::write(&mut out, &groups).map(|()| Outcome::Complete),
        ExplainPlan::List => list(&mut out, &groups, manners),
        ExplainPlan::Text(text) => explain(&mut out, &groups, &text, manners),
        ExplainPlan::Log => explain_log(&mut out, &groups, &mut io::stdin().lock(), manners),
    };
    // A reader that has gone away has seen enough.
    written.unwrap_or(Outcome::Complete)
}

fn list(out: &mut impl Write, groups: &[Group], manners: Manners) -> io::Result<Outcome> {
    for (number, group) in groups.iter().enumerate() {
        let gap = if number == 0 { "" } else { "\n" };
        writeln!(out, "{gap}{}", manners.bold(group.title))?;
        for topic in &group.topics {
            writeln!(out, "  {}", short(topic, manners))?;
        }
    }
    Ok(Outcome::Complete)
}

fn explain(
    out: &mut impl Write,
    groups: &[Group],
    text: &str,
    manners: Manners,
) -> io::Result<Outcome> {
    if let Some(number) = groups
        .iter()
        .position(|group| group.name.eq_ignore_ascii_case(text))
    {
        let group = groups.get(number..=number).unwrap_or_default();
        return list(out, group, manners);
    }
    // What was pasted may be several lines.
    let mut found: Vec<Topic> = Vec::new();
    for topic in text.lines().flat_map(|line| find(groups, line)) {
        if !found.iter().any(|known| known.name == topic.name) {
            found.push(topic);
        }
    }
    if found.is_empty() {
        return unknown(out, groups, text, manners);
    }
    for (number, topic) in found.iter().enumerate() {
        if number > 0 {
            writeln!(out)?;
        }
        write_topic(out, topic, manners)?;
    }
    Ok(Outcome::Complete)
}

fn unknown(
    out: &mut impl Write,
    groups: &[Group],
    text: &str,
    manners: Manners,
) -> io::Result<Outcome> {
    writeln!(out, "Nothing is known of: {}", cut(text))?;
    let near = nearest(groups, text);
    if near.is_empty() {
        writeln!(out, "wsgi-cgi explain --list shows what is known.")?;
    } else {
        writeln!(out, "\nDid you mean:")?;
    }
    for topic in near {
        writeln!(out, "  {}", short(&topic, manners))?;
    }
    Ok(Outcome::NotFound)
}

/// Each thing that is known in a log, in the order of its first line.
fn explain_log(
    out: &mut impl Write,
    groups: &[Group],
    log: &mut impl BufRead,
    manners: Manners,
) -> io::Result<Outcome> {
    let mut seen: Vec<(Topic, usize, String)> = Vec::new();
    let mut line = Vec::new();
    while log.read_until(b'\n', &mut line)? > 0 {
        let text = String::from_utf8_lossy(line.trim_ascii_end()).into_owned();
        for topic in find(groups, &text) {
            match seen.iter_mut().find(|(known, ..)| known.name == topic.name) {
                Some((_, count, _)) => *count += 1,
                None => seen.push((topic, 1, text.clone())),
            }
        }
        line.clear();
    }
    if seen.is_empty() {
        writeln!(out, "Nothing in it is known.")?;
        return Ok(Outcome::NotFound);
    }
    for (number, (topic, count, first)) in seen.iter().enumerate() {
        if number > 0 {
            writeln!(out)?;
        }
        let times = if *count == 1 { "line" } else { "lines" };
        writeln!(
            out,
            "{}",
            manners.dim(&format!("{count} {times}, first: {}", cut(first)))
        )?;
        write_topic(out, topic, manners)?;
    }
    Ok(Outcome::Complete)
}

fn short(topic: &Topic, manners: Manners) -> String {
    format!("{}  {}", manners.bold(topic.name), topic.sentence)
}

fn write_topic(out: &mut impl Write, topic: &Topic, manners: Manners) -> io::Result<()> {
    writeln!(
        out,
        "{}  {}",
        manners.red(topic.name),
        manners.bold(topic.sentence)
    )?;
    for line in wrapped(&topic.why()) {
        writeln!(out, "  {line}")?;
    }
    for line in wrapped(&format!("{LABEL}{}", topic.remedy)) {
        match line.strip_prefix(LABEL) {
            Some(rest) => writeln!(out, "  {}{rest}", manners.green(LABEL))?,
            None => writeln!(out, "  {line}")?,
        }
    }
    if let Some(answer) = topic.answer {
        let status = match answer.status {
            "" => "The answer stays as it is".to_owned(),
            status => format!("The answer is {status}"),
        };
        let text = format!("{status}; exit status {}.", answer.exit);
        writeln!(out, "  {}", manners.dim(&text))?;
    }
    Ok(())
}

/// Broken at blanks.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + word.chars().count() + 3 <= WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// The beginning of what somebody else wrote, without what would steer a terminal.
fn cut(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .take(SHOWN)
        .map(|char| if is_steering(char) { ' ' } else { char })
        .collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push_str(" …");
    }
    shown
}
