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
mod program;
mod wasi_features;
mod words;

use std::{
    ffi::OsString,
    io::{self, Write},
    process::ExitCode,
};

use clap::Args;
use wrun::{
    StoreLimits,
    wasi::{DirAccess, WasiCtx, WasiCtxBuilder},
};

use self::{grants::GrantArgs, imports::ImportArgs, program::Program, wasi_features::WasiArgs};
use crate::{
    cache::{Cache, CacheArgs},
    cli, diagnosis,
    engine_options::{CompileArgs, CompilerArgs, StackArgs, engine_with_progress},
    gc_options::GcArgs,
    input::Input,
    output::OutputArgs,
    profile::ProfileArgs,
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

    #[command(flatten)]
    wasi: WasiArgs,

    /// Bytes that the program's memories may have together, with a suffix K, M or G.
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    max_memory: Option<u64>,

    #[command(flatten)]
    stack: StackArgs,

    #[command(flatten)]
    gc: GcArgs,

    #[command(flatten)]
    compiler: CompilerArgs,

    #[command(flatten)]
    compile: CompileArgs,

    #[command(flatten)]
    profile: ProfileArgs,

    #[command(flatten)]
    cache: CacheArgs,

    /// The program, and what it is called with; `-` is standard input.
    // One list: clap leaves everything behind its first word alone, and `words` sorts it.
    #[arg(value_names = ["MODULE", "ARGS"], required = true, trailing_var_arg = true, allow_hyphen_values = false)]
    words: Vec<OsString>,
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
        let wasi = self.world(&grants, path, &words.theirs)?;

        let mut config = self.compiler.config();
        self.stack.apply(&mut config);
        self.gc.apply(&mut config);
        self.compile.apply(&mut config);
        self.profile.apply(&mut config);
        let (engine, progress) = engine_with_progress(config, output)?;
        let cache = Cache::for_run(&self.cache, &engine);
        let module = input.load(&engine, cache.as_ref());
        let load_preloads = || self.imports.load(&engine, cache.as_ref());
        let preloads = module.is_ok().then(load_preloads).transpose();
        progress.finish();
        let (module, preloads) = (module?, preloads?.unwrap_or_default());
        let entry = entry::find(&module, &name, grants.invoke.as_deref(), &words.theirs)?;

        let limits = StoreLimits { memory_bytes: self.max_memory, ..StoreLimits::default() };
        let program = Program { module, preloads, imports: self.imports, limits, entry };
        let results = match self.wasi.threads() {
            true => program.run_with_threads(&engine, wasi),
            false => program.run(&engine, wasi),
        };
        let result = results.map_err(|stopped| stopped.into_failure(&name));
        let printed = result.and_then(|results| print(&results));
        if let Some(cache) = &cache {
            cache.grow();
        }
        printed
    }

    /// The program's world.
    fn world(
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

fn print(results: &str) -> Result<ExitCode, Failure> {
    let mut out = io::stdout().lock();
    out.write_all(results.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| Failure::output(&error))?;
    Ok(ExitCode::SUCCESS)
}
