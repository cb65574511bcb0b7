//! [`LazyFunctions`]: the functions of one module, compiled one by one, in any order, by several threads.

use std::sync::Mutex;

use cranelift_codegen::isa::{OwnedTargetIsa, TargetIsa};
use self_cell::self_cell;
use wrun_module::{
    CompileError, CompileOptions, CompiledFunc, FunctionCompiler, OptLevel, OwnedModule,
    ParsedModule, Placement, Tier, image::Target,
};

use crate::{
    compile::{Worker, explain},
    env::ModuleEnv,
    link::placement,
    target,
    translate::Form,
    unwind::UnwindTarget,
};

self_cell!(
    /// A module with what its functions may know of it.
    struct Surroundings {
        owner: OwnedModule,
        #[covariant]
        dependent: ModuleEnv,
    }
);

/// The functions of one module.
pub(crate) struct LazyFunctions {
    optimised: OwnedTargetIsa,
    baseline: OwnedTargetIsa,
    surroundings: Surroundings,
    /// Those that no thread uses at the moment: their allocations are used again.
    workers: Mutex<Vec<Worker>>,
}

impl LazyFunctions {
    /// The functions of `module`, optimised as `isa` does, which is that of `target`.
    pub(crate) fn new(isa: OwnedTargetIsa, target: &Target, module: OwnedModule) -> Self {
        let options = CompileOptions { opt_level: OptLevel::None, ..target.options };
        let baseline = target::sibling(&*isa, options);
        let surroundings =
            Surroundings::new(module, |module| ModuleEnv::new(&*isa, options, module.get()));
        Self { optimised: isa, baseline, surroundings, workers: Mutex::default() }
    }

    fn isa(&self, tier: Tier) -> &dyn TargetIsa {
        match tier {
            Tier::Baseline => &*self.baseline,
            Tier::Optimised => &*self.optimised,
        }
    }

    /// Lends a worker to `work`. What failed leaves half a function in it, so that it is not used again.
    fn with_worker<R, E>(&self, work: impl FnOnce(&mut Worker) -> Result<R, E>) -> Result<R, E> {
        let free = || self.workers.lock().expect("no thread panics while it holds the lock");
        let mut worker = free().pop().unwrap_or_else(Worker::new);
        let result = work(&mut worker);
        if result.is_ok() {
            free().push(worker);
        }
        result
    }
}

impl FunctionCompiler for LazyFunctions {
    fn module(&self) -> &ParsedModule<'_> {
        self.surroundings.borrow_owner().get()
    }

    fn compile(&self, position: usize, tier: Tier) -> Result<CompiledFunc, CompileError> {
        let env = self.surroundings.borrow_dependent();
        self.with_worker(|worker| worker.function(self.isa(tier), env, position, Form::Whole(tier)))
            .map_err(|failure| explain(env.module, position, failure))
    }

    fn compile_loop(&self, position: usize, offset: u32) -> Result<CompiledFunc, CompileError> {
        let (env, form) = (self.surroundings.borrow_dependent(), Form::FromLoop(offset));
        self.with_worker(|worker| worker.function(&*self.optimised, env, position, form))
            .map_err(|failure| explain(env.module, position, failure))
    }

    fn placement(&self, tier: Tier) -> Placement {
        placement(self.isa(tier))
    }

    fn eh_frame(&self, func: &CompiledFunc, distance: i64) -> Vec<u8> {
        let frame = (0, func.code.len() as u32, &*func.unwind);
        UnwindTarget::new(&*self.optimised).eh_frame(distance, std::iter::once(frame))
    }
}
