//! What the type section declares: functions, structs and arrays, each a subtype of at most one other.
//!
//! Types that may name one another form *recursion groups*; two types are equal when their groups are, and they have the
//! same position in them (spec, *Types › Recursive Types*).

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{ConcreteType, ValType};

/// A type of the type section.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SubType {
    /// Whether it has no subtypes.
    pub is_final: bool,
    /// The type that it is declared to be a subtype of.
    pub supertype: Option<ConcreteType>,
    /// The type of the descriptor that each of its objects has (proposal for custom descriptors).
    pub descriptor: Option<ConcreteType>,
    /// The type whose objects have its objects as their descriptors.
    pub describes: Option<ConcreteType>,
    /// What it is.
    pub composite: CompositeType,
}

/// A function, struct or array type.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum CompositeType {
    /// A function type.
    Func(FuncType),
    /// A struct type.
    Struct(StructType),
    /// An array type.
    Array(ArrayType),
}

/// Which of the three a composite type is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum CompositeKind {
    /// A function type.
    Func,
    /// A struct type.
    Struct,
    /// An array type.
    Array,
}

/// The type of a function: `[params] -> [results]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FuncType {
    params: Box<[ValType]>,
    results: Box<[ValType]>,
}

/// The type of a struct.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct StructType {
    /// The fields, in order.
    pub fields: Box<[FieldType]>,
}

/// The type of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ArrayType {
    /// What every element is.
    pub element: FieldType,
}

/// The type of a field or of an array's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FieldType {
    /// What is stored.
    pub storage: StorageType,
    /// Whether it may be set after the object is made.
    pub mutable: bool,
}

/// What a field stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum StorageType {
    /// The low 8 bits of an `i32`.
    I8,
    /// The low 16 bits of an `i32`.
    I16,
    /// A value.
    Val(ValType),
}

impl SubType {
    /// A type without supertype or subtypes: what `(type (func …))` and the like declare.
    pub fn plain(composite: impl Into<CompositeType>) -> Self {
        Self {
            is_final: true,
            supertype: None,
            descriptor: None,
            describes: None,
            composite: composite.into(),
        }
    }

    /// The same type with every name in it replaced.
    #[must_use]
    pub fn rename(&self, mut rename: impl FnMut(ConcreteType) -> ConcreteType) -> Self {
        Self {
            is_final: self.is_final,
            supertype: self.supertype.map(&mut rename),
            descriptor: self.descriptor.map(&mut rename),
            describes: self.describes.map(&mut rename),
            composite: self.composite.rename(&mut rename),
        }
    }
}

impl CompositeType {
    /// Which of the three it is.
    pub fn kind(&self) -> CompositeKind {
        match self {
            CompositeType::Func(_) => CompositeKind::Func,
            CompositeType::Struct(_) => CompositeKind::Struct,
            CompositeType::Array(_) => CompositeKind::Array,
        }
    }

    /// The function type, if it is one.
    pub fn as_func(&self) -> Option<&FuncType> {
        match self {
            CompositeType::Func(ty) => Some(ty),
            _ => None,
        }
    }

    /// The struct type, if it is one.
    pub fn as_struct(&self) -> Option<&StructType> {
        match self {
            CompositeType::Struct(ty) => Some(ty),
            _ => None,
        }
    }

    /// The array type, if it is one.
    pub fn as_array(&self) -> Option<&ArrayType> {
        match self {
            CompositeType::Array(ty) => Some(ty),
            _ => None,
        }
    }

    fn rename(&self, mut rename: impl FnMut(ConcreteType) -> ConcreteType) -> Self {
        match self {
            CompositeType::Func(ty) => CompositeType::Func(ty.rename(rename)),
            CompositeType::Struct(ty) => CompositeType::Struct(StructType {
                fields: ty.fields.iter().map(|field| field.rename(&mut rename)).collect(),
            }),
            CompositeType::Array(ty) => {
                CompositeType::Array(ArrayType { element: ty.element.rename(rename) })
            }
        }
    }
}

impl<T: Into<CompositeType>> From<T> for SubType {
    /// A type without supertype or subtypes.
    fn from(composite: T) -> Self {
        Self::plain(composite)
    }
}

impl From<FuncType> for CompositeType {
    fn from(ty: FuncType) -> Self {
        CompositeType::Func(ty)
    }
}

impl From<StructType> for CompositeType {
    fn from(ty: StructType) -> Self {
        CompositeType::Struct(ty)
    }
}

impl From<ArrayType> for CompositeType {
    fn from(ty: ArrayType) -> Self {
        CompositeType::Array(ty)
    }
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

    /// The same type with every name in it replaced.
    #[must_use]
    pub fn rename(&self, mut rename: impl FnMut(ConcreteType) -> ConcreteType) -> Self {
        let mut rename =
            |types: &[ValType]| types.iter().map(|ty| ty.rename(&mut rename)).collect();
        Self { params: rename(&self.params), results: rename(&self.results) }
    }
}

impl FieldType {
    /// The same type with the name in it, if there is one, replaced.
    #[must_use]
    pub fn rename(self, rename: impl FnOnce(ConcreteType) -> ConcreteType) -> Self {
        match self.storage {
            StorageType::Val(ty) => Self { storage: StorageType::Val(ty.rename(rename)), ..self },
            StorageType::I8 | StorageType::I16 => self,
        }
    }
}

impl StorageType {
    /// The type of the value that is read from and written to it.
    pub fn unpacked(self) -> ValType {
        match self {
            StorageType::I8 | StorageType::I16 => ValType::I32,
            StorageType::Val(ty) => ty,
        }
    }

    /// Bytes it takes in an object.
    pub fn size(self) -> u32 {
        match self {
            StorageType::I8 => 1,
            StorageType::I16 => 2,
            StorageType::Val(ValType::I32 | ValType::F32) => 4,
            StorageType::Val(ValType::I64 | ValType::F64) => 8,
            StorageType::Val(ValType::V128) => 16,
            StorageType::Val(ValType::Ref(ty)) if ty.heap.is_func() => crate::layout::POINTER_SIZE,
            StorageType::Val(ValType::Ref(_)) => 4,
        }
    }

    /// Whether it may hold a reference to an object of the heap, so that the collector has to know of it.
    pub fn is_traced(self) -> bool {
        matches!(self, StorageType::Val(ty) if ty.is_traced())
    }

    /// Whether it has a value when none is given: zero or null (spec, *Validation › Types › Defaultable Types*).
    pub fn is_defaultable(self) -> bool {
        !matches!(self, StorageType::Val(ValType::Ref(ty)) if !ty.nullable)
    }
}

/// Writes `word` and the types as the text format does: `(param i32 i64)`; nothing for an empty list.
pub(super) fn write_types(
    f: &mut fmt::Formatter<'_>,
    word: &str,
    types: &[ValType],
) -> fmt::Result {
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

impl fmt::Display for StorageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StorageType::I8 => f.write_str("i8"),
            StorageType::I16 => f.write_str("i16"),
            StorageType::Val(ty) => ty.fmt(f),
        }
    }
}

impl fmt::Display for FieldType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.mutable { write!(f, "(mut {})", self.storage) } else { self.storage.fmt(f) }
    }
}

impl fmt::Display for CompositeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CompositeType::Func(ty) => ty.fmt(f),
            CompositeType::Struct(ty) => {
                f.write_str("(struct")?;
                ty.fields.iter().try_for_each(|field| write!(f, " (field {field})"))?;
                f.write_str(")")
            }
            CompositeType::Array(ty) => write!(f, "(array {})", ty.element),
        }
    }
}

impl fmt::Display for SubType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_plain = self.is_final && self.supertype.is_none();
        if !is_plain {
            f.write_str(if self.is_final { "(sub final " } else { "(sub " })?;
        }
        if let Some(supertype) = self.supertype {
            write!(f, "{supertype} ")?;
        }
        if let Some(describes) = self.describes {
            write!(f, "(describes {describes}) ")?;
        }
        if let Some(descriptor) = self.descriptor {
            write!(f, "(descriptor {descriptor}) ")?;
        }
        self.composite.fmt(f)?;
        if is_plain { Ok(()) } else { f.write_str(")") }
    }
}

#[cfg(test)]
mod tests {
    use super::{ArrayType, FieldType, StorageType, StructType, SubType};
    use crate::{ConcreteType, FuncType, TypeIndex, ValType};

    #[test]
    fn types_are_shown_as_in_the_text_format() {
        let field = FieldType { storage: StorageType::I8, mutable: true };
        let any = FieldType { storage: StorageType::Val(ValType::ANYREF), mutable: false };
        let ty = StructType { fields: [field, any].into() };
        let supertype = Some(ConcreteType::Declared(TypeIndex(3)));
        let ty = SubType { is_final: false, supertype, ..SubType::plain(ty) };
        assert_eq!(ty.to_string(), "(sub 3 (struct (field (mut i8)) (field anyref)))");
        assert_eq!(SubType::plain(ArrayType { element: any }).to_string(), "(array anyref)");
        let func = FuncType::new([ValType::I32], [ValType::I31REF]);
        assert_eq!(SubType::plain(func).to_string(), "(func (param i32) (result i31ref))");
    }
}
