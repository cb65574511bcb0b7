//! The command line as a whole: which subcommand is meant, and who does it.
//!
//! `wrun MODULE` is `wrun run MODULE`. A word that names a subcommand is one; a module of that name is written with its
//! folder (`./run`) or behind `--`.

use std::{
    ffi::OsString,
    panic::{self, AssertUnwindSafe},
    process::ExitCode,
};

use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand, parser::ValueSource};

use crate::{
    cache::CacheCommand,
    compile::CompileArgs,
    completions::CompletionsArgs,
    exit,
    exit::Exit,
    inspect::InspectArgs,
    man::ManArgs,
    output::{self, OutputArgs},
    render::Failure,
    run::RunArgs,
    wast::WastArgs,
};

/// How `run` is called, with and without its name.
pub(crate) const USAGE: &str = "wrun [OPTIONS] MODULE [ARGS]...\n       wrun <COMMAND>";

/// Runs WebAssembly programs.
#[derive(Debug, Parser)]
#[command(
    name = "wrun",
    version,
    override_usage = USAGE,
    arg_required_else_help = true,
    subcommand_negates_reqs = true,
    after_help = "Behind MODULE, `--dir`, `--env` and `--invoke` are still wrun's; from the first other word, or `--`, \
                  everything is the program's. `wrun --help` says more.",
    after_long_help = long_help_end(),
)]
pub(crate) struct Cli {
    #[command(flatten)]
    output: OutputArgs,
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: RunArgs,
}

#[derive(Debug, Subcommand)]
#[allow(clippy::large_enum_variant, reason = "there is one, and it is taken apart at once")]
enum Command {
    /// Run a program (the default).
    #[command(override_usage = "wrun run [OPTIONS] MODULE [ARGS]...", after_long_help = long_help_end())]
    Run(RunArgs),
    /// Compile a module to an image, which starts at once.
    Compile(CompileArgs),
    /// Run scripts of the specification's test language.
    Wast(WastArgs),
    /// Show what a module or an image holds.
    Inspect(InspectArgs),
    /// Show, check or clear what runs have compiled and kept.
    Cache(CacheCommand),
    /// Write the completions for a shell to standard output.
    Completions(CompletionsArgs),
    /// Write the manual page to standard output.
    Man(ManArgs),
}

/// What stands below the options in `--help` and in the manual page.
pub(crate) fn long_help_end() -> String {
    format!(
        "Behind MODULE, `--dir`, `--env` and `--invoke` are still wrun's (`wrun app.wasm --dir . input.txt`); from the \
         first other word, or `--`, everything is the program's. A file that begins with `#!` is a script: everything \
         behind its path is the script's.\n\nA module with the name of a subcommand is written with its folder \
         (`wrun ./run`) or behind `--`.\n\n{}",
        exit::help()
    )
}

/// Does what the command line says, and turns whatever comes of it into an exit code.
pub(crate) fn main() -> ExitCode {
    let done = panic::catch_unwind(AssertUnwindSafe(|| {
        let cli = match parse(std::env::args_os()) {
            Ok(cli) => cli,
            Err(error) => return Ok(show_clap_error(&error)),
        };
        cli.output.apply()?;
        match cli.command.unwrap_or(Command::Run(cli.run)) {
            Command::Run(args) => args.execute(&cli.output),
            Command::Compile(args) => args.execute(&cli.output),
            Command::Wast(args) => args.execute(),
            Command::Inspect(args) => args.execute(),
            Command::Cache(args) => args.execute(),
            Command::Completions(args) => args.execute(),
            Command::Man(args) => args.execute(),
        }
    }));
    let failure = match done {
        Ok(Ok(code)) => return code,
        Ok(Err(failure)) => failure,
        Err(_) => Failure::new(Exit::Failed, "wrun ended in a way it never should")
            .hint("this is a bug in wrun: please report it, with the module and the lines above"),
    };
    failure.print();
    failure.code()
}

/// Parses a command line, the program's name first.
fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let words: Vec<_> = words.into_iter().collect();
    let mut command = Cli::command().color(output::early_color(&words));
    let matches = command.try_get_matches_from_mut(words)?;
    if let Some((name, _)) = matches.subcommand()
        && let Some(stray) = option_before_subcommand(&command, &matches)
    {
        let message = format!("`--{stray}` belongs behind `{name}`, or is no option of it");
        return Err(command.error(clap::error::ErrorKind::ArgumentConflict, message));
    }
    Cli::from_arg_matches(&matches)
}

/// An option of `run` that stands before the name of a subcommand, where only those that all share may stand.
fn option_before_subcommand(command: &clap::Command, matches: &ArgMatches) -> Option<String> {
    let stray = command.get_arguments().find(|argument| {
        let id = argument.get_id().as_str();
        let known = matches.try_contains_id(id).unwrap_or(false);
        let given = known && matches.value_source(id) == Some(ValueSource::CommandLine);
        given && !OutputArgs::IDS.contains(&id)
    })?;
    Some(stray.get_long().unwrap_or(stray.get_id().as_str()).to_owned())
}

/// Shows help, the version or a usage error, each where it belongs. That nobody reads it is no failure.
pub(crate) fn show_clap_error(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
}

#[cfg(test)]
mod tests {
    use super::{Cli, Command, parse};
    use clap::CommandFactory;
    use std::ffi::OsString;

    fn parsed(line: &str) -> Result<Cli, clap::Error> {
        parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_first_word_is_a_subcommand_or_a_module() {
        assert!(matches!(
            parsed("wrun compile a -o b").unwrap().command,
            Some(Command::Compile(_))
        ));
        assert!(matches!(parsed("wrun -v inspect a").unwrap().command, Some(Command::Inspect(_))));
        for line in ["wrun a.wasm compile", "wrun ./compile a", "wrun -- compile a"] {
            assert!(parsed(line).unwrap().command.is_none(), "{line}");
        }
    }

    #[test]
    fn options_of_run_do_not_stand_before_another_subcommand() {
        let error = parsed("wrun --dir . inspect a").unwrap_err().to_string();
        assert!(error.contains("`--dir` belongs behind `inspect`"), "{error}");
        assert!(parsed("wrun --color never inspect a").is_ok());
    }

    #[test]
    fn what_follows_the_module_is_left_alone() {
        let cli = parsed("wrun --dir . app.wasm -v --dir x -- --help").unwrap();
        assert_eq!(cli.run.words(), ["app.wasm", "-v", "--dir", "x", "--", "--help"]);
    }
}
