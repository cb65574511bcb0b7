//! The types of the specification, owned and serialisable.
//!
//! Everything behind parsing speaks of these and not of the parser's types, so that an image can carry them and
//! the embedding API can show them. Source: spec, *Structure › Types*.
//!
//! - [`value`]: the types of values, references among them;
//! - [`composite`]: what the type section declares: functions, structs, arrays;
//! - [`matching`]: how these are related;
//! - [`external`]: the types of what is imported and exported.

mod composite;
mod external;
mod matching;
mod value;

pub use composite::{
    ArrayType, CompositeKind, CompositeType, FieldType, FuncType, StorageType, StructType, SubType,
};
pub use external::{ExternType, GlobalType, Limits, MemoryType, TableType, TagType};
pub use value::{ConcreteType, HeapType, RefType, ValType};
