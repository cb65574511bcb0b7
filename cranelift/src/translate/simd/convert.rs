//! Conversions between shapes: narrowing, widening, and between integers and floats.

use cranelift_codegen::ir::{
    InstBuilder, Type, Value,
    types::{F32X4, F64X2, I8X16, I16X8, I32X4, I64X2},
};

use super::super::function::FuncTranslator;

unary! {
    visit_i16x8_extend_low_i8x16_s => swiden_low I8X16;
    visit_i16x8_extend_high_i8x16_s => swiden_high I8X16;
    visit_i16x8_extend_low_i8x16_u => uwiden_low I8X16;
    visit_i16x8_extend_high_i8x16_u => uwiden_high I8X16;
    visit_i32x4_extend_low_i16x8_s => swiden_low I16X8;
    visit_i32x4_extend_high_i16x8_s => swiden_high I16X8;
    visit_i32x4_extend_low_i16x8_u => uwiden_low I16X8;
    visit_i32x4_extend_high_i16x8_u => uwiden_high I16X8;
    visit_i64x2_extend_low_i32x4_s => swiden_low I32X4;
    visit_i64x2_extend_high_i32x4_s => swiden_high I32X4;
    visit_i64x2_extend_low_i32x4_u => uwiden_low I32X4;
    visit_i64x2_extend_high_i32x4_u => uwiden_high I32X4;
    visit_f32x4_demote_f64x2_zero => fvdemote F64X2;
    visit_f64x2_promote_low_f32x4 => fvpromote_low F32X4;
}

// The unsigned ones saturate to unsigned lanes; their operands are signed like those of the others.
binary! {
    visit_i8x16_narrow_i16x8_s => snarrow I16X8;
    visit_i8x16_narrow_i16x8_u => unarrow I16X8;
    visit_i16x8_narrow_i32x4_s => snarrow I32X4;
    visit_i16x8_narrow_i32x4_u => unarrow I32X4;
}

impl FuncTranslator<'_, '_> {
    pub(in crate::translate) fn visit_i32x4_trunc_sat_f32x4_s(&mut self) {
        let x = self.pop_as(F32X4);
        let result = self.ins().fcvt_to_sint_sat(I32X4, x);
        self.push(result);
    }

    pub(in crate::translate) fn visit_i32x4_trunc_sat_f32x4_u(&mut self) {
        let x = self.pop_as(F32X4);
        let result = self.ins().fcvt_to_uint_sat(I32X4, x);
        self.push(result);
    }

    // Cranelift has these two only as this conversion to 64 bits right before this narrowing with zeros.
    pub(in crate::translate) fn visit_i32x4_trunc_sat_f64x2_s_zero(&mut self) {
        let x = self.pop_as(F64X2);
        let wide = self.ins().fcvt_to_sint_sat(I64X2, x);
        let zero = self.zero_vector(I64X2);
        let result = self.ins().snarrow(wide, zero);
        self.push(result);
    }

    pub(in crate::translate) fn visit_i32x4_trunc_sat_f64x2_u_zero(&mut self) {
        let x = self.pop_as(F64X2);
        let wide = self.ins().fcvt_to_uint_sat(I64X2, x);
        let zero = self.zero_vector(I64X2);
        let result = self.ins().uunarrow(wide, zero);
        self.push(result);
    }

    pub(in crate::translate) fn visit_f32x4_convert_i32x4_s(&mut self) {
        let x = self.pop_as(I32X4);
        let result = self.ins().fcvt_from_sint(F32X4, x);
        self.push(result);
    }

    pub(in crate::translate) fn visit_f32x4_convert_i32x4_u(&mut self) {
        let x = self.pop_as(I32X4);
        let result = self.ins().fcvt_from_uint(F32X4, x);
        self.push(result);
    }

    pub(in crate::translate) fn visit_f64x2_convert_low_i32x4_s(&mut self) {
        let x = self.pop_as(I32X4);
        let wide = self.ins().swiden_low(x);
        let result = self.ins().fcvt_from_sint(F64X2, wide);
        self.push(result);
    }

    pub(in crate::translate) fn visit_f64x2_convert_low_i32x4_u(&mut self) {
        let x = self.pop_as(I32X4);
        let wide = self.ins().uwiden_low(x);
        let result = self.ins().fcvt_from_uint(F64X2, wide);
        self.push(result);
    }

    /// A vector of zeros.
    pub(super) fn zero_vector(&mut self, shape: Type) -> Value {
        let zeros = self.builder.func.dfg.constants.insert([0; 16].as_slice().into());
        self.ins().vconst(shape, zeros)
    }
}
