//! [`Relaxed`]: the one choice among the results that relaxed vector instructions may have.

use cranelift_codegen::isa::TargetIsa;
use target_lexicon::Architecture;

/// Which of the results that the specification allows relaxed instructions have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Relaxed {
    /// What the instructions of x86 make of it.
    pub(crate) x86: bool,
    /// Products are not rounded before they are added.
    pub(crate) fused: bool,
}

impl Relaxed {
    /// The choice for a target. Without instructions for them, fused products would be calls of a library, which
    /// images cannot make and which would be slow: they are then rounded.
    pub(crate) fn new(isa: &dyn TargetIsa, deterministic: bool) -> Self {
        if deterministic {
            return Self { x86: false, fused: false };
        }
        let has =
            |name| isa.isa_flags().iter().any(|it| it.name == name && it.as_bool() == Some(true));
        match isa.triple().architecture {
            // Cranelift uses the instructions only where both are there, since they are encoded as AVX's are.
            Architecture::X86_64 => Self { x86: true, fused: has("has_fma") && has("has_avx") },
            Architecture::Aarch64(_) => Self { x86: false, fused: true },
            _ => Self { x86: false, fused: false },
        }
    }
}
