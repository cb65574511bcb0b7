//! [`WasiThreads`]: guests that start threads, as the proposal wasi-threads has it.
//!
//! A thread is an instance of its own, of the same module, in a store of its own on a thread of the system; what the
//! threads of a program have in common is the shared memory that all instances import, and whatever the embedder lets
//! them share, such as a [`WasiCtx`](crate::WasiCtx). The program ends when its main function returns, or when one of
//! its threads traps or exits; the first of these ends is the program's, and [`WasiThreads::run`] gives it.
//!
//! Proposal: <https://github.com/WebAssembly/wasi-threads>

use crate::errno::Errno;
use std::collections::HashSet;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{Sender, channel, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use tracing::dispatcher;
use wrun_runtime::{
    Engine, Error, ExternType, Instance, Linker, Module, Result, SharedMemory, Store, ValType,
};

/// What guests import.
const MODULE: &str = "wasi";
const SPAWN: &str = "thread-spawn";
/// What they export: the function that each new thread begins with.
const ENTRY: &str = "wasi_thread_start";

/// Identifiers of threads are positive and less than this; guests use the bits above for locks.
const END_OF_IDS: i32 = 1 << 29;

/// As many threads as a program has at a time unless the embedder says otherwise.
const DEFAULT_MOST: usize = 4096;

/// Lets a guest start threads.
///
/// ```
/// use wrun_runtime::{Engine, Error, Linker, Module, Store};
/// use wrun_wasi::{WasiCtx, WasiThreads};
///
/// let engine = Engine::default();
/// // Starts a thread, which stores what it is given, and waits for that.
/// let module = Module::new(&engine, r#"(module
///     (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
///     (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
///     (import "env" "memory" (memory 1 1 shared))
///     (export "memory" (memory 0))
///     (func (export "wasi_thread_start") (param $id i32) (param $argument i32)
///         (i32.atomic.store (i32.const 0) (local.get $argument))
///         (drop (memory.atomic.notify (i32.const 0) (i32.const 1))))
///     (func (export "_start")
///         (drop (call $spawn (i32.const 7)))
///         (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1)))
///         (call $exit (i32.atomic.load (i32.const 0)))))"#)?;
///
/// let mut linker = Linker::new(&engine);
/// wrun_wasi::add_to_linker(&mut linker, |ctx: &mut WasiCtx| ctx)?;
/// let threads = WasiThreads::add_to_linker(&mut linker, &module)?;
/// let ctx = WasiCtx::builder().inherit_stdio().build();
/// let instantiate = move || {
///     let mut store = Store::new(&engine, ctx.clone());
///     let instance = linker.instantiate(&mut store, &module)?;
///     Ok::<_, Error>((store, instance))
/// };
/// let ended = threads.run(instantiate, |store, instance| {
///     instance.get_typed_func::<(), ()>(&mut *store, "_start")?.call(store, ())
/// });
/// assert_eq!(ended.expect_err("the guest exits").exit_code(), Some(7));
/// # Ok::<(), Error>(())
/// ```
pub struct WasiThreads {
    engine: Engine,
    most: usize,
    current: Arc<Current>,
}

impl fmt::Debug for WasiThreads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WasiThreads").field("most", &self.most).finish_non_exhaustive()
    }
}

/// The module imports `thread-spawn` and has no function for threads to begin with.
#[derive(Clone, Debug, thiserror::Error)]
#[error(
    "the module starts threads, which begin with its export `{ENTRY}`: expected (func (param i32 i32)), found {}",
    .found.as_ref().map_or("none".to_owned(), ToString::to_string)
)]
pub struct NoThreadEntry {
    /// What it exports under that name.
    pub found: Option<ExternType>,
}

impl WasiThreads {
    /// Defines `wasi` `thread-spawn` on `linker`, and new memories for the shared ones that `module` imports.
    ///
    /// The threads are those of one program: [`run`](Self::run) runs it.
    ///
    /// # Errors
    /// When one of the names is already defined on `linker` and it does not allow shadowing, when the system has no room
    /// for a memory, and with [`NoThreadEntry`] when the module imports `thread-spawn` and no thread of it could begin.
    pub fn add_to_linker<T: 'static>(
        linker: &mut Linker<T>,
        module: &Module,
    ) -> Result<WasiThreads> {
        check_entry(module)?;
        let mut known = HashSet::new();
        for import in module.imports() {
            if let ExternType::Memory(ty) = import.ty()
                && ty.shared
                && known.insert((import.module(), import.name()))
            {
                let memory = SharedMemory::new(linker.engine(), *ty)?;
                linker.define_shared_memory(import.module(), import.name(), &memory)?;
            }
        }
        let current = Arc::new(Current::default());
        let spawner = Arc::clone(&current);
        linker.func_wrap(MODULE, SPAWN, move |start_arg: i32| spawner.spawn(start_arg))?;
        Ok(WasiThreads { engine: linker.engine().clone(), most: DEFAULT_MOST, current })
    }

    /// How many threads the guest may have at a time, beside the main one; 4096 unless set. With more, `thread-spawn`
    /// fails.
    pub fn max_threads(&mut self, most: usize) -> &mut Self {
        self.most = most;
        self
    }

    /// Runs a program until it ends.
    ///
    /// `instantiate` makes an instance in a store of its own; it is called on each new thread. `main` is called with
    /// the first one, and what it gives is what this gives, unless another thread fails before: with a trap, an exit
    /// ([`Error::exit_code`]), another error, or a panic, which goes on here.
    ///
    /// Threads that have not ended when the program has cannot be stopped from outside. They go on until they end, or
    /// the process does; they can start no others.
    ///
    /// # Errors
    /// Those of `instantiate`, of `main` and of the threads, whichever comes first; and when the system has no thread
    /// for `main`.
    ///
    /// # Panics
    /// When a host function, `instantiate` or `main` panics.
    pub fn run<T, R, E>(
        self,
        instantiate: impl Fn() -> Result<(Store<T>, Instance), E> + Send + Sync + 'static,
        main: impl FnOnce(&mut Store<T>, Instance) -> Result<R, E> + Send + 'static,
    ) -> Result<R, E>
    where
        T: 'static,
        R: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let (sender, ends) = channel::<End<R, E>>();
        let instantiate = Arc::new(instantiate);
        let thread = {
            let (sender, instantiate) = (sender.clone(), Arc::clone(&instantiate));
            move |id, start_arg| {
                let ended = catch_unwind(AssertUnwindSafe(|| {
                    let (mut store, instance) = instantiate()?;
                    let entry = instance.get_typed_func::<(i32, i32), ()>(&mut store, ENTRY)?;
                    entry.call(&mut store, (id, start_arg))?;
                    Ok(())
                }));
                match ended {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => send(&sender, Ok(Err(error))),
                    Err(panic) => send(&sender, Err(panic)),
                }
            }
        };
        let program = Program {
            engine: self.engine,
            thread: Box::new(thread),
            most: self.most,
            alive: Mutex::default(),
        };
        *self.current.lock() = Some(Arc::new(program));
        let main = move || {
            let ended = catch_unwind(AssertUnwindSafe(|| {
                let (mut store, instance) = instantiate()?;
                main(&mut store, instance)
            }));
            send(&sender, ended);
        };
        let ended = match start("wasi main".to_owned(), main) {
            Ok(()) => {
                ends.recv().expect("a thread says how it ended before it lets go of the sender")
            }
            Err(error) => Ok(Err(error.context("cannot start the program's main thread").into())),
        };
        // Also lets go of `instantiate`, whose linker refers to `current`; not under the lock, for it is the embedder's.
        let program = self.current.lock().take();
        drop(program);
        ended.unwrap_or_else(|panic| resume_unwind(panic))
    }
}

/// How a thread ended: with what its function gave, or with a panic.
type End<R, E> = thread::Result<Result<R, E>>;

/// Tells how a thread ended. When the program has ended before there is nobody to tell.
fn send<R, E>(sender: &Sender<End<R, E>>, end: End<R, E>) {
    let _ = sender.send(end);
}

/// The program that runs, while it does.
#[derive(Default)]
struct Current(Mutex<Option<Arc<Program>>>);

/// A running program.
struct Program {
    engine: Engine,
    /// Runs a thread with this identifier and argument, and sends its end when it is the program's.
    thread: Box<dyn Fn(i32, i32) + Send + Sync>,
    most: usize,
    alive: Mutex<Ids>,
}

impl Current {
    fn lock(&self) -> MutexGuard<'_, Option<Arc<Program>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a thread: its identifier, or an error number, negative.
    fn spawn(&self, start_arg: i32) -> i32 {
        let program = self.lock().clone();
        let started = match program {
            Some(program) => program.spawn(start_arg),
            None => Err("no program runs that it could belong to".to_owned()),
        };
        let answer = match started {
            Ok(id) => id,
            Err(why) => {
                tracing::warn!(target: "wasi", "cannot start a thread: {why}");
                -i32::from(Errno::AGAIN)
            }
        };
        tracing::debug!(target: "wasi", "{SPAWN}(start_arg={start_arg:#x}) = {answer}");
        answer
    }
}

impl Program {
    fn ids(&self) -> MutexGuard<'_, Ids> {
        self.alive.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a thread and gives its identifier, or why there is none.
    fn spawn(self: Arc<Self>, start_arg: i32) -> Result<i32, String> {
        let id = self.ids().take(self.most)?;
        let program = Arc::clone(&self);
        let (sender, prepared) = sync_channel(1);
        let started = start(format!("wasi {id}"), move || {
            // Whoever starts it waits for this, and for nothing that the guest does.
            let preparation = program.engine.prepare_thread();
            let is_prepared = preparation.is_ok();
            let _ = sender.send(preparation);
            if is_prepared {
                let span = tracing::debug_span!(target: "wasi", "thread", id);
                span.in_scope(|| (program.thread)(id, start_arg));
                // Its store is gone, and with it all that the thread had.
                program.ids().free(id);
            }
        });
        let prepared = started.and_then(|()| {
            prepared.recv().unwrap_or_else(|_| Err(Error::host("the thread ended at once")))
        });
        prepared.map(|()| id).map_err(|error| {
            self.ids().free(id);
            error.to_string()
        })
    }
}

/// Runs `body` on a new thread that logs to where this one does.
fn start(name: String, body: impl FnOnce() + Send + 'static) -> Result<()> {
    let log = dispatcher::get_default(Clone::clone);
    let body = move || dispatcher::with_default(&log, body);
    thread::Builder::new().name(name).spawn(body)?;
    Ok(())
}

/// The identifiers of the threads that are alive.
#[derive(Debug, Default)]
struct Ids {
    alive: HashSet<i32>,
    last: i32,
}

impl Ids {
    /// An identifier that no thread has, as long as possible after it was another's; or why there is none.
    fn take(&mut self, most: usize) -> Result<i32, String> {
        // With fewer threads than identifiers the search below ends.
        if self.alive.len() >= most.min(END_OF_IDS as usize - 1) {
            return Err(format!("there are {most} already"));
        }
        loop {
            self.last = self.last % (END_OF_IDS - 1) + 1;
            if self.alive.insert(self.last) {
                return Ok(self.last);
            }
        }
    }

    fn free(&mut self, id: i32) {
        self.alive.remove(&id);
    }
}

fn check_entry(module: &Module) -> Result<()> {
    let mut imports = module.imports();
    if !imports.any(|import| import.module() == MODULE && import.name() == SPAWN) {
        return Ok(());
    }
    let found = module.get_export(ENTRY);
    match &found {
        Some(ExternType::Func(ty))
            if ty.params() == [ValType::I32, ValType::I32] && ty.results().is_empty() =>
        {
            Ok(())
        }
        _ => Err(Error::host(NoThreadEntry { found })),
    }
}

#[cfg(test)]
mod tests {
    use super::{END_OF_IDS, Ids};

    #[test]
    fn identifiers_are_positive_and_those_of_one_thread_at_a_time() {
        let mut ids = Ids { last: END_OF_IDS - 3, ..Ids::default() };
        let taken: Vec<_> = (0..4).map(|_| ids.take(9).expect("room")).collect();
        assert_eq!(taken, [END_OF_IDS - 2, END_OF_IDS - 1, 1, 2]);
        ids.last = 0;
        assert_eq!(ids.take(9), Ok(3), "1 and 2 are alive");
        ids.free(1);
        ids.last = 0;
        assert_eq!(ids.take(9), Ok(1));
    }

    #[test]
    fn there_are_no_more_than_allowed() {
        let mut ids = Ids::default();
        assert_eq!((ids.take(2), ids.take(2)), (Ok(1), Ok(2)));
        assert!(ids.take(2).is_err());
        ids.free(1);
        assert_eq!(ids.take(2), Ok(3));
    }
}
