//! `wrun completions SHELL`, made from the definition of the command line.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::{cli::Cli, render::Failure};

/// The arguments of `wrun completions`.
#[derive(Args, Debug)]
pub(crate) struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

impl CompletionsArgs {
    /// Writes the completions to standard output.
    ///
    /// # Errors
    /// When they cannot be written.
    pub(crate) fn execute(self) -> Result<ExitCode, Failure> {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "wrun", &mut text);
        io::stdout().lock().write_all(&text).map_err(|error| Failure::output(&error))?;
        Ok(ExitCode::SUCCESS)
    }
}
