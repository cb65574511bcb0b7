//! Making modules: compiled from what is given, or loaded from images.

use std::{
    borrow::Cow,
    fmt,
    fs::{self, File},
    io,
    path::Path,
    sync::{Arc, OnceLock},
    time::Instant,
};

use wrun_module::{
    KnownFunctions, MemoryStyle,
    image::{Image, ImageError, Origin},
    layout::ContextLayout,
};

use super::{Module, ModuleInner};
use crate::{
    Engine, Error, LazyOptions, Result, host_cpu,
    vm::{LazySource, LoadError, SpareParts, VmCode},
};

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
        let mut code = code?;
        let perf_map = engine.perf_map();
        if perf_map.is_some() {
            code = code.without_file()?;
        }
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
            (true, Some((source, options))) => {
                code.activate_lazily(source, options, perf_map.cloned())?
            }
            (true, None) => return Err(LoadError::Image(ImageError::Partial)),
        };
        if let Some(map) = perf_map {
            code.add_to(map.clone());
        }
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
