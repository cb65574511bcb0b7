//! [`LazyFunctions`]: the functions of one module, compiled one by one, in any order, by several threads.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU32, Ordering},
};

use cranelift_codegen::isa::{OwnedTargetIsa, TargetIsa};
use self_cell::self_cell;
use wrun_module::{
    CompileError, CompileOptions, CompiledFunc, FunctionCompiler, KnownFunctions, OptLevel,
    OwnedModule, ParsedModule, Placement, Tier, image::Target,
};

use crate::{
    compile::{Worker, explain},
    direct,
    env::ModuleEnv,
    link::placement,
    reuse, target,
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
    /// How code of the baseline tier is written without Cranelift.
    direct: Option<direct::Support>,
    surroundings: Surroundings,
    reuse: Option<Reuse>,
    /// Those that no thread uses at the moment: their allocations are used again.
    workers: Mutex<Vec<Worker>>,
}

/// Functions that are known, and what they are found by.
struct Reuse {
    known: Arc<dyn KnownFunctions>,
    /// What [`reuse::compiler_hash`] gives.
    optimised: [u8; 32],
    baseline: reuse::Baseline,
    search: Search,
}

impl Reuse {
    fn optimised(&self) -> reuse::Optimised<'_> {
        reuse::Optimised { known: &*self.known, compiler: self.optimised }
    }
}

impl LazyFunctions {
    /// The functions of `module`, optimised as `isa` does, which is that of `target`.
    pub(crate) fn new(
        isa: OwnedTargetIsa,
        target: &Target,
        module: OwnedModule,
        known: Option<Arc<dyn KnownFunctions>>,
    ) -> Self {
        let options = CompileOptions { opt_level: OptLevel::None, ..target.options };
        let baseline = target::sibling(&*isa, options);
        let surroundings =
            Surroundings::new(module, |module| ModuleEnv::new(&*isa, options, module.get()));
        let reuse = known.map(|known| {
            let (salt, module) = (known.salt(), surroundings.borrow_owner().get());
            let hashes = reuse::Baseline::new(salt, &*baseline, target.options, module);
            let optimised = reuse::compiler_hash(salt, &*isa);
            Reuse { optimised, baseline: hashes, search: Search::default(), known }
        });
        let direct = direct::Support::new(&*baseline);
        Self { optimised: isa, baseline, direct, surroundings, reuse, workers: Mutex::default() }
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

    fn find_known(&self, position: usize, first: Tier) -> Option<(Tier, CompiledFunc)> {
        let reuse = self.reuse.as_ref().filter(|reuse| !reuse.known.is_empty())?;
        if first == Tier::Optimised {
            return None;
        }
        let module = self.module();
        let found = reuse.known.find(reuse.baseline.hash(module, position));
        let found = found.and_then(|found| reuse::Baseline::adapt(found, module, position));
        if let Some(found) = found {
            return Some((first, found));
        }
        if !reuse.search.is_worth_it() {
            return None;
        }
        let env = self.surroundings.borrow_dependent();
        let (isa, optimised) = (&*self.optimised, reuse.optimised());
        let find = |worker: &mut Worker| worker.find_known(isa, env, position, optimised);
        let found = self.with_worker(find).ok().flatten();
        reuse.search.note(found.is_some());
        Some((Tier::Optimised, found?))
    }

    fn compile(&self, position: usize, tier: Tier) -> Result<CompiledFunc, CompileError> {
        let (isa, env) = (self.isa(tier), self.surroundings.borrow_dependent());
        let reuse = self.reuse.as_ref();
        let func = self.with_worker(|worker| match tier {
            Tier::Optimised => worker.optimised(isa, env, position, reuse.map(Reuse::optimised)),
            Tier::Baseline => worker.baseline(self.direct, isa, env, position),
        });
        let func = func.map_err(|failure| explain(env.module, position, failure))?;
        Ok(match (tier, reuse) {
            (Tier::Baseline, Some(reuse)) => reuse.baseline.note(func, env.module, position),
            _ => func,
        })
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

/// Whether looking for functions before they are compiled is worth it: it takes their translation, which is for nothing when
/// they are not found.
#[derive(Default)]
struct Search {
    found: AtomicU32,
    missed: AtomicU32,
}

impl Search {
    /// So many may be missed in any case. They are a small part of what any program compiles that takes long to compile.
    const TRIAL: u32 = 16;

    /// It must be one that was found for so many that were not.
    const MISSES_PER_FOUND: u32 = 2;

    fn is_worth_it(&self) -> bool {
        let found = self.found.load(Ordering::Relaxed);
        let missed = self.missed.load(Ordering::Relaxed);
        missed < Self::TRIAL.saturating_add(found.saturating_mul(Self::MISSES_PER_FOUND))
    }

    fn note(&self, found: bool) {
        let counter = if found { &self.found } else { &self.missed };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::Search;

    #[test]
    fn searching_ends_where_little_is_found() {
        let search = Search::default();
        for _ in 0..Search::TRIAL {
            assert!(search.is_worth_it());
            search.note(false);
        }
        assert!(!search.is_worth_it());
        let search = Search::default();
        for _ in 0..100 {
            search.note(true);
            search.note(false);
        }
        assert!(search.is_worth_it());
    }
}
