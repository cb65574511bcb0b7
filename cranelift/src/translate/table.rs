//! Single elements of tables, inline; whole ranges are in `bulk`.

use cranelift_codegen::ir::{
    InstBuilder, MemFlagsData, Value,
    condcodes::IntCC,
    types::{I32, I64},
};
use wrun_module::{HeapType, TableIndex, TrapCode, ValType, layout};

use super::{context::Region, function::FuncTranslator};
use crate::abi::clif_type;

impl FuncTranslator<'_, '_> {
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
        let size = match self.env.module.info.tables[table.index()].ty.element.heap {
            HeapType::Func | HeapType::ConcreteFunc(_) => layout::POINTER_SIZE,
            HeapType::Extern => 4,
        };
        let base = self.table_base(table);
        let offset = self.ins().ishl_imm_u(index, i64::from(size.trailing_zeros()));
        let address = self.ins().iadd(base, offset);
        let null = self.ins().iconst(I64, 0);
        let address = self.ins().select_spectre_guard(out_of_bounds, null, address);
        (self.trapping(Region::Table, trap).with_aligned(), address)
    }

    /// The number of elements in 64 bits: a constant for a table that cannot grow.
    fn table_length(&mut self, table: TableIndex) -> Value {
        let limits = self.env.module.info.tables[table.index()].ty.limits;
        if limits.max == Some(limits.min) {
            self.ins().iconst(I64, limits.min as i64)
        } else {
            self.table_field(table, layout::table::LENGTH)
        }
    }

    pub(super) fn visit_table_get(&mut self, table: u32) {
        let table = TableIndex(table);
        let index = self.pop();
        let ty = clif_type(ValType::Ref(self.env.module.info.tables[table.index()].ty.element));
        let (flags, address) = self.table_element(table, index, TrapCode::TableOutOfBounds);
        let element = self.ins().load(ty, flags, address, 0);
        self.push(element);
    }

    pub(super) fn visit_table_set(&mut self, table: u32) {
        let (index, element) = self.pop2();
        let (flags, address) =
            self.table_element(TableIndex(table), index, TrapCode::TableOutOfBounds);
        self.ins().store(flags, element, address, 0);
    }

    pub(super) fn visit_table_size(&mut self, table: u32) {
        let length = self.table_length(TableIndex(table));
        let length = self.ins().ireduce(I32, length);
        self.push(length);
    }
}
