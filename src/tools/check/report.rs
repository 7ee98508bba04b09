//! What was found, in groups; shown to a person, or as JSON.

use std::fmt::Write as _;
use std::path::Path;

use contract::report::is_steering;
use serde_json::{Map, Value, json};

use super::catalogue::{Finding, Kind, Severity};
use super::user::by_owner_of;
use crate::terminal::Manners;

pub use crate::terminal::quoted;
pub use contract::report::printable_line as printable;

/// One case of a finding.
#[derive(Debug)]
pub struct Hit {
    finding: &'static Finding,
    severity: Severity,
    what: String,
    place: Option<String>,
    remedy: String,
    detail: Vec<String>,
}

impl Hit {
    /// Where it is: a file, a folder, a line, a request.
    pub fn at(&mut self, place: impl ToString) -> &mut Self {
        self.place = Some(place.to_string());
        self
    }

    /// The command for this case.
    pub fn mend(&mut self, command: impl Into<String>) -> &mut Self {
        self.remedy = command.into();
        self
    }

    /// The command for this case, which changes `path`.
    pub fn mend_path(&mut self, path: &Path, command: impl AsRef<str>) -> &mut Self {
        self.mend(by_owner_of(path, command.as_ref()))
    }

    /// As this case has it.
    pub fn severity(&mut self, severity: Severity) -> &mut Self {
        self.severity = severity;
        self
    }

    /// Lines below it.
    pub fn detail(&mut self, lines: impl IntoIterator<Item = impl Into<String>>) -> &mut Self {
        self.detail.extend(lines.into_iter().map(Into::into));
        self
    }
}

/// One kind of check.
struct Group {
    title: &'static str,
    /// What there is to say of it where nothing was found.
    notes: Vec<String>,
    hits: Vec<Hit>,
}

/// All that was found.
#[derive(Default)]
pub struct Report {
    groups: Vec<Group>,
    facts: Vec<(&'static str, Value)>,
}

impl Report {
    /// What follows belongs to this check.
    pub fn begin(&mut self, title: &'static str) {
        self.groups.push(Group {
            title,
            notes: Vec::new(),
            hits: Vec::new(),
        });
    }

    /// Adds a case; `what` says in one line what it is in this case.
    pub fn add(&mut self, kind: Kind, what: impl Into<String>) -> &mut Hit {
        let finding = kind.finding();
        let group = self.group();
        group.hits.push(Hit {
            finding,
            severity: finding.severity,
            what: what.into(),
            place: None,
            remedy: finding.remedy.to_owned(),
            detail: Vec::new(),
        });
        let last = group.hits.len() - 1;
        &mut group.hits[last]
    }

    /// Something that was seen and is right.
    pub fn note(&mut self, text: impl Into<String>) {
        self.group().notes.push(text.into());
    }

    /// Something that scripts may want to know.
    pub fn fact(&mut self, name: &'static str, value: impl Into<Value>) {
        self.facts.push((name, value.into()));
    }

    fn group(&mut self) -> &mut Group {
        if self.groups.is_empty() {
            self.begin("Application");
        }
        let last = self.groups.len() - 1;
        &mut self.groups[last]
    }

    fn hits(&self) -> impl Iterator<Item = &Hit> {
        self.groups.iter().flat_map(|group| &group.hits)
    }

    /// Whether there is this finding.
    pub fn has(&self, kind: Kind) -> bool {
        self.hits()
            .any(|hit| hit.finding.code == kind.finding().code)
    }

    /// Whether there is anything that matters more than a hint.
    pub fn is_bad(&self) -> bool {
        self.hits().any(|hit| hit.severity < Severity::Hint)
    }

    /// As one JSON object.
    pub fn json(&self) -> String {
        let findings: Vec<_> = self
            .hits()
            .map(|hit| {
                json!({
                    "code": hit.finding.code,
                    "severity": hit.severity.name(),
                    "sentence": hit.finding.sentence,
                    "what": hit.what,
                    "why": hit.finding.why,
                    "remedy": hit.remedy,
                    "place": hit.place,
                    "detail": hit.detail,
                })
            })
            .collect();
        let facts: Map<_, _> = self
            .facts
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect();
        let mut text = format!("{:#}", json!({"findings": findings, "facts": facts}));
        text.push('\n');
        escaped(&text)
    }

    /// For a person; `all` shows what is right, too.
    pub fn text(&self, manners: Manners, all: bool) -> String {
        let mut text = String::new();
        for (name, value) in &self.facts {
            let name = name.replace('_', " ");
            match value {
                Value::Null => {}
                Value::String(value) => _ = writeln!(text, "{name:<12} {}", printable(value)),
                value => _ = writeln!(text, "{name:<12} {value}"),
            }
        }
        for group in &self.groups {
            let sign = match group.hits.is_empty() {
                true if !all => continue,
                true => manners.green(manners.symbol("✓ ", "ok ")),
                false => String::new(),
            };
            let _ = writeln!(text, "\n{sign}{}", manners.bold(group.title));
            for note in group.notes.iter().filter(|_| all) {
                let _ = writeln!(text, "    {}", manners.dim(&printable(note)));
            }
            for hit in &group.hits {
                show(&mut text, hit, manners);
            }
        }
        let passed = self.groups.iter().filter(|group| group.hits.is_empty());
        let passed = number(passed.count(), "check");
        let more = if all { "" } else { " (-v shows them)" };
        let found = self.summary(manners);
        let _ = writeln!(text, "\n{found}; {passed} without a finding{more}");
        text
    }

    /// `2 errors, 1 hint`
    fn summary(&self, manners: Manners) -> String {
        let found: Vec<_> = [Severity::Error, Severity::Warning, Severity::Hint]
            .into_iter()
            .map(|severity| {
                let hits = self.hits().filter(|hit| hit.severity == severity);
                (hits.count(), severity.name())
            })
            .filter(|(count, _)| *count > 0)
            .map(|(count, name)| number(count, name))
            .collect();
        match found.is_empty() {
            true => manners.green("nothing found"),
            false if self.is_bad() => manners.red(&found.join(", ")),
            false => found.join(", "),
        }
    }
}

/// JSON as it is, but nothing in it steers the terminal that shows it.
fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for char in json.chars() {
        match char {
            // Between the values.
            '\n' => text.push(char),
            char if is_steering(char) => {
                for unit in char.encode_utf16(&mut [0; 2]) {
                    let _ = write!(text, "\\u{unit:04x}");
                }
            }
            char => text.push(char),
        }
    }
    text
}

fn number(count: usize, name: &str) -> String {
    match count {
        1 => format!("1 {name}"),
        count => format!("{count} {name}s"),
    }
}

fn show(text: &mut String, hit: &Hit, manners: Manners) {
    let name = hit.severity.name();
    let (sign, name) = match hit.severity {
        Severity::Error => (manners.red(manners.symbol("✗ ", "")), manners.red(name)),
        Severity::Warning => (
            manners.yellow(manners.symbol("! ", "")),
            manners.yellow(name),
        ),
        Severity::Hint => (manners.symbol("· ", "").to_owned(), name.to_owned()),
    };
    let code = manners.bold(hit.finding.code);
    let _ = writeln!(text, "  {sign}{name} {code} {}", hit.finding.sentence);
    let place = hit
        .place
        .as_deref()
        .filter(|place| !hit.what.contains(place));
    let what = [place, Some(hit.what.as_str())].into_iter().flatten();
    let what: Vec<_> = what.filter(|text| !text.is_empty()).collect();
    if !what.is_empty() {
        let _ = writeln!(text, "      {}", printable(&what.join(": ")));
    }
    for line in &hit.detail {
        let _ = writeln!(text, "        {}", printable(&line.replace('\t', "    ")));
    }
    let _ = writeln!(
        text,
        "      {}",
        manners.dim(&format!("why: {}", hit.finding.why))
    );
    let _ = writeln!(text, "      do: {}", manners.bold(&printable(&hit.remedy)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_others_steer_no_terminal() {
        let name = "a\u{1b}[2J\u{202e}\n.py";
        let mut report = Report::default();
        report.fact("application", name);
        report.note(name);
        let hit = report.add(Kind::OUT_OF_REACH, name);
        hit.at(name).mend(format!("chmod o+r {}", quoted(name)));
        hit.detail([name]);
        let text = report.text(Manners::of_output(), true);
        assert!(!text.replace('\n', "").contains(is_steering), "{text:?}");
        assert!(
            text.contains(r"do: chmod o+r $'a\033[2J\342\200\256\012.py'"),
            "{text}"
        );
        let json = report.json();
        assert!(!json.replace('\n', "").contains(is_steering), "{json:?}");
        let value: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value["findings"][0]["place"], name);
    }
}
