//! Single elements of tables, inline; whole ranges are in `bulk`.

use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Value, condcodes::IntCC, types::I64};
use wrun_module::{TableIndex, TableType, TrapCode, ValType, layout};

use super::{context::Region, function::FuncTranslator};
use crate::abi::clif_type;

impl<'m> FuncTranslator<'_, 'm> {
    pub(super) fn table_type(&self, table: TableIndex) -> &'m TableType {
        &self.env.module.info.tables[table.index()].ty
    }

    /// The place of an element. An access with these flags traps as `trap` says when the index is out of bounds:
    /// the address is 0 then, which is never mapped.
    pub(super) fn table_element(
        &mut self,
        table: TableIndex,
        index: Value,
        trap: TrapCode,
    ) -> (MemFlagsData, Value) {
        let index = self.extend_index(index);
        let length = self.table_length(table);
        let out_of_bounds = self.ins().icmp(IntCC::UnsignedGreaterThanOrEqual, index, length);
        let size = clif_type(ValType::Ref(self.table_type(table).element)).bytes();
        let base = self.table_base(table);
        // When this wraps around, the index is out of bounds: a table has far fewer elements.
        let offset = self.ins().ishl_imm_u(index, i64::from(size.trailing_zeros()));
        let address = self.ins().iadd(base, offset);
        let null = self.ins().iconst(I64, 0);
        let address = self.ins().select_spectre_guard(out_of_bounds, null, address);
        (self.trapping(Region::Table, trap).with_aligned(), address)
    }

    /// The number of elements in 64 bits: a constant for a table that cannot grow.
    fn table_length(&mut self, table: TableIndex) -> Value {
        let limits = self.table_type(table).limits;
        if limits.max == Some(limits.min) {
            self.ins().iconst(I64, limits.min as i64)
        } else {
            self.table_field(table, layout::table::LENGTH)
        }
    }

    pub(super) fn visit_table_get(&mut self, table: u32) {
        let table = TableIndex(table);
        let index = self.pop();
        let ty = ValType::Ref(self.table_type(table).element);
        let (flags, address) = self.table_element(table, index, TrapCode::TableOutOfBounds);
        let element = self.ins().load(clif_type(ty), flags, address, 0);
        self.push_typed(element, ty);
    }

    pub(super) fn visit_table_set(&mut self, table: u32) {
        let table = TableIndex(table);
        let element = self.pop_typed(ValType::Ref(self.table_type(table).element));
        let index = self.pop();
        let (flags, address) = self.table_element(table, index, TrapCode::TableOutOfBounds);
        self.ins().store(flags, element, address, 0);
    }

    pub(super) fn visit_table_size(&mut self, table: u32) {
        let length = self.table_length(TableIndex(table));
        self.push_index(self.table_type(TableIndex(table)).table64, length);
    }
}
