//! Exceptions as objects of the heap, as the host makes and reads them.

use wrun_module::{
    FuncType, ValType,
    gc::{EXCEPTION_TYPE, StructLayout, exception},
};

use super::heap::Heap;
use crate::{
    Error, Val,
    root::RootHandle,
    vm::{layout::VmValue, store::StoreOpaque},
};

impl StoreOpaque {
    /// Notes what exceptions with the next tag look like.
    pub(in crate::vm) fn note_tag(&mut self, ty: &FuncType) {
        self.gc.shapes.push_tag(&StructLayout::of_exception(ty));
    }

    /// Makes an exception, and gives a handle to it.
    ///
    /// # Errors
    /// When the heap is exhausted.
    ///
    /// # Panics
    /// When the values are not those of the tag's type.
    pub(crate) fn add_exception(&mut self, tag: u32, values: &[Val]) -> Result<RootHandle, Error> {
        let ty = self.tag_type(tag as usize);
        let (ty, layout) = (ty.func(), StructLayout::of_exception(ty.func()));
        assert!(
            values.len() == ty.params().len()
                && values.iter().zip(ty.params()).all(|(value, &ty)| value.is_of(self, ty)),
            "values of the tag's types"
        );
        let object = self.allocate_object(EXCEPTION_TYPE, layout.size.into())?;
        // Nothing collects before all is written; handles know where collecting has moved what they are for.
        let values: Vec<VmValue> = values.iter().map(|value| value.to_vm(self)).collect();
        let heap = self.gc.heap.as_mut().expect("it has an object");
        heap.write(object, exception::TAG, tag.to_le_bytes());
        for (place, value) in layout.fields.iter().zip(values) {
            write_value(heap, object, place.offset, place.storage.size(), value);
        }
        Ok(self.root(object).expect("an object is not null"))
    }

    /// The number of an exception's tag.
    ///
    /// # Panics
    /// When it is no reference into the heap.
    pub(crate) fn exception_tag(&self, reference: u32) -> u32 {
        u32::from_le_bytes(self.heap_of(reference).read(reference, exception::TAG))
    }

    /// The values of an exception. References among them become handles in the scope that is open.
    ///
    /// # Panics
    /// When it is no reference into the heap.
    pub(crate) fn exception_values(&mut self, reference: u32) -> Vec<Val> {
        let tag = self.exception_tag(reference);
        let ty = self.tag_type(tag as usize);
        let layout = StructLayout::of_exception(ty.func());
        let heap = self.heap_of(reference);
        let places = layout.fields.iter();
        let values: Vec<VmValue> = places
            .map(|place| read_value(heap, reference, place.offset, place.storage.size()))
            .collect();
        let types: &[ValType] = ty.func().params();
        let values = values.into_iter().zip(types);
        // SAFETY: exceptions with the tag have values of these types, in this order; making handles does not collect.
        values.map(|(value, &ty)| unsafe { Val::from_vm(value, ty, self) }).collect()
    }

    fn heap_of(&self, _reference: u32) -> &Heap {
        self.gc.heap.as_ref().expect("it has an object")
    }
}

fn write_value(heap: &mut Heap, object: u32, offset: u32, size: u32, value: VmValue) {
    match size {
        4 => heap.write(object, offset, value.to_u32().to_le_bytes()),
        8 => heap.write(object, offset, value.to_u64().to_le_bytes()),
        _ => heap.write(object, offset, value.to_u128().to_le_bytes()),
    }
}

fn read_value(heap: &Heap, object: u32, offset: u32, size: u32) -> VmValue {
    match size {
        4 => VmValue::from_u32(u32::from_le_bytes(heap.read(object, offset))),
        8 => VmValue::from_u64(u64::from_le_bytes(heap.read(object, offset))),
        _ => VmValue::from_u128(u128::from_le_bytes(heap.read(object, offset))),
    }
}
