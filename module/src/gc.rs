//! How objects of a store's garbage-collected heap lie in memory: written by generated code, walked by the collector.
//!
//! # References
//! A reference to an object, in a register or in memory, is 32 bits: the object's offset from the base of its store's
//! heap, a multiple of [`ALIGN`]. 0 is null; an odd number is an `i31`, whose value is in the upper 31 bits. The base never
//! changes. All of `any`, `extern` and `exn` and what is below them are held like this; functions are not objects, and
//! references to them are pointers ([`func_ref`](crate::layout::func_ref)).
//!
//! The first [`NULL_REGION`] bytes from the base on are never accessible, so that an access to a field of the null
//! reference faults: it needs no check of its own when the field lies in front of that.
//!
//! # Objects
//! Every object begins with the number of its type, `u32`. What follows depends on what it is:
//! - a struct: its fields, each at the next multiple of its size ([`StructLayout`]); a subtype's begin as its supertype's;
//!   among them, if its type has one, the reference to its descriptor;
//! - an array: its length, `u32`, at [`array::LENGTH`], then its elements without gaps;
//! - a value of the host's ([`EXTERNAL_TYPE`]): its number in the store's list, `u32`;
//! - an exception ([`EXCEPTION_TYPE`]): the number of its tag in the store, `u32`, then its values as a struct's fields.
//!
//! # Types
//! The number of a type is the position of its *row* in the engine's table of supertypes, an array of `u32`: entry `d`
//! of a row is the number of the ancestor at depth `d`, the type itself last. At depth 0, as if they were the supertypes of
//! all others, are the three *kinds* ([`kind_type`]); a type that is declared without a supertype has depth 1. The other
//! entries are [`NO_TYPE`]. So an object is of type `t` of depth `d` when entry `d` of its type's row is `t`: one load and
//! one comparison, whatever the types, and it is a struct, of whatever type, when entry 0 is the kind of structs. Values of
//! the host's and exceptions have a row without entries, so that they are of no type and no kind.
//!
//! Rows have [`ROW`] entries; deeper types take as many rows as they need. There is no need to look at the length of a
//! row: what is read beyond it is in the row of another type, belongs to a depth that is not `d`, and so is another type's
//! number.

use crate::{CompositeKind, FuncType, StorageType};

/// Objects begin at multiples of this, and their sizes are multiples of it.
pub const ALIGN: u32 = 8;

/// Bytes from the heap's base on that are never accessible.
pub const NULL_REGION: u32 = 1 << 16;

/// Bytes of addresses that references can name.
pub const ADDRESS_SPACE: u64 = 1 << 32;

/// Offset of an object's type in the object.
pub const TYPE: u32 = 0;

/// Arrays.
pub mod array {
    /// `u32`: number of elements.
    pub const LENGTH: u32 = 4;
    /// The first element, whatever its size.
    pub const ELEMENTS: u32 = 8;
}

/// Values of the host's.
pub mod external {
    /// `u32`: the number in the store's list.
    pub const NUMBER: u32 = 4;
    /// Bytes of one.
    pub const SIZE: u32 = 8;
}

/// Exceptions.
pub mod exception {
    /// `u32`: the number of the tag in the store.
    pub const TAG: u32 = 4;
    /// The first value.
    pub const VALUES: u32 = 8;
}

/// Entries of a row of the table of supertypes.
pub const ROW: u32 = 8;

/// No type's number: row 0 is nobody's.
pub const NO_TYPE: u32 = 0;

/// The type of values of the host's.
pub const EXTERNAL_TYPE: u32 = ROW;

/// The type of exceptions, whatever their tag.
pub const EXCEPTION_TYPE: u32 = 2 * ROW;

/// The number that stands for all functions, all structs or all arrays, at depth 0 of their types' rows. No object has it
/// as its type.
pub const fn kind_type(kind: CompositeKind) -> u32 {
    match kind {
        CompositeKind::Func => 3 * ROW,
        CompositeKind::Struct => 4 * ROW,
        CompositeKind::Array => 5 * ROW,
    }
}

/// The number of the first type that modules declare.
pub const FIRST_TYPE: u32 = 6 * ROW;

/// The depth of types that are declared without a supertype.
pub const ROOT_DEPTH: u32 = 1;

/// The greatest depth of a type: validation allows 63 supertypes above it.
pub const MAX_DEPTH: u32 = ROOT_DEPTH + 63;

/// An `i31` as a reference.
pub const fn i31(value: i32) -> u32 {
    (value as u32) << 1 | 1
}

/// Where a field lies, and what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldPlace {
    /// Offset from the start of the object.
    pub offset: u32,
    /// What it holds.
    pub storage: StorageType,
}

/// The layout of a struct, or of an exception.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StructLayout {
    /// Bytes of the object: a multiple of [`ALIGN`].
    pub size: u32,
    /// The fields, in order.
    pub fields: Box<[FieldPlace]>,
    /// The reference to the descriptor, when the type has one.
    pub descriptor: Option<DescriptorPlace>,
}

/// Where the reference to the descriptor lies: behind the fields of the first in the chain of supertypes that has a
/// descriptor, so that what is in front is as in those that have none, and what is behind as in those that have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DescriptorPlace {
    /// Offset from the start of the object.
    pub offset: u32,
    /// How many fields are in front of it.
    behind: usize,
}

impl StructLayout {
    /// The layout of structs with these fields. `described` says whether the type has a descriptor.
    pub fn of_struct(
        fields: impl ExactSizeIterator<Item = StorageType>,
        supertype: Option<&StructLayout>,
        described: bool,
    ) -> Self {
        let inherited = supertype.and_then(|layout| layout.descriptor).map(|place| place.behind);
        let behind = inherited.or(described.then_some(fields.len()));
        Self::new(TYPE + 4, fields, behind)
    }

    /// The layout of exceptions whose tag has this type.
    pub fn of_exception(tag: &FuncType) -> Self {
        Self::new(exception::VALUES, tag.params().iter().copied().map(StorageType::Val), None)
    }

    /// Fields from `end` on, and the descriptor behind so many of them. No sum overflows: validation allows at most 10,000
    /// fields.
    fn new(
        mut end: u32,
        fields: impl ExactSizeIterator<Item = StorageType>,
        behind: Option<usize>,
    ) -> Self {
        let mut place = |size: u32| {
            // Vectors are not aligned further than objects are.
            let offset = end.next_multiple_of(size.min(ALIGN));
            end = offset + size;
            offset
        };
        let mut places = Vec::with_capacity(fields.len());
        let mut descriptor = None;
        for storage in fields.map(Some).chain([None]) {
            if behind == Some(places.len()) {
                descriptor = behind.map(|behind| DescriptorPlace { offset: place(4), behind });
            }
            if let Some(storage) = storage {
                places.push(FieldPlace { offset: place(storage.size()), storage });
            }
        }
        Self { size: end.next_multiple_of(ALIGN), fields: places.into(), descriptor }
    }

    /// Offsets of all references to objects.
    pub fn references(&self) -> impl Iterator<Item = u32> + '_ {
        let traced = self.fields.iter().filter(|field| field.storage.is_traced());
        let descriptor = self.descriptor.map(|place| place.offset);
        traced.map(|field| field.offset).chain(descriptor)
    }
}

/// Bytes of an array with elements of `size` bytes: a multiple of [`ALIGN`]. It may be more than any heap has.
pub const fn array_size(length: u32, size: u32) -> u64 {
    (array::ELEMENTS as u64 + length as u64 * size as u64).next_multiple_of(ALIGN as u64)
}

#[cfg(test)]
mod tests {
    use super::{StructLayout, array_size, i31};
    use crate::{FuncType, StorageType, ValType};

    fn offsets(layout: &StructLayout) -> Vec<u32> {
        layout.fields.iter().map(|field| field.offset).collect()
    }

    #[test]
    fn fields_are_aligned_and_a_longer_struct_begins_as_a_shorter_one() {
        use StorageType::{I8, I16, Val};
        let fields = [Val(ValType::ANYREF), I8, I16, Val(ValType::I64), I8, Val(ValType::V128)];
        let of_struct =
            |fields: &[StorageType]| StructLayout::of_struct(fields.iter().copied(), None, false);
        let layout = of_struct(&fields);
        assert_eq!(offsets(&layout), [4, 8, 10, 16, 24, 32]);
        assert_eq!(layout.size, 48);
        assert_eq!(layout.references().collect::<Vec<_>>(), [4]);
        let shorter = of_struct(&fields[..3]);
        assert_eq!(offsets(&shorter), offsets(&layout)[..3]);
        assert_eq!(shorter.size, 16);
        assert_eq!(of_struct(&[]).size, 8);
    }

    #[test]
    fn a_descriptor_lies_where_all_that_have_it_agree() {
        use StorageType::{I8, Val};
        let fields = [I8, Val(ValType::I32), Val(ValType::ANYREF), Val(ValType::I64)];
        let of_struct = |len: usize, supertype: Option<&StructLayout>, described| {
            StructLayout::of_struct(fields[..len].iter().copied(), supertype, described)
        };
        let plain = of_struct(1, None, false);
        let described = of_struct(2, Some(&plain), true);
        let longer = of_struct(4, Some(&described), true);
        assert_eq!(plain.descriptor, None);
        assert_eq!(offsets(&described), [4, 8]);
        assert_eq!(described.descriptor.unwrap().offset, 12);
        assert_eq!(described.size, 16);
        assert_eq!(longer.descriptor, described.descriptor);
        assert_eq!(offsets(&longer), [4, 8, 16, 24]);
        assert_eq!(longer.references().collect::<Vec<_>>(), [16, 12]);
        assert_eq!(of_struct(0, None, true).descriptor.unwrap().offset, 4);
    }

    #[test]
    fn functions_are_not_traced() {
        let tag = FuncType::new([ValType::FUNCREF, ValType::EXTERNREF, ValType::I31REF], []);
        let layout = StructLayout::of_exception(&tag);
        assert_eq!(offsets(&layout), [8, 16, 20]);
        assert_eq!(layout.references().collect::<Vec<_>>(), [16]);
    }

    #[test]
    fn sizes_of_arrays_do_not_wrap() {
        assert_eq!(array_size(0, 16), 8);
        assert_eq!(array_size(1, 1), 16);
        assert_eq!(array_size(u32::MAX, 16), 16 * u64::from(u32::MAX) + 8);
        assert_eq!(i31(-1), u32::MAX);
        assert_eq!(i31(1 << 30), 1 << 31 | 1);
    }
}
