//! Runs WebAssembly: the embedding API of wrun, and the machine under it.
//!
//! - An [`Engine`] has the settings and compiles; a [`Module`] is compiled code.
//! - A [`Store`] holds instances and data of yours; a [`Linker`] finds imports by name; an [`Instance`] is a module that can
//!   run.
//! - [`Func`], [`Memory`], [`Table`], [`Global`] and [`Tag`] are handles to what is in a store. They are small, copied freely, and
//!   only mean something together with their store: with another one they panic. A [`SharedMemory`] belongs to no store.
//! - An [`AnyRef`], [`StructRef`], [`ArrayRef`] or [`ExternRef`] refers to an object, which the store frees when nobody does: it is valid
//!   in the scope it was made in ([`RootScope`]), an [`OwnedRef`] for as long as it is kept.
//!
//! ```
//! use wrun_runtime::{Engine, Linker, Module, Store};
//!
//! let engine = Engine::default();
//! let module = Module::new(&engine, r#"
//!     (module
//!         (import "host" "double" (func $double (param i32) (result i32)))
//!         (func (export "run") (param i32) (result i32) (call $double (local.get 0))))
//! "#)?;
//! let mut linker = Linker::new(&engine);
//! linker.func_wrap("host", "double", |value: i32| value * 2)?;
//! let mut store = Store::new(&engine, ());
//! let instance = linker.instantiate(&mut store, &module)?;
//! let run = instance.get_typed_func::<i32, i32>(&mut store, "run")?;
//! assert_eq!(run.call(&mut store, 21)?, 42);
//! # Ok::<(), wrun_runtime::Error>(())
//! ```

#![deny(unsafe_code)]

mod any_ref;
mod array_ref;
mod backtrace;
mod caller;
mod config;
mod defined_types;
mod engine;
mod error;
mod exception;
mod extern_ref;
mod external;
mod func;
mod global;
mod host_cpu;
mod i31;
mod instance;
mod linker;
mod memory;
mod module;
mod root;
mod shared_memory;
mod store;
mod struct_ref;
mod table;
mod tag;
mod trap;
mod types;
mod value;
#[allow(unsafe_code, reason = "the machine; everything it offers the rest of the crate is safe")]
mod vm;

pub use any_ref::{AnyRef, EqRef};
pub use array_ref::ArrayRef;
pub use backtrace::{Frame, Symbol, WasmBacktrace};
pub use caller::Caller;
pub use config::{Config, LazyOptions};
pub use engine::Engine;
pub use error::{Error, ErrorKind, Result, TypeMismatch};
pub use exception::{Exception, Exn};
pub use extern_ref::ExternRef;
pub use external::Extern;
pub use func::{Func, TypedFunc};
pub use global::Global;
pub use i31::I31;
pub use instance::Instance;
pub use linker::{ImportProblem, LinkError, Linker};
pub use memory::{Memory, MemoryAccessError};
pub use module::{ExportType, ImportType, Module};
pub use root::{GcRef, OwnedRef, RootScope};
pub use shared_memory::SharedMemory;
pub use store::{AsContext, AsContextMut, Store, StoreContext, StoreContextMut, StoreLimits};
pub use struct_ref::StructRef;
pub use table::Table;
pub use tag::Tag;
pub use trap::Trap;
pub use value::{Ref, V128, Val};
pub use vm::{IntoFunc, WaitResult, WasmParams, WasmResults, WasmRet, WasmTy};
pub use wrun_module::{
    ArrayType, CompileError, CompositeKind, CompositeType, ConcreteType, ExternType, FeatureError,
    Features, FieldType, FuncType, GlobalType, HeapType, Limits, MemoryStyle, MemoryType, OptLevel,
    ParseError, Progress, RefType, StorageType, StructType, SubType, TableType, TagType, Tier,
    TrapCode, ValType,
    image::{Image, ImageError},
};
