//! The machine: everything that deals with raw memory, code and signals, and the only place with `unsafe` code.
//!
//! What the rest of the crate sees of it is safe to use:
//! - [`code`] maps images; [`mapping`] is the address space under it, under [`memory`], [`table`] and [`stack`];
//! - [`shared_memory`] is what several threads use, with [`waiters`] and [`racing`] under it; [`store_memory`] is either kind;
//! - [`mod@lazy`] compiles functions as they are called; [`perf_map`] tells a profiler where code lies;
//! - [`layout`] is the data that generated code reads, held against the table in `wrun_module`;
//! - [`supertypes`] is how generated code finds out what is a subtype of what;
//! - [`store`] owns what instances refer to, [`mod@instance`] makes their contexts;
//! - [`activation`] goes into WebAssembly and comes back, [`exit`], [`libcalls`] and [`bulk`] are called from there;
//! - [`signals`] turns faults into traps, [`frames`] finds out where they happened;
//! - [`throw`] finds the handlers of exceptions;
//! - [`func`] is functions of both worlds, [`value`] their values;
//! - [`gc`] is the garbage-collected heap.
//!
//! # What keeps it sound
//! Code of a store runs only while the store is borrowed exclusively by the call that entered it. Whoever is called from
//! there works on that borrow until it returns. Nothing that a store's code points to is freed or moved before the
//! store is dropped, but for memories that grow, whose new place is written wherever the old one was. Shared memories are
//! what several stores own together: they never move, live as long as one of their owners, and nobody has plain references
//! to their bytes.

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
compile_error!(
    "wrun runs on x86-64 Linux; other systems need their own entry, exit and signal handling in runtime/src/vm/"
);

mod activation;
mod bulk;
mod code;
mod exit;
mod frames;
mod func;
mod gc;
mod instance;
mod layout;
mod lazy;
mod libcalls;
mod mapping;
mod memory;
mod perf_map;
mod racing;
mod shared_memory;
mod signals;
mod spare;
mod stack;
mod store;
mod store_memory;
mod supertypes;
mod table;
mod throw;
mod value;
mod waiters;

pub(crate) use activation::prepare_thread;
pub(crate) use code::{ActiveCode, LoadError, VmCode};
pub(crate) use func::{FuncHandle, HostFuncDef, TypedHandle};
pub use func::{IntoFunc, WasmParams, WasmResults, WasmRet, WasmTy};
pub(crate) use gc::{Elements, OwnedToken, ScopeMark, SlotName};
pub(crate) use instance::{TagName, VmImports};
pub(crate) use lazy::Source as LazySource;
pub(crate) use memory::can_reserve;
pub(crate) use perf_map::PerfMap;
pub(crate) use shared_memory::VmSharedMemory;
pub(crate) use signals::install as install_signal_handler;
pub(crate) use spare::SpareParts;
pub(crate) use store::StoreOpaque;
pub(crate) use supertypes::SupertypeTable;
pub(crate) use table::VmRef;
pub use waiters::WaitResult;
