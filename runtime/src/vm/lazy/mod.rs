//! [`LazyCode`]: the code of a module that is compiled as it runs.
//!
//! - [`region`] is the addresses it all lies at, with a *stub* and an *entry* for each function;
//! - [`arena`] is where code goes that is compiled now, [`tables`] where its unwind tables do, [`records`] what is known of it by
//!   where it lies;
//! - [`resolver`] is the way from the call of a function without code to here;
//! - [`func_refs`] is where the references to functions lead;
//! - [`hot`] is when a function is optimised, and what with it;
//! - [`loops`] is at which loops frames are left for better code;
//! - [`progress`] is how far each function is, [`workers`] the threads that compile ahead and optimise in the background.
//!
//! # The life of a function
//! It is *absent* until a thread compiles it; others that need it meanwhile wait. Then it is *ready*: its code has a place.
//! It is *entered* when the program calls it: from then on its entry leads to its code, and what it calls is compiled
//! ahead. Code of [`Tier::Baseline`] counts, and when it says that it is hot the function is compiled once more, optimised;
//! its entry is switched, and frames that are in one of its loops for long go on in code made for that.
//!
//! Direct calls go to the callee's code when it is final (entered, and optimised) at the time the caller gets its place, and
//! to its stub otherwise. References lead to the stub until the code is final, and to that from then on.

mod arena;
mod func_refs;
mod hot;
mod loops;
mod progress;
mod records;
mod region;
mod resolver;
mod tables;
mod workers;

use std::{
    fmt,
    ptr::NonNull,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, OnceLock,
        atomic::{AtomicI32, Ordering},
    },
};

use wrun_module::{
    CompiledFunc, FunctionCompiler, Tier,
    lazy::{BASELINE_ARENA, stub_offset},
};

use self::{
    arena::Arena,
    loops::Loops,
    progress::{Progress, State},
    records::{Kind, Records},
    tables::Tables,
};
pub(super) use self::{func_refs::FuncRefs, records::Record, region::Region};
use super::{
    code::UnwindTable,
    perf_map::{Names, form},
};
use crate::{Error, LazyOptions};

/// What compiling ends with.
type Outcome<T> = std::result::Result<T, Error>;

/// Makes the compiler for a module's functions when the first of them is missing: for a module whose image is from an
/// earlier run, that may never be.
pub(crate) type Source = Box<dyn FnOnce() -> Outcome<Box<dyn FunctionCompiler>> + Send>;

/// The code of a module that is compiled as it runs.
pub(crate) struct LazyCode {
    /// What is known of optimised code. Dropped before the region, where its unwind tables lie.
    optimised: Records,
    /// What is known of code of the baseline tier; likewise.
    baseline: Records,
    region: Region,
    counters: Box<[AtomicI32]>,
    /// What counters begin with, unless the function is small and was compiled in this run.
    hot_after: i32,
    options: LazyOptions,
    /// Where a profiler is told of code.
    names: Option<Names>,
    source: Mutex<Option<Source>>,
    /// The compiler, or why there is none.
    compiler: OnceLock<std::result::Result<Box<dyn FunctionCompiler>, String>>,
    num_imported_funcs: u32,
    shared: Mutex<Shared>,
    /// Notified when a function stops being compiled.
    compiled: Condvar,
    /// Notified when there is something for the workers to do.
    jobs: Condvar,
}

/// What threads change one at a time.
struct Shared {
    optimised: Arena,
    baseline: Arena,
    tables: Tables,
    func_refs: FuncRefs,
    progress: Progress,
    loops: Loops,
    work: workers::Work,
    /// How many threads wait for a function that another one compiles. Without any, nobody is notified: that is a system
    /// call each time.
    waiting: usize,
}

impl fmt::Debug for LazyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LazyCode").field("region", &self.region).finish_non_exhaustive()
    }
}

impl LazyCode {
    /// The code of a module whose image has been put into `region`; `present` gives the offset of each function's code
    /// there, and its tier. The others come from `source`.
    ///
    /// # Errors
    /// When the system has no room.
    pub(super) fn new(
        region: Region,
        present: impl ExactSizeIterator<Item = Option<(u32, Tier)>>,
        num_imported_funcs: u32,
        func_refs: FuncRefs,
        source: Source,
        options: LazyOptions,
        names: Option<Names>,
    ) -> std::io::Result<Self> {
        let (optimised, baseline) = (Records::new()?, Records::new()?);
        let hot_after = i32::try_from(options.hot_after).unwrap_or(i32::MAX);
        let counters = (0..present.len()).map(|_| AtomicI32::new(hot_after)).collect();
        let progress = Progress::new(present);
        for (position, code) in progress.entered() {
            region.enter(position, region.text() + code as usize);
        }
        let work = workers::Work::default();
        let loops = Loops::new(options.patience);
        if let Some(names) = &names {
            names.add_stubs(region.stub(0));
        }
        let arena = |tier| Arena::new(tier, names.is_some());
        let shared = Shared {
            optimised: arena(Tier::Optimised),
            baseline: arena(Tier::Baseline),
            tables: Tables::default(),
            func_refs,
            progress,
            loops,
            work,
            waiting: 0,
        };
        Ok(Self {
            optimised,
            baseline,
            region,
            counters,
            hot_after,
            options,
            names,
            source: Mutex::new(Some(source)),
            compiler: OnceLock::new(),
            num_imported_funcs,
            shared: Mutex::new(shared),
            compiled: Condvar::new(),
            jobs: Condvar::new(),
        })
    }

    /// Where it lies.
    pub(super) fn region(&self) -> &Region {
        &self.region
    }

    /// What generated code counts with.
    pub(super) fn counters(&self) -> *const i32 {
        self.counters.as_ptr().cast()
    }

    /// Address of a function, to be called from anywhere and for as long as the module lives.
    pub(super) fn stub(&self, position: usize) -> usize {
        self.region.stub(position)
    }

    /// Has the references in a context lead to the code that is final, from now on and until it is
    /// [removed](Self::remove_context).
    ///
    /// # Safety
    /// It is a context of the module, in which all references to functions are written, and is removed before it is freed.
    pub(super) unsafe fn add_context(&self, context: NonNull<u8>) {
        let mut shared = self.lock();
        let Shared { func_refs, progress, .. } = &mut *shared;
        let final_code = |position| match progress.state(position) {
            State::Entered { code, tier: Tier::Optimised } => {
                Some(self.region.text() + code as usize)
            }
            _ => None,
        };
        // SAFETY: the contract.
        unsafe { func_refs.add(context, final_code) };
    }

    /// Leaves a context alone from now on.
    pub(super) fn remove_context(&self, context: NonNull<u8>) {
        self.lock().func_refs.remove(context);
    }

    /// What is known of the code at an offset from `.text`.
    pub(super) fn record_at(&self, offset: u32) -> Option<&Record> {
        let records = if offset < BASELINE_ARENA { &self.optimised } else { &self.baseline };
        records.find(offset)
    }

    /// Compiles and optimises nothing more before it is called: the program has ended.
    pub(crate) fn end_background_work(&self) {
        self.lock().work.clear();
    }

    /// The functions that were compiled and called, each in its best form.
    pub(crate) fn compiled(&self) -> Vec<(u32, Tier, CompiledFunc)> {
        let with_code = |(record, tier): (&Record, Tier)| {
            let code = self.region.code(record.start, record.len);
            (record.position, tier, CompiledFunc { code, ..record.func.clone() })
        };
        self.best(&self.lock()).map(with_code).collect()
    }

    /// How much there is in [`compiled`](Self::compiled): functions, and once more those that are optimised. It only grows.
    pub(crate) fn num_compiled(&self) -> usize {
        let weight = |(_, tier)| if tier == Tier::Optimised { 2 } else { 1 };
        self.best(&self.lock()).map(weight).sum()
    }

    /// The best form of each function that was compiled and called.
    fn best<'s>(&'s self, shared: &'s Shared) -> impl Iterator<Item = (&'s Record, Tier)> {
        let records = self.optimised.iter().chain(self.baseline.iter());
        records.filter_map(|record| match record.kind {
            Kind::Function(tier) => {
                let best = shared.progress.code(record.position as usize);
                (best == Some(record.start)).then_some((record, tier))
            }
            Kind::Loop => None,
        })
    }

    /// The compiler.
    ///
    /// # Errors
    /// When the module cannot be read any more.
    pub(crate) fn compiler(&self) -> Outcome<&dyn FunctionCompiler> {
        // Whoever comes second waits for the first, and is told the same.
        let made = self.compiler.get_or_init(|| {
            let source =
                self.source.lock().expect("no thread panics while it holds the lock").take();
            let source = source.ok_or("the module could not be read when it was needed")?;
            source().map_err(|error| error.to_string())
        });
        match made {
            Ok(compiler) => Ok(&**compiler),
            Err(why) => Err(Error::host(why.clone())),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().expect("no thread panics while it holds the lock")
    }

    /// Has the entry of a function lead to its code, if it has any, and gives its address.
    pub(super) fn enter_ready(self: &Arc<Self>, position: usize) -> Option<usize> {
        let mut shared = self.lock();
        match shared.progress.state(position) {
            State::Entered { .. } => Some(self.region.entered(position)),
            State::Ready { code, .. } => Some(self.switch(&mut shared, position, code)),
            State::Absent | State::Compiling => None,
        }
    }

    /// Enters a function, after it has been compiled if that is needed, and gives the address of its code.
    ///
    /// # Errors
    /// When it cannot be compiled.
    pub(super) fn enter(self: &Arc<Self>, position: usize) -> Outcome<usize> {
        let mut shared = self.lock();
        loop {
            match shared.progress.state(position) {
                State::Entered { .. } => return Ok(self.region.entered(position)),
                State::Ready { code, .. } => return Ok(self.switch(&mut shared, position, code)),
                State::Absent => {
                    shared = self.compile_first(shared, position)?;
                }
                State::Compiling => {
                    shared.waiting += 1;
                    let waited = self.compiled.wait(shared);
                    shared = waited.expect("no thread panics while it holds the lock");
                    shared.waiting -= 1;
                }
            }
        }
    }

    /// Notes that the program calls a function from now on.
    fn switch(self: &Arc<Self>, shared: &mut Shared, position: usize, code: u32) -> usize {
        shared.progress.set_entered(position);
        let address = self.lead_to(shared, position, code);
        if self.options.ahead
            && let Some(record) = self.record_at(code)
        {
            let callees = record.func.calls.iter().rev();
            let callees = callees.map(|call| (call.callee - self.num_imported_funcs) as usize);
            let absent = |&callee: &usize| shared.progress.state(callee) == State::Absent;
            let absent: Vec<usize> = callees.filter(absent).collect();
            shared.work.add_ahead(absent);
            self.employ(shared);
        }
        address
    }

    /// Has calls of a function, which is entered, go to its code, and gives the address of it.
    fn lead_to(&self, shared: &Shared, position: usize, code: u32) -> usize {
        let address = self.region.text() + code as usize;
        self.region.enter(position, address);
        if let State::Entered { tier: Tier::Optimised, .. } = shared.progress.state(position) {
            shared.func_refs.lead_to(position, address);
        }
        address
    }

    /// Compiles an absent function for the first time. Gives up the lock while it does, and gives it back.
    fn compile_first<'l>(
        &'l self,
        mut shared: MutexGuard<'l, Shared>,
        position: usize,
    ) -> Outcome<MutexGuard<'l, Shared>> {
        shared.progress.set(position, State::Compiling);
        drop(shared);
        // Dropped on all ways, so that nobody waits for a thread that panicked.
        let attempt = Attempt { lazy: self, position };
        let (tier, func) = {
            let compiler = self.compiler()?;
            let tier = self.options.first_tier.unwrap_or_else(|| compiler.first_tier(position));
            match compiler.find_known(position, tier) {
                Some(found) => found,
                None => (tier, compiler.compile(position, tier)?),
            }
        };
        let mut shared = self.lock();
        let code = self.place(&mut shared, position, Kind::Function(tier), func)?;
        shared.progress.set(position, State::Ready { code, tier });
        drop(shared);
        drop(attempt);
        Ok(self.lock())
    }

    /// Gives code its place.
    fn place(
        &self,
        shared: &mut Shared,
        position: usize,
        kind: Kind,
        func: CompiledFunc,
    ) -> Outcome<u32> {
        let compiler = self.compiler()?;
        let tier = match kind {
            Kind::Function(tier) => tier,
            Kind::Loop => Tier::Optimised,
        };
        let Shared { tables, progress, .. } = shared;
        let (records, arena) = match tier {
            Tier::Optimised => (&self.optimised, &mut shared.optimised),
            Tier::Baseline => (&self.baseline, &mut shared.baseline),
        };
        if !records.has_room() {
            return Err(Error::limit("too many functions were compiled".to_owned()));
        }
        let itself = kind == Kind::Function(Tier::Optimised);
        let callee = |at: u32, callee: u32| {
            let callee = (callee - self.num_imported_funcs) as usize;
            match progress.state(callee) {
                _ if itself && callee == position => i64::from(at),
                State::Entered { code, tier: Tier::Optimised } => i64::from(code),
                _ => stub_offset(callee as u32),
            }
        };
        let no_room = |error| Error::limit(format!("no room for code: {error}"));
        let code = arena.add(&self.region, &func, compiler.placement(tier), callee);
        let code = code.map_err(no_room)?;
        let table = |at: u32| compiler.eh_frame(&func, i64::from(code) - i64::from(at));
        let table = tables.add(&self.region, table).map_err(no_room)?;
        if kind == Kind::Function(Tier::Baseline) {
            self.counters[position].store(self.rounds(func.code.len()), Ordering::Relaxed);
        }
        if let Some(names) = &self.names {
            let form = match kind {
                Kind::Function(tier) => form(tier),
                Kind::Loop => " [from a loop]",
            };
            names.add(position, form, self.region.text() + code as usize, func.code.len());
        }
        let unwind = UnwindTable::of_lazy_code(&self.region, table);
        records.push(Record::new(code, position as u32, kind, func, unwind));
        Ok(code)
    }
}

/// A function that a thread compiles for the first time. When it ends without success the function is absent again.
struct Attempt<'l> {
    lazy: &'l LazyCode,
    position: usize,
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        let mut shared = self.lazy.lock();
        if shared.progress.state(self.position) == State::Compiling {
            shared.progress.set(self.position, State::Absent);
        }
        if shared.waiting > 0 {
            self.lazy.compiled.notify_all();
        }
    }
}
