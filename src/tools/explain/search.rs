//! Finds what a code, a message or a line of a log means, whatever its letter case and quotes.

use super::topic::{Group, Topic};

/// So many other names are offered for one that is not known.
const OFFERED: usize = 3;

/// What is less like it than this is not offered.
const LIKENESS: f64 = 0.6;

/// What the text means: the topic of this name, or all that a line of a log tells; empty if nothing is known.
pub fn find(groups: &[Group], text: &str) -> Vec<Topic> {
    let folded = fold(text);
    let all = || groups.iter().flat_map(|group| &group.topics);
    let named = |name: &str| all().find(|topic| topic.name.eq_ignore_ascii_case(name));
    if let Some(topic) = all().find(|topic| fold(topic.name) == folded) {
        return vec![*topic];
    }
    // What is nothing but a code may be written carelessly: wc14, AH-1215.
    if let Some(code) = code(&folded.replace([' ', '-', '_', ':'], "")) {
        let marked = |topic: &&Topic| topic.marks.contains(&code.to_ascii_lowercase().as_str());
        return named(&code)
            .or_else(|| all().find(marked))
            .into_iter()
            .copied()
            .collect();
    }
    // Our own codes say it all.
    let own: Vec<_> = words(&folded)
        .filter(|word| word.len() == 5 && word.starts_with("wc"))
        .filter_map(named)
        .copied()
        .collect();
    if !own.is_empty() {
        return own;
    }
    if let Some(topic) = exit_status_of_suexec(&folded).and_then(|name| named(&name)) {
        return vec![*topic];
    }
    let mut found: Vec<_> = groups
        .iter()
        .filter_map(|group| group.topics.iter().find_map(|topic| told(topic, &folded)))
        .collect();
    // The more of the line it explains, the nearer it is to the cause.
    found.sort_by_key(|(length, _)| std::cmp::Reverse(*length));
    found.into_iter().map(|(_, topic)| topic).collect()
}

/// What may have been meant.
pub fn nearest(groups: &[Group], text: &str) -> Vec<Topic> {
    let folded = fold(text);
    let likeness = |topic: &Topic| {
        let by_letters = strsim::normalized_damerau_levenshtein(&folded, &fold(topic.name));
        by_letters.max(shared(&folded, topic))
    };
    let mut all: Vec<_> = groups
        .iter()
        .flat_map(|group| &group.topics)
        .map(|topic| (likeness(topic), *topic))
        .filter(|(likeness, _)| *likeness >= LIKENESS)
        .collect();
    all.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    all.into_iter()
        .take(OFFERED)
        .map(|(_, topic)| topic)
        .collect()
}

/// Which part of the text's words the topic has, too.
fn shared(folded: &str, topic: &Topic) -> f64 {
    let text = fold(&format!(
        "{} {} {}",
        topic.name,
        topic.sentence,
        topic.marks.join(" ")
    ));
    let wanted: Vec<_> = words(folded).filter(|word| word.len() > 3).collect();
    let count = wanted
        .iter()
        .filter(|wanted| words(&text).any(|word| word == **wanted))
        .count();
    match wanted.len() {
        // One word alone is shared by too many.
        0 | 1 => 0.0,
        length => count as f64 / length as f64,
    }
}

/// Lower case, one kind of quote, one blank between words. Apache writes quotes of other alphabets as bytes.
fn fold(text: &str) -> String {
    let text = text
        .to_lowercase()
        .replace("\\xe2\\x80\\x98", "'")
        .replace("\\xe2\\x80\\x99", "'")
        .replace(['\u{2018}', '\u{2019}', '`'], "'");
    // A carriage return before a quote is part of what is told.
    let text = text.replace('\r', "\\r");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn words(folded: &str) -> impl Iterator<Item = &str> {
    folded
        .split(|char: char| !char.is_alphanumeric())
        .filter(|word| !word.is_empty())
}

/// `WC014` or `AH01215`, with all its digits.
fn code(word: &str) -> Option<String> {
    let (letters, digits) = word.split_at_checked(2)?;
    let number: u32 = digits.parse().ok()?;
    match letters {
        "wc" => Some(format!("WC{number:03}")),
        "ah" => Some(format!("AH{number:05}")),
        _ => None,
    }
}

fn exit_status_of_suexec(folded: &str) -> Option<String> {
    let rest = folded.split_once("suexec")?.1;
    let mut numbers = words(rest).filter_map(|word| word.parse::<u8>().ok());
    let status = numbers.find(|number| *number > 100)?;
    Some(format!("suexec {status}"))
}

/// The topic, with how much of the line its longest mark explains.
fn told(topic: &Topic, folded: &str) -> Option<(usize, Topic)> {
    let found = topic.marks.iter().filter(|mark| holds(folded, mark));
    let length = found.map(|mark| mark.len()).max()?;
    Some((length, *topic))
}

/// Whether the text holds the mark, in which `*` stands for anything.
fn holds(text: &str, mark: &str) -> bool {
    let mut rest = Some(text);
    for part in mark.split('*') {
        rest = rest.and_then(|rest| Some(rest.split_once(part)?.1));
    }
    rest.is_some()
}

#[cfg(test)]
mod tests {
    use super::super::topic::groups;
    use super::*;

    #[track_caller]
    fn finds(text: &str, expected: &[&str]) {
        let names: Vec<_> = find(&groups(), text)
            .iter()
            .map(|topic| topic.name)
            .collect();
        assert_eq!(names, expected, "{text}");
    }

    #[test]
    fn every_topic_is_found_by_its_name_and_by_each_of_its_marks() {
        let groups = groups();
        for topic in groups.iter().flat_map(|group| &group.topics) {
            finds(topic.name, &[topic.name]);
            for mark in topic.marks {
                assert_eq!(*mark, mark.to_lowercase(), "{}", topic.name);
                let line = format!("[x] {} [y]", mark.replace('*', " 17 "));
                let found = find(&groups, &line);
                assert!(
                    found.iter().any(|found| found.name == topic.name),
                    "{mark} finds {found:?}"
                );
            }
        }
    }

    #[test]
    fn names_are_told_apart_and_texts_are_sentences() {
        let groups = groups();
        let topics: Vec<_> = groups.iter().flat_map(|group| &group.topics).collect();
        for (number, topic) in topics.iter().enumerate() {
            let is_again = |other: &&Topic| fold(other.name) == fold(topic.name);
            assert!(!topics[number + 1..].iter().any(is_again), "{}", topic.name);
            for text in [topic.sentence, topic.remedy] {
                assert!(!text.is_empty() && !text.ends_with('.'), "{}", topic.name);
            }
            assert!(topic.why().ends_with('.'), "{}", topic.name);
        }
    }

    #[test]
    fn codes_may_be_written_carelessly() {
        for (text, name) in [
            ("wc014", "WC014"),
            ("WC14", "WC014"),
            ("WC-014:", "WC014"),
            ("ah 1215", "AH01215"),
            ("AH02811", "AH01264"),
            ("suexec 107", "suexec 107"),
            ("suexec failed with exit status 120", "suexec 120"),
            ("SUEXEC107", "suexec 107"),
        ] {
            finds(text, &[name]);
        }
    }

    #[test]
    fn lines_of_logs_are_understood() {
        for (line, names) in [
            (
                "[cgid:error] [pid 7] (13)Permission denied: AH01241: exec of '/srv/a.cgi' failed",
                &["Permission denied: exec of", "AH01241"][..],
            ),
            (
                "AH01215: stderr from /srv/a.cgi: /usr/bin/env: \u{2018}python3\\r\u{2019}: No such file or directory",
                &["env: 'python3\\r': No such file or directory", "AH01215"],
            ),
            (
                "AH01215: stderr from /a: env: \\xe2\\x80\\x98python3\\\\r\\xe2\\x80\\x99: No such file or directory",
                &["env: 'python3\\r': No such file or directory", "AH01215"],
            ),
            (
                "env: 'wsgi-cgi': No such file or directory",
                &["env: No such file or directory"],
            ),
            (
                "ModuleNotFoundError: No module named 'cgi'",
                &["No module named 'cgi'"],
            ),
            (
                "target uid/gid (1000/1000) mismatch with directory (0/0) or program (0/0)",
                &["suexec 120"],
            ),
            (
                "[2026] wsgi-cgi: WC031 a package is missing: No module named 'flask' (GET /)",
                &["WC031"],
            ),
            ("[notice] AH00094: Command line: 'apache2'", &[]),
        ] {
            finds(line, names);
        }
    }

    #[test]
    fn a_slip_of_the_finger_is_seen() {
        let groups = groups();
        for (text, expected) in [
            ("WC0l4", "WC014"),
            ("AH012155", "AH01215"),
            ("Exec fromat error", "Exec format error"),
            (
                "premature end of headers",
                "Premature end of script headers",
            ),
        ] {
            let near = nearest(&groups, text);
            assert!(
                near.iter().any(|topic| topic.name == expected),
                "{text}: {near:?}"
            );
        }
        assert!(nearest(&groups, "quite another thing").is_empty());
    }
}
