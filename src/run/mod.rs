//! `wrun run`, and `wrun MODULE`: a program is loaded, given its world, and entered.
//!
//! What can be wrong on the command line is found before anything is compiled, and what can be wrong with the module
//! before anything of it runs.

mod dir;
mod entry;
mod env;
mod grants;
mod imports;
mod invoke;
mod words;

use std::{
    ffi::OsString,
    io::{self, Write},
    process::ExitCode,
};

use clap::Args;
use wrun::{
    Instance, Linker, Store, StoreLimits, Val,
    wasi::{DirAccess, WasiCtx, WasiCtxBuilder},
};

use self::{
    entry::{Call, Entry, INITIALIZE, START},
    grants::GrantArgs,
    imports::ImportArgs,
};
use crate::{
    cli, diagnosis,
    engine_options::{CompilerArgs, StackArgs, engine_with_progress},
    input::Input,
    output::OutputArgs,
    render::Failure,
    size,
};

/// The arguments of `wrun run`.
#[derive(Args, Debug)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    grants: GrantArgs,

    /// What the program sees as its own name, instead of MODULE.
    #[arg(long, value_name = "NAME")]
    argv0: Option<OsString>,

    #[command(flatten)]
    imports: ImportArgs,

    /// Bytes that the program's memories may have together, with a suffix K, M or G.
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    max_memory: Option<u64>,

    #[command(flatten)]
    stack: StackArgs,

    #[command(flatten)]
    compiler: CompilerArgs,

    /// The program, and what it is called with; `-` is standard input.
    // One list: clap leaves everything behind its first word alone, and `words` sorts it.
    #[arg(value_names = ["MODULE", "ARGS"], required = true, trailing_var_arg = true, allow_hyphen_values = false)]
    words: Vec<OsString>,
}

/// What host functions of a program share.
struct Host {
    wasi: WasiCtx,
}

impl RunArgs {
    /// MODULE and everything behind it.
    #[cfg(test)]
    pub(crate) fn words(&self) -> &[OsString] {
        &self.words
    }

    /// Runs the program.
    ///
    /// # Errors
    /// When it cannot be run, or traps.
    pub(crate) fn execute(self, output: &OutputArgs) -> Result<ExitCode, Failure> {
        let Some((path, behind)) = self.words.split_first() else {
            return Err(Failure::usage("no MODULE to run"));
        };
        let input = Input::open(path)?;
        let name = input.name().to_owned();
        let words = words::split(behind, input.is_script());
        let behind = match words::parse(&words.ours) {
            Ok(behind) => behind,
            Err(error) => return Ok(cli::show_clap_error(&error)),
        };
        let grants = self.grants.clone().join(behind);
        let wasi = self.wasi(&grants, path, &words.theirs)?;

        let mut config = self.compiler.config();
        self.stack.apply(&mut config);
        let (engine, progress) = engine_with_progress(config, output)?;
        let module = input.load(&engine);
        let preloads = module.is_ok().then(|| self.imports.load(&engine)).transpose();
        progress.finish();
        let (module, preloads) = (module?, preloads?.unwrap_or_default());
        let entry = entry::find(&module, &name, grants.invoke.as_deref(), &words.theirs)?;

        let mut store = Store::new(&engine, Host { wasi });
        store.set_limits(StoreLimits { memory_bytes: self.max_memory, ..StoreLimits::default() });
        let mut linker = Linker::new(&engine);
        wrun::wasi::add_to_linker(&mut linker, |host: &mut Host| &mut host.wasi)?;
        self.imports.define(&mut linker, &mut store, &preloads, &module)?;
        let done = linker
            .instantiate(&mut store, &module)
            .and_then(|instance| enter(&mut store, instance, &entry));
        print_results(&done.map_err(|error| diagnosis::of_error(error, &name))?)
    }

    /// The program's world.
    fn wasi(
        &self,
        grants: &GrantArgs,
        path: &OsString,
        words: &[OsString],
    ) -> Result<WasiCtx, Failure> {
        let mut builder = WasiCtxBuilder::new();
        builder.inherit_stdio();
        for dir in &grants.dirs {
            let access = if dir.read_only { DirAccess::ReadOnly } else { DirAccess::ReadWrite };
            builder
                .preopened_dir(&dir.host, &dir.guest, access)
                .map_err(|error| diagnosis::of_preopen_error(&error))?;
        }
        for variable in &grants.env {
            if let Some((name, value)) = variable.resolve() {
                builder.env(name, value);
            }
        }
        builder.arg(self.argv0.as_ref().unwrap_or(path));
        // The words are the function's when one is called.
        if grants.invoke.is_none() {
            builder.args(words);
        }
        Ok(builder.build())
    }
}

/// Enters the program; the results of the function that was asked for.
fn enter(store: &mut Store<Host>, instance: Instance, entry: &Entry) -> wrun::Result<Vec<Val>> {
    match entry {
        Entry::Start => {
            instance.get_typed_func::<(), ()>(&mut *store, START)?.call(store, ())?;
            Ok(Vec::new())
        }
        Entry::Invoke(call) => {
            if call.name != INITIALIZE
                && let Ok(initialize) = instance.get_typed_func::<(), ()>(&mut *store, INITIALIZE)
            {
                initialize.call(&mut *store, ())?;
            }
            invoke(store, instance, call)
        }
    }
}

fn invoke(store: &mut Store<Host>, instance: Instance, call: &Call) -> wrun::Result<Vec<Val>> {
    let function = instance.get_func(&mut *store, &call.name).expect("the module exports it");
    // The call replaces them; of a type without a default there is no better placeholder.
    let placeholder = |&ty| Val::default_for(ty).unwrap_or(Val::I32(0));
    let mut results: Vec<_> = call.ty.results().iter().map(placeholder).collect();
    function.call(store, &call.arguments, &mut results)?;
    Ok(results)
}

fn print_results(results: &[Val]) -> Result<ExitCode, Failure> {
    let mut text = String::new();
    for value in results {
        text.push_str(&invoke::show(value));
        text.push('\n');
    }
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| Failure::output(&error))?;
    Ok(ExitCode::SUCCESS)
}
