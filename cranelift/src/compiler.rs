//! [`CraneliftCompiler`]: from a parsed module to the bytes of an image.

use std::{borrow::Cow, collections::HashSet, fmt, mem, sync::Arc, time::Instant};

use cranelift_codegen::isa::{OwnedTargetIsa, TargetIsa};
use gimli::SectionId;
use object::elf;
use target_lexicon::Architecture;
use tracing::{debug, debug_span};
use wrun_module::{
    CompileError, CompileOptions, CompiledFunc, Compiler, ConcreteType, DataLayout, FuncType,
    FunctionCompiler, ImportKind, KnownFunctions, ModuleInfo, OwnedModule, ParsedModule, Progress,
    SubType, Tier, TypeIndex,
    image::{
        self, Image, ImageError, Metadata, Sections, Target, section,
        tables::{
            AddressMap, BaselineTable, FuncTable, HandlerTable, NameTable, StackMapTable, TrapTable,
        },
    },
};

use crate::{
    abi::Abi,
    assemble, compile,
    env::ModuleEnv,
    lazy::LazyFunctions,
    link::{Linked, link},
    target,
};

/// Compiles modules for one target with one set of options.
pub struct CraneliftCompiler {
    isa: OwnedTargetIsa,
    target: Target,
}

impl fmt::Debug for CraneliftCompiler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CraneliftCompiler").field("target", &self.target).finish_non_exhaustive()
    }
}

impl CraneliftCompiler {
    /// A compiler for a triple, with the features that every such machine has, or for this machine with all of its
    /// features.
    ///
    /// # Errors
    /// When the triple is none, or there is no code generator for it.
    pub fn new(triple: Option<&str>, options: CompileOptions) -> Result<Self, CompileError> {
        let (isa, target) = target::lookup(triple, options)?;
        Ok(Self { isa, target })
    }

    /// The image of a module, with its functions or without.
    fn compile_image(
        &self,
        module: &ParsedModule<'_>,
        functions: bool,
        known: Option<&dyn KnownFunctions>,
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<Vec<u8>, CompileError> {
        let isa: &dyn TargetIsa = &*self.isa;
        let start = Instant::now();
        let trampolines = distinct(&module.info, dynamic_types(&module.info));
        let types: Vec<&FuncType> =
            trampolines.iter().map(|&ty| module.info.func_type(ty)).collect();
        let env = ModuleEnv::new(isa, self.target.options, module);
        let (funcs, times) = debug_span!("compile", functions = module.bodies.len())
            .in_scope(|| compile::compile_module(isa, &env, &types, functions, known, progress))?;
        let elapsed = start.elapsed();
        debug!(elapsed = ?times.translate, "translate, sum of all threads");
        debug!(elapsed = ?times.compile, "compile, sum of all threads");
        if known.is_some() {
            let functions = module.bodies.len();
            debug!(elapsed = ?times.reuse, reused = times.reused, functions, "look for known functions");
        }
        debug!(?elapsed, functions = module.bodies.len(), "translate and compile");

        let start = Instant::now();
        let image = debug_span!("link").in_scope(|| {
            let linked = link(isa, funcs, module.info.num_imported_funcs, Vec::new())?;
            let (layout, data) = DataLayout::new(module);
            let metadata = Metadata {
                info: module.info.clone(),
                data: layout,
                trampolines,
                code_section_offset: module.code_section_offset,
                uses_heap: linked.uses_heap || !functions && may_use_heap(&module.info),
                partial: !functions,
                lacks_dwarf: !functions && !dwarf(module).is_empty(),
            };
            let names = module.func_names.iter().map(|&(func, name)| (func.0, name));
            // Without functions an image is always used together with its module, which has the DWARF.
            let mut tables = if functions { dwarf(module) } else { Vec::new() };
            tables.push((section::NAMES.to_owned(), NameTable::encode(names).into()));
            self.image(linked, &metadata, &data, tables)
        })?;
        debug!(elapsed = ?start.elapsed(), bytes = image.len(), "link");
        Ok(image)
    }

    /// Writes an image of `linked`, whose first functions are the module's and whose others are trampolines.
    fn image(
        &self,
        mut linked: Linked,
        metadata: &Metadata,
        data: &[u8],
        mut tables: Vec<(String, Cow<'_, [u8]>)>,
    ) -> Result<Vec<u8>, CompileError> {
        let (funcs, trampolines) = linked.funcs.split_at(metadata.info.num_defined_funcs as usize);
        tables.extend([
            (section::FUNCS.to_owned(), FuncTable::encode(funcs).into()),
            (section::TRAMPOLINES.to_owned(), FuncTable::encode(trampolines).into()),
            (section::BASELINE.to_owned(), BaselineTable::encode(&linked.baseline).into()),
        ]);
        // These are large: each is dropped when it is encoded, before the image is written.
        let traps = TrapTable::encode(&mem::take(&mut linked.traps));
        tables.push((section::TRAPS.to_owned(), traps.into()));
        let addresses = AddressMap::encode(&mem::take(&mut linked.addresses));
        tables.push((section::ADDRESSES.to_owned(), addresses.into()));
        let stack_maps = StackMapTable::encode(&mem::take(&mut linked.stack_maps));
        tables.push((section::STACK_MAPS.to_owned(), stack_maps.into()));
        let handlers = HandlerTable::encode(&linked.catching_calls);
        tables.push((section::HANDLERS.to_owned(), handlers.into()));
        let parts = mem::take(&mut linked.parts).finish();
        tables.extend(parts.into_iter().map(|(name, bytes)| (name, bytes.into())));
        image::write(&Sections {
            machine: match self.isa.triple().architecture {
                Architecture::Aarch64(_) => elf::EM_AARCH64.0,
                _ => elf::EM_X86_64.0,
            },
            target: &self.target,
            metadata,
            data,
            text: &linked.text,
            eh_frame: &|distance| linked.eh_frame(distance),
            tables: &tables,
        })
    }
}

impl Compiler for CraneliftCompiler {
    fn target(&self) -> &Target {
        &self.target
    }

    fn compile(
        &self,
        module: &ParsedModule<'_>,
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<Vec<u8>, CompileError> {
        self.compile_image(module, true, None, progress)
    }

    fn compile_with_known(
        &self,
        module: &ParsedModule<'_>,
        known: &dyn KnownFunctions,
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<Vec<u8>, CompileError> {
        self.compile_image(module, true, Some(known), progress)
    }

    fn compile_skeleton(&self, module: &ParsedModule<'_>) -> Result<Vec<u8>, CompileError> {
        self.compile_image(module, false, None, &|_| {})
    }

    fn assemble(
        &self,
        base: &[u8],
        additions: Vec<(u32, Tier, CompiledFunc)>,
    ) -> Result<Vec<u8>, CompileError> {
        let image = Image::parse(base)?;
        if image.target != self.target {
            return Err(ImageError::Target("it is another compiler's".to_owned()).into());
        }
        let linked = assemble::assemble(&*self.isa, &image, base, additions)?;
        let carried = image.carried(base).map(|(name, bytes)| (name, bytes.into())).collect();
        let data = image.data();
        let partial = linked.is_partial() || image.metadata.lacks_dwarf;
        let metadata = Metadata { partial, ..image.metadata };
        self.image(linked, &metadata, &base[data], carried)
    }

    fn functions(
        &self,
        module: OwnedModule,
        known: Option<Arc<dyn KnownFunctions>>,
    ) -> Box<dyn FunctionCompiler> {
        Box::new(LazyFunctions::new(self.isa.clone(), &self.target, module, known))
    }

    fn compile_trampolines(&self, types: &[FuncType]) -> Result<Vec<u8>, CompileError> {
        let isa: &dyn TargetIsa = &*self.isa;
        let info = ModuleInfo {
            types: types.iter().cloned().map(SubType::plain).collect(),
            rec_groups: vec![1; types.len()],
            ..ModuleInfo::default()
        };
        let trampolines = distinct(&info, (0..types.len()).map(TypeIndex::from_index));
        let distinct: Vec<&FuncType> = trampolines.iter().map(|&ty| info.func_type(ty)).collect();
        let funcs = compile::compile_trampolines(isa, &Abi::new(isa), &distinct)?;
        let linked = link(isa, funcs, 0, Vec::new())?;
        let metadata = Metadata { info, trampolines, ..Metadata::default() };
        let names = NameTable::encode(std::iter::empty()).into();
        let names = (section::NAMES.to_owned(), names);
        self.image(linked, &metadata, &[], vec![names])
    }
}

/// Whether functions of the module may access objects of the garbage-collected heap, for all that is known without their code.
fn may_use_heap(info: &ModuleInfo) -> bool {
    !info.tags.is_empty() || info.types.iter().any(|ty| ty.composite.as_func().is_none())
}

/// The types of functions that can be called dynamically or can be the host's: those that escape or are imported.
fn dynamic_types(info: &ModuleInfo) -> impl Iterator<Item = TypeIndex> {
    let imported = info.imports.iter().filter_map(|import| match import.kind {
        ImportKind::Func(ty) => Some(ty),
        _ => None,
    });
    imported.chain(info.func_refs.iter().map(|decl| decl.ty))
}

/// Of the types at `wanted`, each once, ascending.
///
/// Types that look the same are the same when each is a recursion group of its own and none names itself; the first of
/// them stands for all. Of others it takes more to say whether they are equal; a trampoline too many does no harm.
fn distinct(info: &ModuleInfo, wanted: impl Iterator<Item = TypeIndex>) -> Vec<TypeIndex> {
    let mut wanted: Vec<TypeIndex> = wanted.collect();
    wanted.sort_unstable();
    wanted.dedup();
    let alone: HashSet<u32> = {
        let groups = info.rec_groups.iter().scan(0, |start, &len| {
            *start += len;
            Some((*start - len, len))
        });
        let names_itself = |index: u32| {
            let mut found = false;
            let _ = info.types[index as usize].rename(|name| {
                found |= name == ConcreteType::Declared(TypeIndex(index));
                name
            });
            found
        };
        groups.filter(|group| group.1 == 1 && !names_itself(group.0)).map(|group| group.0).collect()
    };
    let mut seen = HashSet::new();
    wanted.retain(|ty| !alone.contains(&ty.0) || seen.insert(&info.types[ty.index()]));
    wanted
}

/// The DWARF sections that are kept: those that are read for a backtrace. What else has a name like them could be
/// named anything, and be as many as fit into a file.
const DWARF: [SectionId; 14] = [
    SectionId::DebugAbbrev,
    SectionId::DebugAddr,
    SectionId::DebugAranges,
    SectionId::DebugInfo,
    SectionId::DebugLine,
    SectionId::DebugLineStr,
    SectionId::DebugLoc,
    SectionId::DebugLocLists,
    SectionId::DebugNames,
    SectionId::DebugRanges,
    SectionId::DebugRngLists,
    SectionId::DebugStr,
    SectionId::DebugStrOffsets,
    SectionId::DebugTypes,
];

/// The module's DWARF sections under the names they have in an image, each name once.
fn dwarf<'m>(module: &ParsedModule<'m>) -> Vec<(String, Cow<'m, [u8]>)> {
    let mut wanted: HashSet<&str> = DWARF.map(SectionId::name).into_iter().collect();
    let sections = module.custom_sections.iter().filter(|custom| wanted.remove(custom.name));
    sections
        .map(|custom| (format!("{}{}", section::DWARF_PREFIX, custom.name), custom.data.into()))
        .collect()
}
