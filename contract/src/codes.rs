//! Every error that a person can see: its code, its sentence, its cause and its remedy. The table of them: `entries`.

use crate::outcome::Outcome;

mod entries;

use entries::ENTRIES;

/// An error's kind. The specifics (which file, which name) travel in a [`crate::report::Failure`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Code(usize);

/// What is told about a code.
#[derive(Debug)]
pub struct Entry {
    /// Stable, for searching: `WC010`.
    pub code: &'static str,
    /// One sentence, lower case, without full stop.
    pub sentence: &'static str,
    /// Why this happens: one to three sentences.
    pub cause: &'static str,
    /// What to do about it, lower case, without full stop.
    pub remedy: &'static str,
    /// The HTTP status of the answer; empty for a warning, which changes none.
    pub status: &'static str,
    /// How the request ended.
    pub outcome: Outcome,
}

impl Code {
    /// The table's row for this code.
    pub fn entry(self) -> &'static Entry {
        // A `Code` is only made by the macro of the table, next to its row.
        &ENTRIES[self.0]
    }

    /// All of them, in the order of their numbers.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..ENTRIES.len()).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_in_order_and_sentences_are_sentences() {
        let entries: Vec<_> = Code::all().map(Code::entry).collect();
        assert!(entries.is_sorted_by(|a, b| a.code < b.code));
        for entry in entries {
            assert!(
                !entry.sentence.ends_with('.') && !entry.remedy.ends_with('.'),
                "{}",
                entry.code
            );
            assert!(entry.cause.ends_with('.'), "{}", entry.code);
        }
    }
}
