//! Arrays.

use std::ops::Range;

use wrun_module::{
    ArrayType, CompositeKind, StorageType,
    gc::{array, array_size},
};

use super::{Object, no_default};
use crate::{
    Error, Result, TypeMismatch, Val,
    defined_types::wrong_kind,
    root::RootHandle,
    types::ObjectLayout,
    vm::{gc::heap::Heap, layout::VmValue, store::StoreOpaque},
};

/// The elements of a new array.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Elements<'a> {
    /// So many zeros or nulls.
    Default(u32),
    /// The same value so many times.
    Repeat(Val, u32),
    /// These.
    Each(&'a [Val]),
}

impl Object {
    fn array_type(&self) -> ArrayType {
        *self.ty.ty.composite.as_array().expect("a reference to an array is to one")
    }
}

impl StoreOpaque {
    /// Makes an array.
    ///
    /// # Errors
    /// When the type is no array's or an element does not fit it, and when the heap is exhausted.
    pub(crate) fn new_array(&mut self, number: u32, elements: Elements<'_>) -> Result<RootHandle> {
        let registered = self.engine.types().get(number);
        let ObjectLayout::Array(storage) = registered.objects else {
            return Err(wrong_kind("a new object", CompositeKind::Array, &registered.ty));
        };
        let len = match elements {
            Elements::Default(len) => {
                if !storage.is_defaultable() {
                    return Err(no_default(format_args!("an element of {}", registered.ty)));
                }
                len
            }
            Elements::Repeat(value, len) => {
                self.check_value(|| "an element".to_owned(), storage, &value)?;
                len
            }
            Elements::Each(values) => {
                for (index, value) in values.iter().enumerate() {
                    self.check_value(|| format!("element {index}"), storage, value)?;
                }
                u32::try_from(values.len())
                    .map_err(|_| Error::usage("too many elements for an array".to_owned()))?
            }
        };
        let reference = self.allocate_object(number, array_size(len, storage.size()))?;
        self.object_heap_mut().write(reference, array::LENGTH, len.to_le_bytes());
        match elements {
            Elements::Default(_) => {
                fill(self.object_heap_mut(), reference, storage, 0..len, VmValue::default())
            }
            Elements::Repeat(value, _) => {
                let value = value.to_vm(self);
                fill(self.object_heap_mut(), reference, storage, 0..len, value);
            }
            Elements::Each(values) => {
                for (index, value) in (0..).zip(values) {
                    let value = value.to_vm(self);
                    fill(self.object_heap_mut(), reference, storage, index..index + 1, value);
                }
            }
        }
        Ok(self.root(reference).expect("an object is not null"))
    }

    /// The number of elements of an array.
    pub(crate) fn array_len(&self, handle: RootHandle) -> u32 {
        self.length(&self.object(handle))
    }

    /// An element of an array; of a packed one its bits, extended with zeros. Nothing past the end.
    pub(crate) fn array_element(&mut self, handle: RootHandle, index: u32) -> Option<Val> {
        let object = self.object(handle);
        let storage = object.array_type().element.storage;
        if index >= self.length(&object) {
            return None;
        }
        // Inside the object, whose size is a number of 32 bits.
        Some(self.read(object.reference, array::ELEMENTS + index * storage.size(), storage))
    }

    /// Sets elements of an array.
    ///
    /// # Errors
    /// When they are immutable or not all inside the array, or the value is of another type; nothing is written then.
    pub(crate) fn fill_array(
        &mut self,
        handle: RootHandle,
        start: u32,
        value: Val,
        len: u32,
    ) -> Result<()> {
        let object = self.object(handle);
        let range = self.range(&object, start, len)?;
        let storage = mutable_element(&object)?;
        self.check_value(|| "an element".to_owned(), storage, &value)?;
        let value = value.to_vm(self);
        fill(self.object_heap_mut(), object.reference, storage, range, value);
        Ok(())
    }

    /// Copies elements from one array to another, or within one, as if through a copy of them.
    ///
    /// # Errors
    /// When those of the destination are immutable or may not be what the source has, and when a range is not inside its
    /// array; nothing is written then.
    pub(crate) fn copy_array(
        &mut self,
        (dst, dst_start): (RootHandle, u32),
        (src, src_start): (RootHandle, u32),
        len: u32,
    ) -> Result<()> {
        let (dst, src) = (self.object(dst), self.object(src));
        let (to, from) = (self.range(&dst, dst_start, len)?, self.range(&src, src_start, len)?);
        let (storage, found) = (mutable_element(&dst)?, src.array_type().element.storage);
        let fits = match (found, storage) {
            (StorageType::Val(found), StorageType::Val(expected)) => {
                self.engine.types().val_type_matches(found, expected)
            }
            (found, expected) => found == expected,
        };
        if !fits {
            let what = "the elements of an array".to_owned();
            return Err(TypeMismatch::new(what, &storage, &found).into());
        }
        // Values that match have the same size.
        let size = storage.size();
        let place = |object: &Object, range: Range<u32>| {
            (object.reference, array::ELEMENTS + range.start * size)
        };
        let bytes = len as usize * size as usize;
        self.object_heap_mut().copy(place(&src, from), place(&dst, to), bytes);
        Ok(())
    }

    fn length(&self, object: &Object) -> u32 {
        // Only arrays have one.
        let _ = object.array_type();
        u32::from_le_bytes(self.object_heap().read(object.reference, array::LENGTH))
    }

    fn range(&self, object: &Object, start: u32, len: u32) -> Result<Range<u32>> {
        let length = self.length(object);
        match start.checked_add(len) {
            Some(end) if end <= length => Ok(start..end),
            _ => Err(Error::usage(format!(
                "elements from {start} on, {len} of them, are not inside an array of {length}"
            ))),
        }
    }
}

/// Writes a value to a range of an array's elements, which is inside the array.
fn fill(heap: &mut Heap, reference: u32, storage: StorageType, range: Range<u32>, value: VmValue) {
    let size = storage.size();
    let bytes = heap.bytes_mut(
        reference,
        array::ELEMENTS + range.start * size,
        (range.end - range.start) as usize * size as usize,
    );
    let value = &value.0[..size as usize];
    bytes.chunks_exact_mut(size as usize).for_each(|element| element.copy_from_slice(value));
}

/// What the elements of an array store, when they may be set.
fn mutable_element(object: &Object) -> Result<StorageType> {
    let element = object.array_type().element;
    if element.mutable {
        return Ok(element.storage);
    }
    Err(Error::usage(format!("the elements of {} are immutable", object.ty.ty)))
}
