//! What was probably meant by a mistyped name.

/// Less alike is something else (clap's measure for options).
const ALIKE: f64 = 0.8;

/// The candidate that is most like `typed`, if one is.
pub fn nearest<T: AsRef<str>>(typed: &str, candidates: impl IntoIterator<Item = T>) -> Option<T> {
    let likeness = |candidate: &T| strsim::jaro(typed, candidate.as_ref());
    candidates
        .into_iter()
        .filter(|candidate| likeness(candidate) > ALIKE)
        .max_by(|one, other| likeness(one).total_cmp(&likeness(other)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_understood_and_another_word_is_not() {
        let names = ["serve", "request", "check", "config"];
        assert_eq!(nearest("serv", names), Some("serve"));
        assert_eq!(nearest("chekc", names), Some("check"));
        assert_eq!(nearest("mysite", names), None);
        assert_eq!(nearest("", names), None);
    }
}
