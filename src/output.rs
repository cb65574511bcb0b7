//! `--color`, `--log` and `-v`: what wrun itself says, and how. All subcommands share them.

use std::{
    ffi::OsString,
    io::{self, IsTerminal},
    str::FromStr,
};

use clap::{ArgAction, Args, ValueEnum};
use tracing_subscriber::{EnvFilter, filter::ParseError, fmt::time::uptime};

use crate::render::Failure;

/// What `-v` shows: the phases of the way from a file to a running program, with their times.
const VERBOSE: &str = "wrun=debug";

/// The options.
#[derive(Args, Debug)]
pub(crate) struct OutputArgs {
    /// Colours in messages.
    #[arg(long, global = true, help_heading = "Messages", value_name = "WHEN", value_enum, default_value_t = Color::Auto)]
    color: Color,

    /// Log to standard error: a part of wrun, a level, or several with commas.
    ///
    /// `wasi` shows each call of the program to the host. `debug` and `trace` are levels for all of wrun, and
    /// `NAME=LEVEL` sets one for a part.
    #[arg(long, global = true, help_heading = "Messages", value_name = "FILTER", value_parser = parse_filter)]
    log: Option<String>,

    /// Show what wrun does, and how long each phase takes.
    #[arg(short, long, global = true, help_heading = "Messages", action = ArgAction::SetTrue)]
    verbose: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Color {
    /// On a terminal, unless the environment says otherwise (`NO_COLOR`).
    Auto,
    Always,
    Never,
}

impl OutputArgs {
    /// The names of the options, as clap knows them.
    pub(crate) const IDS: &[&str] = &["color", "log", "verbose"];

    /// Whether anything is logged, so that nothing else may move on the terminal.
    pub(crate) fn logs(&self) -> bool {
        self.verbose || self.log.is_some()
    }

    /// Puts the options into effect, for the whole process.
    ///
    /// # Errors
    /// When the filter is wrong.
    pub(crate) fn apply(&self) -> Result<(), Failure> {
        let choice = match self.color {
            Color::Auto => anstream::ColorChoice::Auto,
            Color::Always => anstream::ColorChoice::Always,
            Color::Never => anstream::ColorChoice::Never,
        };
        choice.write_global();
        if !self.logs() {
            return Ok(());
        }
        let mut filter = self.log.clone().unwrap_or_default();
        if self.verbose {
            filter = format!("{VERBOSE},{filter}");
        }
        let filter =
            EnvFilter::from_str(&filter).map_err(|error| Failure::usage(error.to_string()))?;
        let ansi = match self.color {
            Color::Auto => {
                io::stderr().is_terminal()
                    && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            }
            Color::Always => true,
            Color::Never => false,
        };
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(io::stderr)
            .with_ansi(ansi)
            .with_timer(uptime())
            // Nobody is left to hear that standard error is gone.
            .log_internal_errors(false)
            .init();
        Ok(())
    }
}

/// What `--color` says in words that are not parsed yet: mistakes in them are shown as it says, too.
pub(crate) fn early_color(words: &[OsString]) -> clap::ColorChoice {
    let value = words.iter().enumerate().find_map(|(position, word)| {
        let word = word.to_str()?;
        let next = || words.get(position + 1).and_then(|next| next.to_str());
        word.strip_prefix("--color=").or_else(|| next().filter(|_| word == "--color"))
    });
    match value {
        Some("always") => clap::ColorChoice::Always,
        Some("never") => clap::ColorChoice::Never,
        _ => clap::ColorChoice::Auto,
    }
}

/// The filter as the subscriber reads it: a name alone stands for that part at the level `debug`.
fn parse_filter(text: &str) -> Result<String, ParseError> {
    let is_level = |item: &str| tracing_subscriber::filter::LevelFilter::from_str(item).is_ok();
    let directive = |item: &str| match item.trim() {
        name if name.contains(['=', '[']) || is_level(name) => name.to_owned(),
        name => format!("{name}=debug"),
    };
    let filter = text.split(',').filter(|item| !item.trim().is_empty()).map(directive);
    let filter = filter.collect::<Vec<_>>().join(",");
    EnvFilter::from_str(&filter)?;
    Ok(filter)
}

#[cfg(test)]
mod tests {
    use super::parse_filter;

    #[test]
    fn a_name_alone_is_shown_in_detail() {
        assert_eq!(parse_filter("wasi").unwrap(), "wasi=debug");
        assert_eq!(parse_filter("trace").unwrap(), "trace");
        assert_eq!(parse_filter("info,wasi=trace,wrun").unwrap(), "info,wasi=trace,wrun=debug");
    }

    #[test]
    fn a_wrong_level_is_refused() {
        assert!(parse_filter("wasi=loud").is_err());
    }
}
