//! `--unknown-imports` and `--preload`: where a program's imports come from, beside WASI.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use wrun::{Engine, Linker, Module, Store};

use crate::{cache::Cache, diagnosis, input::Input, render::Failure};

/// The options.
#[derive(Args, Clone, Debug)]
pub(crate) struct ImportArgs {
    /// Link another module in: its exports are what is imported from NAME.
    #[arg(long = "preload", value_name = "NAME=FILE", value_parser = Preload::parse)]
    preloads: Vec<Preload>,

    /// What becomes of imports that nothing provides.
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = UnknownImports::Error)]
    unknown_imports: UnknownImports,
}

/// One `--preload`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Preload {
    name: String,
    file: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum UnknownImports {
    /// They are an error, which lists them all.
    Error,
    /// Functions trap when they are called; other things are an error.
    Trap,
    /// Functions return zeros; memories, tables and globals are new and zero.
    Default,
}

impl Preload {
    fn parse(text: &str) -> Result<Self, &'static str> {
        match text.split_once('=') {
            Some((name, file)) if !name.is_empty() && !file.is_empty() => {
                Ok(Self { name: name.to_owned(), file: file.into() })
            }
            _ => Err("expected a name to import from, `=` and a file"),
        }
    }
}

impl ImportArgs {
    /// Loads the modules to link in, in their order.
    ///
    /// # Errors
    /// When one of them cannot be loaded.
    pub(super) fn load(
        &self,
        engine: &Engine,
        cache: Option<&Cache>,
    ) -> Result<Vec<Module>, Failure> {
        let load = |preload: &Preload| Input::open(preload.file.as_os_str())?.load(engine, cache);
        self.preloads.iter().map(load).collect()
    }

    /// Puts everything into the linker that `module`, the program, may import beside what is there: the modules of
    /// [`load`](Self::load), and what stands for unknown imports.
    ///
    /// # Errors
    /// When one of the modules to link in does not link itself, or its `_initialize` fails.
    pub(super) fn define<T: 'static>(
        &self,
        linker: &mut Linker<T>,
        store: &mut Store<T>,
        preloads: &[Module],
        module: &Module,
    ) -> Result<(), Failure> {
        for (preload, loaded) in self.preloads.iter().zip(preloads) {
            let file = format!("`{}`", preload.file.display());
            linker
                .module(&mut *store, &preload.name, loaded)
                .map_err(|error| diagnosis::of_error(error, &file))?;
        }
        match self.unknown_imports {
            UnknownImports::Error => {}
            UnknownImports::Trap => linker.define_unknown_imports_as_traps(module)?,
            UnknownImports::Default => {
                linker.define_unknown_imports_as_default_values(store, module)?
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Preload;

    #[test]
    fn a_preload_needs_both_parts() {
        let preload = Preload { name: "env".into(), file: "lib.wasm".into() };
        assert_eq!(Preload::parse("env=lib.wasm"), Ok(preload));
        for text in ["lib.wasm", "=lib.wasm", "env="] {
            assert!(Preload::parse(text).is_err(), "{text}");
        }
    }
}
