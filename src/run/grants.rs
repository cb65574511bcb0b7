//! `--dir`, `--env`, `--invoke`: the options that may also stand directly behind the module.

use clap::{
    Args,
    builder::{OsStringValueParser, TypedValueParser},
};

use super::{dir::Dir, env::EnvVar};

/// What a program is given, and where it is entered.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct GrantArgs {
    /// Let the program use a directory, as GUEST when that is given; `:ro` is for reading only.
    #[arg(long = "dir", value_name = "HOST[::GUEST][:ro]", value_parser = Dir::parse)]
    pub(super) dirs: Vec<Dir>,

    /// Set a variable in the program's environment, which is empty otherwise. Without a value it is inherited.
    #[arg(long = "env", value_name = "NAME[=VALUE]", value_parser = OsStringValueParser::new().try_map(EnvVar::parse))]
    pub(super) env: Vec<EnvVar>,

    /// Call this exported function with ARGS as its arguments and print its results.
    #[arg(long, value_name = "NAME")]
    pub(super) invoke: Option<String>,
}

impl GrantArgs {
    /// These and those of `behind`, which stood behind the module.
    pub(super) fn join(mut self, behind: GrantArgs) -> Self {
        self.dirs.extend(behind.dirs);
        self.env.extend(behind.env);
        self.invoke = behind.invoke.or(self.invoke);
        self
    }
}
