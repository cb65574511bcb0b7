//! The types of what is imported and exported.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{FuncType, RefType, ValType, composite::write_types};

/// Bounds on a size: of a memory in pages, of a table in elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Limits {
    /// The size at instantiation, and the least that an import must have.
    pub min: u64,
    /// The size that growing never passes.
    pub max: Option<u64>,
}

impl Limits {
    /// Whether the least size is not above the largest, and neither above `most`.
    fn are_within(self, most: u64) -> bool {
        self.min <= self.max.unwrap_or(most) && self.max.unwrap_or(self.min) <= most
    }
}

/// The type of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TableType {
    /// What each element is.
    pub element: RefType,
    /// Size in elements.
    pub limits: Limits,
    /// Whether elements are counted by `i64` and not by `i32`.
    pub table64: bool,
}

impl TableType {
    /// A table whose elements are counted by `i32`.
    pub const fn new(element: RefType, limits: Limits) -> Self {
        Self { element, limits, table64: false }
    }

    /// Whether a table can have this type: the specification bounds its limits (*Validation › Types › Table Types*).
    pub fn is_valid(&self) -> bool {
        self.limits.are_within(if self.table64 { u64::MAX } else { u32::MAX.into() })
    }
}

/// The type of a linear memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MemoryType {
    /// Size in pages.
    pub limits: Limits,
    /// Whether addresses are `i64` and not `i32`.
    pub memory64: bool,
    /// Bytes in a page, as a power of two: 16 unless the module chose another size, which can only be 0.
    pub page_size_log2: u8,
    /// Whether several threads may use it at the same time; it has a maximum then.
    pub shared: bool,
}

impl MemoryType {
    /// Bytes in a page of a memory that has not chosen another size.
    pub const PAGE_SIZE: u64 = 1 << Self::PAGE_SIZE_LOG2;
    /// [`PAGE_SIZE`](Self::PAGE_SIZE) as a power of two.
    pub const PAGE_SIZE_LOG2: u8 = 16;

    /// A memory with 32-bit addresses and pages of 64 KiB.
    pub const fn new(limits: Limits) -> Self {
        Self { limits, memory64: false, page_size_log2: Self::PAGE_SIZE_LOG2, shared: false }
    }

    /// Bytes in a page.
    pub fn page_size(&self) -> u64 {
        1 << self.page_size_log2
    }

    /// The most pages that addresses of this type can tell apart, whatever the limits are.
    ///
    /// With pages of one byte it is one less than the number of addresses, so that the size is a number of their type too.
    pub fn max_pages(&self) -> u64 {
        let most = if self.memory64 { u64::MAX } else { u32::MAX.into() };
        match self.page_size_log2 {
            0 => most,
            log2 => (most >> log2) + 1,
        }
    }

    /// Bytes of the least size; nothing when they are more than 64-bit addresses can tell apart.
    pub fn min_bytes(&self) -> Option<u64> {
        self.limits.min.checked_mul(self.page_size())
    }

    /// Bytes, when the memory cannot grow and so always has as many.
    pub fn fixed_bytes(&self) -> Option<u64> {
        self.min_bytes().filter(|_| self.limits.max == Some(self.limits.min))
    }

    /// Whether a memory can have this type: the specification bounds its limits, and allows pages of two sizes only
    /// (*Validation › Types › Memory Types*, and the proposal for custom page sizes).
    pub fn is_valid(&self) -> bool {
        matches!(self.page_size_log2, 0 | Self::PAGE_SIZE_LOG2)
            && self.limits.are_within(self.max_pages())
    }
}

/// The type of a global.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct GlobalType {
    /// The type of its value.
    pub content: ValType,
    /// Whether it may be set after instantiation.
    pub mutable: bool,
}

/// The type of a tag: what exceptions with it carry.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TagType {
    /// Its parameters are the values of an exception; there are no results.
    pub func: FuncType,
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
    /// A tag.
    Tag(TagType),
}

impl ExternType {
    /// The word of the text format for this kind of thing.
    pub fn kind(&self) -> &'static str {
        match self {
            ExternType::Func(_) => "func",
            ExternType::Table(_) => "table",
            ExternType::Memory(_) => "memory",
            ExternType::Global(_) => "global",
            ExternType::Tag(_) => "tag",
        }
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
        let index = if self.table64 { "i64 " } else { "" };
        write!(f, "(table {index}{} {})", self.limits, self.element)
    }
}

impl fmt::Display for MemoryType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let index = if self.memory64 { "i64 " } else { "" };
        write!(f, "(memory {index}{}", self.limits)?;
        if self.shared {
            f.write_str(" shared")?;
        }
        if self.page_size_log2 != Self::PAGE_SIZE_LOG2 {
            write!(f, " (pagesize {})", self.page_size())?;
        }
        f.write_str(")")
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

impl fmt::Display for TagType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(tag")?;
        write_types(f, "param", self.func.params())?;
        f.write_str(")")
    }
}

impl fmt::Display for ExternType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExternType::Func(ty) => ty.fmt(f),
            ExternType::Table(ty) => ty.fmt(f),
            ExternType::Memory(ty) => ty.fmt(f),
            ExternType::Global(ty) => ty.fmt(f),
            ExternType::Tag(ty) => ty.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Limits, MemoryType, TableType};
    use crate::RefType;

    fn memory(memory64: bool, page_size_log2: u8, min: u64, max: Option<u64>) -> MemoryType {
        MemoryType { memory64, page_size_log2, ..MemoryType::new(Limits { min, max }) }
    }

    #[test]
    fn memories_and_tables_are_shown_as_in_the_text_format() {
        assert_eq!(memory(false, 16, 1, None).to_string(), "(memory 1)");
        assert_eq!(memory(true, 16, 1, Some(2)).to_string(), "(memory i64 1 2)");
        assert_eq!(memory(true, 0, 3, Some(4)).to_string(), "(memory i64 3 4 (pagesize 1))");
        let mut table = TableType::new(RefType::FUNCREF, Limits { min: 1, max: None });
        assert_eq!(table.to_string(), "(table 1 funcref)");
        table.table64 = true;
        assert_eq!(table.to_string(), "(table i64 1 funcref)");
    }

    #[test]
    fn a_memory_is_no_larger_than_its_addresses_reach() {
        for (memory64, log2, most) in [
            (false, 16, 1 << 16),
            (false, 0, 0xffff_ffff),
            (true, 16, 1 << 48),
            (true, 0, u64::MAX),
        ] {
            assert!(memory(memory64, log2, most, Some(most)).is_valid());
            assert!(memory(memory64, log2, 0, None).is_valid());
            let Some(more) = most.checked_add(1) else { continue };
            assert!(!memory(memory64, log2, more, None).is_valid());
            assert!(!memory(memory64, log2, 0, Some(more)).is_valid());
        }
        assert!(!memory(true, 16, 2, Some(1)).is_valid());
        assert!(!memory(true, 12, 1, None).is_valid());
        assert!(!memory(true, 255, 1, None).is_valid());
    }

    #[test]
    fn sizes_in_bytes_do_not_wrap() {
        assert_eq!(memory(true, 16, 1 << 48, None).min_bytes(), None);
        assert_eq!(memory(true, 16, (1 << 48) - 1, None).min_bytes(), Some(u64::MAX - 0xffff));
        assert_eq!(memory(true, 0, u64::MAX, None).min_bytes(), Some(u64::MAX));
        assert_eq!(memory(false, 0, 7, Some(7)).fixed_bytes(), Some(7));
        assert_eq!(memory(false, 0, 7, None).fixed_bytes(), None);
    }
}
