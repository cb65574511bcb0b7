//! Sizes on the command line: bytes, or with a suffix units of 1024.

/// Parses `4096`, `512K`, `64M` or `2G`; for clap's `value_parser`.
///
/// # Errors
/// When the text is no number with one of the suffixes, or too large.
pub(crate) fn parse(text: &str) -> Result<u64, String> {
    let shift = match text.bytes().last() {
        Some(b'k' | b'K') => 10,
        Some(b'm' | b'M') => 20,
        Some(b'g' | b'G') => 30,
        _ => 0,
    };
    let digits = if shift == 0 { text } else { &text[..text.len() - 1] };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("expected bytes, or a number with K, M or G behind it, as in `64M`".into());
    }
    let number: Option<u64> = digits.parse().ok();
    number
        .and_then(|number| number.checked_mul(1 << shift))
        .ok_or_else(|| "the size does not fit in 64 bits".into())
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn suffixes_are_powers_of_1024() {
        assert_eq!(parse("100"), Ok(100));
        assert_eq!(parse("1k"), Ok(1024));
        assert_eq!(parse("64M"), Ok(64 << 20));
        assert_eq!(parse("2G"), Ok(2 << 30));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "M", "-1", "+1", "1.5G", "1 K", "1T", "64MB", "é", "99999999999G"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
