//! When a function is hot, and what is optimised with it.
//!
//! Calls go to code directly when that is final at the time the caller gets its place, and by a stub for ever otherwise. So what a hot
//! function calls is optimised before it, where that is about to be hot itself. RATIONALE.md has the measurements.

use std::sync::{Arc, MutexGuard, atomic::Ordering};

use wrun_module::Tier;

use super::{LazyCode, Shared, progress::State, workers::Hot};

/// Calls and rounds of loops after which a function is hot, for each byte of its code in the baseline tier: what optimising it costs
/// grows with its size.
const ROUNDS_PER_BYTE: usize = 4;

/// The least calls and rounds after which a function is hot.
const LEAST_ROUNDS: usize = 1_000;

impl LazyCode {
    /// Calls and rounds of loops after which a function is hot whose code in the baseline tier has so many bytes.
    pub(super) fn rounds(&self, len: usize) -> i32 {
        let rounds = len.saturating_mul(ROUNDS_PER_BYTE).max(LEAST_ROUNDS);
        i32::try_from(rounds).unwrap_or(i32::MAX).min(self.hot_after)
    }

    /// Notes that code counted down.
    pub(in crate::vm) fn function_hot(self: &Arc<Self>, position: usize) {
        let Some(counter) = self.counters.get(position) else { return };
        // The function is called by its old code for as long as its frames last; they need not ask often.
        counter.store(self.hot_after, Ordering::Relaxed);
        let mut shared = self.lock();
        if shared.progress.ask_to_optimise(position) {
            drop(self.request_function(shared, position));
        }
    }

    /// Makes optimised code of a function, which has been asked for, or sees to it that somebody does; and first of all that it calls
    /// and that is half as hot, and so on.
    pub(super) fn request_function<'l>(
        self: &'l Arc<Self>,
        mut shared: MutexGuard<'l, Shared>,
        position: usize,
    ) -> MutexGuard<'l, Shared> {
        // The way from the function to one of those, each with the number of its calls that have been looked at.
        let mut way = vec![(position, 0)];
        while let Some((position, seen)) = way.last_mut() {
            if let Some(callee) = self.callee(&shared, *position, *seen) {
                *seen += 1;
                if self.is_half_hot(&shared, callee) && shared.progress.ask_to_optimise(callee) {
                    way.push((callee, 0));
                }
            } else {
                let hot = Hot::Function(*position);
                way.pop();
                shared = self.request(shared, hot);
            }
        }
        shared
    }

    /// What one of the calls of a function calls, of one that was compiled in this run.
    fn callee(&self, shared: &Shared, position: usize, index: usize) -> Option<usize> {
        let record = self.record_at(shared.progress.code(position)?)?;
        let call = record.func.calls.get(index)?;
        Some((call.callee - self.num_imported_funcs) as usize)
    }

    /// Whether a function, compiled in this run and still in the baseline tier, has counted down half of the way.
    fn is_half_hot(&self, shared: &Shared, position: usize) -> bool {
        let State::Entered { code, tier: Tier::Baseline } = shared.progress.state(position) else {
            return false;
        };
        self.record_at(code).is_some_and(|record| {
            self.counters[position].load(Ordering::Relaxed) < self.rounds(record.len as usize) / 2
        })
    }
}

#[cfg(test)]
mod tests {
    use wrun_module::Tier;

    use crate::{Config, Engine, Instance, LazyOptions, Module, Store};

    /// `$run` calls `$caller` so many times, which calls `$often` each time but the first four, that `$inner` each time, and `$rarely`
    /// the first four times.
    const TEXT: &str = r#"(module
        (func $caller (param $n i32) (result i32)
            (if (result i32) (i32.lt_u (local.get $n) (i32.const 4))
                (then (call $rarely (local.get $n)))
                (else (call $often (local.get $n)))))
        (func $rarely (param i32) (result i32) (i32.mul (local.get 0) (i32.const 3)))
        (func $often (param i32) (result i32) (call $inner (local.get 0)))
        (func $inner (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
        (func $run (export "run") (param $n i32) (result i32) (local $i i32) (local $sum i32)
            (loop $again
                (local.set $sum (i32.add (local.get $sum) (call $caller (local.get $i))))
                (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (br_if $again (i32.lt_u (local.get $i) (local.get $n))))
            (local.get $sum)))"#;

    #[test]
    fn what_a_hot_function_calls_is_optimised_before_it() {
        let mut options = LazyOptions::default();
        (options.first_tier, options.hot_after) = (Some(Tier::Baseline), 20);
        (options.background, options.ahead) = (false, false);
        let engine = Engine::new(Config::new().lazy(Some(options))).expect("an engine");
        let module = Module::new(&engine, TEXT).expect("a module");
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).expect("an instance");
        let run = instance.get_typed_func::<i32, i32>(&store, "run").expect("an export");
        let optimised = || {
            let lazy = module.code().lazy().expect("code that is compiled as it runs");
            lazy.optimised.iter().map(|record| record.position).collect::<Vec<_>>()
        };
        assert_eq!(run.call(&mut store, 3).expect("no trap"), 9);
        assert_eq!(optimised(), []);
        // Whoever reports first, the loop or what it calls, `$often` and `$inner` are half as hot by then.
        assert_eq!(run.call(&mut store, 40).expect("no trap"), 828);
        let names = ["caller", "rarely", "often", "inner", "run"];
        let position = |name| names.iter().position(|other| *other == name).unwrap() as u32;
        let order = ["inner", "often", "caller", "run"].map(position);
        assert_eq!(optimised()[..4], order, "and $rarely is not asked for");
    }
}
