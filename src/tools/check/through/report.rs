//! What was seen, in groups, and what to change; shown to a person, or as JSON.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::{Value, json};

use super::super::report::printable;
use crate::terminal::Manners;

/// How good what was seen is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Nothing to judge.
    Fact,
    /// As it should be.
    Good,
    /// To be kept in mind.
    Note,
    /// To be mended.
    Change,
}

/// Where a line is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// The web server's configuration, or `.htaccess`.
    Server,
    /// The application's file.
    Application,
}

/// What was seen.
#[derive(Debug, Serialize)]
pub struct Row {
    /// `server`, `process`, `request`, `response`.
    pub group: &'static str,
    /// Of what.
    pub name: &'static str,
    /// What it is.
    pub value: String,
    /// How good that is.
    pub state: State,
    /// Why that is not good; empty where it is.
    pub why: &'static str,
    /// What mends it.
    pub lines: Vec<(Place, String)>,
}

/// All of it.
#[derive(Debug, Default)]
pub struct Report {
    rows: Vec<Row>,
}

impl Report {
    /// Adds something without a judgement.
    pub fn fact(&mut self, group: &'static str, name: &'static str, value: impl Into<String>) {
        self.add(group, name, value, State::Fact, "");
    }

    /// Adds something that is right.
    pub fn good(&mut self, group: &'static str, name: &'static str, value: impl Into<String>) {
        self.add(group, name, value, State::Good, "");
    }

    /// Adds something to be kept in mind.
    pub fn note(
        &mut self,
        group: &'static str,
        name: &'static str,
        value: impl Into<String>,
        why: &'static str,
    ) {
        self.add(group, name, value, State::Note, why);
    }

    /// Adds something to be mended by these lines; without any, it is to be kept in mind only.
    pub fn change(
        &mut self,
        (group, name): (&'static str, &'static str),
        value: impl Into<String>,
        why: &'static str,
        lines: Vec<(Place, String)>,
    ) {
        let state = if lines.is_empty() {
            State::Note
        } else {
            State::Change
        };
        self.add(group, name, value, state, why);
        if let Some(row) = self.rows.last_mut() {
            row.lines = lines;
        }
    }

    fn add(
        &mut self,
        group: &'static str,
        name: &'static str,
        value: impl Into<String>,
        state: State,
        why: &'static str,
    ) {
        self.rows.push(Row {
            group,
            name,
            value: printable(&value.into()),
            state,
            why,
            lines: Vec::new(),
        });
    }

    /// Whether there is something to mend.
    pub fn has_changes(&self) -> bool {
        self.rows.iter().any(|row| row.state == State::Change)
    }

    /// The lines for one place.
    pub fn lines(&self, place: Place) -> Vec<&str> {
        let lines = self.rows.iter().flat_map(|row| &row.lines);
        let here = lines.filter(|(found, _)| *found == place);
        here.map(|(_, line)| line.as_str()).collect()
    }

    /// As one JSON object; `lines` is what there is to paste, `command` writes all of a configuration.
    pub fn json(&self, lines: &str, command: Option<&str>, environment: &Value) -> String {
        let object = json!({
            "seen": json!(self.rows),
            "configuration": lines,
            "command": command,
            "environment": environment,
        });
        format!("{object:#}\n")
    }

    /// For a person.
    pub fn text(&self, manners: Manners) -> String {
        let mut text = String::new();
        let mut group = "";
        for row in &self.rows {
            if row.group != group {
                group = row.group;
                let (first, rest) = group.split_at(1);
                let title = format!("{}{rest}", first.to_uppercase());
                let _ = writeln!(
                    text,
                    "{}{}",
                    if text.is_empty() { "" } else { "\n" },
                    manners.bold(&title)
                );
            }
            let value = &row.value;
            let (sign, value) = match row.state {
                State::Fact => (manners.symbol("·", " ").to_owned(), value.clone()),
                State::Good => (manners.green(manners.symbol("✓", " ")), value.clone()),
                State::Note => (manners.yellow(manners.symbol("!", "!")), value.clone()),
                State::Change => (manners.red(manners.symbol("✗", "X")), manners.red(value)),
            };
            let _ = writeln!(text, "  {sign} {:<18} {value}", row.name);
            if !row.why.is_empty() {
                let _ = writeln!(text, "    {:<18} {}", "", manners.dim(row.why));
            }
        }
        text
    }
}
