//! For which machine code is generated, and with which settings of Cranelift.

use cranelift_codegen::{
    isa::{self, LookupError, OwnedTargetIsa, TargetIsa},
    settings::{self, Configurable},
};
use target_lexicon::{Architecture, OperatingSystem, Triple};
use wrun_module::{CompileError, CompileOptions, OptLevel, image::Target};

/// Features of an x86-64 machine that code may always use: without them there is no code for vectors.
const X86_REQUIRED: &[&str] = &["has_sse3", "has_ssse3", "has_sse41", "has_sse42"];

/// Features that are on for an x86-64 machine about which nothing else is known.
const X86_BASELINE: &[&str] = &["has_sse3", "has_ssse3", "has_sse41", "has_sse42", "has_popcnt"];

/// The code generator for a triple, or for the host with all its features, and what an image says of it.
pub(crate) fn lookup(
    triple: Option<&str>,
    options: CompileOptions,
) -> Result<(OwnedTargetIsa, Target), CompileError> {
    let name = triple.map_or_else(|| Triple::host().to_string(), str::to_owned);
    let error = |reason: String| CompileError::Target { target: name.clone(), reason };
    let builder = match triple {
        None => cranelift_native::builder().map_err(|reason| error(reason.to_owned()))?,
        Some(triple) => named_builder(triple).map_err(error)?,
    };
    let isa = builder.finish(flags(options)).map_err(|reason| error(reason.to_string()))?;
    let cpu_features = features(&*isa);
    check(&*isa, &cpu_features).map_err(error)?;
    let target = Target { triple: isa.triple().to_string(), cpu_features, options };
    Ok((isa, target))
}

/// The code generator for the same machine as `isa`'s, with other options.
pub(crate) fn sibling(isa: &dyn TargetIsa, options: CompileOptions) -> OwnedTargetIsa {
    let mut builder = isa::lookup(isa.triple().clone()).expect("there is a code generator for it");
    for flag in isa.isa_flags() {
        if flag.as_bool() == Some(true) {
            builder.enable(flag.name).expect("a flag that the same code generator has");
        }
    }
    builder.finish(flags(options)).expect("all else is as it was")
}

/// The features of this machine's processor, by Cranelift's names, sorted. Code for this machine may use those and
/// no others; empty on a machine that Cranelift has no code for.
pub fn host_target_features() -> Vec<String> {
    let isa = cranelift_native::builder()
        .ok()
        .and_then(|builder| builder.finish(settings::Flags::new(settings::builder())).ok());
    isa.map_or_else(Vec::new, |isa| features(&*isa))
}

/// A builder for a triple, with the features that all machines of that architecture are taken to have.
fn named_builder(triple: &str) -> Result<isa::Builder, String> {
    let triple: Triple = triple.parse().map_err(|error| format!("{error}"))?;
    let x86 = triple.architecture == Architecture::X86_64;
    let mut builder = isa::lookup(triple).map_err(|error| match error {
        LookupError::SupportDisabled | LookupError::Unsupported => {
            "unsupported architecture, expected x86_64 or aarch64".to_owned()
        }
    })?;
    if x86 {
        for feature in X86_BASELINE {
            builder.enable(feature).map_err(|error| error.to_string())?;
        }
    }
    Ok(builder)
}

/// Refuses targets for which an image would be of no use.
fn check(isa: &dyn TargetIsa, features: &[String]) -> Result<(), String> {
    if isa.triple().operating_system == OperatingSystem::Windows {
        return Err("images for Windows are not supported".to_owned());
    }
    if isa.triple().architecture == Architecture::X86_64 {
        let missing = X86_REQUIRED.iter().find(|&&name| !features.iter().any(|have| have == name));
        if let Some(missing) = missing {
            return Err(format!("the processor lacks a feature that is required, `{missing}`"));
        }
    }
    Ok(())
}

/// The features that code for a target may use, sorted.
fn features(isa: &dyn TargetIsa) -> Vec<String> {
    let flags = isa.isa_flags();
    let on = flags.iter().filter(|flag| flag.as_bool() == Some(true));
    let mut names: Vec<_> = on.map(|flag| flag.name.to_owned()).collect();
    names.sort_unstable();
    names
}

/// Cranelift's settings that do not depend on the machine.
fn flags(options: CompileOptions) -> settings::Flags {
    let (opt_level, regalloc) = match options.opt_level {
        OptLevel::None => ("none", "single_pass"),
        OptLevel::Fast => ("speed", "single_pass"),
        OptLevel::Speed => ("speed", "backtracking"),
        OptLevel::SpeedAndSize => ("speed_and_size", "backtracking"),
    };
    let canonical_nans = if options.deterministic { "true" } else { "false" };
    let verifier = if cfg!(debug_assertions) { "true" } else { "false" };
    let blocks = if options.opt_level == OptLevel::Speed { "true" } else { "false" };
    let mut builder = settings::builder();
    for (name, value) in [
        ("opt_level", opt_level),
        // Where blocks start, for what aligns loops.
        ("machine_code_cfg_info", blocks),
        ("regalloc_algorithm", regalloc),
        ("enable_verifier", verifier),
        // Which NaN an instruction gives depends on the processor.
        ("enable_nan_canonicalization", canonical_nans),
        // Calls go to functions in the same text section, so that nothing is left to relocate.
        ("is_pic", "true"),
        // The runtime walks frames by their pointers, and the system's unwinder by the tables made from this.
        ("preserve_frame_pointers", "true"),
        ("unwind_info", "true"),
        // Results that no register is left for go through memory.
        ("enable_multi_ret_implicit_sret", "true"),
        // A frame that is larger than the probed size touches each of its parts, so that none is beyond the guard
        // of the stack, which is larger still.
        ("enable_probestack", "true"),
        ("probestack_strategy", "inline"),
        ("probestack_size_log2", "16"),
    ] {
        builder.set(name, value).expect("Cranelift has this setting");
    }
    settings::Flags::new(builder)
}

#[cfg(test)]
mod tests {
    use wrun_module::{CompileError, CompileOptions};

    use super::{X86_BASELINE, host_target_features, lookup};

    #[test]
    fn the_host_has_the_features_that_code_for_it_uses() {
        let (_, target) = lookup(None, CompileOptions::default()).unwrap();
        assert_eq!(target.cpu_features, host_target_features());
        assert!(target.cpu_features.is_sorted());
    }

    #[test]
    fn a_named_target_gets_its_baseline() {
        let (_, x86) = lookup(Some("x86_64-unknown-linux-gnu"), CompileOptions::default()).unwrap();
        assert_eq!(x86.cpu_features.len(), X86_BASELINE.len());
        let (_, arm) =
            lookup(Some("aarch64-unknown-linux-gnu"), CompileOptions::default()).unwrap();
        assert_eq!(arm.triple, "aarch64-unknown-linux-gnu");
    }

    #[test]
    fn targets_without_code_are_refused_with_a_reason() {
        for (triple, expected) in [
            ("no-such-thing-at-all", "cannot compile for `no-such-thing-at-all`: "),
            ("riscv64gc-unknown-linux-gnu", "unsupported architecture"),
            ("x86_64-pc-windows-msvc", "Windows"),
        ] {
            let Err(error) = lookup(Some(triple), CompileOptions::default()) else {
                panic!("{triple} was taken");
            };
            assert!(matches!(error, CompileError::Target { .. }));
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
}
