//! `--profile`: what is said to profilers of the code of a program.

use clap::{Args, ValueEnum};
use wrun::Config;

/// The option.
#[derive(Args, Debug)]
pub(crate) struct ProfileArgs {
    /// Tell a profiler where the functions of the program are.
    #[arg(long, value_name = "KIND", value_enum)]
    profile: Option<Kind>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// By the file `/tmp/perf-PID.map`, for `perf record` and `perf report`. It stays there.
    Perfmap,
}

impl ProfileArgs {
    /// Sets the option in `config`.
    pub(crate) fn apply(&self, config: &mut Config) {
        config.perf_map(self.profile == Some(Kind::Perfmap));
    }
}
