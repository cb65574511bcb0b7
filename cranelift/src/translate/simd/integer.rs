//! Integers in lanes: arithmetic, shifts, comparison and reductions.

use cranelift_codegen::ir::{
    InstBuilder, Type, Value,
    condcodes::IntCC,
    types::{I8X16, I16X8, I32, I32X4, I64X2},
};
use cranelift_frontend::FuncInstBuilder;

use super::super::function::FuncTranslator;

unary! {
    visit_i8x16_abs => iabs I8X16;
    visit_i8x16_neg => ineg I8X16;
    visit_i16x8_abs => iabs I16X8;
    visit_i16x8_neg => ineg I16X8;
    visit_i32x4_abs => iabs I32X4;
    visit_i32x4_neg => ineg I32X4;
    visit_i64x2_abs => iabs I64X2;
    visit_i64x2_neg => ineg I64X2;
    visit_i8x16_popcnt => popcnt I8X16;
}

binary! {
    visit_i8x16_add => iadd I8X16;
    visit_i8x16_sub => isub I8X16;
    visit_i8x16_add_sat_s => sadd_sat I8X16;
    visit_i8x16_add_sat_u => uadd_sat I8X16;
    visit_i8x16_sub_sat_s => ssub_sat I8X16;
    visit_i8x16_sub_sat_u => usub_sat I8X16;
    visit_i8x16_min_s => smin I8X16;
    visit_i8x16_min_u => umin I8X16;
    visit_i8x16_max_s => smax I8X16;
    visit_i8x16_max_u => umax I8X16;
    visit_i8x16_avgr_u => avg_round I8X16;
    visit_i16x8_add => iadd I16X8;
    visit_i16x8_sub => isub I16X8;
    visit_i16x8_mul => imul I16X8;
    visit_i16x8_add_sat_s => sadd_sat I16X8;
    visit_i16x8_add_sat_u => uadd_sat I16X8;
    visit_i16x8_sub_sat_s => ssub_sat I16X8;
    visit_i16x8_sub_sat_u => usub_sat I16X8;
    visit_i16x8_min_s => smin I16X8;
    visit_i16x8_min_u => umin I16X8;
    visit_i16x8_max_s => smax I16X8;
    visit_i16x8_max_u => umax I16X8;
    visit_i16x8_avgr_u => avg_round I16X8;
    visit_i32x4_add => iadd I32X4;
    visit_i32x4_sub => isub I32X4;
    visit_i32x4_mul => imul I32X4;
    visit_i32x4_min_s => smin I32X4;
    visit_i32x4_min_u => umin I32X4;
    visit_i32x4_max_s => smax I32X4;
    visit_i32x4_max_u => umax I32X4;
    visit_i64x2_add => iadd I64X2;
    visit_i64x2_sub => isub I64X2;
    visit_i64x2_mul => imul I64X2;
    visit_i16x8_q15mulr_sat_s => sqmul_round_sat I16X8;
}

compare! {
    visit_i8x16_eq => icmp IntCC::Equal, I8X16;
    visit_i8x16_ne => icmp IntCC::NotEqual, I8X16;
    visit_i8x16_lt_s => icmp IntCC::SignedLessThan, I8X16;
    visit_i8x16_lt_u => icmp IntCC::UnsignedLessThan, I8X16;
    visit_i8x16_gt_s => icmp IntCC::SignedGreaterThan, I8X16;
    visit_i8x16_gt_u => icmp IntCC::UnsignedGreaterThan, I8X16;
    visit_i8x16_le_s => icmp IntCC::SignedLessThanOrEqual, I8X16;
    visit_i8x16_le_u => icmp IntCC::UnsignedLessThanOrEqual, I8X16;
    visit_i8x16_ge_s => icmp IntCC::SignedGreaterThanOrEqual, I8X16;
    visit_i8x16_ge_u => icmp IntCC::UnsignedGreaterThanOrEqual, I8X16;
    visit_i16x8_eq => icmp IntCC::Equal, I16X8;
    visit_i16x8_ne => icmp IntCC::NotEqual, I16X8;
    visit_i16x8_lt_s => icmp IntCC::SignedLessThan, I16X8;
    visit_i16x8_lt_u => icmp IntCC::UnsignedLessThan, I16X8;
    visit_i16x8_gt_s => icmp IntCC::SignedGreaterThan, I16X8;
    visit_i16x8_gt_u => icmp IntCC::UnsignedGreaterThan, I16X8;
    visit_i16x8_le_s => icmp IntCC::SignedLessThanOrEqual, I16X8;
    visit_i16x8_le_u => icmp IntCC::UnsignedLessThanOrEqual, I16X8;
    visit_i16x8_ge_s => icmp IntCC::SignedGreaterThanOrEqual, I16X8;
    visit_i16x8_ge_u => icmp IntCC::UnsignedGreaterThanOrEqual, I16X8;
    visit_i32x4_eq => icmp IntCC::Equal, I32X4;
    visit_i32x4_ne => icmp IntCC::NotEqual, I32X4;
    visit_i32x4_lt_s => icmp IntCC::SignedLessThan, I32X4;
    visit_i32x4_lt_u => icmp IntCC::UnsignedLessThan, I32X4;
    visit_i32x4_gt_s => icmp IntCC::SignedGreaterThan, I32X4;
    visit_i32x4_gt_u => icmp IntCC::UnsignedGreaterThan, I32X4;
    visit_i32x4_le_s => icmp IntCC::SignedLessThanOrEqual, I32X4;
    visit_i32x4_le_u => icmp IntCC::UnsignedLessThanOrEqual, I32X4;
    visit_i32x4_ge_s => icmp IntCC::SignedGreaterThanOrEqual, I32X4;
    visit_i32x4_ge_u => icmp IntCC::UnsignedGreaterThanOrEqual, I32X4;
    visit_i64x2_eq => icmp IntCC::Equal, I64X2;
    visit_i64x2_ne => icmp IntCC::NotEqual, I64X2;
    visit_i64x2_lt_s => icmp IntCC::SignedLessThan, I64X2;
    visit_i64x2_gt_s => icmp IntCC::SignedGreaterThan, I64X2;
    visit_i64x2_le_s => icmp IntCC::SignedLessThanOrEqual, I64X2;
    visit_i64x2_ge_s => icmp IntCC::SignedGreaterThanOrEqual, I64X2;
}

/// Methods for shifts of all lanes by the same number of bits; CLIF takes it modulo the bits of a lane as well.
macro_rules! shift {
    ($($visit:ident => $op:ident $shape:ident;)*) => {
        impl FuncTranslator<'_, '_> {$(
            pub(in crate::translate) fn $visit(&mut self) {
                let bits = self.pop();
                let x = self.pop_as($shape);
                let result = self.ins().$op(x, bits);
                self.push(result);
            }
        )*}
    };
}

shift! {
    visit_i8x16_shl => ishl I8X16;
    visit_i8x16_shr_s => sshr I8X16;
    visit_i8x16_shr_u => ushr I8X16;
    visit_i16x8_shl => ishl I16X8;
    visit_i16x8_shr_s => sshr I16X8;
    visit_i16x8_shr_u => ushr I16X8;
    visit_i32x4_shl => ishl I32X4;
    visit_i32x4_shr_s => sshr I32X4;
    visit_i32x4_shr_u => ushr I32X4;
    visit_i64x2_shl => ishl I64X2;
    visit_i64x2_shr_s => sshr I64X2;
    visit_i64x2_shr_u => ushr I64X2;
}

/// Methods for whether all lanes are other than zero, and for the sign bits of the lanes.
macro_rules! reduce {
    ($($all_true:ident, $bitmask:ident => $shape:ident;)*) => {
        impl FuncTranslator<'_, '_> {$(
            pub(in crate::translate) fn $all_true(&mut self) {
                let x = self.pop_as($shape);
                let result = self.ins().vall_true(x);
                self.push_bool(result);
            }

            pub(in crate::translate) fn $bitmask(&mut self) {
                let x = self.pop_as($shape);
                let result = self.ins().vhigh_bits(I32, x);
                self.push(result);
            }
        )*}
    };
}

reduce! {
    visit_i8x16_all_true, visit_i8x16_bitmask => I8X16;
    visit_i16x8_all_true, visit_i16x8_bitmask => I16X8;
    visit_i32x4_all_true, visit_i32x4_bitmask => I32X4;
    visit_i64x2_all_true, visit_i64x2_bitmask => I64X2;
}

/// Methods for products of one half of the lanes, in lanes of twice the width.
macro_rules! extended_product {
    ($($visit:ident => $widen:ident $shape:ident;)*) => {
        impl FuncTranslator<'_, '_> {$(
            pub(in crate::translate) fn $visit(&mut self) {
                let (x, y) = self.pop2_as($shape);
                let x = self.ins().$widen(x);
                let y = self.ins().$widen(y);
                let result = self.ins().imul(x, y);
                self.push(result);
            }
        )*}
    };
}

extended_product! {
    visit_i16x8_extmul_low_i8x16_s => swiden_low I8X16;
    visit_i16x8_extmul_high_i8x16_s => swiden_high I8X16;
    visit_i16x8_extmul_low_i8x16_u => uwiden_low I8X16;
    visit_i16x8_extmul_high_i8x16_u => uwiden_high I8X16;
    visit_i32x4_extmul_low_i16x8_s => swiden_low I16X8;
    visit_i32x4_extmul_high_i16x8_s => swiden_high I16X8;
    visit_i32x4_extmul_low_i16x8_u => uwiden_low I16X8;
    visit_i32x4_extmul_high_i16x8_u => uwiden_high I16X8;
    visit_i64x2_extmul_low_i32x4_s => swiden_low I32X4;
    visit_i64x2_extmul_high_i32x4_s => swiden_high I32X4;
    visit_i64x2_extmul_low_i32x4_u => uwiden_low I32X4;
    visit_i64x2_extmul_high_i32x4_u => uwiden_high I32X4;
}

impl<'f> FuncTranslator<'f, '_> {
    pub(in crate::translate) fn visit_i16x8_extadd_pairwise_i8x16_s(&mut self) {
        self.extended_pairs(I8X16, |ins, x| ins.swiden_low(x), |ins, x| ins.swiden_high(x));
    }

    pub(in crate::translate) fn visit_i16x8_extadd_pairwise_i8x16_u(&mut self) {
        self.extended_pairs(I8X16, |ins, x| ins.uwiden_low(x), |ins, x| ins.uwiden_high(x));
    }

    pub(in crate::translate) fn visit_i32x4_extadd_pairwise_i16x8_s(&mut self) {
        self.extended_pairs(I16X8, |ins, x| ins.swiden_low(x), |ins, x| ins.swiden_high(x));
    }

    pub(in crate::translate) fn visit_i32x4_extadd_pairwise_i16x8_u(&mut self) {
        self.extended_pairs(I16X8, |ins, x| ins.uwiden_low(x), |ins, x| ins.uwiden_high(x));
    }

    /// Sums of neighbours in lanes of twice the width.
    fn extended_pairs(
        &mut self,
        shape: Type,
        low: impl FnOnce(FuncInstBuilder<'_, 'f>, Value) -> Value,
        high: impl FnOnce(FuncInstBuilder<'_, 'f>, Value) -> Value,
    ) {
        let x = self.pop_as(shape);
        let low = low(self.ins(), x);
        let high = high(self.ins(), x);
        let result = self.ins().iadd_pairwise(low, high);
        self.push(result);
    }

    pub(in crate::translate) fn visit_i32x4_dot_i16x8_s(&mut self) {
        let (x, y) = self.pop2_as(I16X8);
        let result = self.dot_of_halves(x, y);
        self.push(result);
    }

    /// Sums of two products each of signed 16 bits. In this form it is known to be a single instruction of x86.
    pub(super) fn dot_of_halves(&mut self, x: Value, y: Value) -> Value {
        let x_low = self.ins().swiden_low(x);
        let y_low = self.ins().swiden_low(y);
        let low = self.ins().imul(x_low, y_low);
        let x_high = self.ins().swiden_high(x);
        let y_high = self.ins().swiden_high(y);
        let high = self.ins().imul(x_high, y_high);
        self.ins().iadd_pairwise(low, high)
    }
}
