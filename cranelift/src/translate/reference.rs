//! References: functions are pointers to their `func_ref`, host values are indices; null is 0.

use cranelift_codegen::ir::{InstBuilder, condcodes::IntCC};
use wrun_module::{FuncIndex, RefType, TrapCode, ValType, layout};

use super::function::FuncTranslator;
use crate::{abi::clif_type, traps::clif_trap};

impl FuncTranslator<'_, '_> {
    pub(super) fn visit_ref_null(&mut self, hty: wasmparser::HeapType) {
        let Some(heap) = self.env.module.info.body_heap_type(hty) else {
            return self.refuse("ref.null of an unknown type");
        };
        let ty = clif_type(ValType::Ref(RefType { nullable: true, heap }));
        let null = self.ins().iconst(ty, 0);
        self.push_untraced(null);
    }

    pub(super) fn visit_ref_is_null(&mut self) {
        let reference = self.pop();
        let is_null = self.ins().icmp_imm_u(IntCC::Equal, reference, 0);
        self.push_bool(is_null);
    }

    pub(super) fn visit_ref_as_non_null(&mut self) {
        let reference = self.peek();
        self.ins().trapz(reference, clif_trap(TrapCode::NullReference));
    }

    pub(super) fn visit_br_on_null(&mut self, depth: u32) {
        let reference = self.pop();
        let is_null = self.ins().icmp_imm_u(IntCC::Equal, reference, 0);
        self.branch_if(is_null, depth);
        self.push(reference);
    }

    /// The branch takes the reference along.
    pub(super) fn visit_br_on_non_null(&mut self, depth: u32) {
        let reference = self.peek();
        self.branch_if(reference, depth);
        self.pop_raw();
    }

    pub(super) fn visit_ref_func(&mut self, func: u32) {
        let func = FuncIndex(func);
        let reference = if self.env.module.info.is_imported_func(func) {
            let slot = self.env.layout.imported_func(func);
            self.context_pointer(slot + layout::imported_func::FUNC_REF)
        } else if let Some(position) = self.env.module.info.func_ref(func) {
            let offset = self.env.layout.func_ref(position);
            let vmctx = self.vmctx();
            self.ins().iadd_imm_u(vmctx, i64::from(offset))
        } else {
            return self.refuse("ref.func of a function that does not escape");
        };
        self.push(reference);
    }
}
