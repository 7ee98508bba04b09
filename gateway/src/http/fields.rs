//! The fields of a head: a list in the order in which they came, never a map.

/// Names as they were written, and values as bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(Vec<(String, Vec<u8>)>);

impl Fields {
    /// Adds a field behind the others.
    pub fn push(&mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) {
        self.0.push((name.into(), value.into()));
    }

    /// The first value with this name, in any case.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        let mut fields = self.0.iter();
        let found = fields.find(|(found, _)| found.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_slice())
    }

    /// Every value with this name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let matching = move |field: &&(String, Vec<u8>)| field.0.eq_ignore_ascii_case(name);
        self.0
            .iter()
            .filter(matching)
            .map(|(_, value)| value.as_slice())
    }

    /// Whether there is such a field.
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Removes every field with this name.
    pub fn remove(&mut self, name: &str) {
        self.0
            .retain(|(found, _)| !found.eq_ignore_ascii_case(name));
    }

    /// Names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_slice()))
    }

    /// Whether the comma-separated list of these fields holds a word, in any case.
    pub fn lists(&self, name: &str, word: &str) -> bool {
        let mut words = self.list(name);
        words.any(|found| found.eq_ignore_ascii_case(word.as_bytes()))
    }

    /// The words of a comma-separated list, over all fields of this name (RFC 9110 section 5.6.1).
    pub fn list<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.all(name)
            .flat_map(|value| value.split(|byte| *byte == b','))
            .map(<[u8]>::trim_ascii)
            .filter(|word| !word.is_empty())
    }
}
