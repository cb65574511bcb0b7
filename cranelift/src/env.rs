//! [`ModuleEnv`]: what the translation of one function may know of its module. Read-only, shared by all threads.

use cranelift_codegen::isa::TargetIsa;
use wrun_module::{
    CompileOptions, ConcreteType, MemoryStyle, ModuleInfo, ParsedModule, gc::StructLayout,
    layout::ContextLayout,
};

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
    /// The layout of structs of each of the module's types; nothing for other types.
    pub(crate) structs: Box<[Option<StructLayout>]>,
    /// Which results relaxed vector instructions have.
    pub(crate) relaxed: Relaxed,
}

impl<'a> ModuleEnv<'a> {
    /// The surroundings of the functions of `module` in code that `isa` makes.
    pub(crate) fn new(
        isa: &dyn TargetIsa,
        options: CompileOptions,
        module: &'a ParsedModule<'a>,
    ) -> Self {
        Self {
            module,
            layout: ContextLayout::new(&module.info),
            abi: Abi::new(isa),
            memory_style: options.memory_style,
            structs: struct_layouts(&module.info),
            relaxed: Relaxed::new(isa, options.deterministic),
        }
    }
}

/// The layout of structs of each type.
fn struct_layouts(info: &ModuleInfo) -> Box<[Option<StructLayout>]> {
    let mut layouts: Vec<Option<StructLayout>> = Vec::with_capacity(info.types.len());
    for ty in &info.types {
        let layout = ty.composite.as_struct().map(|structure| {
            // A supertype comes in front of its subtypes.
            let supertype = match ty.supertype {
                Some(ConcreteType::Declared(index)) => layouts[index.index()].as_ref(),
                _ => None,
            };
            let fields = structure.fields.iter().map(|field| field.storage);
            StructLayout::of_struct(fields, supertype, ty.descriptor.is_some())
        });
        layouts.push(layout);
    }
    layouts.into()
}
