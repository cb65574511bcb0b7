//! The official suite: one trial per file and configuration, `wasm-v2/linking.wast [opt0]`.
//!
//! A trial passes when every directive does; a directive that is skipped fails it. Files listed in
//! `expected-failures.txt` have one trial, which passes when a directive fails and never when the engine panics.

#![deny(unsafe_code)]

use std::{env, fs, process::ExitCode};

use libtest_mimic::{Arguments, Failed, Trial};
use spec_testsuite::{ExpectedFailures, File, files, reason};
use wrun_runtime::{Config, Engine, LazyOptions, MemoryStyle, Module, OptLevel, Result, Tier};
use wrun_wast::{Options, ScriptReport, run_script};

/// How the engine is set up for a trial.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Configuration {
    /// As it is without options.
    Default,
    /// Without optimisation.
    Opt0,
    /// Every module is written as an image and loaded back.
    RoundTrip,
    /// Accesses to memories are checked by instructions, as where no address space can be reserved.
    Checked,
    /// What is up to the engine is as the deterministic profile says.
    Deterministic,
    /// Garbage is collected whenever an object is made, so that all objects move.
    Stress,
    /// Functions are compiled when they are called, and again after a few calls.
    Lazy,
    /// Functions are compiled when they are called, and stay as they are: in code of the baseline tier.
    Baseline,
    /// As `Baseline`, the same on every machine, which is code that Cranelift makes.
    BaselineDeterministic,
}

impl Configuration {
    const ALL: [Self; 9] = [
        Self::Default,
        Self::Opt0,
        Self::RoundTrip,
        Self::Checked,
        Self::Deterministic,
        Self::Stress,
        Self::Lazy,
        Self::Baseline,
        Self::BaselineDeterministic,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Opt0 => "opt0",
            Self::RoundTrip => "round-trip",
            Self::Checked => "checked",
            Self::Deterministic => "deterministic",
            Self::Stress => "stress",
            Self::Lazy => "lazy",
            Self::Baseline => "baseline",
            Self::BaselineDeterministic => "baseline-deterministic",
        }
    }

    fn options(self, file: &File) -> Options {
        let mut config = Config::new();
        config.features(file.features);
        match self {
            Self::Opt0 => {
                config.opt_level(OptLevel::None);
            }
            Self::Checked => {
                config.memory_style(MemoryStyle::Checked);
            }
            Self::Deterministic => {
                config.deterministic(true);
            }
            Self::Stress => {
                config.gc_stress(true);
            }
            Self::Lazy => {
                let mut lazy = LazyOptions::default();
                // Every function goes through both tiers, and every loop is left in its third round or so.
                lazy.first_tier = Some(Tier::Baseline);
                (lazy.hot_after, lazy.patience) = (2, 2);
                lazy.background = false;
                config.lazy(Some(lazy));
            }
            Self::Baseline | Self::BaselineDeterministic => {
                let mut lazy = LazyOptions::default();
                lazy.first_tier = Some(Tier::Baseline);
                lazy.hot_after = u32::MAX >> 1;
                config.lazy(Some(lazy));
                config.deterministic(self == Self::BaselineDeterministic);
            }
            Self::Default | Self::RoundTrip => {}
        }
        let mut options = Options::new(config);
        if let Self::RoundTrip = self {
            options.compile = Box::new(round_trip);
        }
        options
    }
}

/// Compiles to an image and loads it as another process would.
#[allow(unsafe_code, reason = "loading an image is trusting it, and this one was made here")]
fn round_trip(engine: &Engine, bytes: &[u8]) -> Result<Module> {
    let image = Module::new(engine, bytes)?.serialize()?;
    // SAFETY: the image was made by this engine in the line above and nothing has touched it.
    unsafe { Module::deserialize(engine, &image) }
}

fn run(file: &File, configuration: Configuration) -> ScriptReport {
    run_script(&file.name, file.text, &configuration.options(file))
}

/// Whether a script ran through as it should, with nothing left out.
fn is_clean(report: &ScriptReport) -> bool {
    report.failures.is_empty() && report.skips.is_empty()
}

fn must_pass(report: &ScriptReport) -> std::result::Result<(), Failed> {
    if !is_clean(report) {
        return Err(report.to_string().into());
    }
    if report.passed == 0 {
        return Err("no directive was run".into());
    }
    Ok(())
}

fn must_fail(report: &ScriptReport) -> std::result::Result<(), Failed> {
    if report.panicked {
        return Err(report.to_string().into());
    }
    if is_clean(report) {
        return Err("now passes: remove it from expected-failures.txt".into());
    }
    Ok(())
}

fn trials(files: Vec<File>, expected: &ExpectedFailures) -> Vec<Trial> {
    let mut trials = Vec::new();
    for file in files {
        let listed = expected.reasons.contains_key(&file.name);
        let configurations =
            if listed { &Configuration::ALL[..1] } else { &Configuration::ALL[..] };
        for &configuration in configurations {
            let file = file.clone();
            let name = format!("{} [{}]", file.name, configuration.name());
            let trial = Trial::test(name, move || {
                let report = run(&file, configuration);
                if listed { must_fail(&report) } else { must_pass(&report) }
            });
            trials.push(if listed { trial.with_kind("expected failure") } else { trial });
        }
    }
    trials
}

/// Runs everything that may be listed and writes the list anew.
fn bless(files: &[File], before: &ExpectedFailures) -> std::result::Result<(), String> {
    let mut list = ExpectedFailures::default();
    for file in files.iter().filter(|file| !file.must_pass) {
        let report = run(file, Configuration::Default);
        if report.panicked {
            return Err(report.to_string());
        }
        if !is_clean(&report) {
            let before = before.reasons.get(&file.name).map(String::as_str);
            list.reasons.insert(file.name.clone(), reason(&report, before));
        }
    }
    fs::write(ExpectedFailures::path(), list.to_string()).map_err(|error| error.to_string())?;
    println!("{}: {} files", ExpectedFailures::path().display(), list.reasons.len());
    Ok(())
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let files = files();
    let result = fs::read_to_string(ExpectedFailures::path())
        .map_err(|error| error.to_string())
        .and_then(|text| ExpectedFailures::parse(&text))
        .and_then(|list| {
            if env::var_os("WRUN_BLESS").is_some_and(|value| value == "1") {
                return bless(&files, &list).map(|()| ExitCode::SUCCESS);
            }
            list.check(&files)?;
            Ok(libtest_mimic::run(&arguments, trials(files, &list)).exit_code())
        });
    result.unwrap_or_else(|error| {
        eprintln!("error: {}: {error}", ExpectedFailures::path().display());
        ExitCode::FAILURE
    })
}
