//! Runs the scripts of the WebAssembly test suite (`.wast`) on the engine.
//!
//! - `script` reads the text into directives;
//! - `run` keeps a script's store and instances and takes one directive after the other, `action`
//!   and `assert` are its parts for what a script does and what it asserts;
//! - `encode` makes bytes of the modules in a script;
//! - `value` turns a script's arguments into values and compares results, with the patterns of `pattern`;
//! - `message` compares the texts of errors: what leniency there is stands there, not in the engine;
//! - `thread` runs directives on threads of their own;
//! - `spectest` is the host module the suite imports from;
//! - [`ScriptReport`] is what comes out; [`run_files`] does it for files, in parallel, and prints.
//!
//! Every directive passes, fails or is skipped with a reason; nothing is passed over in silence.

#![forbid(unsafe_code)]

mod action;
mod assert;
mod encode;
mod files;
mod message;
mod pattern;
mod report;
mod run;
mod script;
mod spectest;
mod thread;
mod value;

use wrun_runtime::{Config, Engine, Module, Result};

pub use files::run_files;
pub use report::{Failure, Position, ScriptReport, Skip, Summary};
pub use run::run_script;

/// How a script's module becomes one of the engine's: from the bytes of the binary format.
pub type Compile = dyn Fn(&Engine, &[u8]) -> Result<Module> + Send + Sync;

/// How scripts are run.
pub struct Options {
    /// The engine's configuration.
    pub config: Config,
    /// Whether the messages of invalid, malformed and unlinkable modules have to be the script's as well. Those of
    /// traps and exhaustion always have to.
    pub strict_messages: bool,
    /// How modules are compiled; [`Module::new`] unless replaced.
    pub compile: Box<Compile>,
}

impl Options {
    /// Options that run scripts on engines of this configuration.
    pub fn new(config: Config) -> Self {
        let compile = Box::new(|engine: &Engine, bytes: &[u8]| Module::new(engine, bytes));
        Self { config, strict_messages: false, compile }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::new(Config::default())
    }
}
