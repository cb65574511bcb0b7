//! Whole ranges of memories, tables and segments, and growing tables: all of it is done by the runtime.

use cranelift_codegen::ir::{
    InstBuilder, Value,
    types::{I32, I64},
};
use wrun_module::Libcall;

use super::function::FuncTranslator;

impl FuncTranslator<'_, '_> {
    /// An index as the argument of a libcall.
    fn index_argument(&mut self, index: u32) -> Value {
        self.ins().iconst(I32, i64::from(index))
    }

    /// Pops three operands, in their order.
    fn pop3(&mut self) -> [Value; 3] {
        let z = self.pop();
        let (x, y) = self.pop2();
        [x, y, z]
    }

    pub(super) fn visit_memory_copy(&mut self, dst_memory: u32, src_memory: u32) {
        let operands = self.pop3();
        let [dst, src, len] = operands.map(|operand| self.extend_index(operand));
        let dst_memory = self.index_argument(dst_memory);
        let src_memory = self.index_argument(src_memory);
        self.call_libcall(Libcall::memory_copy, &[dst_memory, src_memory, dst, src, len]);
    }

    pub(super) fn visit_memory_fill(&mut self, memory: u32) {
        let [dst, value, len] = self.pop3();
        let (dst, len) = (self.extend_index(dst), self.extend_index(len));
        let memory = self.index_argument(memory);
        self.call_libcall(Libcall::memory_fill, &[memory, dst, value, len]);
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
        let table = self.index_argument(table);
        let old = self.call_libcall(Libcall::table_grow, &[table, delta, init]);
        // The result is −1 or less than 2^32: its low half is the same number.
        let old = self.ins().ireduce(I32, old[0]);
        self.push(old);
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
