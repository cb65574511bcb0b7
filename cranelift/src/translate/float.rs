//! Float arithmetic and comparisons of both widths.
//!
//! CLIF's float instructions have WebAssembly's semantics, `min`, `max` and `nearest` included. Which NaN comes out
//! of an operation is left open, as the specification does.

use cranelift_codegen::ir::{
    InstBuilder,
    condcodes::FloatCC,
    immediates::{Ieee32, Ieee64},
};

use super::function::FuncTranslator;

impl FuncTranslator<'_, '_> {
    fn float_compare(&mut self, condition: FloatCC) {
        let (x, y) = self.pop2();
        let outcome = self.ins().fcmp(condition, x, y);
        self.push_bool(outcome);
    }

    pub(super) fn visit_f32_const(&mut self, value: wasmparser::Ieee32) {
        let constant = self.ins().f32const(Ieee32::with_bits(value.bits()));
        self.push(constant);
    }

    pub(super) fn visit_f32_eq(&mut self) {
        self.float_compare(FloatCC::Equal);
    }

    pub(super) fn visit_f32_ne(&mut self) {
        self.float_compare(FloatCC::NotEqual);
    }

    pub(super) fn visit_f32_lt(&mut self) {
        self.float_compare(FloatCC::LessThan);
    }

    pub(super) fn visit_f32_gt(&mut self) {
        self.float_compare(FloatCC::GreaterThan);
    }

    pub(super) fn visit_f32_le(&mut self) {
        self.float_compare(FloatCC::LessThanOrEqual);
    }

    pub(super) fn visit_f32_ge(&mut self) {
        self.float_compare(FloatCC::GreaterThanOrEqual);
    }

    pub(super) fn visit_f32_abs(&mut self) {
        self.unary(|ins, x| ins.fabs(x));
    }

    pub(super) fn visit_f32_neg(&mut self) {
        self.unary(|ins, x| ins.fneg(x));
    }

    pub(super) fn visit_f32_ceil(&mut self) {
        self.unary(|ins, x| ins.ceil(x));
    }

    pub(super) fn visit_f32_floor(&mut self) {
        self.unary(|ins, x| ins.floor(x));
    }

    pub(super) fn visit_f32_trunc(&mut self) {
        self.unary(|ins, x| ins.trunc(x));
    }

    pub(super) fn visit_f32_nearest(&mut self) {
        self.unary(|ins, x| ins.nearest(x));
    }

    pub(super) fn visit_f32_sqrt(&mut self) {
        self.unary(|ins, x| ins.sqrt(x));
    }

    pub(super) fn visit_f32_add(&mut self) {
        self.binary(|ins, x, y| ins.fadd(x, y));
    }

    pub(super) fn visit_f32_sub(&mut self) {
        self.binary(|ins, x, y| ins.fsub(x, y));
    }

    pub(super) fn visit_f32_mul(&mut self) {
        self.binary(|ins, x, y| ins.fmul(x, y));
    }

    pub(super) fn visit_f32_div(&mut self) {
        self.binary(|ins, x, y| ins.fdiv(x, y));
    }

    pub(super) fn visit_f32_min(&mut self) {
        self.binary(|ins, x, y| ins.fmin(x, y));
    }

    pub(super) fn visit_f32_max(&mut self) {
        self.binary(|ins, x, y| ins.fmax(x, y));
    }

    pub(super) fn visit_f32_copysign(&mut self) {
        self.binary(|ins, x, y| ins.fcopysign(x, y));
    }

    pub(super) fn visit_f64_const(&mut self, value: wasmparser::Ieee64) {
        let constant = self.ins().f64const(Ieee64::with_bits(value.bits()));
        self.push(constant);
    }

    pub(super) fn visit_f64_eq(&mut self) {
        self.float_compare(FloatCC::Equal);
    }

    pub(super) fn visit_f64_ne(&mut self) {
        self.float_compare(FloatCC::NotEqual);
    }

    pub(super) fn visit_f64_lt(&mut self) {
        self.float_compare(FloatCC::LessThan);
    }

    pub(super) fn visit_f64_gt(&mut self) {
        self.float_compare(FloatCC::GreaterThan);
    }

    pub(super) fn visit_f64_le(&mut self) {
        self.float_compare(FloatCC::LessThanOrEqual);
    }

    pub(super) fn visit_f64_ge(&mut self) {
        self.float_compare(FloatCC::GreaterThanOrEqual);
    }

    pub(super) fn visit_f64_abs(&mut self) {
        self.unary(|ins, x| ins.fabs(x));
    }

    pub(super) fn visit_f64_neg(&mut self) {
        self.unary(|ins, x| ins.fneg(x));
    }

    pub(super) fn visit_f64_ceil(&mut self) {
        self.unary(|ins, x| ins.ceil(x));
    }

    pub(super) fn visit_f64_floor(&mut self) {
        self.unary(|ins, x| ins.floor(x));
    }

    pub(super) fn visit_f64_trunc(&mut self) {
        self.unary(|ins, x| ins.trunc(x));
    }

    pub(super) fn visit_f64_nearest(&mut self) {
        self.unary(|ins, x| ins.nearest(x));
    }

    pub(super) fn visit_f64_sqrt(&mut self) {
        self.unary(|ins, x| ins.sqrt(x));
    }

    pub(super) fn visit_f64_add(&mut self) {
        self.binary(|ins, x, y| ins.fadd(x, y));
    }

    pub(super) fn visit_f64_sub(&mut self) {
        self.binary(|ins, x, y| ins.fsub(x, y));
    }

    pub(super) fn visit_f64_mul(&mut self) {
        self.binary(|ins, x, y| ins.fmul(x, y));
    }

    pub(super) fn visit_f64_div(&mut self) {
        self.binary(|ins, x, y| ins.fdiv(x, y));
    }

    pub(super) fn visit_f64_min(&mut self) {
        self.binary(|ins, x, y| ins.fmin(x, y));
    }

    pub(super) fn visit_f64_max(&mut self) {
        self.binary(|ins, x, y| ins.fmax(x, y));
    }

    pub(super) fn visit_f64_copysign(&mut self) {
        self.binary(|ins, x, y| ins.fcopysign(x, y));
    }
}
