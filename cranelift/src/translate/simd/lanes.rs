//! Vectors as a whole and their single lanes: constants, splats, lanes in and out, shuffles, and bitwise logic.

use cranelift_codegen::ir::{
    InstBuilder, Type,
    types::{F32X4, F64X2, I8, I8X16, I16, I16X8, I32, I32X4, I64X2},
};
use wasmparser::V128;

use super::super::function::FuncTranslator;

/// Methods for splats, and for replacing a lane, by a number of the lane's own type.
macro_rules! put {
    ($($splat:ident, $replace:ident => $shape:ident;)*) => {
        impl FuncTranslator<'_, '_> {$(
            pub(in crate::translate) fn $splat(&mut self) {
                let x = self.pop();
                let result = self.ins().splat($shape, x);
                self.push(result);
            }

            pub(in crate::translate) fn $replace(&mut self, lane: u8) {
                let number = self.pop();
                let x = self.pop_as($shape);
                let result = self.ins().insertlane(x, number, lane);
                self.push(result);
            }
        )*}
    };
}

put! {
    visit_i32x4_splat, visit_i32x4_replace_lane => I32X4;
    visit_i64x2_splat, visit_i64x2_replace_lane => I64X2;
    visit_f32x4_splat, visit_f32x4_replace_lane => F32X4;
    visit_f64x2_splat, visit_f64x2_replace_lane => F64X2;
}

/// The same, by the low bits of an `i32`.
macro_rules! put_low_bits {
    ($($splat:ident, $replace:ident => $shape:ident of $lane_type:ident;)*) => {
        impl FuncTranslator<'_, '_> {$(
            pub(in crate::translate) fn $splat(&mut self) {
                let x = self.pop();
                let x = self.ins().ireduce($lane_type, x);
                let result = self.ins().splat($shape, x);
                self.push(result);
            }

            pub(in crate::translate) fn $replace(&mut self, lane: u8) {
                let number = self.pop();
                let number = self.ins().ireduce($lane_type, number);
                let x = self.pop_as($shape);
                let result = self.ins().insertlane(x, number, lane);
                self.push(result);
            }
        )*}
    };
}

put_low_bits! {
    visit_i8x16_splat, visit_i8x16_replace_lane => I8X16 of I8;
    visit_i16x8_splat, visit_i16x8_replace_lane => I16X8 of I16;
}

/// Methods for taking a lane out as it is.
macro_rules! extract {
    ($($visit:ident => $shape:ident;)*) => {
        impl FuncTranslator<'_, '_> {$(
            pub(in crate::translate) fn $visit(&mut self, lane: u8) {
                let x = self.pop_as($shape);
                let result = self.ins().extractlane(x, lane);
                self.push(result);
            }
        )*}
    };
}

extract! {
    visit_i32x4_extract_lane => I32X4;
    visit_i64x2_extract_lane => I64X2;
    visit_f32x4_extract_lane => F32X4;
    visit_f64x2_extract_lane => F64X2;
}

/// Methods for taking a lane out and extending it to an `i32`.
macro_rules! extract_extended {
    ($($visit:ident => $extend:ident $shape:ident;)*) => {
        impl FuncTranslator<'_, '_> {$(
            pub(in crate::translate) fn $visit(&mut self, lane: u8) {
                let x = self.pop_as($shape);
                let lane = self.ins().extractlane(x, lane);
                let result = self.ins().$extend(I32, lane);
                self.push(result);
            }
        )*}
    };
}

extract_extended! {
    visit_i8x16_extract_lane_s => sextend I8X16;
    visit_i8x16_extract_lane_u => uextend I8X16;
    visit_i16x8_extract_lane_s => sextend I16X8;
    visit_i16x8_extract_lane_u => uextend I16X8;
}

/// Methods for bitwise logic.
macro_rules! logic {
    ($($visit:ident => $op:ident;)*) => {
        impl FuncTranslator<'_, '_> {$(
            pub(in crate::translate) fn $visit(&mut self) {
                let y = self.pop_raw();
                let x = self.pop_raw();
                let shape = self.logic_shape(self.type_of(x));
                let x = self.cast_vector(x, shape);
                let y = self.cast_vector(y, shape);
                let result = self.ins().$op(x, y);
                self.push(result);
            }
        )*}
    };
}

logic! {
    visit_v128_and => band;
    visit_v128_andnot => band_not;
    visit_v128_or => bor;
    visit_v128_xor => bxor;
}

impl FuncTranslator<'_, '_> {
    /// The shape for bitwise logic on a vector of shape `found`: its own, so that chains of comparisons and logic
    /// need no casts, unless its lanes are floats.
    fn logic_shape(&self, found: Type) -> Type {
        if found.lane_type().is_int() { found } else { I8X16 }
    }

    pub(in crate::translate) fn visit_v128_not(&mut self) {
        let x = self.pop_raw();
        let shape = self.logic_shape(self.type_of(x));
        let x = self.cast_vector(x, shape);
        let result = self.ins().bnot(x);
        self.push(result);
    }

    /// The mask decides the shape: when it comes from a comparison of lanes, they can be selected as such.
    pub(in crate::translate) fn visit_v128_bitselect(&mut self) {
        let mask = self.pop_raw();
        let shape = self.logic_shape(self.type_of(mask));
        let mask = self.cast_vector(mask, shape);
        let (ones, zeros) = self.pop2_as(shape);
        let result = self.ins().bitselect(mask, ones, zeros);
        self.push(result);
    }

    pub(in crate::translate) fn visit_v128_any_true(&mut self) {
        let x = self.pop_raw();
        let shape = self.logic_shape(self.type_of(x));
        let x = self.cast_vector(x, shape);
        let result = self.ins().vany_true(x);
        self.push_bool(result);
    }

    pub(in crate::translate) fn visit_v128_const(&mut self, value: V128) {
        let bytes = self.builder.func.dfg.constants.insert(value.bytes().as_slice().into());
        let result = self.ins().vconst(I8X16, bytes);
        self.push(result);
    }

    pub(in crate::translate) fn visit_i8x16_shuffle(&mut self, lanes: [u8; 16]) {
        let (x, y) = self.pop2_as(I8X16);
        let lanes = self.builder.func.dfg.immediates.push(lanes.as_slice().into());
        let result = self.ins().shuffle(x, y, lanes);
        self.push(result);
    }

    pub(in crate::translate) fn visit_i8x16_swizzle(&mut self) {
        let (x, lanes) = self.pop2_as(I8X16);
        let result = self.ins().swizzle(x, lanes);
        self.push(result);
    }
}
