//! The command `wrun`: WebAssembly programs from the command line.
//!
//! [`cli`] says what can be asked for, one file per subcommand does it, and every end of the process goes through
//! [`exit`] and [`render`].

#![deny(unsafe_code)]

mod cache;
mod cli;
mod compile;
mod completions;
mod diagnosis;
mod engine_options;
mod exit;
mod gc_options;
mod input;
mod inspect;
mod load;
mod man;
mod output;
mod profile;
mod progress;
mod render;
mod run;
mod script;
mod size;
mod wast;

fn main() -> std::process::ExitCode {
    cli::main()
}
