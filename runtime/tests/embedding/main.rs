//! The embedding API as an embedder uses it.
#![allow(missing_docs, unused_crate_dependencies, reason = "tests")]

mod backtraces;
mod bounds;
mod bounds_wide;
mod calls;
mod descriptors;
mod deterministic;
mod exceptions;
mod exceptions_host;
mod exceptions_legacy;
mod exceptions_state;
mod function_references;
mod gc_constants;
mod gc_instructions;
mod gc_linking;
mod gc_objects;
mod gc_programs;
mod gc_types;
mod hostile;
mod images;
mod inlining;
mod items;
mod lazy;
mod linking;
mod loop_locals;
mod many_results;
mod references;
mod reuse;
mod short_ranges;
mod tail_calls;
mod threads;
mod tiers;
mod traps;

use wrun_runtime::{Engine, Error, Instance, Linker, Module, Store};

/// An instance of a module in text, with nothing to import.
fn instantiate(text: &str) -> (Store<()>, Instance) {
    let engine = Engine::default();
    let module = Module::new(&engine, text).expect("a valid module");
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).expect("instantiates");
    (store, instance)
}

/// An instance of a module in text whose imports `define` defines, in a store with `data`.
fn link<T: 'static>(
    text: &str,
    data: T,
    define: impl FnOnce(&mut Linker<T>) -> Result<(), Error>,
) -> (Store<T>, Instance) {
    let engine = Engine::default();
    let module = Module::new(&engine, text).expect("a valid module");
    let mut linker = Linker::new(&engine);
    define(&mut linker).expect("definitions fit");
    let mut store = Store::new(&engine, data);
    let instance = linker.instantiate(&mut store, &module).expect("instantiates");
    (store, instance)
}
