//! A WebAssembly module as data.
//!
//! This crate is the first part of the way of a module through wrun, and holds what the later parts must agree on:
//!
//! - [`parse()`] reads and validates the binary format and yields a [`ParsedModule`];
//! - its [`ModuleInfo`] is what the runtime needs to instantiate the module, and what an image carries;
//! - [`layout`], [`gc`], [`Libcall`] and [`TrapCode`] are what generated code and the runtime share;
//! - a [`Compiler`] turns a parsed module into an image, whose format is in [`image`], or its functions one by one into
//!   [`CompiledFunc`]s.
//!
//! Nothing here knows how code is generated or run.

mod compiled;
mod compiler;
mod data_layout;
mod features;
pub mod gc;
pub mod image;
mod index;
mod info;
pub mod layout;
pub mod lazy;
mod libcall;
pub mod nesting;
mod owned;
mod parse;
mod parsed;
mod trap;
mod types;

pub use compiled::{Call, CallKind, CompiledFunc, InputHash, Placement, TooFar};
pub use compiler::{
    CompileError, CompileOptions, Compiler, FunctionCompiler, KnownFunctions, MANY_LOCALS,
    MemoryStyle, OptLevel, Progress, RESERVATION, Tier,
};
pub use data_layout::{CopiedSegment, DataLayout, MemoryRun};
pub use features::{FeatureError, Features};
pub use index::{
    DataIndex, ElemIndex, FuncIndex, GlobalIndex, MemoryIndex, TableIndex, TagIndex, TypeIndex,
};
pub use info::{
    ConstExpr, ConstOp, DataSegment, ElementItems, ElementKind, ElementSegment, Export,
    ExternIndex, FuncRefDecl, GlobalDecl, Import, ImportKind, ModuleInfo, TableDecl,
};
pub use libcall::{Libcall, LibcallType};
pub use owned::OwnedModule;
pub use parse::{ParseError, parse};
pub use parsed::{CustomSection, ParsedModule};
pub use trap::TrapCode;
pub use types::{
    ArrayType, CompositeKind, CompositeType, ConcreteType, ExternType, FieldType, FuncType,
    GlobalType, HeapType, Limits, MemoryType, RefType, StorageType, StructType, SubType, TableType,
    TagType, ValType,
};
