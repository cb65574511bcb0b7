//! [`TypeRegistry`]: every function type of an engine has a number, so that types of different modules are equal
//! when their numbers are. Numbers live as long as the engine. A type that names others does so by their numbers.

use std::{
    collections::HashMap,
    sync::{Arc, RwLock},
};

use wrun_module::FuncType;

/// The numbers of function types.
#[derive(Debug, Default)]
pub(crate) struct TypeRegistry(RwLock<Types>);

#[derive(Debug, Default)]
struct Types {
    numbers: HashMap<Arc<FuncType>, u32>,
    types: Vec<Arc<FuncType>>,
}

impl TypeRegistry {
    /// The number of a type.
    ///
    /// # Panics
    /// After 2³² types.
    pub(crate) fn id(&self, ty: &FuncType) -> u32 {
        if let Some(&id) = self.0.read().expect("no panic under the lock").numbers.get(ty) {
            return id;
        }
        let mut types = self.0.write().expect("no panic under the lock");
        if let Some(&id) = types.numbers.get(ty) {
            return id;
        }
        let id = u32::try_from(types.types.len()).expect("fewer than 2^32 types");
        let ty = Arc::new(ty.clone());
        types.types.push(ty.clone());
        types.numbers.insert(ty, id);
        id
    }

    /// The numbers of a type section's types. They may refer to types before them by their indices.
    ///
    /// # Panics
    /// When a type refers to itself or to one behind it.
    pub(crate) fn register(&self, types: &[FuncType]) -> Box<[u32]> {
        let mut numbers = Vec::with_capacity(types.len());
        for ty in types {
            // Equal types have equal numbers, so what they refer to is compared by number too.
            let number = self.id(&ty.resolve(&numbers));
            numbers.push(number);
        }
        numbers.into_boxed_slice()
    }

    /// The type with a number that [`id`](Self::id) gave.
    pub(crate) fn get(&self, id: u32) -> Arc<FuncType> {
        self.0.read().expect("no panic under the lock").types[id as usize].clone()
    }
}

#[cfg(test)]
mod tests {
    use wrun_module::{ConcreteType, FuncType, HeapType, RefType, TypeIndex, ValType};

    use super::TypeRegistry;

    fn taking(index: u32) -> FuncType {
        let heap = HeapType::ConcreteFunc(ConcreteType::Declared(TypeIndex(index)));
        FuncType::new([ValType::Ref(RefType { nullable: true, heap })], [])
    }

    #[test]
    fn types_that_are_built_in_the_same_way_are_equal() {
        let registry = TypeRegistry::default();
        let (empty, i32) = (FuncType::new([], []), FuncType::new([ValType::I32], []));
        let first = registry.register(&[empty.clone(), taking(0), taking(1)]);
        let second = registry.register(&[i32, empty, taking(1), taking(0), taking(2)]);
        assert_eq!(second[1], first[0]);
        assert_eq!(second[2], first[1]);
        assert_ne!(second[3], first[1], "it takes functions of another type");
        assert_eq!(second[4], first[2]);
    }
}
