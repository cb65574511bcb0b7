//! The types of values.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::CompositeKind;
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

/// A reference type: what is referred to, and whether null is one of its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RefType {
    /// Whether `ref.null` inhabits the type.
    pub nullable: bool,
    /// What is referred to.
    pub heap: HeapType,
}

macro_rules! abbreviations {
    ($($(#[$doc:meta])* $name:ident = $heap:ident;)*) => {
        impl RefType {
            $($(#[$doc])* pub const $name: RefType = RefType { nullable: true, heap: HeapType::$heap };)*
        }

        impl ValType {
            $($(#[$doc])* pub const $name: ValType = ValType::Ref(RefType::$name);)*
        }
    };
}

abbreviations! {
    /// `funcref`, the nullable reference to any function.
    FUNCREF = Func;
    /// `nullfuncref`, whose only value is null.
    NULLFUNCREF = NoFunc;
    /// `externref`, the nullable reference to any host value.
    EXTERNREF = Extern;
    /// `nullexternref`, whose only value is null.
    NULLEXTERNREF = NoExtern;
    /// `anyref`, the nullable reference to anything but functions and exceptions.
    ANYREF = Any;
    /// `eqref`, the nullable reference to what can be compared.
    EQREF = Eq;
    /// `i31ref`, null or an integer of 31 bits.
    I31REF = I31;
    /// `structref`, the nullable reference to any struct.
    STRUCTREF = Struct;
    /// `arrayref`, the nullable reference to any array.
    ARRAYREF = Array;
    /// `nullref`, whose only value is null.
    NULLREF = None;
    /// `exnref`, the nullable reference to any exception.
    EXNREF = Exn;
    /// `nullexnref`, whose only value is null.
    NULLEXNREF = NoExn;
}

/// What a reference refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum HeapType {
    /// Any function.
    Func,
    /// Nothing: below every type of functions.
    NoFunc,
    /// Any value of the host.
    Extern,
    /// Nothing: below `extern`.
    NoExtern,
    /// Anything but functions and exceptions.
    Any,
    /// What `ref.eq` compares.
    Eq,
    /// An integer of 31 bits.
    I31,
    /// Any struct.
    Struct,
    /// Any array.
    Array,
    /// Nothing: below `any`, and every type of structs and arrays.
    None,
    /// Any exception.
    Exn,
    /// Nothing: below `exn`.
    NoExn,
    /// The functions of one type, and of its subtypes.
    ConcreteFunc(ConcreteType),
    /// The structs of one type, and of its subtypes.
    ConcreteStruct(ConcreteType),
    /// The arrays of one type, and of its subtypes.
    ConcreteArray(ConcreteType),
    /// What is of one type and of none of its subtypes (proposal for custom descriptors).
    Exact(CompositeKind, ConcreteType),
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
    /// By its position in the recursion group that names it: how groups are compared (spec, *Types › Rolling*).
    Recursive(u32),
    /// By its number in the engine.
    Engine(u32),
}

impl HeapType {
    /// What a concrete type's kind and name make.
    pub fn concrete(kind: CompositeKind, ty: ConcreteType) -> Self {
        match kind {
            CompositeKind::Func => HeapType::ConcreteFunc(ty),
            CompositeKind::Struct => HeapType::ConcreteStruct(ty),
            CompositeKind::Array => HeapType::ConcreteArray(ty),
        }
    }

    /// The name of a concrete type.
    pub fn as_concrete(self) -> Option<ConcreteType> {
        match self {
            HeapType::ConcreteFunc(ty)
            | HeapType::ConcreteStruct(ty)
            | HeapType::ConcreteArray(ty)
            | HeapType::Exact(_, ty) => Some(ty),
            _ => None,
        }
    }

    /// The type without the promise that nothing is of a subtype.
    fn inexact(self) -> HeapType {
        match self {
            HeapType::Exact(kind, ty) => HeapType::concrete(kind, ty),
            other => other,
        }
    }

    /// The greatest type of the hierarchy: `func`, `extern`, `any` or `exn`.
    pub fn top(self) -> HeapType {
        match self {
            HeapType::Func
            | HeapType::NoFunc
            | HeapType::ConcreteFunc(_)
            | HeapType::Exact(CompositeKind::Func, _) => HeapType::Func,
            HeapType::Extern | HeapType::NoExtern => HeapType::Extern,
            HeapType::Exn | HeapType::NoExn => HeapType::Exn,
            HeapType::Any
            | HeapType::Eq
            | HeapType::I31
            | HeapType::Struct
            | HeapType::Array
            | HeapType::None
            | HeapType::ConcreteStruct(_)
            | HeapType::ConcreteArray(_)
            | HeapType::Exact(CompositeKind::Struct | CompositeKind::Array, _) => HeapType::Any,
        }
    }

    /// Whether it is one of functions: references to those are pointers, all others are 32 bits ([`gc`](crate::gc)).
    pub fn is_func(self) -> bool {
        self.top() == HeapType::Func
    }

    /// Whether nothing is of this type.
    pub fn is_bottom(self) -> bool {
        matches!(self, HeapType::NoFunc | HeapType::NoExtern | HeapType::None | HeapType::NoExn)
    }

    /// Whether references to it may lead to an object of the heap, so that the collector has to know of them.
    pub fn is_traced(self) -> bool {
        !self.is_func() && !self.is_bottom() && self != HeapType::I31
    }

    /// Whether every reference to this is one to `other` too (spec, *Validation › Matching*), where `is_subtype` says it
    /// of two concrete types. Both name concrete types in the same way. The only place that knows how heap types are
    /// related.
    pub fn matches(
        self,
        other: HeapType,
        is_subtype: impl FnOnce(ConcreteType, ConcreteType) -> bool,
    ) -> bool {
        if let (Some(found), Some(expected)) = (self.as_concrete(), other.as_concrete()) {
            return match (self, other) {
                (HeapType::Exact(..), HeapType::Exact(..)) => found == expected,
                (_, HeapType::Exact(..)) => false,
                _ => found == expected || is_subtype(found, expected),
            };
        }
        if self == other || self.is_bottom() && self.top() == other.top() {
            return true;
        }
        match other {
            HeapType::Func => self.is_func(),
            HeapType::Extern => self.top() == HeapType::Extern,
            HeapType::Exn => self.top() == HeapType::Exn,
            HeapType::Any => self.top() == HeapType::Any,
            HeapType::Eq => self.top() == HeapType::Any && self != HeapType::Any,
            HeapType::Struct => matches!(self.inexact(), HeapType::ConcreteStruct(_)),
            HeapType::Array => matches!(self.inexact(), HeapType::ConcreteArray(_)),
            _ => false,
        }
    }

    /// The same type with its name, if it has one, replaced.
    pub fn rename(self, rename: impl FnOnce(ConcreteType) -> ConcreteType) -> Self {
        match self {
            HeapType::ConcreteFunc(ty) => HeapType::ConcreteFunc(rename(ty)),
            HeapType::ConcreteStruct(ty) => HeapType::ConcreteStruct(rename(ty)),
            HeapType::ConcreteArray(ty) => HeapType::ConcreteArray(rename(ty)),
            HeapType::Exact(kind, ty) => HeapType::Exact(kind, rename(ty)),
            other => other,
        }
    }
}

impl RefType {
    /// Whether every value of this type is one of `other` too; `is_subtype` as for [`HeapType::matches`].
    pub fn matches(
        self,
        other: RefType,
        is_subtype: impl FnOnce(ConcreteType, ConcreteType) -> bool,
    ) -> bool {
        (other.nullable || !self.nullable) && self.heap.matches(other.heap, is_subtype)
    }

    /// The same type with the name in it, if there is one, replaced.
    #[must_use]
    pub fn rename(self, rename: impl FnOnce(ConcreteType) -> ConcreteType) -> Self {
        Self { heap: self.heap.rename(rename), ..self }
    }
}

impl ValType {
    /// Whether every value of this type is one of `other` too; `is_subtype` as for [`HeapType::matches`].
    pub fn matches(
        self,
        other: ValType,
        is_subtype: impl FnOnce(ConcreteType, ConcreteType) -> bool,
    ) -> bool {
        match (self, other) {
            (ValType::Ref(found), ValType::Ref(expected)) => found.matches(expected, is_subtype),
            (found, expected) => found == expected,
        }
    }

    /// The same type with the name in it, if there is one, replaced.
    #[must_use]
    pub fn rename(self, rename: impl FnOnce(ConcreteType) -> ConcreteType) -> Self {
        match self {
            ValType::Ref(ty) => ValType::Ref(ty.rename(rename)),
            other => other,
        }
    }

    /// Whether values may be references to objects of the heap, so that the collector has to know of them.
    pub fn is_traced(self) -> bool {
        matches!(self, ValType::Ref(ty) if ty.heap.is_traced())
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
        f.write_str(match self {
            HeapType::Func => "func",
            HeapType::NoFunc => "nofunc",
            HeapType::Extern => "extern",
            HeapType::NoExtern => "noextern",
            HeapType::Any => "any",
            HeapType::Eq => "eq",
            HeapType::I31 => "i31",
            HeapType::Struct => "struct",
            HeapType::Array => "array",
            HeapType::None => "none",
            HeapType::Exn => "exn",
            HeapType::NoExn => "noexn",
            HeapType::ConcreteFunc(ty)
            | HeapType::ConcreteStruct(ty)
            | HeapType::ConcreteArray(ty) => return ty.fmt(f),
            HeapType::Exact(_, ty) => return write!(f, "(exact {ty})"),
        })
    }
}

impl fmt::Display for ConcreteType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConcreteType::Declared(index) => write!(f, "{}", index.0),
            ConcreteType::Recursive(position) => write!(f, "$rec{position}"),
            ConcreteType::Engine(number) => write!(f, "$type{number}"),
        }
    }
}

impl fmt::Display for RefType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.nullable, self.heap) {
            (false, _) => write!(f, "(ref {})", self.heap),
            (true, heap) if heap.as_concrete().is_some() => write!(f, "(ref null {heap})"),
            (true, HeapType::NoFunc) => f.write_str("nullfuncref"),
            (true, HeapType::NoExtern) => f.write_str("nullexternref"),
            (true, HeapType::None) => f.write_str("nullref"),
            (true, HeapType::NoExn) => f.write_str("nullexnref"),
            (true, heap) => write!(f, "{heap}ref"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CompositeKind, ConcreteType, HeapType, RefType};

    const fn engine(number: u32) -> ConcreteType {
        ConcreteType::Engine(number)
    }

    /// 1 is below 0.
    fn matches(found: HeapType, expected: HeapType) -> bool {
        found.matches(expected, |found, expected| (found, expected) == (engine(1), engine(0)))
    }

    #[test]
    fn every_hierarchy_has_its_order() {
        use HeapType::*;
        let chains: [&[HeapType]; 7] = [
            &[Func, ConcreteFunc(engine(0)), ConcreteFunc(engine(1)), NoFunc],
            &[Any, Eq, Struct, ConcreteStruct(engine(0)), ConcreteStruct(engine(1)), None],
            &[Any, Eq, Array, ConcreteArray(engine(0)), ConcreteArray(engine(1)), None],
            &[Any, Eq, I31, None],
            &[Struct, ConcreteStruct(engine(0)), Exact(CompositeKind::Struct, engine(0)), None],
            &[Extern, NoExtern],
            &[Exn, NoExn],
        ];
        for chain in chains {
            for (upper, &expected) in chain.iter().enumerate() {
                for (lower, &found) in chain.iter().enumerate() {
                    assert_eq!(matches(found, expected), lower >= upper, "{found} as {expected}");
                }
            }
        }
    }

    #[test]
    fn hierarchies_have_nothing_in_common() {
        use HeapType::*;
        let kinds = [
            [Func, NoFunc, ConcreteFunc(engine(1))],
            [Extern, NoExtern, NoExtern],
            [Exn, NoExn, NoExn],
            [Any, I31, None],
        ];
        for (a, b) in kinds.iter().flat_map(|a| kinds.iter().map(move |b| (a, b))) {
            if a == b {
                continue;
            }
            for (&found, &expected) in a.iter().flat_map(|x| b.iter().map(move |y| (x, y))) {
                assert!(!matches(found, expected), "{found} as {expected}");
            }
        }
        let exact = |number| Exact(CompositeKind::Struct, engine(number));
        assert!(matches(exact(1), ConcreteStruct(engine(0))));
        for (found, expected) in [
            (Struct, Array),
            (I31, Struct),
            (ConcreteStruct(engine(0)), I31),
            (exact(1), exact(0)),
            (ConcreteStruct(engine(1)), exact(1)),
        ] {
            assert!(!matches(found, expected), "{found} as {expected}");
        }
    }

    #[test]
    fn null_is_a_value_of_nullable_types_only() {
        let never = |_, _| false;
        let non_null = RefType { nullable: false, heap: HeapType::Func };
        assert!(non_null.matches(RefType::FUNCREF, never));
        assert!(!RefType::FUNCREF.matches(non_null, never));
        assert_eq!(RefType::NULLREF.to_string(), "nullref");
        assert_eq!(RefType::I31REF.to_string(), "i31ref");
        assert_eq!(RefType { nullable: false, heap: HeapType::Eq }.to_string(), "(ref eq)");
    }
}
