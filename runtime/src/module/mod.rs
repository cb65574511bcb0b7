//! [`Module`]: a module that is compiled and loaded, ready to be instantiated.
//!
//! Here is what it can be asked; [`load`] makes modules, [`interface`] is what they say of imports and exports.

mod interface;
mod load;

use std::{
    collections::HashMap,
    fmt,
    ptr::NonNull,
    sync::{Arc, OnceLock},
};

use wrun_module::{
    CompiledFunc, ConcreteType, ExternIndex, ExternType, HeapType, ImportKind, MemoryIndex,
    ModuleInfo, Tier,
    image::{Image, ImageError, Metadata, tables::InlinedAt},
    layout::ContextLayout,
};

pub use self::interface::{ExportType, ImportType};
pub(crate) use self::load::binary;
use crate::{
    Engine, Result,
    vm::{ActiveCode, SpareParts},
};

/// A compiled module. Cheap to clone; belongs to one engine and can be used in any of its stores.
#[derive(Clone)]
pub struct Module(Arc<ModuleInner>);

pub(crate) struct ModuleInner {
    engine: Engine,
    code: ActiveCode,
    layout: ContextLayout,
    /// For each type of the module its number in the engine. Instances point to it.
    type_ids: Box<[u32]>,
    /// Number of a type in the engine, and the position of its trampolines; sorted.
    trampolines: Box<[(u32, usize)]>,
    exports: OnceLock<HashMap<String, ExternIndex>>,
    /// For each function its position among the references to functions, where it has one.
    func_ref_places: OnceLock<Box<[u32]>>,
    /// Points into `code`.
    spare_parts: SpareParts,
    /// Whether the DWARF can be read without harm.
    dwarf_is_sound: OnceLock<bool>,
}

impl Module {
    pub(crate) fn from_inner(inner: Arc<ModuleInner>) -> Self {
        Self(inner)
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.0.engine
    }

    /// The name in the `name` section.
    pub fn name(&self) -> Option<&str> {
        self.info().name.as_deref()
    }

    /// What it imports, in order.
    pub fn imports(&self) -> impl ExactSizeIterator<Item = ImportType<'_>> {
        self.info().imports.iter().map(|import| ImportType {
            module: &import.module,
            name: &import.name,
            ty: self.info().import_type(import),
            type_id: match import.kind {
                ImportKind::Func(ty) | ImportKind::Tag(ty) => Some(self.type_ids()[ty.index()]),
                _ => None,
            },
            exact: import.exact,
        })
    }

    /// What it exports, in order.
    pub fn exports(&self) -> impl ExactSizeIterator<Item = ExportType<'_>> {
        self.info().exports.iter().map(|export| ExportType {
            name: &export.name,
            ty: self.info().extern_type(export.item),
            func_type: match export.item {
                ExternIndex::Func(func) => self.info().func_ref(func).map(|slot| {
                    let ty = self.info().func_refs[slot as usize].ty;
                    HeapType::ConcreteFunc(ConcreteType::Engine(self.type_ids()[ty.index()]))
                }),
                _ => None,
            },
        })
    }

    /// The type of an export.
    pub fn get_export(&self, name: &str) -> Option<ExternType> {
        Some(self.info().extern_type(self.export(name)?))
    }

    pub(crate) fn export(&self, name: &str) -> Option<ExternIndex> {
        let exports = &self.info().exports;
        // A map pays only for modules with many.
        if exports.len() <= 16 {
            return exports.iter().find(|export| export.name == name).map(|export| export.item);
        }
        let by_name = || exports.iter().map(|export| (export.name.clone(), export.item)).collect();
        self.0.exports.get_or_init(by_name).get(name).copied()
    }

    /// What earlier instances have left to the next.
    pub(crate) fn spare_parts(&self) -> &SpareParts {
        &self.0.spare_parts
    }

    /// For each function its position in [`ModuleInfo::func_refs`]; a number too large for one when it has none. Looking up
    /// each element of large tables there would take most of an instantiation.
    pub(crate) fn func_ref_places(&self) -> &[u32] {
        self.0.func_ref_places.get_or_init(|| {
            let refs = &self.info().func_refs;
            let len = refs.last().map_or(0, |last| last.func.index() + 1);
            let mut places = vec![u32::MAX; len].into_boxed_slice();
            for (place, decl) in refs.iter().enumerate() {
                places[decl.func.index()] = place as u32;
            }
            places
        })
    }

    /// The memory exported as `memory`.
    pub(crate) fn default_memory(&self) -> Option<MemoryIndex> {
        match self.export("memory")? {
            ExternIndex::Memory(memory) => Some(memory),
            _ => None,
        }
    }

    pub(crate) fn code(&self) -> &ActiveCode {
        &self.0.code
    }

    pub(crate) fn metadata(&self) -> &Metadata {
        &self.0.code.code().image().metadata
    }

    pub(crate) fn info(&self) -> &ModuleInfo {
        &self.metadata().info
    }

    pub(crate) fn layout(&self) -> &ContextLayout {
        &self.0.layout
    }

    pub(crate) fn type_ids(&self) -> &[u32] {
        &self.0.type_ids
    }

    /// The bytes that the data segments' places are ranges of.
    pub(crate) fn data_section(&self) -> &[u8] {
        let code = self.0.code.code();
        &code.bytes()[code.image().data()]
    }

    /// The trampoline that calls functions of a type with arguments from memory.
    pub(crate) fn array_to_native(&self, type_id: u32) -> Option<NonNull<u8>> {
        self.0.code.array_to_native(self.signature(type_id)?)
    }

    /// The trampoline that calls on with arguments in memory.
    pub(crate) fn native_to_array(&self, type_id: u32) -> Option<NonNull<u8>> {
        self.0.code.native_to_array(self.signature(type_id)?)
    }

    fn signature(&self, type_id: u32) -> Option<usize> {
        let found = self.0.trampolines.binary_search_by_key(&type_id, |entry| entry.0).ok()?;
        Some(self.0.trampolines[found].1)
    }

    /// The index of the function whose code is at an offset.
    pub(crate) fn function_at(&self, code_offset: u32) -> Option<u32> {
        Some(self.info().num_imported_funcs + self.0.code.function_at(code_offset)?)
    }

    /// The functions that were compiled since it was loaded and have been called, with their positions among those that it
    /// defines. Nothing for a module that was compiled as a whole.
    #[doc(hidden)]
    pub fn compiled_functions(&self) -> Vec<(u32, Tier, CompiledFunc)> {
        self.0.code.lazy().map(|lazy| lazy.compiled()).unwrap_or_default()
    }

    /// How much there is in [`compiled_functions`](Self::compiled_functions), for less than making them: a number that has grown when
    /// there is more.
    #[doc(hidden)]
    pub fn num_compiled_functions(&self) -> usize {
        self.0.code.lazy().map_or(0, |lazy| lazy.num_compiled())
    }

    /// Leaves functions alone that nobody has called: the program has ended. What is under way is finished.
    #[doc(hidden)]
    pub fn end_background_work(&self) {
        if let Some(lazy) = self.0.code.lazy() {
            lazy.end_background_work();
        }
    }

    /// Whether functions are compiled as they are called.
    #[doc(hidden)]
    pub fn is_lazy(&self) -> bool {
        self.0.code.lazy().is_some()
    }

    /// An image with the functions of `base`, an image of the same module and engine, and those that were compiled since
    /// this one was loaded and have been called; in place of `base` it can be that which this one was loaded from.
    /// Nothing when `base` has all of them.
    ///
    /// # Errors
    /// When `base` is damaged or not of this engine.
    #[doc(hidden)]
    pub fn grown_image(&self, base: Option<&[u8]>) -> Result<Option<Vec<u8>>> {
        let mut additions = self.compiled_functions();
        let parsed = base.map(Image::parse).transpose()?;
        let own = self.0.code.code();
        let image = parsed.as_ref().unwrap_or(own.image());
        let bytes = base.unwrap_or(own.bytes());
        let (funcs, baseline) = (image.funcs(bytes), image.baseline(bytes));
        if funcs.len() != self.info().num_defined_funcs as usize {
            return Err(ImageError::Target("it is of another module".to_owned()).into());
        }
        additions.retain(|&(position, tier, _)| {
            let present = funcs.get(position as usize).is_some_and(|place| place.1 != 0);
            !present || baseline.tier(position) < tier
        });
        if additions.is_empty() {
            return Ok(None);
        }
        self.engine().assemble(bytes, additions).map(Some)
    }

    /// The name of a function.
    pub(crate) fn func_name(&self, func: u32) -> Option<&str> {
        let code = self.0.code.code();
        code.image().names(code.bytes()).get(func)
    }

    /// The offset in the module's binary that the code at an offset comes from.
    pub(crate) fn module_offset(&self, code_offset: u32) -> Option<u32> {
        self.0.code.module_offset(code_offset)
    }

    /// The function that was inlined where the code at an offset is.
    pub(crate) fn inlined_at(&self, code_offset: u32) -> Option<InlinedAt> {
        self.0.code.inlined_at(code_offset)
    }

    /// Whether the module's DWARF passes `check`, which is asked once.
    pub(crate) fn dwarf_is_sound(&self, check: impl FnOnce() -> bool) -> bool {
        *self.0.dwarf_is_sound.get_or_init(check)
    }

    /// The bytes of one of the module's DWARF sections, by its name there; empty when there is none. Where functions may be
    /// missing the module itself has them, and is read for it if need be.
    pub(crate) fn dwarf_section(&self, name: &str) -> &[u8] {
        let code = self.0.code.code();
        let Some(lazy) = self.0.code.lazy() else { return code.image().dwarf(code.bytes(), name) };
        let Ok(compiler) = lazy.compiler() else { return &[] };
        let section = compiler.module().custom_sections.iter().find(|custom| custom.name == name);
        section.map_or(&[], |section| section.data)
    }
}

impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Module").field("name", &self.name()).finish_non_exhaustive()
    }
}
