//! Conversions between the number types.
//!
//! CLIF's `fcvt_to_*` trap by themselves on NaN and on what does not fit, their `_sat` forms do not.

use cranelift_codegen::ir::{
    InstBuilder, MemFlagsData,
    types::{F32, F64, I32, I64},
};

use super::function::FuncTranslator;

impl FuncTranslator<'_, '_> {
    pub(super) fn visit_i32_wrap_i64(&mut self) {
        self.unary(|ins, x| ins.ireduce(I32, x));
    }

    pub(super) fn visit_i64_extend_i32_s(&mut self) {
        self.unary(|ins, x| ins.sextend(I64, x));
    }

    pub(super) fn visit_i64_extend_i32_u(&mut self) {
        // As it is: the outcome of a test is extended in one step.
        let x = self.pop_raw();
        let x = self.ins().uextend(I64, x);
        self.push(x);
    }

    pub(super) fn visit_i32_trunc_f32_s(&mut self) {
        self.unary(|ins, x| ins.fcvt_to_sint(I32, x));
    }

    pub(super) fn visit_i32_trunc_sat_f32_s(&mut self) {
        self.unary(|ins, x| ins.fcvt_to_sint_sat(I32, x));
    }

    pub(super) fn visit_i32_trunc_f32_u(&mut self) {
        self.unary(|ins, x| ins.fcvt_to_uint(I32, x));
    }

    pub(super) fn visit_i32_trunc_sat_f32_u(&mut self) {
        self.unary(|ins, x| ins.fcvt_to_uint_sat(I32, x));
    }

    pub(super) fn visit_i32_trunc_f64_s(&mut self) {
        self.unary(|ins, x| ins.fcvt_to_sint(I32, x));
    }

    pub(super) fn visit_i32_trunc_sat_f64_s(&mut self) {
        self.unary(|ins, x| ins.fcvt_to_sint_sat(I32, x));
    }

    pub(super) fn visit_i32_trunc_f64_u(&mut self) {
        self.unary(|ins, x| ins.fcvt_to_uint(I32, x));
    }

    pub(super) fn visit_i32_trunc_sat_f64_u(&mut self) {
        self.unary(|ins, x| ins.fcvt_to_uint_sat(I32, x));
    }

    pub(super) fn visit_i64_trunc_f32_s(&mut self) {
        self.unary(|ins, x| ins.fcvt_to_sint(I64, x));
    }

    pub(super) fn visit_i64_trunc_sat_f32_s(&mut self) {
        self.unary(|ins, x| ins.fcvt_to_sint_sat(I64, x));
    }

    pub(super) fn visit_i64_trunc_f32_u(&mut self) {
        self.unary(|ins, x| ins.fcvt_to_uint(I64, x));
    }

    pub(super) fn visit_i64_trunc_sat_f32_u(&mut self) {
        self.unary(|ins, x| ins.fcvt_to_uint_sat(I64, x));
    }

    pub(super) fn visit_i64_trunc_f64_s(&mut self) {
        self.unary(|ins, x| ins.fcvt_to_sint(I64, x));
    }

    pub(super) fn visit_i64_trunc_sat_f64_s(&mut self) {
        self.unary(|ins, x| ins.fcvt_to_sint_sat(I64, x));
    }

    pub(super) fn visit_i64_trunc_f64_u(&mut self) {
        self.unary(|ins, x| ins.fcvt_to_uint(I64, x));
    }

    pub(super) fn visit_i64_trunc_sat_f64_u(&mut self) {
        self.unary(|ins, x| ins.fcvt_to_uint_sat(I64, x));
    }

    pub(super) fn visit_f32_convert_i32_s(&mut self) {
        self.unary(|ins, x| ins.fcvt_from_sint(F32, x));
    }

    pub(super) fn visit_f32_convert_i32_u(&mut self) {
        self.unary(|ins, x| ins.fcvt_from_uint(F32, x));
    }

    pub(super) fn visit_f32_convert_i64_s(&mut self) {
        self.unary(|ins, x| ins.fcvt_from_sint(F32, x));
    }

    pub(super) fn visit_f32_convert_i64_u(&mut self) {
        self.unary(|ins, x| ins.fcvt_from_uint(F32, x));
    }

    pub(super) fn visit_f64_convert_i32_s(&mut self) {
        self.unary(|ins, x| ins.fcvt_from_sint(F64, x));
    }

    pub(super) fn visit_f64_convert_i32_u(&mut self) {
        self.unary(|ins, x| ins.fcvt_from_uint(F64, x));
    }

    pub(super) fn visit_f64_convert_i64_s(&mut self) {
        self.unary(|ins, x| ins.fcvt_from_sint(F64, x));
    }

    pub(super) fn visit_f64_convert_i64_u(&mut self) {
        self.unary(|ins, x| ins.fcvt_from_uint(F64, x));
    }

    pub(super) fn visit_f32_demote_f64(&mut self) {
        self.unary(|ins, x| ins.fdemote(F32, x));
    }

    pub(super) fn visit_f64_promote_f32(&mut self) {
        self.unary(|ins, x| ins.fpromote(F64, x));
    }

    pub(super) fn visit_i32_reinterpret_f32(&mut self) {
        self.unary(|ins, x| ins.bitcast(I32, MemFlagsData::new(), x));
    }

    pub(super) fn visit_i64_reinterpret_f64(&mut self) {
        self.unary(|ins, x| ins.bitcast(I64, MemFlagsData::new(), x));
    }

    pub(super) fn visit_f32_reinterpret_i32(&mut self) {
        self.unary(|ins, x| ins.bitcast(F32, MemFlagsData::new(), x));
    }

    pub(super) fn visit_f64_reinterpret_i64(&mut self) {
        self.unary(|ins, x| ins.bitcast(F64, MemFlagsData::new(), x));
    }
}
