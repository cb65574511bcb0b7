//! Another image from an image and functions that were compiled since: the same module, more of its functions.
//!
//! Everything that does not depend on the functions is taken over as it is. The functions of the image are had back by its
//! [`Parts`](wrun_module::image::Parts) and linked again with the others: the calls between those that are
//! optimised become direct, as in an image that was compiled at once.

use cranelift_codegen::isa::TargetIsa;
use wrun_module::{
    CompileError, CompiledFunc, Tier,
    image::{Image, Metadata},
};

use crate::link::{Linked, link};

/// Links the functions of `image`, whose file is `bytes`, with those of `additions`, given by their positions. Of several
/// for one position the first of the best tier is taken.
///
/// # Panics
/// When an addition is at a position that the module does not have.
pub(crate) fn assemble(
    isa: &dyn TargetIsa,
    image: &Image,
    bytes: &[u8],
    additions: Vec<(u32, Tier, CompiledFunc)>,
) -> Result<Linked, CompileError> {
    let Metadata { info, .. } = &image.metadata;
    let (there, trampolines) = image.parts(bytes)?.all()?;
    let mut funcs = Vec::with_capacity(info.num_defined_funcs as usize + trampolines.len());
    funcs.resize_with(info.num_defined_funcs as usize, CompiledFunc::default);
    let mut tiers: Vec<Option<Tier>> = vec![None; funcs.len()];
    for (position, tier, func) in there.into_iter().chain(additions) {
        let position = position as usize;
        if tiers[position] < Some(tier) {
            tiers[position] = Some(tier);
            funcs[position] = func;
        }
    }
    let baseline = tiers.iter().zip(0..).filter(|(tier, _)| **tier == Some(Tier::Baseline));
    let baseline: Vec<u32> = baseline.map(|(_, position)| position).collect();
    funcs.extend(trampolines);
    link(isa, funcs, info.num_imported_funcs, baseline)
}
