//! The threads that compile while the program runs: what is hot first, then ahead what may be called next.
//!
//! They are started when there is something to do, as many as there are processors besides the one that the program runs on,
//! and end when nothing has come for a while. When one cannot be started, or fails, the program does without.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, MutexGuard, OnceLock},
    thread,
    time::Duration,
};

use wrun_module::Tier;

use super::{
    LazyCode, Outcome, Shared, progress::State, records::Kind, resolver::on_compiler_stack,
};

/// How long a thread waits for more to do.
const PATIENCE: Duration = Duration::from_millis(50);

/// Bytes of a worker's stack: what Rust's threads have.
const STACK: usize = 2 << 20;

/// How many threads there may be for one module: finding out how many processors there are reads several files, so it is done
/// once.
fn most_workers() -> usize {
    static MOST: OnceLock<usize> = OnceLock::new();
    *MOST.get_or_init(|| {
        thread::available_parallelism().map_or(1, |processors| (processors.get() - 1).max(1))
    })
}

/// What is hot.
#[derive(Clone, Copy, Debug)]
pub(super) enum Hot {
    /// A function.
    Function(usize),
    /// The loop at an offset in the body of a function.
    Loop(usize, u32),
}

/// What there is to do, and who does it.
#[derive(Debug, Default)]
pub(super) struct Work {
    hot: VecDeque<Hot>,
    /// Functions that may be called soon; the last most likely.
    ahead: Vec<usize>,
    workers: usize,
    idle: usize,
}

impl Work {
    /// Asks for optimised code.
    pub(super) fn add_hot(&mut self, hot: Hot) {
        self.hot.push_back(hot);
    }

    /// Asks for functions to be compiled ahead.
    pub(super) fn add_ahead(&mut self, positions: Vec<usize>) {
        self.ahead.extend(positions);
    }

    /// Forgets all that has not been begun.
    pub(super) fn clear(&mut self) {
        self.hot.clear();
        self.ahead.clear();
    }

    fn is_empty(&self) -> bool {
        self.hot.is_empty() && self.ahead.is_empty()
    }
}

impl LazyCode {
    /// Sees to it that somebody does the work.
    pub(super) fn employ(self: &Arc<Self>, shared: &mut Shared) {
        let work = &mut shared.work;
        if work.is_empty() {
            return;
        }
        if work.idle > 0 {
            self.jobs.notify_one();
            return;
        }
        if work.workers >= most_workers() {
            return;
        }
        let lazy = self.clone();
        let builder = thread::Builder::new().name("wrun-compile".to_owned()).stack_size(STACK);
        if builder.spawn(move || lazy.work()).is_ok() {
            work.workers += 1;
        }
    }

    /// What a worker does.
    fn work(&self) {
        // A panic is a bug of the compiler. The program meets it too when it needs the function, and says so.
        let _ = catch_unwind(AssertUnwindSafe(|| self.work_until_idle()));
        self.lock().work.workers -= 1;
    }

    fn work_until_idle(&self) {
        let mut shared = self.lock();
        loop {
            if let Some(hot) = shared.work.hot.pop_front() {
                drop(shared);
                self.try_to_optimise(hot);
                shared = self.lock();
            } else if let Some(position) = shared.work.ahead.pop() {
                if shared.progress.state(position) == State::Absent {
                    shared = self.compile_first(shared, position).unwrap_or_else(|_| self.lock());
                }
            } else {
                shared.work.idle += 1;
                let (mut woken, timeout) = self.wait_for_work(shared);
                woken.work.idle -= 1;
                if timeout && woken.work.is_empty() {
                    return;
                }
                shared = woken;
            }
        }
    }

    fn wait_for_work<'l>(
        &'l self,
        shared: MutexGuard<'l, Shared>,
    ) -> (MutexGuard<'l, Shared>, bool) {
        let waited = self.jobs.wait_timeout(shared, PATIENCE);
        let (shared, timeout) = waited.expect("no thread panics while it holds the lock");
        (shared, timeout.timed_out())
    }

    /// Makes optimised code, or sees to it that somebody does.
    pub(super) fn request<'l>(
        self: &'l Arc<Self>,
        mut shared: MutexGuard<'l, Shared>,
        hot: Hot,
    ) -> MutexGuard<'l, Shared> {
        if self.options.background {
            shared.work.add_hot(hot);
            self.employ(&mut shared);
            return shared;
        }
        drop(shared);
        if let Err(error) = on_compiler_stack(&mut || self.try_to_optimise(hot)) {
            tracing::debug!(%error, ?hot, "left as it is");
        }
        self.lock()
    }

    /// Makes optimised code, or leaves what there is.
    fn try_to_optimise(&self, hot: Hot) {
        if let Err(error) = self.optimise(hot) {
            tracing::debug!(%error, ?hot, "left as it is");
            if let Hot::Loop(position, offset) = hot {
                self.lock().loops.set_code(position, offset, None);
            }
        }
    }

    /// Makes optimised code.
    fn optimise(&self, hot: Hot) -> Outcome<()> {
        let compiler = self.compiler()?;
        match hot {
            Hot::Function(position) => {
                let func = compiler.compile(position, Tier::Optimised)?;
                let mut shared = self.lock();
                let kind = Kind::Function(Tier::Optimised);
                let code = self.place(&mut shared, position, kind, func)?;
                // It has been entered: otherwise it would not have counted.
                shared.progress.set(position, State::Entered { code, tier: Tier::Optimised });
                self.lead_to(&shared, position, code);
            }
            Hot::Loop(position, offset) => {
                let func = compiler.compile_loop(position, offset)?;
                let mut shared = self.lock();
                let code = self.place(&mut shared, position, Kind::Loop, func)?;
                shared.loops.set_code(position, offset, Some(code));
            }
        }
        Ok(())
    }
}
