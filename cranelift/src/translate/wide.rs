//! Wide arithmetic: integers of 128 bits as two of 64, the lower half first.
//!
//! CLIF's 128-bit integers say what is meant, and on both architectures become the instructions for it: addition with
//! carry, and a product with both halves. None of these is a call.

use cranelift_codegen::ir::{InstBuilder, Value, types::I128};
use cranelift_frontend::FuncInstBuilder;

use super::function::FuncTranslator;

impl<'f> FuncTranslator<'f, '_> {
    pub(super) fn visit_i64_add128(&mut self) {
        self.binary_128(|ins, x, y| ins.iadd(x, y));
    }

    pub(super) fn visit_i64_sub128(&mut self) {
        self.binary_128(|ins, x, y| ins.isub(x, y));
    }

    pub(super) fn visit_i64_mul_wide_s(&mut self) {
        let (x, y) = self.pop2();
        let x = self.ins().sextend(I128, x);
        let y = self.ins().sextend(I128, y);
        let product = self.ins().imul(x, y);
        self.push_128(product);
    }

    pub(super) fn visit_i64_mul_wide_u(&mut self) {
        let (x, y) = self.pop2();
        let x = self.ins().uextend(I128, x);
        let y = self.ins().uextend(I128, y);
        let product = self.ins().imul(x, y);
        self.push_128(product);
    }

    /// Replaces the topmost two integers of 128 bits by what `op` makes of them.
    fn binary_128(&mut self, op: impl FnOnce(FuncInstBuilder<'_, 'f>, Value, Value) -> Value) {
        let (y_low, y_high) = self.pop2();
        let (x_low, x_high) = self.pop2();
        let x = self.ins().iconcat(x_low, x_high);
        let y = self.ins().iconcat(y_low, y_high);
        let result = op(self.ins(), x, y);
        self.push_128(result);
    }

    /// Pushes an integer of 128 bits.
    fn push_128(&mut self, value: Value) {
        let (low, high) = self.ins().isplit(value);
        self.push_all(&[low, high]);
    }
}
