//! `wrun wast`: scripts of the specification's test language.

use std::{fs, io, path::PathBuf, process::ExitCode};

use clap::Args;

use crate::{
    diagnosis,
    engine_options::{CompilerArgs, StackArgs},
    exit::Exit,
    gc_options::GcArgs,
    render::Failure,
};

/// The arguments of `wrun wast`.
#[derive(Args, Debug)]
pub(crate) struct WastArgs {
    /// The scripts.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,

    /// Compare the messages of invalid, malformed and unlinkable modules too; they are the engine's own.
    #[arg(long)]
    strict_messages: bool,

    #[command(flatten)]
    compiler: CompilerArgs,

    #[command(flatten)]
    stack: StackArgs,

    #[command(flatten)]
    gc: GcArgs,
}

impl WastArgs {
    /// Runs the scripts and reports on standard output.
    ///
    /// # Errors
    /// When a script is missing, or the report cannot be written. A directive that fails is part of the report.
    pub(crate) fn execute(self) -> Result<ExitCode, Failure> {
        for file in &self.files {
            fs::metadata(file).map_err(|error| {
                let what = format!("cannot read `{}`", file.display());
                Failure::new(diagnosis::exit_of_io(&error), what).cause(error.to_string())
            })?;
        }
        let mut config = self.compiler.config();
        self.stack.apply(&mut config);
        self.gc.apply(&mut config);
        let mut options = wrun_wast::Options::new(config);
        options.strict_messages = self.strict_messages;
        // Not locked: scripts print through `spectest`, from other threads.
        let summary = wrun_wast::run_files(&self.files, &options, &mut io::stdout())
            .map_err(|error| Failure::output(&error))?;
        let exit = if summary.success() { Exit::Success } else { Exit::CheckFailed };
        Ok(exit.into())
    }
}
