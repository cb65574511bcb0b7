//! `--no-cache`, `--cache-dir` and `--cache-size`: whether there is a cache, where it is, and how large it may grow.

use std::path::PathBuf;

use clap::Args;

use crate::size;

/// Bytes that all entries may have together, unless something else is said.
const DEFAULT_BOUND: u64 = 1 << 30;

/// The options of a run.
#[derive(Args, Clone, Debug)]
pub(crate) struct CacheArgs {
    /// Neither look for what was compiled before nor keep what is compiled now.
    #[arg(long, help_heading = "Cache")]
    no_cache: bool,

    #[command(flatten)]
    place: PlaceArgs,

    /// Bytes that the cache may have, with a suffix K, M or G [default: $WRUN_CACHE_SIZE or 1G].
    #[arg(long, help_heading = "Cache", value_name = "SIZE", value_parser = size::parse)]
    cache_size: Option<u64>,
}

/// The option that all who deal with the cache share.
#[derive(Args, Clone, Debug)]
pub(crate) struct PlaceArgs {
    /// Where the cache is [default: $WRUN_CACHE_DIR or $XDG_CACHE_HOME/wrun or ~/.cache/wrun].
    #[arg(long, help_heading = "Cache", value_name = "DIR")]
    cache_dir: Option<PathBuf>,
}

/// Where the cache is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Location {
    pub(super) path: PathBuf,
    /// Whether the user named it, and it is not just where caches are.
    pub(super) chosen: bool,
}

impl CacheArgs {
    /// Where the cache is; nothing when there is none.
    pub(super) fn location(&self) -> Option<Location> {
        if self.no_cache { None } else { self.place.location() }
    }

    /// Bytes that all entries may have together.
    pub(super) fn bound(&self) -> u64 {
        self.cache_size.or_else(bound_of_environment).unwrap_or(DEFAULT_BOUND)
    }
}

/// A size in the environment that is none is no reason for a run to fail.
fn bound_of_environment() -> Option<u64> {
    let text = std::env::var("WRUN_CACHE_SIZE").ok()?;
    let size = size::parse(&text);
    if let Err(why) = &size {
        tracing::debug!(why, text, "WRUN_CACHE_SIZE is ignored");
    }
    size.ok()
}

impl PlaceArgs {
    /// Where the cache is; nothing when there is no place for one.
    pub(super) fn location(&self) -> Option<Location> {
        let variable = |name| std::env::var_os(name).map(PathBuf::from);
        locate(self.cache_dir.clone(), variable)
    }
}

/// Finds the place by the option and the environment, in which empty is as good as not there.
fn locate(
    option: Option<PathBuf>,
    variable: impl Fn(&'static str) -> Option<PathBuf>,
) -> Option<Location> {
    let variable = |name| variable(name).filter(|value| !value.as_os_str().is_empty());
    if let Some(path) = option.or_else(|| variable("WRUN_CACHE_DIR")) {
        return Some(Location { path, chosen: true });
    }
    // The XDG base directory specification has relative paths ignored.
    let absolute = |name| variable(name).filter(|path| path.is_absolute());
    let caches =
        absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")))?;
    Some(Location { path: caches.join("wrun"), chosen: false })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{Location, locate};

    fn located(option: &str, variables: &[(&str, &str)]) -> Option<Location> {
        let option = (!option.is_empty()).then(|| PathBuf::from(option));
        locate(option, |name| {
            variables.iter().find(|row| row.0 == name).map(|row| PathBuf::from(row.1))
        })
    }

    #[test]
    fn the_option_comes_first_then_the_environment() {
        let at = |path: &str, chosen| Some(Location { path: path.into(), chosen });
        let all = [("WRUN_CACHE_DIR", "w"), ("XDG_CACHE_HOME", "/x"), ("HOME", "/h")];
        assert_eq!(located("o", &all), at("o", true));
        assert_eq!(located("", &all), at("w", true));
        assert_eq!(located("", &all[1..]), at("/x/wrun", false));
        assert_eq!(located("", &all[2..]), at("/h/.cache/wrun", false));
        assert_eq!(located("", &[]), None);
    }

    #[test]
    fn empty_and_relative_directories_do_not_count() {
        let at = |path: &str| Some(Location { path: path.into(), chosen: false });
        let variables = [("WRUN_CACHE_DIR", ""), ("XDG_CACHE_HOME", "x"), ("HOME", "/h")];
        assert_eq!(located("", &variables), at("/h/.cache/wrun"));
        assert_eq!(located("", &[("HOME", "")]), None);
    }
}
