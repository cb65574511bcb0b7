//! [`TypeRegistry`]: every function type of an engine has a number, so that types of different modules are equal
//! when their numbers are. Numbers live as long as the engine.

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

    /// The type with a number that [`id`](Self::id) gave.
    pub(crate) fn get(&self, id: u32) -> Arc<FuncType> {
        self.0.read().expect("no panic under the lock").types[id as usize].clone()
    }
}
