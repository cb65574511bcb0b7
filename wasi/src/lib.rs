//! WASI preview 1 for wrun: `wasi_snapshot_preview1` and the older `wasi_unstable`.
//!
//! [`add_to_linker`] defines every function of both modules on a [`Linker`], each as a plain closure over a
//! [`WasiCtx`] that the embedder keeps in the store's data. What a guest may touch is decided when the context is
//! built, and nowhere else: it sees the arguments, variables, streams, directories and listening sockets that
//! [`WasiCtxBuilder`] was given.
//!
//! ```
//! use wrun_runtime::{Engine, Linker, Module, Store};
//! use wrun_wasi::WasiCtx;
//!
//! let engine = Engine::default();
//! let module = Module::new(&engine, r#"(module
//!     (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
//!     (memory (export "memory") 1)
//!     (func (export "_start") (call $exit (i32.const 7))))"#)?;
//! let mut linker = Linker::new(&engine);
//! wrun_wasi::add_to_linker(&mut linker, |ctx: &mut WasiCtx| ctx)?;
//! let ctx = WasiCtx::builder().arg("example").inherit_stdio().build();
//! let mut store = Store::new(&engine, ctx);
//! let instance = linker.instantiate(&mut store, &module)?;
//! let start = instance.get_typed_func::<(), ()>(&mut store, "_start")?;
//! let error = start.call(&mut store, ()).expect_err("the guest exits");
//! assert_eq!(error.exit_code(), Some(7));
//! # Ok::<(), wrun_runtime::Error>(())
//! ```
//!
//! | looking for | go to |
//! |---|---|
//! | a WASI function | the file of its group: `args`, `environ`, `clock`, `fd`, `fd_io`, `fd_stat`, `fd_dir`, `path`, `poll`, `proc`, `sched`, `random`, `sock` |
//! | the list of all functions, in the specification's order | `list` |
//! | how a call finds the guest's memory, and what becomes of its outcome | `call` |
//! | the bytes of the guest, and the check of every access | `memory` |
//! | the log of calls (target `wasi`, level debug) | `log` |
//! | guests that start threads | `threads` |
//! | lists of buffers, without copying and for a memory that threads share | `buffers` |
//! | error numbers and their names | `errno` |
//! | descriptors, files, directories, streams, clocks and waiting on the host | `host` |
//!
//! Two layers: `host` does things and knows nothing of guests; all else binds preview 1 to it: decodes what a guest
//! says, calls, and encodes what comes of it. Another version of WASI is another binding to the same `host`.

mod args;
mod buffers;
mod call;
mod clock;
mod ctx;
mod environ;
mod errno;
mod fd;
mod fd_dir;
mod fd_io;
mod fd_stat;
mod host;
mod list;
mod log;
mod memory;
mod path;
mod poll;
mod proc;
mod random;
mod sched;
mod sock;
mod strings;
mod threads;

use wrun_runtime::{Linker, Result};

pub use ctx::{PreopenError, WasiCtx, WasiCtxBuilder};
pub use host::DirAccess;
pub use threads::{NoThreadEntry, WasiThreads};

/// Defines all functions of `wasi_snapshot_preview1` and `wasi_unstable` on `linker`.
///
/// `get` finds the context in the store's data; it is called once for every call of a guest.
///
/// A guest's `proc_exit` ends its call with [`Error::exit`](wrun_runtime::Error::exit) and the full code.
///
/// # Errors
/// When one of the names is already defined on `linker` and it does not allow shadowing.
pub fn add_to_linker<T: 'static>(
    linker: &mut Linker<T>,
    get: impl Fn(&mut T) -> &mut WasiCtx + Send + Sync + Copy + 'static,
) -> Result<()> {
    list::register(linker, call::Snapshot::Preview1, get)?;
    list::register(linker, call::Snapshot::Unstable, get)
}
