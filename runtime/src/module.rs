//! [`Module`]: a module that is compiled and loaded, ready to be instantiated.

use std::{
    borrow::Cow,
    collections::HashMap,
    fmt,
    fs::{self, File},
    io,
    path::Path,
    ptr::NonNull,
    sync::{Arc, OnceLock},
    time::Instant,
};

use wrun_module::{
    CompiledFunc, ConcreteType, ExternIndex, ExternType, HeapType, ImportKind, KnownFunctions,
    MemoryIndex, MemoryStyle, ModuleInfo, Tier,
    image::{Image, ImageError, Metadata, Origin, tables::InlinedAt},
    layout::ContextLayout,
};

use crate::{
    Engine, Error, LazyOptions, Result, host_cpu,
    instance::Item,
    vm::{ActiveCode, LazySource, LoadError, SpareParts, VmCode},
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
    /// Compiles a module from its binary format, or, with the feature `wat`, from text.
    ///
    /// # Errors
    /// When the bytes are no valid module, when it uses what is not implemented or switched off, and when it cannot be
    /// compiled. Images are refused: see [`Module::deserialize`].
    pub fn new(engine: &Engine, bytes: impl AsRef<[u8]>) -> Result<Module> {
        Self::from_cow(engine, bytes.as_ref().into(), None)
    }

    /// As [`new`](Self::new), without a copy of the bytes where they are kept, because functions are compiled when they are called.
    ///
    /// # Errors
    /// Those of `new`.
    pub fn from_vec(engine: &Engine, bytes: Vec<u8>) -> Result<Module> {
        Self::from_cow(engine, bytes.into(), None)
    }

    /// As [`from_vec`](Self::from_vec), but has functions from `known` where it can.
    ///
    /// # Errors
    /// Those of `new`.
    #[doc(hidden)]
    pub fn from_vec_with_known(
        engine: &Engine,
        bytes: Vec<u8>,
        known: Arc<dyn KnownFunctions>,
    ) -> Result<Module> {
        Self::from_cow(engine, bytes.into(), Some(known))
    }

    fn from_cow(
        engine: &Engine,
        bytes: Cow<'_, [u8]>,
        known: Option<Arc<dyn KnownFunctions>>,
    ) -> Result<Module> {
        if Image::is_image(&bytes) {
            return Err(Error::usage(
                "these bytes are no module but a compiled image, which is loaded with `deserialize`".into(),
            ));
        }
        match engine.lazy_options() {
            None => Self::load_own(engine, &engine.compile(&bytes, known.as_deref())?),
            Some(options) => Self::new_lazily(engine, bytes, options, known),
        }
    }

    fn new_lazily(
        engine: &Engine,
        bytes: Cow<'_, [u8]>,
        options: LazyOptions,
        known: Option<Arc<dyn KnownFunctions>>,
    ) -> Result<Module> {
        let start = Instant::now();
        let module = engine.parse(bytes)?;
        let (image, source) = engine.compile_lazily(module.clone(), known)?;
        let code = VmCode::from_bytes(&image, Origin::Here);
        drop(image);
        Self::load_with(engine, start, code, Some((source, options))).or_else(|error| {
            // The system has no room for code that grows.
            tracing::debug!(%error, "compiled as a whole");
            Self::load_own(engine, &engine.compile_parsed(module.get())?)
        })
    }

    /// Compiles the module in a file, as [`new`](Self::new) does.
    ///
    /// # Errors
    /// Those of `new`, and when the file cannot be read.
    pub fn from_file(engine: &Engine, path: impl AsRef<Path>) -> Result<Module> {
        let path = path.as_ref();
        let bytes = fs::read(path).map_err(|error| Error::file(path, error))?;
        Self::from_vec(engine, bytes).map_err(|error| error.context(path.display()))
    }

    /// Checks that bytes are a valid module that uses only what the engine allows.
    ///
    /// # Errors
    /// When they are not.
    pub fn validate(engine: &Engine, bytes: &[u8]) -> Result<()> {
        wrun_module::parse(&binary(bytes)?, engine.config().features)?;
        Ok(())
    }

    /// The image: what [`deserialize`](Self::deserialize) loads.
    ///
    /// It is complete, also when functions are compiled as they are called: those that are missing are compiled for it.
    ///
    /// # Errors
    /// When functions are missing and cannot be compiled.
    pub fn serialize(&self) -> Result<Vec<u8>> {
        match self.0.code.lazy() {
            Some(lazy) => self.engine().compile_parsed(lazy.compiler()?.module()),
            None => Ok(self.0.code.code().bytes().to_vec()),
        }
    }

    /// Loads the image that an open file is, as [`deserialize_open_file`](Self::deserialize_open_file) does, of which functions
    /// may be missing: they are compiled when they are called. `source` gives the bytes of the module, binary or text; it is
    /// called when the first function is missing, which may be never. Of those that are missing, some may be found in `known`.
    ///
    /// # Errors
    /// As for `deserialize_open_file`, and when the system has no room.
    ///
    /// # Safety
    /// As for [`deserialize_file`](Self::deserialize_file); and what `source` gives is the module that the image was made from.
    #[allow(unsafe_code, reason = "says that the caller has to trust the image")]
    pub unsafe fn deserialize_partial(
        engine: &Engine,
        file: File,
        source: impl FnOnce() -> Result<Vec<u8>> + Send + 'static,
        known: Option<Arc<dyn KnownFunctions>>,
    ) -> Result<Module> {
        let own = engine.clone();
        let source: LazySource =
            Box::new(move || own.functions(own.parse(source()?.into())?, known));
        let options = engine.lazy_options().unwrap_or_default();
        let code = VmCode::from_file(file);
        Self::load_with(engine, Instant::now(), code, Some((source, options)))
            .map_err(LoadError::unnamed)
    }

    /// Loads an image that [`serialize`](Self::serialize) or [`Engine::precompile`] made.
    ///
    /// # Errors
    /// When it is damaged, made by another version, for another target or processor, or with options that do not fit
    /// the engine.
    ///
    /// # Safety
    /// An image is code. A damaged one is told by its checksum, but one that was made to do harm is not: the bytes must
    /// come from a source that is trusted like a program of the system's.
    #[allow(unsafe_code, reason = "says that the caller has to trust the image")]
    pub unsafe fn deserialize(engine: &Engine, bytes: impl AsRef<[u8]>) -> Result<Module> {
        let code = VmCode::from_bytes(bytes.as_ref(), Origin::Elsewhere);
        Self::load(engine, Instant::now(), code).map_err(LoadError::unnamed)
    }

    /// Loads the image in a file, without copying it.
    ///
    /// # Errors
    /// Those of [`deserialize`](Self::deserialize), and when the file cannot be read.
    ///
    /// # Safety
    /// Besides what `deserialize` asks for, the file must not be changed while the module is in use.
    #[allow(unsafe_code, reason = "says that the caller has to trust the image")]
    pub unsafe fn deserialize_file(engine: &Engine, path: impl AsRef<Path>) -> Result<Module> {
        let path = path.as_ref();
        let unreadable = |error| Error::file(path, error);
        let file = File::open(path).map_err(unreadable)?;
        Self::load(engine, Instant::now(), VmCode::from_file(file)).map_err(|error| match error {
            LoadError::System(error) => unreadable(error),
            LoadError::Image(error) => Error::from(error).context(path.display()),
        })
    }

    /// Loads the image that an open file is, from its first byte on and without copying it. For those who have looked at
    /// the file, to whom a path could mean another one by now.
    ///
    /// # Errors
    /// Those of [`deserialize`](Self::deserialize), and when the file cannot be mapped.
    ///
    /// # Safety
    /// As for [`deserialize_file`](Self::deserialize_file).
    #[allow(unsafe_code, reason = "says that the caller has to trust the image")]
    pub unsafe fn deserialize_open_file(engine: &Engine, file: File) -> Result<Module> {
        Self::load(engine, Instant::now(), VmCode::from_file(file)).map_err(LoadError::unnamed)
    }

    /// Loads an image that was made just now.
    pub(crate) fn load_own(engine: &Engine, bytes: &[u8]) -> Result<Module> {
        Self::load(engine, Instant::now(), VmCode::from_bytes(bytes, Origin::Here))
            .map_err(LoadError::unnamed)
    }

    fn load(
        engine: &Engine,
        start: Instant,
        code: Result<VmCode, LoadError>,
    ) -> Result<Module, LoadError> {
        Self::load_with(engine, start, code, None)
    }

    /// Loads an image. Functions that it lacks come from `source`.
    fn load_with(
        engine: &Engine,
        start: Instant,
        code: Result<VmCode, LoadError>,
        source: Option<(LazySource, LazyOptions)>,
    ) -> Result<Module, LoadError> {
        let code = code?;
        let target = &code.image().target;
        host_cpu::check(target).map_err(LoadError::Image)?;
        if target.options.memory_style == MemoryStyle::Reserved
            && engine.memory_style() == MemoryStyle::Checked
        {
            return Err(LoadError::Image(ImageError::Target(
                "it relies on reserving 8 GiB of addresses for each memory, which is not possible here".into(),
            )));
        }
        if engine.config().deterministic && !target.options.deterministic {
            return Err(LoadError::Image(ImageError::Target(
                "it was not compiled with `--deterministic`, to give the same results on every machine".into(),
            )));
        }
        let mut code = match (code.image().metadata.partial, source) {
            (false, _) => code.activate()?,
            (true, Some((source, options))) => code.activate_lazily(source, options)?,
            (true, None) => return Err(LoadError::Image(ImageError::Partial)),
        };
        let type_ids = {
            let info = &code.code().image().metadata.info;
            engine.types().register(&info.types, &info.rec_groups).map_err(io::Error::other)?
        };
        code.info_mut().resolve_types(&type_ids);
        let metadata = &code.code().image().metadata;
        let mut trampolines: Box<[(u32, usize)]> = metadata
            .trampolines
            .iter()
            .enumerate()
            .map(|(position, ty)| (type_ids[ty.index()], position))
            .collect();
        trampolines.sort_unstable();
        let module = Arc::new(ModuleInner {
            engine: engine.clone(),
            layout: ContextLayout::new(&metadata.info),
            type_ids,
            trampolines,
            exports: OnceLock::new(),
            func_ref_places: OnceLock::new(),
            spare_parts: SpareParts::default(),
            dwarf_is_sound: OnceLock::new(),
            code,
        });
        engine.offer_trampolines(&module, module.trampolines.iter().map(|entry| entry.0));
        tracing::debug!(elapsed = ?start.elapsed(), "load");
        Ok(Module(module))
    }

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

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadError::System(error) => error.fmt(f),
            LoadError::Image(error) => error.fmt(f),
        }
    }
}

impl LoadError {
    /// The error for an image that has no name.
    fn unnamed(self) -> Error {
        match self {
            LoadError::System(error) => Error::limit(format!("cannot load an image: {error}")),
            LoadError::Image(error) => error.into(),
        }
    }
}

/// An import of a module.
#[derive(Clone, Debug)]
pub struct ImportType<'a> {
    module: &'a str,
    name: &'a str,
    ty: ExternType,
    /// The number of a function's or a tag's type in the engine.
    type_id: Option<u32>,
    /// Whether it has to be of this very type.
    exact: bool,
}

impl<'a> ImportType<'a> {
    /// The first name.
    pub fn module(&self) -> &'a str {
        self.module
    }

    /// The second name.
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// The type.
    pub fn ty(&self) -> &ExternType {
        &self.ty
    }

    /// What references to the function refer to, when it is one: the type by which [`Func::of_type`](crate::Func::of_type) makes a
    /// function that fits.
    pub fn func_type(&self) -> Option<HeapType> {
        let name = ConcreteType::Engine(self.type_id?);
        matches!(self.ty, ExternType::Func(_)).then_some(HeapType::ConcreteFunc(name))
    }

    /// What has to fit.
    pub(crate) fn item(&self) -> Item<'_> {
        Item { ty: &self.ty, type_id: self.type_id, exact: self.exact }
    }
}

/// An export of a module.
#[derive(Clone, Debug)]
pub struct ExportType<'a> {
    name: &'a str,
    ty: ExternType,
    func_type: Option<HeapType>,
}

impl<'a> ExportType<'a> {
    /// The name.
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// The type.
    pub fn ty(&self) -> &ExternType {
        &self.ty
    }

    /// What references to the function refer to, when it is one.
    pub fn func_type(&self) -> Option<HeapType> {
        self.func_type
    }
}

/// The binary format of a module that may be text.
#[cfg(feature = "wat")]
pub(crate) fn binary(bytes: &[u8]) -> Result<Cow<'_, [u8]>> {
    Ok(wat::parse_bytes(bytes)?)
}

/// The binary format of a module.
#[cfg(not(feature = "wat"))]
#[allow(clippy::unnecessary_wraps, reason = "as the other one")]
pub(crate) fn binary(bytes: &[u8]) -> Result<Cow<'_, [u8]>> {
    Ok(bytes.into())
}
