//! Floats in lanes: arithmetic, rounding, minima and comparison.

use cranelift_codegen::ir::{
    InstBuilder, Type,
    condcodes::FloatCC,
    types::{F32X4, F64X2},
};

use super::super::function::FuncTranslator;

unary! {
    visit_f32x4_ceil => ceil F32X4;
    visit_f32x4_floor => floor F32X4;
    visit_f32x4_trunc => trunc F32X4;
    visit_f32x4_nearest => nearest F32X4;
    visit_f32x4_abs => fabs F32X4;
    visit_f32x4_neg => fneg F32X4;
    visit_f32x4_sqrt => sqrt F32X4;
    visit_f64x2_ceil => ceil F64X2;
    visit_f64x2_floor => floor F64X2;
    visit_f64x2_trunc => trunc F64X2;
    visit_f64x2_nearest => nearest F64X2;
    visit_f64x2_abs => fabs F64X2;
    visit_f64x2_neg => fneg F64X2;
    visit_f64x2_sqrt => sqrt F64X2;
}

binary! {
    visit_f32x4_add => fadd F32X4;
    visit_f32x4_sub => fsub F32X4;
    visit_f32x4_mul => fmul F32X4;
    visit_f32x4_div => fdiv F32X4;
    visit_f32x4_min => fmin F32X4;
    visit_f32x4_max => fmax F32X4;
    visit_f64x2_add => fadd F64X2;
    visit_f64x2_sub => fsub F64X2;
    visit_f64x2_mul => fmul F64X2;
    visit_f64x2_div => fdiv F64X2;
    visit_f64x2_min => fmin F64X2;
    visit_f64x2_max => fmax F64X2;
}

compare! {
    visit_f32x4_eq => fcmp FloatCC::Equal, F32X4;
    visit_f32x4_ne => fcmp FloatCC::NotEqual, F32X4;
    visit_f32x4_lt => fcmp FloatCC::LessThan, F32X4;
    visit_f32x4_gt => fcmp FloatCC::GreaterThan, F32X4;
    visit_f32x4_le => fcmp FloatCC::LessThanOrEqual, F32X4;
    visit_f32x4_ge => fcmp FloatCC::GreaterThanOrEqual, F32X4;
    visit_f64x2_eq => fcmp FloatCC::Equal, F64X2;
    visit_f64x2_ne => fcmp FloatCC::NotEqual, F64X2;
    visit_f64x2_lt => fcmp FloatCC::LessThan, F64X2;
    visit_f64x2_gt => fcmp FloatCC::GreaterThan, F64X2;
    visit_f64x2_le => fcmp FloatCC::LessThanOrEqual, F64X2;
    visit_f64x2_ge => fcmp FloatCC::GreaterThanOrEqual, F64X2;
}

impl FuncTranslator<'_, '_> {
    pub(in crate::translate) fn visit_f32x4_pmin(&mut self) {
        self.pseudo_minimum(F32X4, false);
    }

    pub(in crate::translate) fn visit_f32x4_pmax(&mut self) {
        self.pseudo_minimum(F32X4, true);
    }

    pub(in crate::translate) fn visit_f64x2_pmin(&mut self) {
        self.pseudo_minimum(F64X2, false);
    }

    pub(in crate::translate) fn visit_f64x2_pmax(&mut self) {
        self.pseudo_minimum(F64X2, true);
    }

    /// The second operand where it is less (for a maximum: greater) than the first, else the first, also where one
    /// of them is no number. In this form it is known to be a single instruction of x86.
    fn pseudo_minimum(&mut self, shape: Type, maximum: bool) {
        let (x, y) = self.pop2_as(shape);
        let (less, greater) = if maximum { (x, y) } else { (y, x) };
        let take_second = self.ins().fcmp(FloatCC::LessThan, less, greater);
        let take_second = self.cast_vector(take_second, shape);
        let result = self.ins().bitselect(take_second, y, x);
        self.push(result);
    }
}
