//! Loads and stores of linear memories, and their sizes.
//!
//! What an address is checked against is decided by the style of the memory alone, in [`FuncTranslator::address`]; every
//! load and store goes through it, vectors too. These checks are the sandbox: no sum in them may wrap around.

use cranelift_codegen::ir::{
    self, InstBuilder, MemFlagsData, Value,
    condcodes::IntCC,
    types::{F32, F64, I8, I32, I64},
};
use cranelift_frontend::FuncInstBuilder;
use wasmparser::{MemArg, MemArgTarget};
use wrun_module::{Libcall, MemoryIndex, MemoryStyle, MemoryType, TrapCode, layout};

use super::{context::Region, function::FuncTranslator};

/// An operand of CLIF's loads and stores: flags, address, and offset from it.
pub(super) type Place = (MemFlagsData, Value, i32);

impl<'f, 'm> FuncTranslator<'f, 'm> {
    /// Pops an index and gives the place in memory that `size` bytes at it and the immediate offset begin at. The
    /// access must carry the flags: they make it trap when it is out of bounds.
    pub(super) fn address(&mut self, memarg: MemArg, size: u32) -> Place {
        let index = self.pop();
        let memory = self.memory_of(memarg);
        let flags = self.trapping(Region::Heap, TrapCode::MemoryOutOfBounds);
        let (address, offset) = match self.env.memory_style.of(self.memory_type(memory)) {
            MemoryStyle::Reserved => self.reserved_address(memory, index, memarg.offset),
            MemoryStyle::Checked => (self.checked_address(memory, index, memarg.offset, size), 0),
        };
        (flags, address, offset)
    }

    pub(super) fn memory_type(&self, memory: MemoryIndex) -> &'m MemoryType {
        &self.env.module.info.memories[memory.index()]
    }

    /// All that a 32-bit index and offset can name is reserved, so nothing is checked: what is out of bounds faults.
    fn reserved_address(&mut self, memory: MemoryIndex, index: Value, offset: u64) -> (Value, i32) {
        let address = self.index_address(memory, index);
        match i32::try_from(offset) {
            Ok(offset) => (address, offset),
            Err(_) => (self.ins().iadd_imm_u(address, offset as i64), 0),
        }
    }

    /// Compares the end of the access with the length; out of bounds the address is 0, which is never mapped, so
    /// that the access faults. Taking the address from a guarded select does not cost a branch, and is not
    /// speculated past.
    fn checked_address(
        &mut self,
        memory: MemoryIndex,
        index: Value,
        offset: u64,
        size: u32,
    ) -> Value {
        let index = self.extend_index(index);
        let out_of_bounds = match offset.checked_add(size.into()) {
            Some(behind_index) => self.is_out_of_bounds(memory, index, behind_index),
            // No memory reaches that far.
            None => self.ins().iconst(I8, 1),
        };
        let base = self.memory_base(memory);
        let mut address = self.ins().iadd(base, index);
        if offset != 0 {
            address = self.ins().iadd_imm_u(address, offset as i64);
        }
        let null = self.ins().iconst(I64, 0);
        self.ins().select_spectre_guard(out_of_bounds, null, address)
    }

    /// Whether `index + behind_index` is more than the length of the memory, as if numbers had no end. The index has 64
    /// bits.
    fn is_out_of_bounds(&mut self, memory: MemoryIndex, index: Value, behind_index: u64) -> Value {
        let ty = self.memory_type(memory);
        if let Some(length) = ty.fixed_bytes() {
            return match length.checked_sub(behind_index) {
                Some(last) => self.ins().icmp_imm_u(IntCC::UnsignedGreaterThan, index, last as i64),
                None => self.ins().iconst(I8, 1),
            };
        }
        let length = self.memory_field(memory, layout::memory::LENGTH);
        if !ty.memory64 {
            // No overflow: both are below 2^33.
            let end = self.ins().iadd_imm_u(index, behind_index as i64);
            return self.ins().icmp(IntCC::UnsignedGreaterThan, end, length);
        }
        // An index of 64 bits leaves no room for a sum, so the other side of the comparison is made smaller. That does
        // not wrap when the memory always has so many bytes: it never shrinks.
        let behind = self.ins().iconst(I64, behind_index as i64);
        let last = self.ins().isub(length, behind);
        let past_last = self.ins().icmp(IntCC::UnsignedGreaterThan, index, last);
        if ty.min_bytes().is_some_and(|least| behind_index <= least) {
            return past_last;
        }
        let wrapped = self.ins().icmp(IntCC::UnsignedLessThan, length, behind);
        self.ins().bor(past_last, wrapped)
    }

    /// The address of a memory's first byte, now. It is the same for good when the memory is reserved, and when it
    /// cannot grow.
    pub(super) fn memory_base(&mut self, memory: MemoryIndex) -> Value {
        let ty = self.memory_type(memory);
        match self.env.memory_style.of(ty) {
            MemoryStyle::Checked if ty.fixed_bytes().is_none() => {
                self.memory_field(memory, layout::memory::BASE)
            }
            _ => self.fixed_memory_base(memory),
        }
    }

    /// Pushes a size or an index that an instruction yields in 64 bits; in 32 when that is how the memory or table
    /// counts.
    pub(super) fn push_index(&mut self, is_64_bit: bool, value: Value) {
        let value = if is_64_bit { value } else { self.ins().ireduce(I32, value) };
        self.push(value);
    }

    fn memory_of(&mut self, memarg: MemArg) -> MemoryIndex {
        match memarg.target {
            MemArgTarget::Memory(memory) => MemoryIndex(memory),
            MemArgTarget::Array(_) => {
                self.refuse("access to an array");
                MemoryIndex(0)
            }
        }
    }

    /// An index of memory or a table in 64 bits.
    pub(super) fn extend_index(&mut self, index: Value) -> Value {
        if self.type_of(index) == I64 { index } else { self.ins().uextend(I64, index) }
    }

    /// Pops an index and pushes what `op` loads.
    pub(super) fn load(
        &mut self,
        memarg: MemArg,
        size: u32,
        op: impl FnOnce(FuncInstBuilder<'_, 'f>, Place) -> Value,
    ) {
        let place = self.address(memarg, size);
        let value = op(self.ins(), place);
        self.push(value);
    }

    fn load_full(&mut self, memarg: MemArg, ty: ir::Type) {
        self.load(memarg, ty.bytes(), |ins, (flags, at, offset)| ins.load(ty, flags, at, offset));
    }

    fn store_full(&mut self, memarg: MemArg, ty: ir::Type) {
        let value = self.pop();
        let (flags, at, offset) = self.address(memarg, ty.bytes());
        self.ins().store(flags, value, at, offset);
    }

    pub(super) fn visit_i32_load(&mut self, memarg: MemArg) {
        self.load_full(memarg, I32);
    }

    pub(super) fn visit_i64_load(&mut self, memarg: MemArg) {
        self.load_full(memarg, I64);
    }

    pub(super) fn visit_f32_load(&mut self, memarg: MemArg) {
        self.load_full(memarg, F32);
    }

    pub(super) fn visit_f64_load(&mut self, memarg: MemArg) {
        self.load_full(memarg, F64);
    }

    pub(super) fn visit_i32_load8_s(&mut self, memarg: MemArg) {
        self.load(memarg, 1, |ins, (flags, at, offset)| ins.sload8(I32, flags, at, offset));
    }

    pub(super) fn visit_i32_load8_u(&mut self, memarg: MemArg) {
        self.load(memarg, 1, |ins, (flags, at, offset)| ins.uload8(I32, flags, at, offset));
    }

    pub(super) fn visit_i32_load16_s(&mut self, memarg: MemArg) {
        self.load(memarg, 2, |ins, (flags, at, offset)| ins.sload16(I32, flags, at, offset));
    }

    pub(super) fn visit_i32_load16_u(&mut self, memarg: MemArg) {
        self.load(memarg, 2, |ins, (flags, at, offset)| ins.uload16(I32, flags, at, offset));
    }

    pub(super) fn visit_i64_load8_s(&mut self, memarg: MemArg) {
        self.load(memarg, 1, |ins, (flags, at, offset)| ins.sload8(I64, flags, at, offset));
    }

    pub(super) fn visit_i64_load8_u(&mut self, memarg: MemArg) {
        self.load(memarg, 1, |ins, (flags, at, offset)| ins.uload8(I64, flags, at, offset));
    }

    pub(super) fn visit_i64_load16_s(&mut self, memarg: MemArg) {
        self.load(memarg, 2, |ins, (flags, at, offset)| ins.sload16(I64, flags, at, offset));
    }

    pub(super) fn visit_i64_load16_u(&mut self, memarg: MemArg) {
        self.load(memarg, 2, |ins, (flags, at, offset)| ins.uload16(I64, flags, at, offset));
    }

    pub(super) fn visit_i64_load32_s(&mut self, memarg: MemArg) {
        self.load(memarg, 4, |ins, (flags, at, offset)| ins.sload32(flags, at, offset));
    }

    pub(super) fn visit_i64_load32_u(&mut self, memarg: MemArg) {
        self.load(memarg, 4, |ins, (flags, at, offset)| ins.uload32(flags, at, offset));
    }

    pub(super) fn visit_i32_store(&mut self, memarg: MemArg) {
        self.store_full(memarg, I32);
    }

    pub(super) fn visit_i64_store(&mut self, memarg: MemArg) {
        self.store_full(memarg, I64);
    }

    pub(super) fn visit_f32_store(&mut self, memarg: MemArg) {
        self.store_full(memarg, F32);
    }

    pub(super) fn visit_f64_store(&mut self, memarg: MemArg) {
        self.store_full(memarg, F64);
    }

    pub(super) fn visit_i32_store8(&mut self, memarg: MemArg) {
        self.store_low8(memarg);
    }

    pub(super) fn visit_i32_store16(&mut self, memarg: MemArg) {
        self.store_low16(memarg);
    }

    pub(super) fn visit_i64_store8(&mut self, memarg: MemArg) {
        self.store_low8(memarg);
    }

    pub(super) fn visit_i64_store16(&mut self, memarg: MemArg) {
        self.store_low16(memarg);
    }

    pub(super) fn visit_i64_store32(&mut self, memarg: MemArg) {
        let value = self.pop();
        let (flags, at, offset) = self.address(memarg, 4);
        self.ins().istore32(flags, value, at, offset);
    }

    fn store_low8(&mut self, memarg: MemArg) {
        // The outcome of a test is a byte already.
        let value = self.pop_raw();
        let (flags, at, offset) = self.address(memarg, 1);
        if self.type_of(value) == I8 {
            self.ins().store(flags, value, at, offset);
        } else {
            self.ins().istore8(flags, value, at, offset);
        }
    }

    fn store_low16(&mut self, memarg: MemArg) {
        let value = self.pop();
        let (flags, at, offset) = self.address(memarg, 2);
        self.ins().istore16(flags, value, at, offset);
    }

    /// Bytes of a memory, as `memory.size` sees them: of a shared one sequentially consistent with what other threads do.
    /// Bounds checks need less, since a length that has been seen stays true: memories do not shrink.
    fn memory_length(&mut self, memory: MemoryIndex) -> Value {
        if !self.is_shared(memory) {
            return self.memory_field(memory, layout::memory::LENGTH);
        }
        let slot = self.env.layout.memory(memory);
        let definition = self.context_pointer(slot + layout::memory_slot::DEFINITION);
        let flags = self.trusted(Region::Definition);
        let length = self.ins().iadd_imm_u(definition, i64::from(layout::memory::LENGTH));
        self.ins().atomic_load(I64, flags, length)
    }

    pub(super) fn visit_memory_size(&mut self, memory: u32) {
        let ty = self.memory_type(MemoryIndex(memory));
        let length = self.memory_length(MemoryIndex(memory));
        let pages = match ty.page_size_log2 {
            0 => length,
            log2 => self.ins().ushr_imm_u(length, i64::from(log2)),
        };
        self.push_index(ty.memory64, pages);
    }

    pub(super) fn visit_memory_grow(&mut self, memory: u32) {
        let delta = self.pop();
        let delta = self.extend_index(delta);
        let memory64 = self.memory_type(MemoryIndex(memory)).memory64;
        let memory = self.ins().iconst(I32, i64::from(memory));
        let old = self.call_libcall(Libcall::memory_grow, &[memory, delta]);
        // Of a 32-bit memory it is −1 or less than 2^32: its low half is the same number.
        self.push_index(memory64, old[0]);
    }
}
