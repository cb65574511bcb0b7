//! Vectors to and from memory: whole, extended, splat, with zeros, and single lanes.

use cranelift_codegen::ir::{
    InstBuilder, Type,
    types::{I8, I8X16, I16, I16X8, I32, I32X4, I64, I64X2},
};
use wasmparser::MemArg;

use super::super::function::FuncTranslator;

/// Methods for loading eight bytes and extending each lane to twice its width.
macro_rules! load_extended {
    ($($visit:ident => $op:ident;)*) => {
        impl FuncTranslator<'_, '_> {$(
            pub(in crate::translate) fn $visit(&mut self, memarg: MemArg) {
                self.load(memarg, 8, |ins, (flags, at, offset)| ins.$op(flags, at, offset));
            }
        )*}
    };
}

load_extended! {
    visit_v128_load8x8_s => sload8x8;
    visit_v128_load8x8_u => uload8x8;
    visit_v128_load16x4_s => sload16x4;
    visit_v128_load16x4_u => uload16x4;
    visit_v128_load32x2_s => sload32x2;
    visit_v128_load32x2_u => uload32x2;
}

/// Methods for loading one lane and giving it to all, replacing one with a loaded one, and storing one.
macro_rules! one_lane {
    ($($splat:ident, $load:ident, $store:ident => $shape:ident of $lane_type:ident;)*) => {
        impl FuncTranslator<'_, '_> {$(
            pub(in crate::translate) fn $splat(&mut self, memarg: MemArg) {
                let (flags, at, offset) = self.address(memarg, $lane_type.bytes());
                let loaded = self.ins().load($lane_type, flags, at, offset);
                let result = self.ins().splat($shape, loaded);
                self.push(result);
            }

            pub(in crate::translate) fn $load(&mut self, memarg: MemArg, lane: u8) {
                let x = self.pop_as($shape);
                let (flags, at, offset) = self.address(memarg, $lane_type.bytes());
                let loaded = self.ins().load($lane_type, flags, at, offset);
                let result = self.ins().insertlane(x, loaded, lane);
                self.push(result);
            }

            pub(in crate::translate) fn $store(&mut self, memarg: MemArg, lane: u8) {
                let x = self.pop_as($shape);
                let (flags, at, offset) = self.address(memarg, $lane_type.bytes());
                let lane = self.ins().extractlane(x, lane);
                self.ins().store(flags, lane, at, offset);
            }
        )*}
    };
}

one_lane! {
    visit_v128_load8_splat, visit_v128_load8_lane, visit_v128_store8_lane => I8X16 of I8;
    visit_v128_load16_splat, visit_v128_load16_lane, visit_v128_store16_lane => I16X8 of I16;
    visit_v128_load32_splat, visit_v128_load32_lane, visit_v128_store32_lane => I32X4 of I32;
    visit_v128_load64_splat, visit_v128_load64_lane, visit_v128_store64_lane => I64X2 of I64;
}

impl FuncTranslator<'_, '_> {
    pub(in crate::translate) fn visit_v128_load(&mut self, memarg: MemArg) {
        self.load(memarg, 16, |ins, (flags, at, offset)| ins.load(I8X16, flags, at, offset));
    }

    pub(in crate::translate) fn visit_v128_store(&mut self, memarg: MemArg) {
        let x = self.pop_raw();
        let (flags, at, offset) = self.address(memarg, 16);
        self.ins().store(flags, x, at, offset);
    }

    pub(in crate::translate) fn visit_v128_load32_zero(&mut self, memarg: MemArg) {
        self.load_zero(memarg, I32, I32X4);
    }

    pub(in crate::translate) fn visit_v128_load64_zero(&mut self, memarg: MemArg) {
        self.load_zero(memarg, I64, I64X2);
    }

    /// Loads the lowest lane; the others are zero.
    fn load_zero(&mut self, memarg: MemArg, lane_type: Type, shape: Type) {
        let (flags, at, offset) = self.address(memarg, lane_type.bytes());
        let loaded = self.ins().load(lane_type, flags, at, offset);
        let result = self.ins().scalar_to_vector(shape, loaded);
        self.push(result);
    }
}
