//! The types of the specification, owned and serialisable.
//!
//! Everything behind parsing speaks of these and not of the parser's types, so that an image can carry them and
//! the embedding API can show them. Source: spec, *Structure › Types*.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::TypeIndex;

/// The type of a value on the stack, in a local or in a global.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ValType {
    /// 32-bit integer.
    I32,
    /// 64-bit integer.
    I64,
    /// 32-bit float.
    F32,
    /// 64-bit float.
    F64,
    /// 128-bit vector.
    V128,
    /// A reference.
    Ref(RefType),
}

impl ValType {
    /// `funcref`, the nullable reference to any function.
    pub const FUNCREF: ValType = ValType::Ref(RefType::FUNCREF);
    /// `externref`, the nullable reference to any host value.
    pub const EXTERNREF: ValType = ValType::Ref(RefType::EXTERNREF);
}

/// A reference type: what is referred to, and whether null is one of its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RefType {
    /// Whether `ref.null` inhabits the type.
    pub nullable: bool,
    /// What is referred to.
    pub heap: HeapType,
}

impl RefType {
    /// `(ref null func)`.
    pub const FUNCREF: RefType = RefType { nullable: true, heap: HeapType::Func };
    /// `(ref null extern)`.
    pub const EXTERNREF: RefType = RefType { nullable: true, heap: HeapType::Extern };
}

/// What a reference refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum HeapType {
    /// Any function.
    Func,
    /// Any value of the host.
    Extern,
    /// The functions of one type.
    ConcreteFunc(ConcreteType),
}

/// Which type of the type section a concrete heap type names.
///
/// Indices mean something in their module only, so the runtime replaces them by numbers of the engine when it loads the
/// module ([`ModuleInfo::resolve_types`](crate::ModuleInfo::resolve_types)). Types with equal numbers are equal, whichever
/// modules they come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ConcreteType {
    /// By its index in the module.
    Declared(TypeIndex),
    /// By its number in the engine.
    Engine(u32),
}

impl HeapType {
    /// Whether every reference to this is one to `other` too (spec, *Validation › Matching*). Both name concrete types
    /// in the same way. The only place that knows how heap types are related.
    pub fn matches(self, other: HeapType) -> bool {
        match (self, other) {
            (HeapType::ConcreteFunc(_), HeapType::Func) => true,
            (found, expected) => found == expected,
        }
    }

    /// The same type with indices replaced by the engine's numbers.
    fn resolve(self, numbers: &[u32]) -> Self {
        match self {
            HeapType::ConcreteFunc(ConcreteType::Declared(index)) => {
                HeapType::ConcreteFunc(ConcreteType::Engine(numbers[index.index()]))
            }
            other => other,
        }
    }
}

impl RefType {
    /// Whether every value of this type is one of `other` too.
    pub fn matches(self, other: RefType) -> bool {
        (other.nullable || !self.nullable) && self.heap.matches(other.heap)
    }

    /// The same type with indices replaced by the engine's numbers.
    pub(crate) fn resolve(self, numbers: &[u32]) -> Self {
        Self { heap: self.heap.resolve(numbers), ..self }
    }
}

impl ValType {
    /// Whether every value of this type is one of `other` too.
    pub fn matches(self, other: ValType) -> bool {
        match (self, other) {
            (ValType::Ref(found), ValType::Ref(expected)) => found.matches(expected),
            (found, expected) => found == expected,
        }
    }

    /// The same type with indices replaced by the engine's numbers.
    pub(crate) fn resolve(self, numbers: &[u32]) -> Self {
        match self {
            ValType::Ref(ty) => ValType::Ref(ty.resolve(numbers)),
            other => other,
        }
    }
}

/// The type of a function: `[params] -> [results]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FuncType {
    params: Box<[ValType]>,
    results: Box<[ValType]>,
}

impl FuncType {
    /// A function type from its parameters and results.
    pub fn new(
        params: impl IntoIterator<Item = ValType>,
        results: impl IntoIterator<Item = ValType>,
    ) -> Self {
        Self { params: params.into_iter().collect(), results: results.into_iter().collect() }
    }

    /// The parameters, in order.
    pub fn params(&self) -> &[ValType] {
        &self.params
    }

    /// The results, in order.
    pub fn results(&self) -> &[ValType] {
        &self.results
    }

    /// The same type with indices of its module replaced by the engine's numbers, `numbers[i]` for index `i`.
    ///
    /// # Panics
    /// When it names a type past the end of `numbers`; a type section only refers to what is before it.
    #[must_use]
    pub fn resolve(&self, numbers: &[u32]) -> Self {
        let resolve = |types: &[ValType]| types.iter().map(|ty| ty.resolve(numbers)).collect();
        Self { params: resolve(&self.params), results: resolve(&self.results) }
    }
}

/// Bounds on a size: of a memory in pages, of a table in elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Limits {
    /// The size at instantiation, and the least that an import must have.
    pub min: u64,
    /// The size that growing never passes.
    pub max: Option<u64>,
}

/// The type of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TableType {
    /// What each element is.
    pub element: RefType,
    /// Size in elements.
    pub limits: Limits,
}

/// The type of a linear memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MemoryType {
    /// Size in pages.
    pub limits: Limits,
}

impl MemoryType {
    /// Bytes in a page.
    pub const PAGE_SIZE: u64 = 1 << 16;
    /// The most pages a memory with 32-bit addresses can have.
    pub const MAX_PAGES: u64 = 1 << 16;
}

/// The type of a global.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct GlobalType {
    /// The type of its value.
    pub content: ValType,
    /// Whether it may be set after instantiation.
    pub mutable: bool,
}

/// The type of whatever can be imported or exported.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ExternType {
    /// A function.
    Func(FuncType),
    /// A table.
    Table(TableType),
    /// A memory.
    Memory(MemoryType),
    /// A global.
    Global(GlobalType),
}

impl ExternType {
    /// The word of the text format for this kind of thing.
    pub fn kind(&self) -> &'static str {
        match self {
            ExternType::Func(_) => "func",
            ExternType::Table(_) => "table",
            ExternType::Memory(_) => "memory",
            ExternType::Global(_) => "global",
        }
    }
}

impl fmt::Display for ValType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ValType::I32 => f.write_str("i32"),
            ValType::I64 => f.write_str("i64"),
            ValType::F32 => f.write_str("f32"),
            ValType::F64 => f.write_str("f64"),
            ValType::V128 => f.write_str("v128"),
            ValType::Ref(ty) => ty.fmt(f),
        }
    }
}

impl fmt::Display for HeapType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HeapType::Func => f.write_str("func"),
            HeapType::Extern => f.write_str("extern"),
            HeapType::ConcreteFunc(ConcreteType::Declared(index)) => write!(f, "{}", index.0),
            HeapType::ConcreteFunc(ConcreteType::Engine(number)) => write!(f, "$type{number}"),
        }
    }
}

impl fmt::Display for RefType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.nullable, self.heap) {
            (true, HeapType::ConcreteFunc(_)) => write!(f, "(ref null {})", self.heap),
            (true, _) => write!(f, "{}ref", self.heap),
            (false, _) => write!(f, "(ref {})", self.heap),
        }
    }
}

/// Writes `word` and the types as the text format does: `(param i32 i64)`; nothing for an empty list.
fn write_types(f: &mut fmt::Formatter<'_>, word: &str, types: &[ValType]) -> fmt::Result {
    if types.is_empty() {
        return Ok(());
    }
    write!(f, " ({word}")?;
    for ty in types {
        write!(f, " {ty}")?;
    }
    f.write_str(")")
}

impl fmt::Display for FuncType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(func")?;
        write_types(f, "param", &self.params)?;
        write_types(f, "result", &self.results)?;
        f.write_str(")")
    }
}

impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.max {
            Some(max) => write!(f, "{} {max}", self.min),
            None => write!(f, "{}", self.min),
        }
    }
}

impl fmt::Display for TableType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "(table {} {})", self.limits, self.element)
    }
}

impl fmt::Display for MemoryType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "(memory {})", self.limits)
    }
}

impl fmt::Display for GlobalType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.mutable {
            write!(f, "(global (mut {}))", self.content)
        } else {
            write!(f, "(global {})", self.content)
        }
    }
}

impl fmt::Display for ExternType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExternType::Func(ty) => ty.fmt(f),
            ExternType::Table(ty) => ty.fmt(f),
            ExternType::Memory(ty) => ty.fmt(f),
            ExternType::Global(ty) => ty.fmt(f),
        }
    }
}
