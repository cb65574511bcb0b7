//! Objects: where they are, how they are made, and how what is in them is read and written.
//!
//! # Why accesses stay inside the heap
//! A reference is one that an allocation gave, so base + reference is an object's address; validation and casts say of
//! which type, and the offset of a field is inside all objects of the type. The only other reference that gets here is
//! null: for it the access faults in the region in front of the first object, and is a trap. Fields behind that region
//! get a check of their own ([`FuncTranslator::field_of`]). Whether an element is in its array is checked in `array`.
//!
//! # Allocation
//! An object goes where the last one ends, as long as that is below the limit; otherwise the libcall `gc_alloc` makes it.
//! Between the allocation and the last of the stores that fill the object nothing can collect, so that no collector ever
//! sees an object in the making: there is no call, but for that of `array_fill`, which is itself those stores.

use cranelift_codegen::ir::{
    self, InstBuilder, MemFlagsData, Value,
    condcodes::IntCC,
    types::{I8, I32, I64, I64X2},
};
use wrun_module::{
    FieldType, Libcall, RefType, StorageType, TrapCode, TypeIndex, ValType, gc,
    layout::{context, store_context},
};

use super::super::{context::Region, function::FuncTranslator};
use crate::{abi::clif_type, traps::clif_trap};

/// How an `i8` or `i16` becomes an `i32`.
#[derive(Clone, Copy)]
pub(in crate::translate) enum Extension {
    Signed,
    Unsigned,
}

/// An object that was just made and is not filled yet.
#[derive(Clone, Copy)]
pub(in crate::translate) struct NewObject {
    /// The reference to it.
    pub(in crate::translate) reference: Value,
    /// Its address, until the next call.
    pub(in crate::translate) address: Value,
}

impl FuncTranslator<'_, '_> {
    /// The address of an object, until the next call.
    pub(in crate::translate) fn object_address(&mut self, reference: Value) -> Value {
        let base = self.heap_base();
        let offset = self.ins().uextend(I64, reference);
        self.ins().iadd(base, offset)
    }

    /// Pushes a reference to an object that was just made.
    pub(super) fn push_object(&mut self, ty: u32, reference: Value) {
        let heap = self.env.module.info.concrete(TypeIndex(ty));
        self.push_typed(reference, ValType::Ref(RefType { nullable: false, heap }));
    }

    /// Where a field at `offset` lies in an object that may be null, and which flags an access to it must carry: they make
    /// it trap when the object is null.
    pub(super) fn field_of(
        &mut self,
        reference: Value,
        region: Region,
        offset: u32,
        size: u32,
        null: TrapCode,
    ) -> (MemFlagsData, Value) {
        if offset + size > gc::NULL_REGION {
            self.ins().trapz(reference, clif_trap(null));
        }
        (self.trapping(region, null).with_aligned(), self.object_address(reference))
    }

    /// Reads what is stored as `storage`.
    pub(in crate::translate) fn read_storage(
        &mut self,
        flags: MemFlagsData,
        address: Value,
        offset: u32,
        storage: StorageType,
        extension: Extension,
    ) -> Value {
        let (flags, offset) = (alignable(flags, storage), offset as i32);
        match (storage, extension) {
            (StorageType::I8, Extension::Signed) => self.ins().sload8(I32, flags, address, offset),
            (StorageType::I8, _) => self.ins().uload8(I32, flags, address, offset),
            (StorageType::I16, Extension::Signed) => {
                self.ins().sload16(I32, flags, address, offset)
            }
            (StorageType::I16, _) => self.ins().uload16(I32, flags, address, offset),
            (StorageType::Val(ty), _) => self.ins().load(clif_type(ty), flags, address, offset),
        }
    }

    /// Writes a value where `storage` is stored.
    pub(in crate::translate) fn write_storage(
        &mut self,
        flags: MemFlagsData,
        value: Value,
        address: Value,
        offset: u32,
        storage: StorageType,
    ) {
        let (flags, offset) = (alignable(flags, storage), offset as i32);
        match storage {
            StorageType::I8 => self.ins().istore8(flags, value, address, offset),
            StorageType::I16 => self.ins().istore16(flags, value, address, offset),
            StorageType::Val(_) => self.ins().store(flags, value, address, offset),
        };
    }

    /// Makes an object of `size` bytes, a multiple of the alignment, of the type with a number in the engine. Its type is
    /// written; the caller writes all else before it makes a call.
    ///
    /// The sum does not wrap: what is used of the heap is below 2³³ bytes, and no object takes as many as 2³⁷.
    pub(in crate::translate) fn allocate(&mut self, type_id: Value, size: Value) -> NewObject {
        let store = self.context_pointer(context::STORE);
        let flags = self.trusted(Region::Bump);
        let next = self.ins().load(I64, flags, store, store_context::GC_NEXT as i32);
        let limit = self.ins().load(I64, flags, store, store_context::GC_LIMIT as i32);
        let end = self.ins().iadd(next, size);
        let full = self.ins().icmp(IntCC::UnsignedGreaterThan, end, limit);
        let (slow, fast) = (self.builder.create_block(), self.builder.create_block());
        let done = self.builder.create_block();
        let offset = self.builder.append_block_param(done, I64);
        self.builder.set_cold_block(slow);
        self.ins().brif(full, slow, &[], fast, &[]);
        self.builder.seal_block(slow);
        self.builder.seal_block(fast);

        self.builder.switch_to_block(slow);
        let made = self.call_libcall(Libcall::gc_alloc, &[type_id, size])[0];
        let made = self.ins().uextend(I64, made);
        self.ins().jump(done, &[made.into()]);

        self.builder.switch_to_block(fast);
        self.ins().store(flags, end, store, store_context::GC_NEXT as i32);
        self.ins().jump(done, &[next.into()]);

        self.builder.seal_block(done);
        self.builder.switch_to_block(done);
        let reference = self.ins().ireduce(I32, offset);
        let base = self.heap_base();
        let address = self.ins().iadd(base, offset);
        let flags = self.trusted(Region::Fixed);
        self.ins().store(flags, type_id, address, gc::TYPE as i32);
        NewObject { reference, address }
    }

    /// The value of a field that is given none: zero or null.
    pub(in crate::translate) fn default_of(&mut self, storage: StorageType) -> Value {
        match storage.unpacked() {
            ValType::F32 => self.ins().f32const(0.0),
            ValType::F64 => self.ins().f64const(0.0),
            ValType::V128 => {
                let zero = self.ins().iconst(I64, 0);
                let zero = self.ins().splat(I64X2, zero);
                self.cast_vector(zero, ir::types::I8X16)
            }
            ty => self.ins().iconst(clif_type(ty), 0),
        }
    }

    /// The lowest bit of a reference, which is set in an `i31` and in no reference to an object.
    pub(super) fn i31_bit(&mut self, reference: Value) -> Value {
        debug_assert_eq!(self.type_of(reference), I32);
        let bit = self.ins().band_imm_u(reference, 1);
        self.ins().ireduce(I8, bit)
    }
}

/// The region of a field or of elements. What is immutable is written while the object is made, and never again.
pub(super) fn region_of(field: FieldType, mutable: Region) -> Region {
    if field.mutable { mutable } else { Region::Fixed }
}

/// The flags without the promise of alignment for vectors, which are aligned no further than objects are.
fn alignable(flags: MemFlagsData, storage: StorageType) -> MemFlagsData {
    if storage.size() <= gc::ALIGN {
        return flags;
    }
    MemFlagsData::new().with_trap_code(flags.trap_code()).with_alias_region(flags.alias_region())
}
