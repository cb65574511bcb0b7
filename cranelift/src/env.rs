//! [`ModuleEnv`]: what the translation of one function may know of its module. Read-only, shared by all threads.

use wrun_module::{MemoryStyle, ParsedModule, layout::ContextLayout};

use crate::{abi::Abi, relaxed::Relaxed};

/// The surroundings of a function that is translated.
pub(crate) struct ModuleEnv<'a> {
    /// The module.
    pub(crate) module: &'a ParsedModule<'a>,
    /// Where things lie in the context of its instances.
    pub(crate) layout: ContextLayout,
    /// Calling conventions of the target.
    pub(crate) abi: Abi,
    /// The setting of how memories lie in the address space; what it means for one is said by [`MemoryStyle::of`].
    pub(crate) memory_style: MemoryStyle,
    /// Which results relaxed vector instructions have.
    pub(crate) relaxed: Relaxed,
}
