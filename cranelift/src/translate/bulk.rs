//! Whole ranges of memories, tables and segments, and growing tables: the work is the runtime's. Only the bounds of
//! `memory.copy` and `memory.fill` are checked here, because most of their calls are short; those of which that is known are
//! done in place (`short_range`).

use cranelift_codegen::ir::{
    InstBuilder, Value,
    condcodes::IntCC,
    types::{I32, I64},
};
use wrun_module::{Libcall, MemoryIndex, TableIndex, TrapCode, layout};

use super::function::FuncTranslator;
use crate::traps::clif_trap;

impl FuncTranslator<'_, '_> {
    /// An index as the argument of a libcall.
    pub(super) fn index_argument(&mut self, index: u32) -> Value {
        self.ins().iconst(I32, i64::from(index))
    }

    /// Pops three operands, in their order.
    pub(super) fn pop3(&mut self) -> [Value; 3] {
        let z = self.pop();
        let (x, y) = self.pop2();
        [x, y, z]
    }

    pub(super) fn visit_memory_copy(&mut self, dst_memory: u32, src_memory: u32) {
        let operands = self.pop3();
        let short = self.short_length(operands[2]);
        let [dst, src, len] = operands.map(|operand| self.extend_index(operand));
        let src = self.checked_range(MemoryIndex(src_memory), src, len);
        let dst = self.checked_range(MemoryIndex(dst_memory), dst, len);
        let shared =
            self.is_shared(MemoryIndex(dst_memory)) || self.is_shared(MemoryIndex(src_memory));
        if let (Some(len), false) = (short, shared) {
            return self.copy_short(dst, src, len);
        }
        let libcall = if shared { Libcall::shared_memory_copy } else { Libcall::memory_copy };
        self.call_libcall(libcall, &[dst, src, len]);
    }

    pub(super) fn visit_memory_fill(&mut self, memory: u32) {
        let [dst, value, len] = self.pop3();
        let short = self.short_length(len);
        let (dst, len) = (self.extend_index(dst), self.extend_index(len));
        let dst = self.checked_range(MemoryIndex(memory), dst, len);
        let shared = self.is_shared(MemoryIndex(memory));
        if let (Some(len), false) = (short, shared) {
            return self.fill_short(dst, value, len);
        }
        let libcall = if shared { Libcall::shared_memory_fill } else { Libcall::memory_fill };
        self.call_libcall(libcall, &[dst, value, len]);
    }

    /// Whether other threads may use the memory at the same time.
    pub(super) fn is_shared(&self, memory: MemoryIndex) -> bool {
        self.env.module.info.memories[memory.index()].shared
    }

    /// The address of `len` bytes from `start` on, after a trap when they are not inside the memory. The guard regions
    /// do not help here: the range may be longer than they are. The processor may run ahead as if there were no trap; it
    /// then gets address 0, lest it reads what the guest must not know.
    fn checked_range(&mut self, memory: MemoryIndex, start: Value, len: Value) -> Value {
        let length = self.memory_field(memory, layout::memory::LENGTH);
        let outside = if self.memory_type(memory).memory64 {
            // The sum could wrap around. The difference only does when the first comparison finds the range too long.
            let too_long = self.ins().icmp(IntCC::UnsignedGreaterThan, len, length);
            let last = self.ins().isub(length, len);
            let past_last = self.ins().icmp(IntCC::UnsignedGreaterThan, start, last);
            self.ins().bor(too_long, past_last)
        } else {
            // No overflow: both are below 2^32. So is the length of a copy from or to a 64-bit memory.
            let end = self.ins().iadd(start, len);
            self.ins().icmp(IntCC::UnsignedGreaterThan, end, length)
        };
        self.ins().trapnz(outside, clif_trap(TrapCode::MemoryOutOfBounds));
        let base = self.memory_base(memory);
        let address = self.ins().iadd(base, start);
        let null = self.ins().iconst(I64, 0);
        self.ins().select_spectre_guard(outside, null, address)
    }

    pub(super) fn visit_memory_init(&mut self, data: u32, memory: u32) {
        let [dst, src, len] = self.pop3();
        let dst = self.extend_index(dst);
        let (memory, data) = (self.index_argument(memory), self.index_argument(data));
        self.call_libcall(Libcall::memory_init, &[memory, data, dst, src, len]);
    }

    pub(super) fn visit_data_drop(&mut self, data: u32) {
        let data = self.index_argument(data);
        self.call_libcall(Libcall::data_drop, &[data]);
    }

    pub(super) fn visit_table_grow(&mut self, table: u32) {
        let (init, delta) = self.pop2();
        let (init, delta) = (self.extend_reference(init), self.extend_index(delta));
        let table64 = self.table_type(TableIndex(table)).table64;
        let table = self.index_argument(table);
        let old = self.call_libcall(Libcall::table_grow, &[table, delta, init]);
        // Of a 32-bit table it is −1 or less than 2^32: its low half is the same number.
        self.push_index(table64, old[0]);
    }

    pub(super) fn visit_table_fill(&mut self, table: u32) {
        let [dst, value, len] = self.pop3();
        let (dst, len) = (self.extend_index(dst), self.extend_index(len));
        let value = self.extend_reference(value);
        let table = self.index_argument(table);
        self.call_libcall(Libcall::table_fill, &[table, dst, value, len]);
    }

    pub(super) fn visit_table_copy(&mut self, dst_table: u32, src_table: u32) {
        let operands = self.pop3();
        let [dst, src, len] = operands.map(|operand| self.extend_index(operand));
        let dst_table = self.index_argument(dst_table);
        let src_table = self.index_argument(src_table);
        self.call_libcall(Libcall::table_copy, &[dst_table, src_table, dst, src, len]);
    }

    pub(super) fn visit_table_init(&mut self, elem: u32, table: u32) {
        let [dst, src, len] = self.pop3();
        let dst = self.extend_index(dst);
        let (table, elem) = (self.index_argument(table), self.index_argument(elem));
        self.call_libcall(Libcall::table_init, &[table, elem, dst, src, len]);
    }

    pub(super) fn visit_elem_drop(&mut self, elem: u32) {
        let elem = self.index_argument(elem);
        self.call_libcall(Libcall::elem_drop, &[elem]);
    }

    /// A reference in the 64 bits that libcalls take it in.
    fn extend_reference(&mut self, reference: Value) -> Value {
        if self.type_of(reference) == I64 { reference } else { self.ins().uextend(I64, reference) }
    }
}
