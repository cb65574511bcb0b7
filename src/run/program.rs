//! [`Program`]: what is needed to instantiate a module and enter it, on one thread or on each of several.

use wrun::{
    Engine, Error, Instance, Linker, Module, Store, StoreLimits, Val,
    wasi::{WasiCtx, WasiThreads},
};

use super::{
    entry::{Call, Entry, INITIALIZE, START},
    imports::ImportArgs,
    invoke,
};
use crate::{diagnosis, render::Failure};

/// What host functions of a thread share.
pub(super) struct Host {
    wasi: WasiCtx,
}

/// A program that is loaded.
pub(super) struct Program {
    pub(super) module: Module,
    /// The modules to link in.
    pub(super) preloads: Vec<Module>,
    pub(super) imports: ImportArgs,
    /// Bounds for each thread's store.
    pub(super) limits: StoreLimits,
    pub(super) entry: Entry,
}

/// Why a program did not return.
pub(super) enum Stopped {
    /// Something around it failed.
    Failure(Failure),
    /// It ended so, or could not be run.
    Error(Error),
}

impl From<Failure> for Stopped {
    fn from(failure: Failure) -> Self {
        Stopped::Failure(failure)
    }
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        Stopped::Error(error)
    }
}

impl Stopped {
    /// What the user is told of the program called `name`.
    pub(super) fn into_failure(self, name: &str) -> Failure {
        match self {
            Stopped::Failure(failure) => failure,
            Stopped::Error(error) => diagnosis::of_error(error, name),
        }
    }
}

impl Program {
    /// Runs it in the world `wasi`, and gives the results of the function that was asked for, a line each.
    ///
    /// # Errors
    /// When it cannot be linked, traps, or exits.
    pub(super) fn run(self, engine: &Engine, wasi: WasiCtx) -> Result<String, Stopped> {
        let (mut store, instance) = self.instantiate(linker(engine)?, wasi)?;
        let results = enter(&mut store, instance, &self.entry);
        // The process ends next, and the system takes everything back at once. What a program wrote is with the system already.
        std::mem::forget(store);
        Ok(results?)
    }

    /// As [`run`](Self::run), and it can start threads.
    ///
    /// # Errors
    /// As for `run`, in whichever thread it is first.
    pub(super) fn run_with_threads(
        self,
        engine: &Engine,
        wasi: WasiCtx,
    ) -> Result<String, Stopped> {
        let mut linker = linker(engine)?;
        let threads = WasiThreads::add_to_linker(&mut linker, &self.module)?;
        let entry = self.entry.clone();
        let instantiate = move || self.instantiate(linker.clone(), wasi.clone());
        threads.run(instantiate, move |store, instance| Ok(enter(store, instance, &entry)?))
    }

    /// An instance in a store of its own; what the linker lacks is added.
    fn instantiate(
        &self,
        mut linker: Linker<Host>,
        wasi: WasiCtx,
    ) -> Result<(Store<Host>, Instance), Stopped> {
        let mut store = Store::new(linker.engine(), Host { wasi });
        store.set_limits(self.limits);
        self.imports.define(&mut linker, &mut store, &self.preloads, &self.module)?;
        let instance = linker.instantiate(&mut store, &self.module)?;
        Ok((store, instance))
    }
}

/// A linker that knows WASI.
fn linker(engine: &Engine) -> Result<Linker<Host>, Error> {
    let mut linker = Linker::new(engine);
    wrun::wasi::add_to_linker(&mut linker, |host: &mut Host| &mut host.wasi)?;
    Ok(linker)
}

/// Enters the program; the results of the function that was asked for, a line each.
fn enter(store: &mut Store<Host>, instance: Instance, entry: &Entry) -> wrun::Result<String> {
    match entry {
        Entry::Start => {
            instance.get_typed_func::<(), ()>(&mut *store, START)?.call(store, ())?;
            Ok(String::new())
        }
        Entry::Invoke(call) => {
            if call.name != INITIALIZE
                && let Ok(initialize) = instance.get_typed_func::<(), ()>(&mut *store, INITIALIZE)
            {
                initialize.call(&mut *store, ())?;
            }
            let results = call_function(store, instance, call)?;
            Ok(results.iter().map(|value| invoke::show(&*store, value) + "\n").collect())
        }
    }
}

fn call_function(
    store: &mut Store<Host>,
    instance: Instance,
    call: &Call,
) -> wrun::Result<Vec<Val>> {
    let function = instance.get_func(&mut *store, &call.name).expect("the module exports it");
    // The call replaces them; of a type without a default there is no better placeholder.
    let placeholder = |&ty| Val::default_for(ty).unwrap_or(Val::I32(0));
    let mut results: Vec<_> = call.ty.results().iter().map(placeholder).collect();
    function.call(store, &call.arguments, &mut results)?;
    Ok(results)
}
