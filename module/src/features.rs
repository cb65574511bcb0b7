//! Which parts of the language a module may use, and what each is called on the command line.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use wasmparser::WasmFeatures;

/// How far this engine is with a proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Support {
    /// On unless switched off.
    Default,
    /// Off unless switched on: not part of the standard yet.
    Optional,
    /// Known, and refused.
    Missing,
}

/// Name of a proposal, its flag in the parser, and whether the engine has it. One row a proposal.
const TABLE: &[(&str, WasmFeatures, Support)] = &[
    ("mutable-global", WasmFeatures::MUTABLE_GLOBAL, Support::Default),
    ("saturating-float-to-int", WasmFeatures::SATURATING_FLOAT_TO_INT, Support::Default),
    ("sign-extension", WasmFeatures::SIGN_EXTENSION, Support::Default),
    ("reference-types", WasmFeatures::REFERENCE_TYPES, Support::Default),
    ("multi-value", WasmFeatures::MULTI_VALUE, Support::Default),
    ("bulk-memory", WasmFeatures::BULK_MEMORY, Support::Default),
    ("simd", WasmFeatures::SIMD, Support::Default),
    ("multi-memory", WasmFeatures::MULTI_MEMORY, Support::Default),
    ("extended-const", WasmFeatures::EXTENDED_CONST, Support::Default),
    ("relaxed-simd", WasmFeatures::RELAXED_SIMD, Support::Default),
    ("threads", WasmFeatures::THREADS, Support::Default),
    ("shared-everything-threads", WasmFeatures::SHARED_EVERYTHING_THREADS, Support::Missing),
    ("tail-call", WasmFeatures::TAIL_CALL, Support::Default),
    ("exceptions", WasmFeatures::EXCEPTIONS, Support::Default),
    ("legacy-exceptions", WasmFeatures::LEGACY_EXCEPTIONS, Support::Optional),
    ("memory64", WasmFeatures::MEMORY64, Support::Default),
    ("function-references", WasmFeatures::FUNCTION_REFERENCES, Support::Default),
    ("gc", WasmFeatures::GC, Support::Default),
    ("custom-page-sizes", WasmFeatures::CUSTOM_PAGE_SIZES, Support::Optional),
    ("memory-control", WasmFeatures::MEMORY_CONTROL, Support::Missing),
    ("stack-switching", WasmFeatures::STACK_SWITCHING, Support::Missing),
    ("wide-arithmetic", WasmFeatures::WIDE_ARITHMETIC, Support::Optional),
    ("custom-descriptors", WasmFeatures::CUSTOM_DESCRIPTORS, Support::Optional),
    ("compact-imports", WasmFeatures::COMPACT_IMPORTS, Support::Optional),
    ("acquire-release-atomics", WasmFeatures::ACQUIRE_RELEASE_ATOMICS, Support::Missing),
    ("multibyte-array-access", WasmFeatures::MULTIBYTE_ARRAY_ACCESS, Support::Missing),
];

/// A set of language features.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Features(u64);

/// Why a feature could not be switched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FeatureError {
    /// The name is none of a proposal's.
    #[error("unknown WebAssembly feature `{0}`, expected one of: {1}")]
    Unknown(String, String),
    /// The proposal is known and not implemented.
    #[error("the WebAssembly feature `{0}` is not implemented")]
    Missing(String),
}

impl Default for Features {
    fn default() -> Self {
        let mut flags = WasmFeatures::FLOATS | WasmFeatures::GC_TYPES;
        for &(_, flag, support) in TABLE {
            if support == Support::Default {
                flags |= flag;
            }
        }
        Self(flags.bits())
    }
}

impl Features {
    /// The names of all features that can be switched, in the order of the table.
    pub fn names() -> impl Iterator<Item = &'static str> {
        TABLE.iter().filter(|row| row.2 != Support::Missing).map(|row| row.0)
    }

    /// The names of those among them that are off unless they are switched on.
    pub fn optional_names() -> impl Iterator<Item = &'static str> {
        TABLE.iter().filter(|row| row.2 == Support::Optional).map(|row| row.0)
    }

    /// Switches the feature called `name` on or off.
    ///
    /// # Errors
    /// When no feature has that name, or when it is to be switched on and is not implemented.
    pub fn set(&mut self, name: &str, on: bool) -> Result<(), FeatureError> {
        let Some(&(_, flag, support)) = TABLE.iter().find(|row| row.0 == name) else {
            let names: Vec<_> = Self::names().collect();
            return Err(FeatureError::Unknown(name.to_owned(), names.join(", ")));
        };
        if on && support == Support::Missing {
            return Err(FeatureError::Missing(name.to_owned()));
        }
        let mut flags = self.to_wasmparser();
        flags.set(flag, on);
        self.0 = flags.bits();
        Ok(())
    }

    /// The features that are on.
    pub fn enabled(&self) -> impl Iterator<Item = &'static str> {
        let flags = self.to_wasmparser();
        TABLE.iter().filter(move |row| flags.contains(row.1)).map(|row| row.0)
    }

    /// The same set in the parser's terms.
    pub(crate) fn to_wasmparser(self) -> WasmFeatures {
        WasmFeatures::from_bits_truncate(self.0)
    }

    /// Proposals outside the set that are off, with whether they could be switched on: what a module that was
    /// refused might have needed.
    pub(crate) fn absent(self) -> impl Iterator<Item = (&'static str, WasmFeatures, bool)> {
        let flags = self.to_wasmparser();
        TABLE
            .iter()
            .filter(move |row| !flags.contains(row.1))
            .map(|&(name, flag, support)| (name, flag, support != Support::Missing))
    }
}

impl fmt::Display for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.enabled().collect();
        f.write_str(&names.join(","))
    }
}

impl FromStr for Features {
    type Err = FeatureError;

    /// The default set with the comma-separated switches of `text` applied: `NAME`, `NAME=on` or `NAME=off`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut features = Self::default();
        for item in text.split(',').filter(|item| !item.is_empty()) {
            match item.strip_suffix("=off") {
                Some(name) => features.set(name, false)?,
                None => features.set(item.strip_suffix("=on").unwrap_or(item), true)?,
            }
        }
        Ok(features)
    }
}

#[cfg(test)]
mod tests {
    use super::{FeatureError, Features};

    #[test]
    fn switches_are_applied_in_order() {
        let features: Features = "simd=off,multi-memory=on".parse().unwrap();
        assert!(!features.enabled().any(|name| name == "simd"));
        assert!(features.enabled().any(|name| name == "multi-memory"));
    }

    #[test]
    fn what_is_not_standard_yet_is_off_until_it_is_asked_for() {
        let has = |features: Features| features.enabled().any(|name| name == "wide-arithmetic");
        assert!(!has(Features::default()));
        assert!(has("wide-arithmetic".parse().unwrap()));
        assert!(Features::names().any(|name| name == "wide-arithmetic"));
        assert!(
            Features::optional_names()
                .all(|name| !Features::default().enabled().any(|on| on == name))
        );
    }

    #[test]
    fn a_missing_proposal_is_refused_by_name() {
        let name = "stack-switching";
        assert_eq!(name.parse::<Features>(), Err(FeatureError::Missing(name.into())));
        assert!(matches!("nope".parse::<Features>(), Err(FeatureError::Unknown(..))));
    }
}
