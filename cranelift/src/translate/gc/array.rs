//! Arrays. An element is accessed, and a range handed on, after its bounds were compared with the array's length.
//!
//! The length never changes, and is read through the reference that is accessed: an address of an element is only
//! computed from an index, or a range, that the object is known to have.

use cranelift_codegen::ir::{
    InstBuilder, MemFlagsData, Value,
    condcodes::IntCC,
    types::{I32, I64},
};
use wrun_module::{
    FieldType, Libcall, StorageType, TrapCode, TypeIndex, ValType,
    gc::{self, array},
};

use super::{
    super::{context::Region, function::FuncTranslator},
    object::{Extension, NewObject, region_of},
};
use crate::traps::clif_trap;

impl FuncTranslator<'_, '_> {
    pub(in super::super) fn visit_array_new(&mut self, ty: u32) {
        let field = self.elements(ty);
        let length = self.pop();
        let value = self.pop_typed(field.storage.unpacked());
        let object = self.allocate_array(ty, length);
        self.fill_elements(object.address, length, field, value);
        self.push_object(ty, object.reference);
    }

    /// The elements are zero, and what is behind the last may be too, so whole words are written.
    pub(in super::super) fn visit_array_new_default(&mut self, ty: u32) {
        let field = self.elements(ty);
        let length = self.pop();
        let object = self.allocate_array(ty, length);
        let words = match self.constant(length) {
            Some(length) => {
                let bytes = length * u64::from(field.storage.size());
                // Of an array that there is: it has fewer than 2³² words.
                self.ins().iconst(I32, i64::from(bytes.div_ceil(8) as u32))
            }
            None => self.word_count(length, field.storage),
        };
        let zero = self.ins().iconst(I64, 0);
        let word = FieldType { storage: StorageType::Val(ValType::I64), ..field };
        self.fill_elements(object.address, words, word, zero);
        self.push_object(ty, object.reference);
    }

    pub(in super::super) fn visit_array_new_fixed(&mut self, ty: u32, length: u32) {
        let field = self.elements(ty);
        let mut values = Vec::with_capacity(length as usize);
        self.pop_all(&vec![field.storage.unpacked(); length as usize], &mut values);
        let length = self.ins().iconst(I32, i64::from(length));
        let object = self.allocate_array(ty, length);
        let flags = self.trusted(region_of(field, Region::Element));
        for (value, index) in values.into_iter().zip(0..) {
            let offset = array::ELEMENTS + index * field.storage.size();
            self.write_storage(flags, value, object.address, offset, field.storage);
        }
        self.push_object(ty, object.reference);
    }

    pub(in super::super) fn visit_array_new_data(&mut self, ty: u32, data: u32) {
        let size = i64::from(self.elements(ty).storage.size());
        let size = self.ins().iconst(I32, size);
        let (src, length) = self.pop2();
        let (type_id, data) = (self.type_id(TypeIndex(ty)), self.index_argument(data));
        let array = self.call_libcall(Libcall::array_new_data, &[type_id, data, size, src, length]);
        self.push_object(ty, array[0]);
    }

    pub(in super::super) fn visit_array_new_elem(&mut self, ty: u32, elem: u32) {
        let (src, length) = self.pop2();
        let (type_id, elem) = (self.type_id(TypeIndex(ty)), self.index_argument(elem));
        let array = self.call_libcall(Libcall::array_new_elem, &[type_id, elem, src, length]);
        self.push_object(ty, array[0]);
    }

    pub(in super::super) fn visit_array_get(&mut self, ty: u32) {
        // Neither of the two concerns elements that are not packed.
        self.array_get(ty, Extension::Unsigned);
    }

    pub(in super::super) fn visit_array_get_s(&mut self, ty: u32) {
        self.array_get(ty, Extension::Signed);
    }

    pub(in super::super) fn visit_array_get_u(&mut self, ty: u32) {
        self.array_get(ty, Extension::Unsigned);
    }

    fn array_get(&mut self, ty: u32, extension: Extension) {
        let field = self.elements(ty);
        let (reference, index) = self.pop2();
        let (flags, address) = self.checked_array_element(reference, index, field);
        let value = self.read_storage(flags, address, array::ELEMENTS, field.storage, extension);
        self.push_typed(value, field.storage.unpacked());
    }

    pub(in super::super) fn visit_array_set(&mut self, ty: u32) {
        let field = self.elements(ty);
        let value = self.pop_typed(field.storage.unpacked());
        let (reference, index) = self.pop2();
        let (flags, address) = self.checked_array_element(reference, index, field);
        self.write_storage(flags, value, address, array::ELEMENTS, field.storage);
    }

    pub(in super::super) fn visit_array_len(&mut self) {
        let reference = self.pop();
        let (length, _) = self.array_length(reference);
        self.push(length);
    }

    pub(in super::super) fn visit_array_fill(&mut self, ty: u32) {
        let field = self.elements(ty);
        let length = self.pop();
        let value = self.pop_typed(field.storage.unpacked());
        let (reference, index) = self.pop2();
        let address = self.checked_array_range(reference, index, length, field);
        self.fill_elements(address, length, field, value);
    }

    /// No order of single elements can be seen: nobody else runs meanwhile.
    pub(in super::super) fn visit_array_copy(&mut self, dst_ty: u32, src_ty: u32) {
        let (dst_field, src_field) = (self.elements(dst_ty), self.elements(src_ty));
        let [src, src_index, length] = self.pop3();
        let (dst, dst_index) = self.pop2();
        let dst = self.checked_array_range(dst, dst_index, length, dst_field);
        let src = self.checked_array_range(src, src_index, length, src_field);
        let [dst, src] =
            [dst, src].map(|range| self.ins().iadd_imm_u(range, i64::from(array::ELEMENTS)));
        let bytes = self.byte_count(length, dst_field.storage);
        self.call_libcall(Libcall::memory_copy, &[dst, src, bytes]);
    }

    pub(in super::super) fn visit_array_init_data(&mut self, ty: u32, data: u32) {
        let field = self.elements(ty);
        let ([array, offset], src, length) = self.checked_init(field);
        let bytes = self.byte_count(length, field.storage);
        let data = self.index_argument(data);
        self.call_libcall(Libcall::array_init_data, &[array, offset, data, src, bytes]);
    }

    pub(in super::super) fn visit_array_init_elem(&mut self, ty: u32, elem: u32) {
        let ([array, offset], src, length) = self.checked_init(self.elements(ty));
        let elem = self.index_argument(elem);
        self.call_libcall(Libcall::array_init_elem, &[array, offset, elem, src, length]);
    }

    /// Pops the operands of `array.init_*` and gives the array, the offset of the first element in it, the first in the
    /// segment, and how many.
    fn checked_init(&mut self, field: FieldType) -> ([Value; 2], Value, Value) {
        let [index, src, length] = self.pop3();
        let array = self.pop();
        self.checked_array_range(array, index, length, field);
        let offset = self.byte_count(index, field.storage);
        let offset = self.ins().iadd_imm_u(offset, i64::from(array::ELEMENTS));
        // Inside an object: it has 32 bits.
        ([array, self.ins().ireduce(I32, offset)], src, length)
    }

    /// What elements of an array type are.
    fn elements(&self, ty: u32) -> FieldType {
        let ty = &self.env.module.info.types[ty as usize].composite;
        ty.as_array().expect("validated: the type is an array's").element
    }

    /// The length of an array, after a trap when it is null, and the array's address.
    fn array_length(&mut self, reference: Value) -> (Value, Value) {
        let null = TrapCode::NullArrayReference;
        let (flags, address) = self.field_of(reference, Region::Fixed, array::LENGTH, 4, null);
        (self.ins().load(I32, flags, address, array::LENGTH as i32), address)
    }

    /// What [`array::ELEMENTS`] has to be added to for the address of an element, after a trap when there is none, and the
    /// flags of an access to it.
    fn checked_array_element(
        &mut self,
        reference: Value,
        index: Value,
        field: FieldType,
    ) -> (MemFlagsData, Value) {
        let (length, address) = self.array_length(reference);
        let outside = self.ins().icmp(IntCC::UnsignedGreaterThanOrEqual, index, length);
        self.ins().trapnz(outside, clif_trap(TrapCode::ArrayOutOfBounds));
        // No overflow: the array is in the heap, and the element in the array.
        let offset = self.byte_count(index, field.storage);
        let flags = self.trusted(region_of(field, Region::Element));
        (flags, self.ins().iadd(address, offset))
    }

    /// What [`array::ELEMENTS`] has to be added to for the address of `length` elements from `index` on, after a trap when the
    /// array has not that many.
    fn checked_array_range(
        &mut self,
        reference: Value,
        index: Value,
        length: Value,
        field: FieldType,
    ) -> Value {
        let (found, address) = self.array_length(reference);
        // In 64 bits, so that the sum does not wrap around.
        let [start, length, found] =
            [index, length, found].map(|number| self.ins().uextend(I64, number));
        let end = self.ins().iadd(start, length);
        let outside = self.ins().icmp(IntCC::UnsignedGreaterThan, end, found);
        self.ins().trapnz(outside, clif_trap(TrapCode::ArrayOutOfBounds));
        let offset = self.byte_count(index, field.storage);
        self.ins().iadd(address, offset)
    }

    /// Bytes of `count` elements, in 64 bits: no overflow.
    pub(super) fn byte_count(&mut self, count: Value, storage: StorageType) -> Value {
        let count = self.ins().uextend(I64, count);
        self.ins().ishl_imm_u(count, i64::from(storage.size().trailing_zeros()))
    }

    /// Words of 8 bytes that `count` elements take, of an array that there is: fewer than 2³² therefore.
    fn word_count(&mut self, count: Value, storage: StorageType) -> Value {
        let bytes = self.byte_count(count, storage);
        let bytes = self.ins().iadd_imm_u(bytes, 7);
        let words = self.ins().ushr_imm_u(bytes, 3);
        self.ins().ireduce(I32, words)
    }

    /// Makes an array, whose elements are not filled yet. Sizes are computed in 64 bits, in which they have room; one that
    /// is too large for the heap is refused by comparison with its limit, in the libcall at the latest.
    fn allocate_array(&mut self, ty: u32, length: Value) -> NewObject {
        let storage = self.elements(ty).storage;
        let size = match self.constant(length) {
            Some(length) => {
                let size = gc::array_size(length as u32, storage.size());
                self.ins().iconst(I64, size as i64)
            }
            None => {
                let bytes = self.byte_count(length, storage);
                if storage.size() >= gc::ALIGN {
                    self.ins().iadd_imm_u(bytes, i64::from(array::ELEMENTS))
                } else {
                    let padded = i64::from(array::ELEMENTS + gc::ALIGN - 1);
                    let size = self.ins().iadd_imm_u(bytes, padded);
                    self.ins().band_imm_s(size, -i64::from(gc::ALIGN))
                }
            }
        };
        let type_id = self.type_id(TypeIndex(ty));
        let object = self.allocate(type_id, size);
        let flags = self.trusted(Region::Fixed);
        self.ins().store(flags, length, object.address, array::LENGTH as i32);
        object
    }
}
