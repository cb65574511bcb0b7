//! `--dir HOST[::GUEST][:ro]`: a directory of the host for the program.

use std::path::PathBuf;

/// One `--dir`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dir {
    /// The directory on the host.
    pub(super) host: PathBuf,
    /// What the program calls it.
    pub(super) guest: String,
    /// Whether the program may only read there.
    pub(super) read_only: bool,
}

impl Dir {
    /// Parses the value of the option, for clap's `value_parser`. It is text, as the guest's path is in WASI.
    ///
    /// # Errors
    /// When a path is empty, or a suffix other than `:ro` stands behind it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (host, behind) = match text.split_once("::") {
            Some((host, behind)) => (host, Some(behind)),
            None => (text, None),
        };
        let tail = behind.unwrap_or(host);
        let (name, suffix) = match tail.split_once(':') {
            Some((name, suffix)) => (name, Some(suffix)),
            None => (tail, None),
        };
        let read_only = match suffix {
            None => false,
            Some("ro") => true,
            Some(other) => {
                return Err(format!("unknown suffix `:{other}`, expected `:ro` or none"));
            }
        };
        let host = if behind.is_some() { host } else { name };
        if host.contains(':') {
            return Err(format!("the host's path `{host}` has a colon in it"));
        }
        if host.is_empty() {
            return Err("the host's path is empty".into());
        }
        if name.is_empty() {
            return Err("the guest's path is empty; `::/` makes it the root".into());
        }
        Ok(Self { host: host.into(), guest: name.to_owned(), read_only })
    }
}

#[cfg(test)]
mod tests {
    use super::Dir;

    fn dir(host: &str, guest: &str, read_only: bool) -> Result<Dir, String> {
        Ok(Dir { host: host.into(), guest: guest.into(), read_only })
    }

    #[test]
    fn the_guest_sees_the_hosts_name_unless_it_is_given_another() {
        assert_eq!(Dir::parse("."), dir(".", ".", false));
        assert_eq!(Dir::parse("data:ro"), dir("data", "data", true));
        assert_eq!(Dir::parse("pylib::/"), dir("pylib", "/", false));
        assert_eq!(Dir::parse("/a b::/c:ro"), dir("/a b", "/c", true));
    }

    #[test]
    fn any_other_suffix_is_refused() {
        for text in ["a:rw", "a::b:rw", "a:b", "a:ro:ro", "a::b::c", "a:ro::b"] {
            assert!(Dir::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn empty_paths_are_refused() {
        for text in ["", "::", "a::", "::b", ":ro", "a:::ro"] {
            assert!(Dir::parse(text).is_err(), "{text}");
        }
    }
}
