//! `--wasi`: parts of the program's world that not every program gets.

use clap::{Args, ValueEnum};

/// The option.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct WasiArgs {
    /// Switch a part of WASI on that is off otherwise.
    #[arg(long = "wasi", value_name = "FEATURE", value_enum, value_delimiter = ',')]
    features: Vec<WasiFeature>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum WasiFeature {
    /// The program can start threads (`wasi` `thread-spawn`); it gets the shared memories that it imports.
    Threads,
}

impl WasiArgs {
    /// Whether the program can start threads.
    pub(super) fn threads(&self) -> bool {
        self.features.contains(&WasiFeature::Threads)
    }
}

#[cfg(test)]
mod tests {
    use super::WasiArgs;
    use clap::{Args, Command, FromArgMatches};

    fn parsed(words: &[&str]) -> Result<WasiArgs, clap::Error> {
        let command = WasiArgs::augment_args(Command::new("wrun").no_binary_name(true));
        WasiArgs::from_arg_matches(&command.try_get_matches_from(words)?)
    }

    #[test]
    fn features_are_listed_or_repeated() {
        assert!(!parsed(&[]).unwrap().threads());
        for words in [
            &["--wasi", "threads"][..],
            &["--wasi=threads,threads"],
            &["--wasi", "threads", "--wasi", "threads"],
        ] {
            assert!(parsed(words).unwrap().threads(), "{words:?}");
        }
        assert!(parsed(&["--wasi", "nope"]).is_err());
    }
}
