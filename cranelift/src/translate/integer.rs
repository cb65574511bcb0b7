//! Integer arithmetic and comparisons of both widths.
//!
//! CLIF's integer instructions have WebAssembly's semantics: shifts and rotations take their amount modulo the
//! width, divisions trap as they must, and the remainder of the least integer by −1 is 0.

use cranelift_codegen::ir::{
    self, InstBuilder,
    condcodes::IntCC,
    types::{I8, I16, I32, I64},
};

use super::function::FuncTranslator;

impl FuncTranslator<'_, '_> {
    fn compare(&mut self, condition: IntCC) {
        let (x, y) = self.pop2();
        let outcome = self.ins().icmp(condition, x, y);
        self.push_bool(outcome);
    }

    fn equals_zero(&mut self) {
        let x = self.pop_condition();
        let outcome = self.ins().icmp_imm_u(IntCC::Equal, x, 0);
        self.push_bool(outcome);
    }

    /// Subtracts. A constant is added instead, its negative: that is what addresses can take in.
    fn subtract(&mut self) {
        let (x, y) = self.pop2();
        let result = match self.constant(y) {
            Some(constant) => {
                let ty = self.type_of(y);
                let negative = match ty {
                    I32 => i64::from((constant as u32).wrapping_neg()),
                    _ => constant.wrapping_neg() as i64,
                };
                let negative = self.ins().iconst(ty, negative);
                self.ins().iadd(x, negative)
            }
            None => self.ins().isub(x, y),
        };
        self.push(result);
    }

    pub(super) fn visit_i32_const(&mut self, value: i32) {
        let constant = self.ins().iconst(I32, i64::from(value as u32));
        self.push(constant);
    }

    pub(super) fn visit_i32_eqz(&mut self) {
        self.equals_zero();
    }

    pub(super) fn visit_i32_eq(&mut self) {
        self.compare(IntCC::Equal);
    }

    pub(super) fn visit_i32_ne(&mut self) {
        self.compare(IntCC::NotEqual);
    }

    pub(super) fn visit_i32_lt_s(&mut self) {
        self.compare(IntCC::SignedLessThan);
    }

    pub(super) fn visit_i32_lt_u(&mut self) {
        self.compare(IntCC::UnsignedLessThan);
    }

    pub(super) fn visit_i32_gt_s(&mut self) {
        self.compare(IntCC::SignedGreaterThan);
    }

    pub(super) fn visit_i32_gt_u(&mut self) {
        self.compare(IntCC::UnsignedGreaterThan);
    }

    pub(super) fn visit_i32_le_s(&mut self) {
        self.compare(IntCC::SignedLessThanOrEqual);
    }

    pub(super) fn visit_i32_le_u(&mut self) {
        self.compare(IntCC::UnsignedLessThanOrEqual);
    }

    pub(super) fn visit_i32_ge_s(&mut self) {
        self.compare(IntCC::SignedGreaterThanOrEqual);
    }

    pub(super) fn visit_i32_ge_u(&mut self) {
        self.compare(IntCC::UnsignedGreaterThanOrEqual);
    }

    pub(super) fn visit_i32_clz(&mut self) {
        self.unary(|ins, x| ins.clz(x));
    }

    pub(super) fn visit_i32_ctz(&mut self) {
        self.unary(|ins, x| ins.ctz(x));
    }

    pub(super) fn visit_i32_popcnt(&mut self) {
        self.unary(|ins, x| ins.popcnt(x));
    }

    pub(super) fn visit_i32_add(&mut self) {
        self.binary(|ins, x, y| ins.iadd(x, y));
    }

    pub(super) fn visit_i32_sub(&mut self) {
        self.subtract();
    }

    pub(super) fn visit_i32_mul(&mut self) {
        self.binary(|ins, x, y| ins.imul(x, y));
    }

    pub(super) fn visit_i32_div_s(&mut self) {
        self.binary(|ins, x, y| ins.sdiv(x, y));
    }

    pub(super) fn visit_i32_div_u(&mut self) {
        self.binary(|ins, x, y| ins.udiv(x, y));
    }

    pub(super) fn visit_i32_rem_s(&mut self) {
        self.binary(|ins, x, y| ins.srem(x, y));
    }

    pub(super) fn visit_i32_rem_u(&mut self) {
        self.binary(|ins, x, y| ins.urem(x, y));
    }

    pub(super) fn visit_i32_and(&mut self) {
        self.binary(|ins, x, y| ins.band(x, y));
    }

    pub(super) fn visit_i32_or(&mut self) {
        self.binary(|ins, x, y| ins.bor(x, y));
    }

    pub(super) fn visit_i32_xor(&mut self) {
        self.binary(|ins, x, y| ins.bxor(x, y));
    }

    pub(super) fn visit_i32_shl(&mut self) {
        self.binary(|ins, x, y| ins.ishl(x, y));
    }

    pub(super) fn visit_i32_shr_s(&mut self) {
        self.binary(|ins, x, y| ins.sshr(x, y));
    }

    pub(super) fn visit_i32_shr_u(&mut self) {
        self.binary(|ins, x, y| ins.ushr(x, y));
    }

    pub(super) fn visit_i32_rotl(&mut self) {
        self.binary(|ins, x, y| ins.rotl(x, y));
    }

    pub(super) fn visit_i32_rotr(&mut self) {
        self.binary(|ins, x, y| ins.rotr(x, y));
    }

    pub(super) fn visit_i32_extend8_s(&mut self) {
        self.extend_low(I8, I32);
    }

    pub(super) fn visit_i32_extend16_s(&mut self) {
        self.extend_low(I16, I32);
    }

    pub(super) fn visit_i64_const(&mut self, value: i64) {
        let constant = self.ins().iconst(I64, value);
        self.push(constant);
    }

    pub(super) fn visit_i64_eqz(&mut self) {
        self.equals_zero();
    }

    pub(super) fn visit_i64_eq(&mut self) {
        self.compare(IntCC::Equal);
    }

    pub(super) fn visit_i64_ne(&mut self) {
        self.compare(IntCC::NotEqual);
    }

    pub(super) fn visit_i64_lt_s(&mut self) {
        self.compare(IntCC::SignedLessThan);
    }

    pub(super) fn visit_i64_lt_u(&mut self) {
        self.compare(IntCC::UnsignedLessThan);
    }

    pub(super) fn visit_i64_gt_s(&mut self) {
        self.compare(IntCC::SignedGreaterThan);
    }

    pub(super) fn visit_i64_gt_u(&mut self) {
        self.compare(IntCC::UnsignedGreaterThan);
    }

    pub(super) fn visit_i64_le_s(&mut self) {
        self.compare(IntCC::SignedLessThanOrEqual);
    }

    pub(super) fn visit_i64_le_u(&mut self) {
        self.compare(IntCC::UnsignedLessThanOrEqual);
    }

    pub(super) fn visit_i64_ge_s(&mut self) {
        self.compare(IntCC::SignedGreaterThanOrEqual);
    }

    pub(super) fn visit_i64_ge_u(&mut self) {
        self.compare(IntCC::UnsignedGreaterThanOrEqual);
    }

    pub(super) fn visit_i64_clz(&mut self) {
        self.unary(|ins, x| ins.clz(x));
    }

    pub(super) fn visit_i64_ctz(&mut self) {
        self.unary(|ins, x| ins.ctz(x));
    }

    pub(super) fn visit_i64_popcnt(&mut self) {
        self.unary(|ins, x| ins.popcnt(x));
    }

    pub(super) fn visit_i64_add(&mut self) {
        self.binary(|ins, x, y| ins.iadd(x, y));
    }

    pub(super) fn visit_i64_sub(&mut self) {
        self.subtract();
    }

    pub(super) fn visit_i64_mul(&mut self) {
        self.binary(|ins, x, y| ins.imul(x, y));
    }

    pub(super) fn visit_i64_div_s(&mut self) {
        self.binary(|ins, x, y| ins.sdiv(x, y));
    }

    pub(super) fn visit_i64_div_u(&mut self) {
        self.binary(|ins, x, y| ins.udiv(x, y));
    }

    pub(super) fn visit_i64_rem_s(&mut self) {
        self.binary(|ins, x, y| ins.srem(x, y));
    }

    pub(super) fn visit_i64_rem_u(&mut self) {
        self.binary(|ins, x, y| ins.urem(x, y));
    }

    pub(super) fn visit_i64_and(&mut self) {
        self.binary(|ins, x, y| ins.band(x, y));
    }

    pub(super) fn visit_i64_or(&mut self) {
        self.binary(|ins, x, y| ins.bor(x, y));
    }

    pub(super) fn visit_i64_xor(&mut self) {
        self.binary(|ins, x, y| ins.bxor(x, y));
    }

    pub(super) fn visit_i64_shl(&mut self) {
        self.binary(|ins, x, y| ins.ishl(x, y));
    }

    pub(super) fn visit_i64_shr_s(&mut self) {
        self.binary(|ins, x, y| ins.sshr(x, y));
    }

    pub(super) fn visit_i64_shr_u(&mut self) {
        self.binary(|ins, x, y| ins.ushr(x, y));
    }

    pub(super) fn visit_i64_rotl(&mut self) {
        self.binary(|ins, x, y| ins.rotl(x, y));
    }

    pub(super) fn visit_i64_rotr(&mut self) {
        self.binary(|ins, x, y| ins.rotr(x, y));
    }

    pub(super) fn visit_i64_extend8_s(&mut self) {
        self.extend_low(I8, I64);
    }

    pub(super) fn visit_i64_extend16_s(&mut self) {
        self.extend_low(I16, I64);
    }

    pub(super) fn visit_i64_extend32_s(&mut self) {
        self.extend_low(I32, I64);
    }

    /// Replaces an integer by its low bits, sign-extended.
    fn extend_low(&mut self, low: ir::Type, to: ir::Type) {
        let x = self.pop();
        let x = self.ins().ireduce(low, x);
        let x = self.ins().sextend(to, x);
        self.push(x);
    }
}
