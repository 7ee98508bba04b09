//! What the self-test told of the process, typed.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::questions::{Answer, Reply};

/// A reply of the self-test.
#[derive(Deserialize)]
pub struct Told {
    /// Names of all variables, and values of some.
    pub environment: BTreeMap<String, Option<String>>,
    /// What became of the address.
    pub address: Address,
    facts: Value,
}

/// What became of the address.
#[derive(Deserialize)]
pub struct Address {
    /// SCRIPT_NAME, mended.
    pub script_name: String,
    /// PATH_INFO, mended.
    pub path_info: String,
    /// What PATH_INFO has before the self-test, which should be nothing.
    pub before: String,
    /// The rule's name.
    pub rule: String,
    /// What it says.
    pub meaning: String,
}

/// The process.
#[derive(Deserialize)]
pub struct Process {
    /// This run's name in the log.
    pub name: String,
    /// Who it runs as.
    pub user: u32,
    /// See there.
    pub group: u32,
    /// Whose the application is.
    pub owner: u32,
    /// The file mode creation mask.
    pub umask: u32,
    /// Its working folder.
    pub folder: Option<String>,
    /// The name of the process that started it.
    pub parent: Option<String>,
    /// Whether programs in the application's folder can be executed.
    pub is_noexec: bool,
    /// Kinds of 0, 1 and 2; none is closed.
    pub descriptors: [Option<String>; 3],
    /// Whether 0 and 1 are one socket.
    pub is_shared: bool,
    /// Beyond these.
    pub more_descriptors: Vec<String>,
    /// Where descriptor 2 is a file.
    pub stderr_file: Option<String>,
    /// Soft limits.
    pub limits: Limits,
}

/// Soft limits; none is none.
#[derive(Clone, Default, Deserialize)]
pub struct Limits {
    /// Address space, bytes.
    pub memory: Option<u64>,
    /// Data segments, bytes.
    pub data: Option<u64>,
    /// Seconds.
    pub cpu: Option<u64>,
    /// Of the user.
    pub processes: Option<u64>,
    /// Open ones.
    pub files: Option<u64>,
    /// Bytes.
    pub file_size: Option<u64>,
}

/// A body that was read.
#[derive(Deserialize)]
pub struct Body {
    /// `length`, `until its end`, `none`.
    pub how: String,
    /// So many arrived.
    pub bytes: usize,
    /// They are what was sent.
    pub is_intact: bool,
    /// The kind of descriptor 0.
    pub descriptor: Option<String>,
}

/// All that came back.
pub struct Answers(pub Vec<Answer>);

impl Answers {
    /// To the question of this name.
    pub fn get(&self, name: &str) -> Option<&Answer> {
        self.0.iter().find(|answer| answer.name == name)
    }

    /// Its response.
    pub fn reply(&self, name: &str) -> Option<&Reply> {
        self.get(name)?.reply.as_ref()
    }

    /// What the self-test told there.
    pub fn told(&self, name: &str) -> Option<Told> {
        self.reply(name).and_then(told)
    }

    /// The same, with its facts.
    pub fn facts<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        serde_json::from_value(self.told(name)?.facts).ok()
    }

    /// What came instead, for a person.
    pub fn instead(&self, name: &str) -> String {
        match self.get(name) {
            Some(Answer {
                reply: Some(reply), ..
            }) => format!("status {}", reply.status),
            Some(Answer {
                lost: Some((kind, text)),
                ..
            }) => match (kind.as_str(), text.as_str()) {
                ("timeout", _) => "no answer within 20 s".to_owned(),
                ("empty" | "reset", _) => "the connection ended without an answer".to_owned(),
                ("late", _) => "not asked: the time was over".to_owned(),
                (kind, "") => kind.to_owned(),
                (_, text) => text.to_owned(),
            },
            _ => "not asked".to_owned(),
        }
    }
}

/// What the self-test told in this response, if it is one of its own.
pub fn told(reply: &Reply) -> Option<Told> {
    serde_json::from_str(&reply.body)
        .ok()
        .filter(|_| reply.status == 200)
}
