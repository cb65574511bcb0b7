//! `-O`, `--wasm`, `--deterministic` and `--max-stack`: the options that make an engine.

use std::sync::Arc;

use clap::{Args, ValueEnum};
use wrun::{Config, Engine, Features, LazyOptions, OptLevel};

use crate::{output::OutputArgs, progress::CompileProgress, render::Failure, size};

/// Options of the language and of the compiler: of all that look at modules.
#[derive(Args, Debug)]
pub(crate) struct CompilerArgs {
    /// Switch a WebAssembly feature on or off.
    #[arg(
        long,
        value_name = "FEATURE[=off]",
        value_parser = parse_switch,
        value_delimiter = ',',
        long_help = wasm_help(),
    )]
    wasm: Vec<Switch>,

    /// How much work goes into better code.
    #[arg(short = 'O', long, value_name = "LEVEL", value_enum, default_value_t = Level::Speed)]
    opt_level: Level,

    /// Compute the same on every machine: NaNs and relaxed vector instructions give fixed results.
    #[arg(long)]
    deterministic: bool,
}

/// One `--wasm`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Switch {
    feature: String,
    on: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Level {
    /// Compiles fastest.
    #[value(name = "0")]
    None,
    /// Between the two.
    #[value(name = "1")]
    Fast,
    /// Runs fastest.
    #[value(name = "2")]
    Speed,
    /// Runs fast, and is small.
    #[value(name = "s")]
    Size,
}

impl CompilerArgs {
    /// The features that are on.
    pub(crate) fn features(&self) -> Features {
        let mut features = Features::default();
        for switch in &self.wasm {
            features
                .set(&switch.feature, switch.on)
                .expect("the switch was tried when it was parsed");
        }
        features
    }

    /// The configuration of an engine with these options.
    pub(crate) fn config(&self) -> Config {
        let mut config = Config::new();
        config.features(self.features());
        config.opt_level(match self.opt_level {
            Level::None => OptLevel::None,
            Level::Fast => OptLevel::Fast,
            Level::Speed => OptLevel::Speed,
            Level::Size => OptLevel::SpeedAndSize,
        });
        config.deterministic(self.deterministic);
        config
    }
}

/// The option of those that run modules of which they may not need all.
#[derive(Args, Debug)]
pub(crate) struct CompileArgs {
    /// When functions are compiled: when they are called first, or all before the program starts.
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = When::Lazy)]
    compile: When,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum When {
    /// When they are called. What is called often is then optimised in the background.
    Lazy,
    /// Before the program starts.
    Eager,
}

impl CompileArgs {
    /// Sets the option in `config`.
    pub(crate) fn apply(&self, config: &mut Config) {
        config.lazy((self.compile == When::Lazy).then(LazyOptions::default));
    }
}

/// The option of all that run modules.
#[derive(Args, Debug)]
pub(crate) struct StackArgs {
    /// Bytes of stack for the program, with a suffix K, M or G [default: 8M].
    #[arg(long, value_name = "SIZE", value_parser = parse_stack)]
    max_stack: Option<usize>,
}

impl StackArgs {
    /// Sets the option in `config`.
    pub(crate) fn apply(&self, config: &mut Config) {
        if let Some(bytes) = self.max_stack {
            config.max_stack(bytes);
        }
    }
}

/// An engine that shows how far a long compilation is, and the display of that.
///
/// # Errors
/// When the host cannot run an engine of this configuration.
pub(crate) fn engine_with_progress(
    mut config: Config,
    output: &OutputArgs,
) -> Result<(Engine, Arc<CompileProgress>), Failure> {
    let progress = Arc::new(CompileProgress::new(!output.logs()));
    let shown = Arc::clone(&progress);
    config.on_progress(move |state| shown.update(state));
    Ok((Engine::new(&config)?, progress))
}

fn wasm_help() -> String {
    let names: Vec<_> = Features::names().collect();
    let optional: Vec<_> = Features::optional_names().collect();
    format!(
        "Switch a WebAssembly feature on or off: {}. All are on but {}, which are not standard yet",
        names.join(", "),
        optional.join(", ")
    )
}

fn parse_switch(text: &str) -> Result<Switch, wrun_module::FeatureError> {
    let (feature, on) = match text.strip_suffix("=off") {
        Some(feature) => (feature, false),
        None => (text.strip_suffix("=on").unwrap_or(text), true),
    };
    Features::default().set(feature, on)?;
    Ok(Switch { feature: feature.to_owned(), on })
}

fn parse_stack(text: &str) -> Result<usize, String> {
    let bytes = size::parse(text)?;
    usize::try_from(bytes).map_err(|_| "the size does not fit in the address space".into())
}

#[cfg(test)]
mod tests {
    use super::{Switch, parse_switch};

    #[test]
    fn features_are_switched_by_name() {
        let switch = |feature: &str, on| Switch { feature: feature.into(), on };
        assert_eq!(parse_switch("simd=off"), Ok(switch("simd", false)));
        assert_eq!(parse_switch("simd=on"), Ok(switch("simd", true)));
        assert_eq!(parse_switch("simd"), Ok(switch("simd", true)));
        assert!(parse_switch("simd=maybe").is_err());
        assert!(parse_switch("nope").is_err());
    }
}
