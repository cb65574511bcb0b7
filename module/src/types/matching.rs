//! Which composite types may be declared to be subtypes of which (spec, *Validation › Matching*). How references are related
//! is said by [`HeapType::matches`](super::HeapType::matches).
//!
//! `is_subtype` says of two concrete types whether the first is a subtype of, or the same as, the second. Both sides name
//! concrete types in the same way.

use super::{CompositeType, ConcreteType, FieldType, FuncType, StorageType};

impl CompositeType {
    /// Whether whoever relies on `other` can be given this: a struct may have more fields, a function may take more and give less.
    pub fn matches(
        &self,
        other: &CompositeType,
        is_subtype: impl Fn(ConcreteType, ConcreteType) -> bool,
    ) -> bool {
        match (self, other) {
            (CompositeType::Func(found), CompositeType::Func(expected)) => {
                found.matches(expected, is_subtype)
            }
            (CompositeType::Struct(found), CompositeType::Struct(expected)) => {
                let pairs = || found.fields.iter().zip(&expected.fields);
                found.fields.len() >= expected.fields.len()
                    && pairs().all(|(found, expected)| found.matches(*expected, &is_subtype))
            }
            (CompositeType::Array(found), CompositeType::Array(expected)) => {
                found.element.matches(expected.element, &is_subtype)
            }
            _ => false,
        }
    }
}

impl FuncType {
    /// Whether it takes all that `other` takes, and gives nothing that `other` does not give.
    pub fn matches(
        &self,
        other: &FuncType,
        is_subtype: impl Fn(ConcreteType, ConcreteType) -> bool,
    ) -> bool {
        let params = || self.params().iter().zip(other.params());
        let results = || self.results().iter().zip(other.results());
        self.params().len() == other.params().len()
            && self.results().len() == other.results().len()
            && params().all(|(own, others)| others.matches(*own, &is_subtype))
            && results().all(|(own, others)| own.matches(*others, &is_subtype))
    }
}

impl FieldType {
    /// Whether whoever relies on `other` can be given this. What can be set from both sides has the same type on both.
    pub fn matches(
        self,
        other: FieldType,
        is_subtype: impl Fn(ConcreteType, ConcreteType) -> bool,
    ) -> bool {
        self.mutable == other.mutable
            && match (self.storage, other.storage) {
                (StorageType::Val(found), StorageType::Val(expected)) => {
                    let back = !self.mutable || expected.matches(found, &is_subtype);
                    back && found.matches(expected, &is_subtype)
                }
                (found, expected) => found == expected,
            }
    }
}

#[cfg(test)]
mod tests {
    use crate::{ArrayType, CompositeType, FieldType, FuncType, StorageType, StructType, ValType};

    fn matches(found: impl Into<CompositeType>, expected: impl Into<CompositeType>) -> bool {
        found.into().matches(&expected.into(), |_, _| false)
    }

    fn field(ty: ValType, mutable: bool) -> FieldType {
        FieldType { storage: StorageType::Val(ty), mutable }
    }

    fn structure(fields: &[FieldType]) -> StructType {
        StructType { fields: fields.into() }
    }

    #[test]
    fn functions_take_more_and_give_less() {
        let func = |param, result| FuncType::new([param], [result]);
        let (any, i31) = (ValType::ANYREF, ValType::I31REF);
        assert!(matches(func(any, i31), func(i31, any)));
        assert!(matches(func(any, any), func(any, any)));
        assert!(!matches(func(i31, i31), func(any, i31)));
        assert!(!matches(func(any, any), func(any, i31)));
        assert!(!matches(func(any, any), FuncType::new([any], [])));
        assert!(!matches(func(any, any), FuncType::new([], [any])));
    }

    #[test]
    fn structs_may_be_longer() {
        let [number, any] = [field(ValType::I32, true), field(ValType::ANYREF, false)];
        assert!(matches(structure(&[number, any]), structure(&[number])));
        assert!(matches(structure(&[]), structure(&[])));
        assert!(!matches(structure(&[number]), structure(&[number, any])));
        assert!(!matches(structure(&[any, number]), structure(&[number])));
        assert!(!matches(structure(&[number]), ArrayType { element: number }));
    }

    #[test]
    fn only_what_cannot_be_set_may_be_narrower() {
        let array = |element| ArrayType { element };
        for (mutable, fits) in [(false, true), (true, false)] {
            let [i31, any] = [ValType::I31REF, ValType::ANYREF].map(|ty| field(ty, mutable));
            assert_eq!(matches(array(i31), array(any)), fits);
            assert!(!matches(array(any), array(i31)));
            assert!(matches(array(i31), array(i31)));
        }
        assert!(!matches(array(field(ValType::I32, true)), array(field(ValType::I32, false))));
        let [bytes, shorts] =
            [StorageType::I8, StorageType::I16].map(|storage| FieldType { storage, mutable: true });
        assert!(matches(array(bytes), array(bytes)));
        assert!(!matches(array(bytes), array(shorts)));
        assert!(!matches(array(bytes), array(field(ValType::I32, true))));
    }
}
