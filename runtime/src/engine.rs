//! [`Engine`]: what modules and stores have in common. Compiles modules into images.

use std::{
    borrow::Cow,
    collections::HashMap,
    fmt,
    ptr::NonNull,
    sync::{Arc, Mutex, Weak},
    time::Instant,
};

use wrun_module::{
    CompiledFunc, Compiler, FuncType, FunctionCompiler, KnownFunctions, MemoryStyle, OptLevel,
    OwnedModule, ParsedModule, Progress, Tier,
};

use crate::{
    Config, Error, LazyOptions, Module, Result,
    module::{ModuleInner, binary},
    types::TypeRegistry,
    vm::{self, LazySource, PerfMap},
};

/// Settings, the compiler, and the numbers of types. Cheap to clone; all clones are one engine.
#[derive(Clone)]
pub struct Engine(Arc<EngineInner>);

struct EngineInner {
    config: Config,
    memory_style: MemoryStyle,
    types: TypeRegistry,
    compiler: Option<Box<dyn Compiler>>,
    perf_map: Option<Arc<PerfMap>>,
    /// Loaded modules that have trampolines for a type, by its number.
    trampolines: Mutex<HashMap<u32, Weak<ModuleInner>>>,
}

impl Default for Engine {
    /// An engine with the settings that fit most.
    ///
    /// # Panics
    /// When the compiler does not know this machine.
    fn default() -> Self {
        Self::new(&Config::default()).expect("the default settings fit the machine")
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Engine").field(&self.0.config).finish()
    }
}

impl Engine {
    /// An engine with these settings. The first one of a process installs its handler for the signals SIGSEGV, SIGBUS,
    /// SIGILL and SIGFPE; those that are no trap of WebAssembly go to the handlers that were there before.
    ///
    /// # Errors
    /// When the compiler does not know this machine, or the system has no addresses left.
    pub fn new(config: &Config) -> Result<Engine> {
        vm::install_signal_handler();
        let memory_style = config.memory_style.unwrap_or_else(|| {
            if vm::can_reserve() { MemoryStyle::Reserved } else { MemoryStyle::Checked }
        });
        tracing::debug!(?memory_style, opt_level = ?config.opt_level, "engine");
        Ok(Engine(Arc::new(EngineInner {
            config: config.clone(),
            memory_style,
            types: TypeRegistry::new().map_err(|error| {
                Error::limit(format!("cannot reserve addresses for types: {error}"))
            })?,
            compiler: compiler(None, config, memory_style)?,
            perf_map: perf_map(config)?,
            trampolines: Mutex::default(),
        })))
    }

    /// Whether two are the same engine: modules of one can be used in stores of the other.
    pub fn same(a: &Engine, b: &Engine) -> bool {
        Arc::ptr_eq(&a.0, &b.0)
    }

    /// The settings it was made with.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// How linear memories lie in the address space.
    pub fn memory_style(&self) -> MemoryStyle {
        self.0.memory_style
    }

    /// Allocates what the calling thread needs for its first call of WebAssembly: a stack, which it keeps until it ends. The
    /// first call would do it too; this is for noticing earlier when there is no room.
    ///
    /// # Errors
    /// When the system has no room.
    pub fn prepare_thread(&self) -> Result<()> {
        crate::vm::prepare_thread(self.max_stack())
    }

    pub(crate) fn max_stack(&self) -> usize {
        self.0.config.max_stack
    }

    pub(crate) fn perf_map(&self) -> Option<&Arc<PerfMap>> {
        self.0.perf_map.as_ref()
    }

    pub(crate) fn types(&self) -> &TypeRegistry {
        &self.0.types
    }

    /// Compiles a module, binary or text, into an image: for this machine, or for the target with a triple, whose
    /// processor then is the oldest one of its kind that is supported.
    ///
    /// # Errors
    /// When the bytes are no valid module, the compiler cannot compile it, or the target is unknown.
    pub fn precompile(&self, bytes: &[u8], target: Option<&str>) -> Result<Vec<u8>> {
        let Some(target) = target else { return self.compile(bytes, None) };
        let other = compiler(Some(target), &self.0.config, MemoryStyle::Reserved)?;
        self.compile_with(other.as_deref(), bytes, None)
    }

    /// As [`precompile`](Self::precompile) for this machine, but has functions from `known` where it can.
    ///
    /// # Errors
    /// As for `precompile`.
    #[doc(hidden)]
    pub fn precompile_with_known(
        &self,
        bytes: &[u8],
        known: &dyn KnownFunctions,
    ) -> Result<Vec<u8>> {
        self.compile(bytes, Some(known))
    }

    /// What the image of a module depends on besides the module, as text: the version of images, the machine and its
    /// processor's features, the options of the compiler, and the parts of the language that are allowed, since they
    /// decide which modules there is an image of at all. Where two engines differ in it, neither may take what the other
    /// compiled for its own. Builds of one version from different sources do not differ in it. Nothing without a compiler.
    pub fn compile_key(&self) -> Option<String> {
        let target = self.0.compiler.as_ref()?.target();
        // By its derived form, so that no option can be forgotten here.
        Some(format!("{} {target:?} {}", wrun_module::image::VERSION, self.0.config.features))
    }

    /// Compiles a module, binary or text, for this engine.
    pub(crate) fn compile(
        &self,
        bytes: &[u8],
        known: Option<&dyn KnownFunctions>,
    ) -> Result<Vec<u8>> {
        self.compile_with(self.0.compiler.as_deref(), bytes, known)
    }

    fn compile_with(
        &self,
        compiler: Option<&dyn Compiler>,
        bytes: &[u8],
        known: Option<&dyn KnownFunctions>,
    ) -> Result<Vec<u8>> {
        let bytes = binary(bytes)?;
        let module = wrun_module::parse(&bytes, self.0.config.features)?;
        let compiler = compiler.ok_or_else(Error::no_compiler)?;
        let start = Instant::now();
        let silent = |_: Progress| ();
        let progress: &(dyn Fn(Progress) + Sync) = match &self.0.config.on_progress {
            Some(callback) => &**callback,
            None => &silent,
        };
        let image = match known {
            None => compiler.compile(&module, progress)?,
            Some(known) => compiler.compile_with_known(&module, known, progress)?,
        };
        tracing::debug!(elapsed = ?start.elapsed(), bytes = image.len(), "compiled to an image");
        Ok(image)
    }

    /// Parses and validates a module, binary or text, and keeps it.
    pub(crate) fn parse(&self, bytes: Cow<'_, [u8]>) -> Result<OwnedModule> {
        let bytes = match binary(&bytes)? {
            Cow::Owned(binary) => binary,
            Cow::Borrowed(_) => bytes.into_owned(),
        };
        Ok(OwnedModule::parse(bytes.into(), self.0.config.features)?)
    }

    /// Compiles all of a module but its functions: an image without them, and what gives the compiler for them.
    pub(crate) fn compile_lazily(
        &self,
        module: OwnedModule,
        known: Option<Arc<dyn KnownFunctions>>,
    ) -> Result<(Vec<u8>, LazySource)> {
        let start = Instant::now();
        let compiler = self.0.compiler.as_deref().ok_or_else(Error::no_compiler)?;
        let image = compiler.compile_skeleton(module.get())?;
        let bytes = image.len();
        tracing::debug!(elapsed = ?start.elapsed(), bytes, "compiled to an image without functions");
        let functions = self.functions(module, known)?;
        Ok((image, Box::new(|| Ok(functions))))
    }

    /// The compiler for the functions of a module.
    pub(crate) fn functions(
        &self,
        module: OwnedModule,
        known: Option<Arc<dyn KnownFunctions>>,
    ) -> Result<Box<dyn FunctionCompiler>> {
        let compiler = self.0.compiler.as_deref().ok_or_else(Error::no_compiler)?;
        Ok(compiler.functions(module, known))
    }

    /// Compiles all of a module that has been parsed.
    pub(crate) fn compile_parsed(&self, module: &ParsedModule<'_>) -> Result<Vec<u8>> {
        let compiler = self.0.compiler.as_deref().ok_or_else(Error::no_compiler)?;
        Ok(compiler.compile(module, &|_| ())?)
    }

    /// The image `base` with more functions of its module.
    pub(crate) fn assemble(
        &self,
        base: &[u8],
        additions: Vec<(u32, Tier, CompiledFunc)>,
    ) -> Result<Vec<u8>> {
        let start = Instant::now();
        let number = additions.len();
        let compiler = self.0.compiler.as_deref().ok_or_else(Error::no_compiler)?;
        let image = compiler.assemble(base, additions)?;
        tracing::debug!(elapsed = ?start.elapsed(), functions = number, bytes = image.len(), "added to an image");
        Ok(image)
    }

    /// How modules are compiled as they run; nothing when they are compiled before.
    pub(crate) fn lazy_options(&self) -> Option<LazyOptions> {
        let mut options = self.0.config.lazy.clone()?;
        if matches!(self.0.config.opt_level, OptLevel::None | OptLevel::Fast) {
            // Nothing would be gained by compiling a function twice.
            options.first_tier = Some(Tier::Optimised);
        }
        Some(options)
    }

    /// Notes that a module has trampolines for these types.
    pub(crate) fn offer_trampolines(
        &self,
        module: &Arc<ModuleInner>,
        types: impl Iterator<Item = u32>,
    ) {
        let mut known = self.0.trampolines.lock().expect("no panic under the lock");
        for ty in types {
            let entry = known.entry(ty).or_default();
            if entry.strong_count() == 0 {
                *entry = Arc::downgrade(module);
            }
        }
    }

    /// Native code for a type that calls on with arguments in memory, and the module it is part of. `ty` is what the type with the
    /// number is by structure, which is all that the code depends on.
    ///
    /// # Errors
    /// When no loaded module has it and it cannot be compiled.
    pub(crate) fn native_to_array(
        &self,
        type_id: u32,
        ty: &FuncType,
    ) -> Result<(NonNull<u8>, Module)> {
        let find = |id| {
            let known = self.0.trampolines.lock().expect("no panic under the lock");
            Some((id, known.get(&id)?.upgrade()?))
        };
        let mut plain = type_id;
        // Finding the number of the plain type takes longer than all the rest, and is seldom needed.
        let found = find(type_id).or_else(|| {
            plain = self.types().id(ty);
            find(plain)
        });
        let (id, module) = match found {
            Some((id, inner)) => (id, Module::from_inner(inner)),
            None => {
                let compiler = self.0.compiler.as_deref().ok_or_else(Error::no_compiler)?;
                let image = compiler.compile_trampolines(std::slice::from_ref(ty))?;
                (plain, Module::load_own(self, &image)?)
            }
        };
        let code = module.native_to_array(id).expect("the module has trampolines for the type");
        Ok((code, module))
    }
}

/// The file for `perf`, when it is asked for.
fn perf_map(config: &Config) -> Result<Option<Arc<PerfMap>>> {
    let map = config.perf_map.then(PerfMap::create).transpose();
    let map = map.map_err(|error| Error::limit(format!("cannot make a file for `perf`: {error}")));
    Ok(map?.map(Arc::new))
}

#[cfg(feature = "cranelift")]
fn compiler(
    target: Option<&str>,
    config: &Config,
    memory_style: MemoryStyle,
) -> Result<Option<Box<dyn Compiler>>> {
    let options = wrun_module::CompileOptions {
        opt_level: config.opt_level,
        memory_style,
        deterministic: config.deterministic,
    };
    Ok(Some(Box::new(wrun_cranelift::CraneliftCompiler::new(target, options)?)))
}

#[cfg(not(feature = "cranelift"))]
#[allow(clippy::unnecessary_wraps, reason = "as the other one")]
fn compiler(
    _target: Option<&str>,
    _config: &Config,
    _memory_style: MemoryStyle,
) -> Result<Option<Box<dyn Compiler>>> {
    Ok(None)
}
