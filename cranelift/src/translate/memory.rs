//! Loads and stores of linear memories, and their sizes.
//!
//! What an address is checked against is decided by the memory style alone, in [`FuncTranslator::address`]; every
//! load and store goes through it, vectors too. These checks are the sandbox.

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

impl<'f> FuncTranslator<'f, '_> {
    /// Pops an index and gives the place in memory that `size` bytes at it and the immediate offset begin at. The
    /// access must carry the flags: they make it trap when it is out of bounds.
    pub(super) fn address(&mut self, memarg: MemArg, size: u32) -> Place {
        let index = self.pop();
        let memory = self.memory_of(memarg);
        let flags = self.trapping(Region::Heap, TrapCode::MemoryOutOfBounds);
        let (address, offset) = match self.env.memory_style {
            MemoryStyle::Reserved => self.reserved_address(memory, index, memarg.offset),
            MemoryStyle::Checked => (self.checked_address(memory, index, memarg.offset, size), 0),
        };
        (flags, address, offset)
    }

    /// All that a 32-bit index and offset can name is reserved, so nothing is checked: what is out of bounds faults.
    fn reserved_address(&mut self, memory: MemoryIndex, index: Value, offset: u64) -> (Value, i32) {
        let base = self.fixed_memory_base(memory);
        let index = self.extend_index(index);
        let address = self.ins().iadd(base, index);
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
        let behind_index = offset + u64::from(size);
        let out_of_bounds = match self.fixed_memory_length(memory) {
            Some(length) => match length.checked_sub(behind_index) {
                Some(last) => self.ins().icmp_imm_u(IntCC::UnsignedGreaterThan, index, last as i64),
                None => self.ins().iconst(I8, 1),
            },
            None => {
                // No overflow: both are below 2^33.
                let end = self.ins().iadd_imm_u(index, behind_index as i64);
                let length = self.memory_field(memory, layout::memory::LENGTH);
                self.ins().icmp(IntCC::UnsignedGreaterThan, end, length)
            }
        };
        let base = self.memory_field(memory, layout::memory::BASE);
        let mut address = self.ins().iadd(base, index);
        if offset != 0 {
            address = self.ins().iadd_imm_u(address, offset as i64);
        }
        let null = self.ins().iconst(I64, 0);
        self.ins().select_spectre_guard(out_of_bounds, null, address)
    }

    /// Bytes of a memory that cannot grow.
    fn fixed_memory_length(&self, memory: MemoryIndex) -> Option<u64> {
        let limits = self.env.module.info.memories[memory.index()].limits;
        (limits.max == Some(limits.min)).then_some(limits.min * MemoryType::PAGE_SIZE)
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

    pub(super) fn visit_memory_size(&mut self, memory: u32) {
        let length = self.memory_field(MemoryIndex(memory), layout::memory::LENGTH);
        let pages =
            self.ins().ushr_imm_u(length, i64::from(MemoryType::PAGE_SIZE.trailing_zeros()));
        let pages = self.ins().ireduce(I32, pages);
        self.push(pages);
    }

    pub(super) fn visit_memory_grow(&mut self, memory: u32) {
        let delta = self.pop();
        let delta = self.extend_index(delta);
        let memory = self.ins().iconst(I32, i64::from(memory));
        let old = self.call_libcall(Libcall::memory_grow, &[memory, delta]);
        // The result is −1 or at most 65536: its low half is the same number.
        let old = self.ins().ireduce(I32, old[0]);
        self.push(old);
    }
}
