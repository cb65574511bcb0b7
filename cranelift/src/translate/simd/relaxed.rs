//! Relaxed vector instructions: those whose result is up to the engine where processors disagree.
//!
//! The specification gives a list of results to choose from, and asks that an engine chooses once for all uses of an
//! instruction, whatever its shape. [`Relaxed`](crate::relaxed::Relaxed) is that choice. Its deterministic side takes the
//! first of each list (spec, *Profiles › Deterministic*); the other takes what the target has an instruction for.

use super::super::function::FuncTranslator;
use cranelift_codegen::ir::{
    InstBuilder, Type, Value,
    types::{F32X4, F64X2, I8X16, I16X8, I32X4, I64X2},
};

impl FuncTranslator<'_, '_> {
    /// Indices past the last lane give 0, or on x86 are taken modulo 16 where their highest bit is clear.
    pub(in crate::translate) fn visit_i8x16_relaxed_swizzle(&mut self) {
        let (x, lanes) = self.pop2_as(I8X16);
        let result = if self.env.relaxed.x86 {
            self.ins().x86_pshufb(x, lanes)
        } else {
            self.ins().swizzle(x, lanes)
        };
        self.push(result);
    }

    /// What does not fit saturates, or on x86 becomes the least integer.
    pub(in crate::translate) fn visit_i32x4_relaxed_trunc_f32x4_s(&mut self) {
        if !self.env.relaxed.x86 {
            return self.visit_i32x4_trunc_sat_f32x4_s();
        }
        let x = self.pop_as(F32X4);
        let result = self.ins().x86_cvtt2dq(I32X4, x);
        self.push(result);
    }

    /// x86 has no shorter way to unsigned integers that would be right for those that fit.
    pub(in crate::translate) fn visit_i32x4_relaxed_trunc_f32x4_u(&mut self) {
        self.visit_i32x4_trunc_sat_f32x4_u();
    }

    /// As for four lanes. Cranelift has it only right before a narrowing with zeros.
    pub(in crate::translate) fn visit_i32x4_relaxed_trunc_f64x2_s_zero(&mut self) {
        if !self.env.relaxed.x86 {
            return self.visit_i32x4_trunc_sat_f64x2_s_zero();
        }
        let x = self.pop_as(F64X2);
        let wide = self.ins().x86_cvtt2dq(I64X2, x);
        let zero = self.zero_vector(I64X2);
        let result = self.ins().snarrow(wide, zero);
        self.push(result);
    }

    pub(in crate::translate) fn visit_i32x4_relaxed_trunc_f64x2_u_zero(&mut self) {
        self.visit_i32x4_trunc_sat_f64x2_u_zero();
    }

    pub(in crate::translate) fn visit_f32x4_relaxed_madd(&mut self) {
        self.multiply_add(F32X4, false);
    }

    pub(in crate::translate) fn visit_f32x4_relaxed_nmadd(&mut self) {
        self.multiply_add(F32X4, true);
    }

    pub(in crate::translate) fn visit_f64x2_relaxed_madd(&mut self) {
        self.multiply_add(F64X2, false);
    }

    pub(in crate::translate) fn visit_f64x2_relaxed_nmadd(&mut self) {
        self.multiply_add(F64X2, true);
    }

    /// `x · y + z`, or with the first factor negated.
    fn multiply_add(&mut self, shape: Type, negate: bool) {
        let z = self.pop_as(shape);
        let (x, y) = self.pop2_as(shape);
        let x = if negate { self.ins().fneg(x) } else { x };
        let result = if self.env.relaxed.fused {
            self.ins().fma(x, y, z)
        } else {
            let product = self.ins().fmul(x, y);
            self.ins().fadd(product, z)
        };
        self.push(result);
    }

    pub(in crate::translate) fn visit_i8x16_relaxed_laneselect(&mut self) {
        self.select_lanes(I8X16);
    }

    pub(in crate::translate) fn visit_i16x8_relaxed_laneselect(&mut self) {
        self.select_lanes(I16X8);
    }

    pub(in crate::translate) fn visit_i32x4_relaxed_laneselect(&mut self) {
        self.select_lanes(I32X4);
    }

    pub(in crate::translate) fn visit_i64x2_relaxed_laneselect(&mut self) {
        self.select_lanes(I64X2);
    }

    /// Every bit of the mask counts, or on x86 the highest of each lane.
    fn select_lanes(&mut self, shape: Type) {
        let mask = self.pop_as(shape);
        let (ones, zeros) = self.pop2_as(shape);
        let result = if !self.env.relaxed.x86 {
            self.ins().bitselect(mask, ones, zeros)
        } else if shape == I16X8 {
            // There is no such instruction for this shape: the bit is spread, so that the one for bytes will do.
            let mask = self.ins().sshr_imm_u(mask, 15);
            let mask = self.cast_vector(mask, I8X16);
            let ones = self.cast_vector(ones, I8X16);
            let zeros = self.cast_vector(zeros, I8X16);
            self.ins().blendv(mask, ones, zeros)
        } else {
            self.ins().blendv(mask, ones, zeros)
        };
        self.push(result);
    }

    pub(in crate::translate) fn visit_f32x4_relaxed_min(&mut self) {
        if self.env.relaxed.x86 { self.visit_f32x4_pmin() } else { self.visit_f32x4_min() }
    }

    pub(in crate::translate) fn visit_f32x4_relaxed_max(&mut self) {
        if self.env.relaxed.x86 { self.visit_f32x4_pmax() } else { self.visit_f32x4_max() }
    }

    pub(in crate::translate) fn visit_f64x2_relaxed_min(&mut self) {
        if self.env.relaxed.x86 { self.visit_f64x2_pmin() } else { self.visit_f64x2_min() }
    }

    pub(in crate::translate) fn visit_f64x2_relaxed_max(&mut self) {
        if self.env.relaxed.x86 { self.visit_f64x2_pmax() } else { self.visit_f64x2_max() }
    }

    /// The one product that does not fit, of the least integer with itself, saturates, or on x86 wraps.
    pub(in crate::translate) fn visit_i16x8_relaxed_q15mulr_s(&mut self) {
        if !self.env.relaxed.x86 {
            return self.visit_i16x8_q15mulr_sat_s();
        }
        let (x, y) = self.pop2_as(I16X8);
        let result = self.ins().x86_pmulhrsw(x, y);
        self.push(result);
    }

    pub(in crate::translate) fn visit_i16x8_relaxed_dot_i8x16_i7x16_s(&mut self) {
        let result = self.dot_of_bytes();
        self.push(result);
    }

    /// Defined as the sum of three steps, the first of which saturates.
    pub(in crate::translate) fn visit_i32x4_relaxed_dot_i8x16_i7x16_add_s(&mut self) {
        let addend = self.pop_as(I32X4);
        let pairs = self.dot_of_bytes();
        let low = self.ins().swiden_low(pairs);
        let high = self.ins().swiden_high(pairs);
        let sums = self.ins().iadd_pairwise(low, high);
        let result = self.ins().iadd(sums, addend);
        self.push(result);
    }

    /// The sums of two products each of signed bytes, as saturated 16 bits. On x86 the second factors are unsigned.
    fn dot_of_bytes(&mut self) -> Value {
        let (x, y) = self.pop2_as(I8X16);
        if self.env.relaxed.x86 {
            return self.ins().x86_pmaddubsw(x, y);
        }
        // The sums are exact in 32 bits, and only that of −128·−128 twice saturates in 16.
        let x_low = self.ins().swiden_low(x);
        let y_low = self.ins().swiden_low(y);
        let low = self.dot_of_halves(x_low, y_low);
        let x_high = self.ins().swiden_high(x);
        let y_high = self.ins().swiden_high(y);
        let high = self.dot_of_halves(x_high, y_high);
        self.ins().snarrow(low, high)
    }
}
