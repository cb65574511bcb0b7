//! Integers of 31 bits: they are in the reference itself, above a bit that is set.

use cranelift_codegen::ir::{InstBuilder, Value};
use wrun_module::TrapCode;

use super::super::function::FuncTranslator;
use crate::traps::clif_trap;

impl FuncTranslator<'_, '_> {
    pub(in super::super) fn visit_ref_i31(&mut self) {
        let value = self.pop();
        let shifted = self.ins().ishl_imm_u(value, 1);
        let reference = self.ins().bor_imm_u(shifted, 1);
        self.push_untraced(reference);
    }

    pub(in super::super) fn visit_i31_get_s(&mut self) {
        let reference = self.pop_i31();
        let value = self.ins().sshr_imm_u(reference, 1);
        self.push(value);
    }

    pub(in super::super) fn visit_i31_get_u(&mut self) {
        let reference = self.pop_i31();
        let value = self.ins().ushr_imm_u(reference, 1);
        self.push(value);
    }

    /// Pops an `i31` that is not null. No access would find null here.
    fn pop_i31(&mut self) -> Value {
        let reference = self.pop();
        self.ins().trapz(reference, clif_trap(TrapCode::NullI31Reference));
        reference
    }
}
