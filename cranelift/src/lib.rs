//! Compiles WebAssembly modules with Cranelift into images that wrun loads.
//!
//! The way of a module through this crate:
//!
//! - `translate` turns each function body into Cranelift's intermediate code, an instruction family a file; what it
//!   may know of the module is its `ModuleEnv`, how functions call one another says `abi`;
//! - `direct` is the short way for functions that are wanted soon: from the body to machine code in one pass;
//! - `inline` puts small functions where they are called;
//! - `compile` runs that and Cranelift over all functions in parallel, and keeps of each a `CompiledFunc`;
//! - `epilogue` makes the ends of functions shorter, and `align` puts loops where they run well;
//! - `trampoline` adds the functions that dynamic calls go through;
//! - `link` lays all out in one text section with every call resolved, and `unwind` writes `.eh_frame` for it;
//! - `lazy` compiles functions one by one, for modules that are compiled as they run;
//! - [`CraneliftCompiler`] puts these together with the module's data into an image.

mod abi;
mod align;
mod assemble;
mod balance;
mod compile;
mod compiler;
mod constants;
mod direct;
mod env;
mod epilogue;
mod func;
mod inline;
mod lazy;
mod link;
mod loop_state;
mod relaxed;
mod reuse;
mod target;
mod trampoline;
mod translate;
mod traps;
mod unwind;

pub use compiler::CraneliftCompiler;
pub use target::host_target_features;
pub use translate::clif_text;
