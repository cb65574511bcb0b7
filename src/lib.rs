//! wrun runs WebAssembly programs. This crate is its face: the command of that name, and for programs that want to
//! run WebAssembly themselves the engine under it, gathered in one place.
//!
//! ```
//! use wrun::{Engine, Instance, Module, Store};
//!
//! # fn main() -> wrun::Result<()> {
//! let engine = Engine::default();
//! let module = Module::new(
//!     &engine,
//!     r#"(module
//!         (func (export "add") (param i32 i32) (result i32)
//!             (i32.add (local.get 0) (local.get 1))))"#,
//! )?;
//! let mut store = Store::new(&engine, ());
//! let instance = Instance::new(&mut store, &module, &[])?;
//! let add = instance.get_typed_func::<(i32, i32), i32>(&mut store, "add")?;
//! assert_eq!(add.call(&mut store, (2, 3))?, 5);
//! # Ok(())
//! # }
//! ```
//!
//! What is here is `wrun_runtime`, name by name; WASI stands in [`wasi`].

#![deny(unsafe_code)]

pub use wrun_runtime::*;

/// WASI for guests: files, arguments, clocks and the rest of the outside world, as far as the host grants it.
pub mod wasi {
    pub use wrun_wasi::*;
}
