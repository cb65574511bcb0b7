//! [`Config`]: what an engine is made with.

use std::{fmt, sync::Arc};

use wrun_module::{Features, MemoryStyle, OptLevel, Progress, Tier};

/// A callback that is told how far a compilation is.
pub(crate) type OnProgress = Arc<dyn Fn(Progress) + Send + Sync>;

/// How modules are compiled as they run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LazyOptions {
    /// What functions are compiled to when they are called first. Unless set, most are compiled as fast as possible, and once
    /// more when they turn out to be hot.
    pub first_tier: Option<Tier>,
    /// Calls and rounds of loops after which a function is hot, whatever its size. A small one, which costs little to optimise, is
    /// hot sooner.
    pub hot_after: u32,
    /// How often a frame may be asked in vain where it is left for better code, for each of its loops: at the outermost that
    /// it comes by within so many rounds.
    pub patience: u32,
    /// Whether hot functions are optimised in the background. Otherwise the program waits for it.
    pub background: bool,
    /// Whether functions are compiled before they are called, where processors are idle.
    pub ahead: bool,
}

impl Default for LazyOptions {
    fn default() -> Self {
        Self {
            first_tier: None,
            hot_after: 300_000,
            patience: 20_000,
            background: true,
            ahead: true,
        }
    }
}

/// Settings of an engine.
#[derive(Clone)]
pub struct Config {
    pub(crate) features: Features,
    pub(crate) opt_level: OptLevel,
    pub(crate) max_stack: usize,
    pub(crate) memory_style: Option<MemoryStyle>,
    pub(crate) deterministic: bool,
    pub(crate) max_gc_heap: u64,
    pub(crate) gc_stress: bool,
    pub(crate) lazy: Option<LazyOptions>,
    pub(crate) perf_map: bool,
    pub(crate) on_progress: Option<OnProgress>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            features: Features::default(),
            opt_level: OptLevel::default(),
            max_stack: 8 << 20,
            memory_style: None,
            deterministic: false,
            max_gc_heap: 4 << 30,
            gc_stress: false,
            lazy: None,
            perf_map: false,
            on_progress: None,
        }
    }
}

impl Config {
    /// The settings that fit most: everything that is implemented is on, code is fast.
    pub fn new() -> Self {
        Self::default()
    }

    /// Which parts of the language modules may use.
    pub fn features(&mut self, features: Features) -> &mut Self {
        self.features = features;
        self
    }

    /// How much work goes into better code.
    pub fn opt_level(&mut self, level: OptLevel) -> &mut Self {
        self.opt_level = level;
        self
    }

    /// Bytes of stack that a program may fill; 8 MiB unless set. Past it, it traps.
    pub fn max_stack(&mut self, bytes: usize) -> &mut Self {
        self.max_stack = bytes;
        self
    }

    /// How linear memories lie in the address space. Unless set, they are reserved where the system allows it, and else
    /// checked.
    pub fn memory_style(&mut self, style: MemoryStyle) -> &mut Self {
        self.memory_style = Some(style);
        self
    }

    /// Whether code computes the same on every machine; off unless set, since it costs time. NaNs that an instruction
    /// makes are then the positive canonical one, and relaxed vector instructions give the results of the
    /// specification's deterministic profile. Images that were not compiled so are refused.
    pub fn deterministic(&mut self, on: bool) -> &mut Self {
        self.deterministic = on;
        self
    }

    /// Bytes of memory for the objects of a store; 4 GiB unless set, which is the most there can be. Past it, a program traps.
    /// Half of it is for objects, the other half is where they are moved to when garbage is collected.
    pub fn max_gc_heap(&mut self, bytes: u64) -> &mut Self {
        self.max_gc_heap = bytes;
        self
    }

    /// Whether a store collects garbage whenever an object is made; off unless set. This is to test the engine, or an embedding
    /// of it: a reference that is used when it should not be any more is found out at once.
    pub fn gc_stress(&mut self, on: bool) -> &mut Self {
        self.gc_stress = on;
        self
    }

    /// Whether [`Module::new`](crate::Module::new) compiles functions only when they are called; off unless set. Modules are
    /// parsed and validated as a whole either way. Where the system has no addresses left for it, and for other uses than
    /// running a module, modules are compiled as a whole all the same.
    pub fn lazy(&mut self, options: Option<LazyOptions>) -> &mut Self {
        self.lazy = options;
        self
    }

    /// Whether the file `/tmp/perf-PID.map`, in which `perf` looks up names, says where the functions of WebAssembly are; off unless
    /// set. Images are then copied into memory of the process's own, since `perf` looks elsewhere for what files are mapped to.
    pub fn perf_map(&mut self, on: bool) -> &mut Self {
        self.perf_map = on;
        self
    }

    /// Whether functions are compiled only when they are called.
    pub fn is_lazy(&self) -> bool {
        self.lazy.is_some()
    }

    /// Is told now and then, from any thread, how far a compilation is.
    pub fn on_progress(
        &mut self,
        callback: impl Fn(Progress) + Send + Sync + 'static,
    ) -> &mut Self {
        self.on_progress = Some(Arc::new(callback));
        self
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("features", &self.features.to_string())
            .field("opt_level", &self.opt_level)
            .field("max_stack", &self.max_stack)
            .field("memory_style", &self.memory_style)
            .field("deterministic", &self.deterministic)
            .field("max_gc_heap", &self.max_gc_heap)
            .field("gc_stress", &self.gc_stress)
            .field("lazy", &self.lazy)
            .field("perf_map", &self.perf_map)
            .finish_non_exhaustive()
    }
}
