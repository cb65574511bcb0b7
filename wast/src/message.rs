//! How the texts of errors compare with those in a script.
//!
//! The suite gives each message as far as it is common to all engines: ours may say more, or, where the suite adds
//! a detail such as an index (`uninitialized element 2`), less. So one has to begin with the other.

/// Whether a message is the one a script expects.
pub(crate) fn matches(expected: &str, found: &str) -> bool {
    let (short, long) =
        if expected.len() < found.len() { (expected, found) } else { (found, expected) };
    // An engine that says nothing has not said what is expected.
    (!found.is_empty() || expected.is_empty()) && long.starts_with(short)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn either_may_begin_with_the_other() {
        assert!(matches("unreachable", "unreachable"));
        assert!(matches("type mismatch", "type mismatch: expected i32, found i64"));
        assert!(matches("uninitialized element 2", "uninitialized element"));
    }

    #[test]
    fn other_texts_do_not_match() {
        assert!(!matches("integer overflow", "integer divide by zero"));
        assert!(!matches("mismatch", "type mismatch"));
        assert!(!matches("unreachable", ""));
    }
}
