//! `--env NAME[=VALUE]`: a variable for the program.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::{OsStrExt, OsStringExt},
};

/// One `--env`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EnvVar {
    name: OsString,
    /// Nothing when it is inherited.
    value: Option<OsString>,
}

impl EnvVar {
    /// Parses the value of the option, for clap's `value_parser`. Like any environment it need not be UTF-8.
    ///
    /// # Errors
    /// When there is no name.
    pub(super) fn parse(text: OsString) -> Result<Self, &'static str> {
        let bytes = text.as_bytes();
        let owned = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
        let (name, value) = match bytes.iter().position(|&byte| byte == b'=') {
            Some(end) => (&bytes[..end], Some(owned(&bytes[end + 1..]))),
            None => (bytes, None),
        };
        if name.is_empty() {
            return Err("the variable's name is empty");
        }
        Ok(Self { name: owned(name), value })
    }

    /// The variable as the program gets it; nothing when it is inherited and is not there.
    pub(super) fn resolve(&self) -> Option<(&OsStr, OsString)> {
        let value = self.value.clone().or_else(|| std::env::var_os(&self.name))?;
        Some((&self.name, value))
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::{OsStr, OsString};

    use super::EnvVar;

    fn resolved(text: &str) -> Option<(OsString, OsString)> {
        let var = EnvVar::parse(text.into()).unwrap();
        var.resolve().map(|(name, value)| (name.to_owned(), value))
    }

    #[test]
    fn a_value_is_what_follows_the_first_equals_sign() {
        assert_eq!(resolved("A=b=c"), Some(("A".into(), "b=c".into())));
        assert_eq!(resolved("A="), Some(("A".into(), OsString::new())));
    }

    #[test]
    fn without_a_value_it_is_inherited_or_absent() {
        let path = std::env::var_os("PATH").unwrap();
        assert_eq!(resolved("PATH"), Some(("PATH".into(), path)));
        assert_eq!(resolved("NOBODY_SETS_THIS"), None);
        assert!(EnvVar::parse(OsStr::new("=b").into()).is_err());
    }
}
