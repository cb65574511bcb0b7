//! What is in objects: making, reading and writing structs and arrays for the host, and for constant expressions.
//!
//! Everything here is safe whatever it is given: an object's size and the places in it follow from the type that it carries,
//! and a value is only written where the type allows it. Generated code relies on both without looking.
//!
//! A new object gets all its contents between its allocation and the next one, so that the collector never sees one without.

mod arrays;
mod segments;
mod structs;

use std::sync::Arc;

use wrun_module::{
    ConcreteType, HeapType, StorageType,
    gc::{EXCEPTION_TYPE, EXTERNAL_TYPE, TYPE, i31},
};

use super::heap::Heap;
use crate::{
    Error, I31, TypeMismatch, Val,
    root::RootHandle,
    types::RegisteredType,
    vm::{layout::VmValue, store::StoreOpaque},
};

pub(crate) use arrays::Elements;

/// An object, for as long as nothing collects.
struct Object {
    reference: u32,
    ty: Arc<RegisteredType>,
}

impl StoreOpaque {
    /// The reference to an integer.
    pub(crate) fn root_i31(&mut self, value: I31) -> RootHandle {
        self.root(i31(value.get_i32())).expect("the lowest bit is set")
    }

    /// The integer that a handle stands for, when it does.
    pub(crate) fn i31(&self, handle: RootHandle) -> Option<I31> {
        let reference = self.reference(handle);
        (reference & 1 == 1).then(|| I31::wrapping_u32(reference >> 1))
    }

    /// What a reference of the hierarchy of `any` refers to: `i31`, the exact type of a struct or an array, or, for values of
    /// the host's, `any`.
    pub(crate) fn heap_type_of(&self, handle: RootHandle) -> HeapType {
        let reference = self.reference(handle);
        if reference & 1 == 1 {
            return HeapType::I31;
        }
        match self.type_number(reference) {
            EXTERNAL_TYPE => HeapType::Any,
            EXCEPTION_TYPE => HeapType::Exn,
            number => {
                let kind = self.engine.types().get(number).ty.composite.kind();
                HeapType::Exact(kind, ConcreteType::Engine(number))
            }
        }
    }

    /// What a handle to a struct or an array refers to.
    fn object(&self, handle: RootHandle) -> Object {
        let reference = self.reference(handle);
        assert!(reference & 1 == 0, "a reference to an object is to an integer");
        Object { reference, ty: self.engine.types().get(self.type_number(reference)) }
    }

    fn type_number(&self, reference: u32) -> u32 {
        u32::from_le_bytes(self.object_heap().read(reference, TYPE))
    }

    fn check_value(
        &self,
        what: impl FnOnce() -> String,
        storage: StorageType,
        value: &Val,
    ) -> Result<(), TypeMismatch> {
        if value.is_of(self, storage.unpacked()) {
            return Ok(());
        }
        Err(TypeMismatch::new(what(), &storage, &value.exact_type(self)))
    }

    /// The value at an offset of an object whose type says that there is one.
    fn read(&mut self, reference: u32, offset: u32, storage: StorageType) -> Val {
        let size = storage.size() as usize;
        let mut slot = VmValue::default();
        slot.0[..size].copy_from_slice(self.object_heap().bytes(reference, offset, size));
        match storage {
            StorageType::I8 | StorageType::I16 => Val::I32(slot.to_u32() as i32),
            // SAFETY: the object's type says what is there, and nothing collects between the access and this.
            StorageType::Val(ty) => unsafe { Val::from_vm(slot, ty, self) },
        }
    }

    fn object_heap(&self) -> &Heap {
        self.gc.heap.as_ref().expect("a store with an object has a heap")
    }

    fn object_heap_mut(&mut self) -> &mut Heap {
        self.gc.heap.as_mut().expect("a store with an object has a heap")
    }
}

/// Writes a value at an offset of an object, as much of it as is stored.
fn write(heap: &mut Heap, reference: u32, offset: u32, storage: StorageType, value: VmValue) {
    let size = storage.size() as usize;
    heap.bytes_mut(reference, offset, size).copy_from_slice(&value.0[..size]);
}

fn no_default(what: std::fmt::Arguments<'_>) -> Error {
    Error::usage(format!("{what} has no default value: give one"))
}
