//! Arrays from segments: what `array.new_data`, `array.new_elem`, `array.init_data` and `array.init_elem` do.
//!
//! Segments are copied to objects whose bounds the heap checks; an array is filled before anything else can be allocated.

use std::ops::Range;

use wrun_module::{
    DataIndex, ElemIndex, StorageType, TrapCode, ValType,
    gc::{array, array_size},
};

use crate::{
    Module,
    vm::{store::StoreOpaque, table::VmRef},
};

impl StoreOpaque {
    /// Makes an array of `len` elements of `size` bytes from a data segment of an instance.
    ///
    /// # Errors
    /// When the segment has not as many bytes from `src` on, or there is no room.
    pub(in crate::vm) fn new_array_from_data(
        &mut self,
        ty: u32,
        (instance, data): (usize, DataIndex),
        size: u32,
        src: u32,
        len: u32,
    ) -> Result<u32, TrapCode> {
        let module = self.instance(instance).module().clone();
        let bytes = u64::from(len) * u64::from(size);
        let bytes = self.data_part(&module, (instance, data), src, bytes)?;
        let array = self.allocate_array(ty, len, size)?;
        self.object_heap_mut()
            .bytes_mut(array, array::ELEMENTS, bytes.len())
            .copy_from_slice(bytes);
        Ok(array)
    }

    /// Copies `len` bytes of a data segment of an instance to an array, from `offset` in the object on.
    ///
    /// # Errors
    /// When the segment has not as many bytes from `src` on.
    pub(in crate::vm) fn init_array_from_data(
        &mut self,
        (array, offset): (u32, u32),
        segment: (usize, DataIndex),
        src: u32,
        len: u64,
    ) -> Result<(), TrapCode> {
        let module = self.instance(segment.0).module().clone();
        let bytes = self.data_part(&module, segment, src, len)?;
        self.object_heap_mut().bytes_mut(array, offset, bytes.len()).copy_from_slice(bytes);
        Ok(())
    }

    /// Makes an array of `len` elements from an element segment of an instance.
    ///
    /// # Errors
    /// When the segment has not as many elements from `src` on, or there is no room.
    pub(in crate::vm) fn new_array_from_elements(
        &mut self,
        ty: u32,
        segment: (usize, ElemIndex),
        src: u32,
        len: u32,
    ) -> Result<u32, TrapCode> {
        self.element_part(segment, src, len)?;
        let size = self.element_size(segment);
        let array = self.allocate_array(ty, len, size)?;
        // Not before the array is there: what the elements refer to has moved when garbage was collected for it.
        self.init_array_from_elements((array, array::ELEMENTS), segment, src, len)?;
        Ok(array)
    }

    /// Copies `len` elements of a segment of an instance to an array, from `offset` in the object on.
    ///
    /// # Errors
    /// When the segment has not as many elements from `src` on.
    pub(in crate::vm) fn init_array_from_elements(
        &mut self,
        (array, offset): (u32, u32),
        segment: (usize, ElemIndex),
        src: u32,
        len: u32,
    ) -> Result<(), TrapCode> {
        let part = self.element_part(segment, src, len)?;
        let size = self.element_size(segment) as usize;
        let Self { instances, gc, .. } = self;
        let elements: &[VmRef] = &instances[segment.0].element_segment(segment.1)[part];
        let heap = gc.heap.as_mut().expect("there is an array");
        let bytes = heap.bytes_mut(array, offset, elements.len() * size);
        for (place, element) in bytes.chunks_exact_mut(size).zip(elements) {
            // Of a reference to an object the upper half is zero.
            place.copy_from_slice(&element.0.to_le_bytes()[..size]);
        }
        Ok(())
    }

    /// Bytes that an element of a segment takes in an array.
    fn element_size(&self, (instance, elem): (usize, ElemIndex)) -> u32 {
        let ty = self.instance(instance).module().info().elements[elem.index()].ty;
        StorageType::Val(ValType::Ref(ty)).size()
    }

    /// Bytes of a data segment. `module` is the instance's.
    fn data_part<'m>(
        &self,
        module: &'m Module,
        (instance, data): (usize, DataIndex),
        src: u32,
        len: u64,
    ) -> Result<&'m [u8], TrapCode> {
        let bytes = self.instance(instance).data_segment(module, data);
        let part = part(src, len, bytes.len()).ok_or(TrapCode::MemoryOutOfBounds)?;
        Ok(&bytes[part])
    }

    /// Positions of elements in a segment.
    fn element_part(
        &self,
        (instance, elem): (usize, ElemIndex),
        src: u32,
        len: u32,
    ) -> Result<Range<usize>, TrapCode> {
        let found = self.instance(instance).element_segment(elem).len();
        part(src, len.into(), found).ok_or(TrapCode::TableOutOfBounds)
    }

    /// Makes an array whose elements the caller has to fill before it does anything else with the store.
    fn allocate_array(&mut self, ty: u32, len: u32, size: u32) -> Result<u32, TrapCode> {
        let array = self.allocate_object(ty, array_size(len, size))?;
        self.object_heap_mut().write(array, array::LENGTH, len.to_le_bytes());
        Ok(array)
    }
}

/// `src..src + len`, when a segment of `size` has that many.
fn part(src: u32, len: u64, size: usize) -> Option<Range<usize>> {
    // Both are below 2⁶³.
    let end = u64::from(src) + len;
    (end <= size as u64).then_some(src as usize..end as usize)
}
