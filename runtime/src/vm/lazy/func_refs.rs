//! [`FuncRefs`]: where the references to functions are that lead to final code as soon as there is any.
//!
//! Each instance has its references to functions in its context. They begin with stubs; when a function gets the code it
//! keeps, that code's address is written into its reference in every context of the module, so that calls by reference have
//! no jump more than those of a module that was compiled as a whole.
//!
//! What others rely on:
//! - A context is listed here from when its references are written until it is freed, and both ends, as all writing,
//!   happen under the lock of [`LazyCode`](super::LazyCode).
//! - What is written is code of the same function, with the convention of the word that it is written to, and neither
//!   that code nor the stub goes away while the module lives. So it does not matter when another thread sees it, nor what is
//!   called later by an address that was read before.

use std::{
    collections::BTreeSet,
    ptr::NonNull,
    sync::atomic::{AtomicPtr, Ordering},
};

use wrun_module::{
    ModuleInfo,
    layout::{ContextLayout, func_ref},
};

/// A module's references to its functions.
#[derive(Debug)]
pub(in crate::vm) struct FuncRefs {
    /// Where contexts have the address of a function's code: the position of each function that escapes, and an offset.
    /// Ascending.
    places: Box<[(u32, u32)]>,
    contexts: BTreeSet<Listed>,
}

/// The address of a context in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Listed(NonNull<u8>);

// SAFETY: what it points to is written as atomics only.
unsafe impl Send for Listed {}

impl FuncRefs {
    /// Those of a module; no context has been made.
    pub(in crate::vm) fn new(info: &ModuleInfo) -> Self {
        let layout = ContextLayout::new(info);
        let defined =
            info.func_refs.iter().enumerate().filter(|(_, decl)| !info.is_imported_func(decl.func));
        let places = defined.map(|(slot, decl)| {
            // The adapter of a function with tail calls, which others call, is final itself.
            let word = if decl.adapter.is_some() { func_ref::TAIL } else { func_ref::NATIVE };
            (decl.func.0 - info.num_imported_funcs, layout.func_ref(slot as u32) + word)
        });
        Self { places: places.collect(), contexts: BTreeSet::new() }
    }

    /// Lists a context, and has its references lead to the code that `final_code` gives by position.
    ///
    /// # Safety
    /// It is one of the module's, all its references are written, and it is [removed](Self::remove) before it is freed.
    pub(super) unsafe fn add(
        &mut self,
        context: NonNull<u8>,
        final_code: impl Fn(usize) -> Option<usize>,
    ) {
        let context = Listed(context);
        assert!(self.contexts.insert(context), "a context is listed once");
        for &(position, offset) in &self.places {
            if let Some(code) = final_code(position as usize) {
                context.write(offset, code);
            }
        }
    }

    /// Takes a context off the list.
    pub(super) fn remove(&mut self, context: NonNull<u8>) {
        self.contexts.remove(&Listed(context));
    }

    /// Has the references to a function lead to its code at an address, in all contexts.
    pub(super) fn lead_to(&self, position: usize, code: usize) {
        let found = self.places.binary_search_by_key(&(position as u32), |place| place.0);
        let Ok(found) = found else { return };
        self.contexts.iter().for_each(|context| context.write(self.places[found].1, code));
    }
}

impl Listed {
    /// Writes the address of code where a reference has it.
    fn write(self, offset: u32, code: usize) {
        // SAFETY: a listed context is alive, and the layout, by which it was made too, has an aligned pointer at the offset,
        // which the host accesses as an atomic only. Generated code reads it by aligned loads of 8 bytes.
        let word = unsafe { &*self.0.as_ptr().add(offset as usize).cast::<AtomicPtr<u8>>() };
        word.store(code as *mut u8, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use wrun_module::{
        Tier,
        lazy::{ARENA, BASELINE_ARENA},
    };

    use crate::{AsContext, Config, Engine, Func, Instance, LazyOptions, Module, Store};

    /// Functions with and without tail calls, each called once for each round of its caller.
    const TEXT: &str = r#"(module
        (type $t (func (param i32) (result i32)))
        (table 2 2 funcref) (elem (i32.const 0) $plain $tail)
        (func $plain (export "plain") (type $t) (i32.add (local.get 0) (i32.const 1)))
        (func $tail (export "tail") (type $t) (return_call $plain (local.get 0)))
        (func (export "never") (type $t) (unreachable))
        (func (export "run") (param $n i32) (result i32) (local $sum i32)
            (loop $again
                (local.set $sum (call_indirect (type $t) (local.get $sum) (i32.const 0)))
                (local.set $sum (call_indirect (type $t) (local.get $sum) (i32.const 1)))
                (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
            (local.get $sum)))"#;

    /// Whether the references to the exported functions that are named lead into code that was optimised as the module ran;
    /// of a function with tail calls that by which those jump to it.
    fn lead_to_code(store: &mut Store<()>, instance: &Instance) -> Vec<bool> {
        let lazy = |(name, tail): (&str, bool)| {
            let func: Func = instance.get_func(&mut *store, name).expect("an export");
            let module = instance.module(&*store);
            let context = store.as_context();
            let reference = func.handle().resolve(context.opaque());
            let entry = if tail { &reference.tail } else { &reference.native };
            let code = module.code().offset_of(entry.code().as_ptr() as usize);
            code.is_some_and(|offset| (ARENA..BASELINE_ARENA).contains(&offset))
        };
        [("plain", false), ("tail", true), ("never", false)].map(lazy).into()
    }

    fn module() -> Module {
        let mut options = LazyOptions::default();
        (options.first_tier, options.hot_after) = (Some(Tier::Baseline), 20);
        (options.background, options.ahead) = (false, false);
        let engine = Engine::new(Config::new().lazy(Some(options))).expect("an engine");
        Module::new(&engine, TEXT).expect("a module")
    }

    fn instance(module: &Module) -> (Store<()>, Instance) {
        let mut store = Store::new(module.engine(), ());
        let instance = Instance::new(&mut store, module, &[]).expect("an instance");
        (store, instance)
    }

    #[test]
    fn references_lead_to_code_once_it_is_optimised() {
        let module = module();
        let (mut store, running) = instance(&module);
        let (mut idle_store, idle) = instance(&module);
        let run = running.get_typed_func::<i32, i32>(&store, "run").expect("an export");
        assert_eq!(run.call(&mut store, 1).expect("no trap"), 2);
        assert_eq!(lead_to_code(&mut store, &running), [false; 3], "code that still counts");
        assert_eq!(run.call(&mut store, 100).expect("no trap"), 200);
        assert_eq!(lead_to_code(&mut store, &running), [true, true, false]);
        assert_eq!(lead_to_code(&mut idle_store, &idle), [true, true, false], "another instance");
        assert_eq!(run.call(&mut store, 100).expect("no trap"), 200, "by the new references");
        let (mut later_store, later) = instance(&module);
        assert_eq!(lead_to_code(&mut later_store, &later), [true, true, false], "a later one");
    }

    #[test]
    fn parts_of_dropped_instances_are_kept_up_to_date() {
        let module = module();
        let (mut store, running) = instance(&module);
        let (dropped, _) = instance(&module);
        drop(dropped);
        let run = running.get_typed_func::<i32, i32>(&store, "run").expect("an export");
        assert_eq!(run.call(&mut store, 100).expect("no trap"), 200);
        let (mut renewed_store, renewed) = instance(&module);
        assert_eq!(lead_to_code(&mut renewed_store, &renewed), [true, true, false]);
        let run = renewed.get_typed_func::<i32, i32>(&renewed_store, "run").expect("an export");
        assert_eq!(run.call(&mut renewed_store, 100).expect("no trap"), 200);
    }
}
