//! What can be explained, one table a source: the codes of this program, and the messages of others.

use contract::codes::Code;

use crate::tools::check::catalogue::{FINDINGS, Finding};

use super::{apache, lambda, lighttpd, nginx, python, suexec, system};

/// One thing that people look up.
#[derive(Clone, Copy, Debug)]
pub struct Topic {
    /// Its code, or the core of its message.
    pub name: &'static str,
    /// What a log line holds that tells of it, in lower case; `*` stands for any text.
    pub marks: &'static [&'static str],
    /// What happened: one sentence, lower case, without full stop.
    pub sentence: &'static str,
    /// Why.
    pub cause: &'static str,
    /// What to do about it, lower case, without full stop.
    pub remedy: &'static str,
    /// For codes of this program: what the visitor and the caller get.
    pub answer: Option<Answer>,
}

impl Topic {
    /// The cause in whole sentences: `check` says it in one without a capital.
    pub fn why(&self) -> String {
        match self.cause.split_at_checked(1) {
            Some((first, rest)) if !self.cause.ends_with('.') => {
                format!("{}{rest}.", first.to_uppercase())
            }
            _ => self.cause.to_owned(),
        }
    }
}

/// How a request that ended with a code was answered.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    /// `500 Internal Server Error`; empty where nothing changes.
    pub status: &'static str,
    /// Of the process.
    pub exit: u8,
}

/// The topics of one source. Of several that a line may mean, the first counts.
pub struct Group {
    /// As it is typed.
    pub name: &'static str,
    /// For a heading.
    pub title: &'static str,
    /// In the order of their numbers.
    pub topics: Vec<Topic>,
}

/// For the tables.
pub const fn topic(
    name: &'static str,
    marks: &'static [&'static str],
    sentence: &'static str,
    cause: &'static str,
    remedy: &'static str,
) -> Topic {
    Topic {
        name,
        marks,
        sentence,
        cause,
        remedy,
        answer: None,
    }
}

/// All of them.
pub fn groups() -> Vec<Group> {
    let group = |name, title, topics: &[Topic]| Group {
        name,
        title,
        topics: topics.to_vec(),
    };
    vec![
        Group {
            name: "wsgi-cgi",
            title: "Codes of wsgi-cgi",
            topics: Code::all().map(of_code).collect(),
        },
        Group {
            name: "check",
            title: "Findings of wsgi-cgi check",
            topics: FINDINGS.iter().map(of_finding).collect(),
        },
        group("apache", "Apache", apache::TOPICS),
        group("suexec", "Apache's suexec", suexec::TOPICS),
        group("lighttpd", "Lighttpd", lighttpd::TOPICS),
        group("nginx", "nginx and fcgiwrap", nginx::TOPICS),
        group("system", "The kernel, env and the shell", system::TOPICS),
        group("python", "Python", python::TOPICS),
        group("lambda", "AWS Lambda", lambda::TOPICS),
    ]
}

fn of_finding(finding: &Finding) -> Topic {
    topic(
        finding.code,
        &[],
        finding.sentence,
        finding.why,
        finding.remedy,
    )
}

fn of_code(code: Code) -> Topic {
    let entry = code.entry();
    Topic {
        name: entry.code,
        marks: &[],
        sentence: entry.sentence,
        cause: entry.cause,
        remedy: entry.remedy,
        answer: Some(Answer {
            status: entry.status,
            exit: entry.outcome.exit_status(),
        }),
    }
}
