//! `wrun man`: the manual page of the command or of a subcommand, made from the definition of the command line.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::{Args, CommandFactory};

use crate::{cli::Cli, render::Failure};

/// The arguments of `wrun man`.
#[derive(Args, Debug)]
pub(crate) struct ManArgs {
    /// The subcommand whose page it is to be; without it the page is wrun's.
    #[arg(value_name = "COMMAND")]
    command: Option<String>,
}

impl ManArgs {
    /// Writes the page to standard output, in the format of `man`.
    ///
    /// # Errors
    /// When there is no such subcommand, or the page cannot be written.
    pub(crate) fn execute(self) -> Result<ExitCode, Failure> {
        let mut command = Cli::command();
        command.build();
        if let Some(name) = &self.command {
            let Some(found) = command.find_subcommand(name) else {
                return Err(Failure::usage(format!("there is no subcommand `{name}`"))
                    .hint("`wrun --help` lists the subcommands"));
            };
            let title = format!("wrun-{name}");
            command = found.clone().display_name(title);
        }
        let mut page = Vec::new();
        clap_mangen::Man::new(command)
            .render(&mut page)
            .and_then(|()| io::stdout().lock().write_all(&page))
            .map_err(|error| Failure::output(&error))?;
        Ok(ExitCode::SUCCESS)
    }
}
