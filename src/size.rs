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

/// A number of bytes for people to read: three digits, in units of 1024.
pub(crate) fn show(bytes: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    let mut shown = (bytes as f64, "bytes");
    for unit in units {
        if shown.0 < 1024.0 {
            break;
        }
        shown = (shown.0 / 1024.0, unit);
    }
    let digits = if shown.1 == "bytes" || shown.0 >= 100.0 { 0 } else { 1 };
    format!("{:.digits$} {}", shown.0, shown.1)
}

#[cfg(test)]
mod tests {
    use super::{parse, show};

    #[test]
    fn sizes_are_shown_short() {
        assert_eq!([show(0), show(1023)], ["0 bytes", "1023 bytes"]);
        assert_eq!([show(1024), show(1536 << 10)], ["1.0 KiB", "1.5 MiB"]);
        assert_eq!([show(300 << 20), show(u64::MAX)], ["300 MiB", "16777216 TiB"]);
    }

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
