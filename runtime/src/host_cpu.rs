//! Which features of the processor generated code may use here, by the code generator's names.
//!
//! Known without the code generator, so that a build that only runs images can tell which fit.

use wrun_module::image::{ImageError, Target};

macro_rules! cpu_features {
    ($($name:literal => $detect:tt)*) => {
        /// Whether this processor has a feature. False for names that are not known.
        fn has(name: &str) -> bool {
            match name {
                $($name => std::arch::is_x86_feature_detected!($detect),)*
                _ => false,
            }
        }
    };
}

cpu_features! {
    "has_sse3" => "sse3"
    "has_ssse3" => "ssse3"
    "has_cmpxchg16b" => "cmpxchg16b"
    "has_sse41" => "sse4.1"
    "has_sse42" => "sse4.2"
    "has_avx" => "avx"
    "has_avx2" => "avx2"
    "has_fma" => "fma"
    "has_popcnt" => "popcnt"
    "has_bmi1" => "bmi1"
    "has_bmi2" => "bmi2"
    "has_lzcnt" => "lzcnt"
    "has_avx512bitalg" => "avx512bitalg"
    "has_avx512dq" => "avx512dq"
    "has_avx512vl" => "avx512vl"
    "has_avx512vbmi" => "avx512vbmi"
    "has_avx512f" => "avx512f"
    "has_avx512vnni" => "avx512vnni"
    "has_avx_vnni" => "avxvnni"
}

/// Checks that code for a target can run here.
pub(crate) fn check(target: &Target) -> Result<(), ImageError> {
    let (architecture, system) = ("x86_64", "linux");
    let mut parts = target.triple.split('-');
    if parts.next() != Some(architecture) || !parts.any(|part| part == system) {
        let here = format!("{architecture}-unknown-{system}-gnu");
        return Err(ImageError::Target(format!(
            "it was compiled for {}, and this is {here}",
            target.triple
        )));
    }
    let missing: Vec<_> =
        target.cpu_features.iter().map(String::as_str).filter(|name| !has(name)).collect();
    if !missing.is_empty() {
        let missing =
            missing.iter().map(|name| name.trim_start_matches("has_")).collect::<Vec<_>>();
        return Err(ImageError::Target(format!(
            "it needs features that this processor does not have: {}",
            missing.join(", ")
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use wrun_module::{CompileOptions, image::Target};

    fn target(triple: &str, feature: &str) -> Target {
        Target {
            triple: triple.to_owned(),
            cpu_features: vec![feature.to_owned()],
            options: CompileOptions::default(),
        }
    }

    #[test]
    fn what_does_not_fit_is_named() {
        assert!(super::check(&target("x86_64-unknown-linux-gnu", "has_sse3")).is_ok());
        let error = super::check(&target("x86_64-unknown-linux-gnu", "has_teleport")).unwrap_err();
        assert!(error.to_string().ends_with("does not have: teleport"), "{error}");
        let error = super::check(&target("aarch64-unknown-linux-gnu", "has_sse3")).unwrap_err();
        assert!(error.to_string().contains("compiled for aarch64"), "{error}");
    }
}
