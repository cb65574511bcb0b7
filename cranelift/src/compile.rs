//! Runs translation and code generation for all functions of a module, on all cores.
//!
//! Threads take the functions one by one from a common list, the largest first, so that none is left with a large
//! one when the others are done.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use cranelift_codegen::{Context, control::ControlPlane, ir, isa::TargetIsa, settings::OptLevel};
use cranelift_frontend::FunctionBuilderContext;
use wrun_module::{
    CompileError, CompiledFunc, FuncIndex, FuncType, InputHash, KnownFunctions, ParsedModule,
    Progress, Tier,
};

use crate::{
    abi::Abi,
    align, balance, constants, direct,
    env::ModuleEnv,
    epilogue,
    func::{Failure, compiled_func},
    inline::Inlining,
    link::placement,
    reuse,
    trampoline::{self, Trampoline},
    translate::{self, Form},
};

/// Below this many bytes of code a module is compiled by one thread: that takes about a millisecond, and waking the
/// others has its price.
const PARALLEL_FROM: u64 = 4 * 1024;

/// Time spent in each phase, summed over all threads.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Times {
    /// From WebAssembly to Cranelift's intermediate code.
    pub(crate) translate: Duration,
    /// From there to machine code.
    pub(crate) compile: Duration,
    /// To look for functions that are known.
    pub(crate) reuse: Duration,
    /// Functions that were found.
    pub(crate) reused: usize,
}

/// Compiles all functions of a module in their order, then both trampolines for each type, then the adapters. With
/// `functions` false the functions are left absent.
pub(crate) fn compile_module(
    isa: &dyn TargetIsa,
    env: &ModuleEnv<'_>,
    trampolines: &[&FuncType],
    functions: bool,
    known: Option<&dyn KnownFunctions>,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<(Vec<CompiledFunc>, Times), CompileError> {
    let bodies = &env.module.bodies;
    let size = |position: usize| {
        bodies.get(position).map_or(0, |body| body.range().end - body.range().start)
    };
    let adapters = env.module.info.func_refs.iter().filter(|decl| decl.adapter.is_some());
    let adapters: Vec<FuncIndex> = adapters.map(|decl| decl.func).collect();
    let first_adapter = trampolines.len() * Trampoline::ALL.len();
    let total = bodies.len() + first_adapter + adapters.len();
    let first = if functions { 0 } else { bodies.len() };
    let mut order: Vec<usize> = (first..total).collect();
    order.sort_by_key(|&position| std::cmp::Reverse(size(position)));
    let parallel = order.iter().map(|&position| size(position)).sum::<u64>() >= PARALLEL_FROM;
    let known = known.map(|known| {
        let compiler = reuse::compiler_hash(known.salt(), isa);
        reuse::Optimised { known, compiler }
    });
    let (compiled, times) = run(&order, parallel, progress, &|worker, position| {
        let result = match position.checked_sub(bodies.len()) {
            None => worker.optimised(isa, env, position, known),
            Some(position) => match position.checked_sub(first_adapter) {
                None => worker.trampoline(isa, &env.abi, trampolines, position),
                Some(adapter) => worker.adapter(isa, env, adapters[adapter]),
            },
        };
        result.map_err(|failure| explain(env.module, position, failure))
    })?;
    let mut funcs = vec![CompiledFunc::default(); first];
    funcs.extend(compiled);
    Ok((funcs, times))
}

/// Compiles both trampolines for each type.
pub(crate) fn compile_trampolines(
    isa: &dyn TargetIsa,
    abi: &Abi,
    types: &[&FuncType],
) -> Result<Vec<CompiledFunc>, CompileError> {
    let order: Vec<usize> = (0..types.len() * Trampoline::ALL.len()).collect();
    let (funcs, _) = run(&order, false, &|_| {}, &|worker, position| {
        worker.trampoline(isa, abi, types, position).map_err(|failure| match failure {
            Failure::TooLarge => CompileError::TooLarge("a trampoline is too large".to_owned()),
            Failure::Other(reason) => {
                CompileError::Function { func: "of a trampoline".to_owned(), reason }
            }
        })
    })?;
    Ok(funcs)
}

/// What a thread keeps from one function to the next.
pub(crate) struct Worker {
    context: Context,
    frontend: FunctionBuilderContext,
    control: ControlPlane,
    inlining: Inlining,
    code: direct::Code,
    times: Times,
}

/// What became of a function, by its place.
type Outcome = (usize, Result<CompiledFunc, CompileError>);

/// Calls `compile` for every number in `order`, and gives the results in the order of the numbers. When several
/// fail, the error is that of the first among them that was come to.
fn run(
    order: &[usize],
    parallel: bool,
    progress: &(dyn Fn(Progress) + Sync),
    compile: &(dyn Fn(&mut Worker, usize) -> Result<CompiledFunc, CompileError> + Sync),
) -> Result<(Vec<CompiledFunc>, Times), CompileError> {
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let failed = AtomicBool::new(false);
    let shared: Mutex<(Vec<Outcome>, Times)> = Mutex::default();
    let work = || {
        let mut worker = Worker::new();
        let mut outcomes: Vec<Outcome> = Vec::new();
        while !failed.load(Ordering::Relaxed)
            && let Some(&position) = order.get(next.fetch_add(1, Ordering::Relaxed))
        {
            let result = compile(&mut worker, position);
            if result.is_err() {
                failed.store(true, Ordering::Relaxed);
            }
            outcomes.push((position, result));
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            progress(Progress { done, total: order.len() });
        }
        let mut shared = shared.lock().expect("no thread panics while it holds the lock");
        shared.0.append(&mut outcomes);
        shared.1.translate += worker.times.translate;
        shared.1.compile += worker.times.compile;
        shared.1.reuse += worker.times.reuse;
        shared.1.reused += worker.times.reused;
    };
    if parallel {
        rayon::scope(|scope| {
            for _ in 1..rayon::current_num_threads() {
                scope.spawn(|_| work());
            }
            work();
        });
    } else {
        work();
    }
    let (mut outcomes, times) = shared.into_inner().expect("no thread panicked");
    outcomes.sort_unstable_by_key(|outcome| outcome.0);
    let funcs: Result<Vec<_>, _> = outcomes.into_iter().map(|outcome| outcome.1).collect();
    Ok((funcs?, times))
}

impl Worker {
    pub(crate) fn new() -> Self {
        Self {
            context: Context::new(),
            frontend: FunctionBuilderContext::new(),
            control: ControlPlane::default(),
            inlining: Inlining::default(),
            code: direct::Code::default(),
            times: Times::default(),
        }
    }

    /// Forgets the function before.
    fn clear(&mut self) {
        self.context.clear();
        // Cranelift leaves these there, and a function's hash would depend on what was compiled before it.
        self.context.func.dfg.exception_tables.clear();
        self.inlining.clear();
    }

    /// Compiles the function at a position, in one of its forms.
    pub(crate) fn function(
        &mut self,
        isa: &dyn TargetIsa,
        env: &ModuleEnv<'_>,
        position: usize,
        form: Form,
    ) -> Result<CompiledFunc, Failure> {
        let uses_heap = self.translate(isa, env, position, form)?;
        Ok(CompiledFunc { uses_heap, ..self.generate(isa)? })
    }

    /// Compiles the function at a position for the baseline tier, without Cranelift if that is possible.
    pub(crate) fn baseline(
        &mut self,
        support: Option<direct::Support>,
        isa: &dyn TargetIsa,
        env: &ModuleEnv<'_>,
        position: usize,
    ) -> Result<CompiledFunc, Failure> {
        let func = support
            .and_then(|support| direct::compile(support, isa, env, position, &mut self.code));
        match func {
            Some(func) => Ok(func),
            None => self.function(isa, env, position, Form::Whole(Tier::Baseline)),
        }
    }

    /// Has the optimised function at a position from those that are known, or compiles it.
    pub(crate) fn optimised(
        &mut self,
        isa: &dyn TargetIsa,
        env: &ModuleEnv<'_>,
        position: usize,
        known: Option<reuse::Optimised<'_>>,
    ) -> Result<CompiledFunc, Failure> {
        let form = Form::Whole(Tier::Optimised);
        let Some(known) = known else { return self.function(isa, env, position, form) };
        let uses_heap = self.translate(isa, env, position, form)?;
        let (input, found) = self.look_up(known);
        let func = match found {
            Some(found) => found,
            None => self.generate(isa)?,
        };
        Ok(CompiledFunc { uses_heap, input, ..func })
    }

    /// The optimised function at a position if it is among those that are known.
    pub(crate) fn find_known(
        &mut self,
        isa: &dyn TargetIsa,
        env: &ModuleEnv<'_>,
        position: usize,
        known: reuse::Optimised<'_>,
    ) -> Result<Option<CompiledFunc>, Failure> {
        let uses_heap = self.translate(isa, env, position, Form::Whole(Tier::Optimised))?;
        let (input, found) = self.look_up(known);
        Ok(found.map(|func| CompiledFunc { uses_heap, input, ..func }))
    }

    /// Looks for the function in the context.
    fn look_up(
        &mut self,
        known: reuse::Optimised<'_>,
    ) -> (Option<InputHash>, Option<CompiledFunc>) {
        let start = Instant::now();
        let (input, found) = known.find(&self.context.func, &self.inlining);
        self.times.reuse += start.elapsed();
        self.times.reused += usize::from(found.is_some());
        (input, found)
    }

    /// Translates a function into the context, and inlines what it calls where that is done. Gives whether it accesses objects.
    fn translate(
        &mut self,
        isa: &dyn TargetIsa,
        env: &ModuleEnv<'_>,
        position: usize,
        form: Form,
    ) -> Result<bool, Failure> {
        self.clear();
        let start = Instant::now();
        let func = &mut self.context.func;
        let uses_heap = translate::translate(env, position, form, &mut self.frontend, func)
            .map_err(|error| match error {
                CompileError::TooLarge(_) => Failure::TooLarge,
                CompileError::Function { reason, .. } => Failure::Other(reason),
                error => Failure::Other(error.to_string()),
            })?;
        if matches!(isa.flags().opt_level(), OptLevel::Speed) {
            self.inlining
                .inline(env, position, &mut self.frontend, &mut self.context)
                .map_err(Failure::Other)?;
            constants::gather(&mut self.context.func);
            balance::balance(&mut self.context.func);
        }
        self.times.translate += start.elapsed();
        Ok(uses_heap)
    }

    fn trampoline(
        &mut self,
        isa: &dyn TargetIsa,
        abi: &Abi,
        types: &[&FuncType],
        position: usize,
    ) -> Result<CompiledFunc, Failure> {
        let kinds = Trampoline::ALL;
        self.clear();
        let ty = types[position / kinds.len()];
        let func: &mut ir::Function = &mut self.context.func;
        kinds[position % kinds.len()].build(abi, ty, &mut self.frontend, func);
        self.generate(isa)
    }

    fn adapter(
        &mut self,
        isa: &dyn TargetIsa,
        env: &ModuleEnv<'_>,
        func: FuncIndex,
    ) -> Result<CompiledFunc, Failure> {
        self.clear();
        trampoline::build_adapter(env, func, &mut self.frontend, &mut self.context.func);
        self.generate(isa)
    }

    /// Machine code for the function in the context.
    fn generate(&mut self, isa: &dyn TargetIsa) -> Result<CompiledFunc, Failure> {
        let start = Instant::now();
        epilogue::mark(isa, &mut self.context.func);
        let compiled = self.context.compile(isa, &mut self.control);
        compiled.map(|_| ()).map_err(|error| Failure::new(error.func, error.inner))?;
        let compiled = self.context.take_compiled_code().expect("it was compiled without error");
        self.times.compile += start.elapsed();
        let mut func = compiled_func(isa, &self.context.func, &compiled, &self.inlining)?;
        let (blocks, loops) = (&compiled.bb_starts, &self.context.loop_analysis);
        if !blocks.is_empty() && loops.loops().next().is_some() {
            let prologue = compiled.buffer.unwind_info.last().map_or(0, |note| note.0);
            align::align_loops(&mut func, placement(isa), blocks, prologue);
        }
        Ok(func)
    }
}

/// The error for the function at `position`, with its name.
pub(crate) fn explain(
    module: &ParsedModule<'_>,
    position: usize,
    failure: Failure,
) -> CompileError {
    let func = if position < module.bodies.len() {
        let index = module.defined_func(position);
        match module.func_name(index) {
            Some(name) => format!("{} (`{name}`)", index.0),
            None => index.0.to_string(),
        }
    } else {
        "of a trampoline".to_owned()
    };
    match failure {
        Failure::TooLarge => CompileError::TooLarge(format!("function {func} is too large")),
        Failure::Other(reason) => CompileError::Function { func, reason },
    }
}
