//! Conversions between integers and floats.

use cranelift_assembler_x64::XmmMem;
use wrun_module::TrapCode;

use super::{
    code::{Condition, Label, emit},
    function::Direct,
    registers::{SCRATCH, XMM_SCRATCH},
    value::Type,
};

/// From a float to an integer.
#[derive(Clone, Copy)]
struct Truncation {
    from: Type,
    to: Type,
    signed: bool,
    /// Whether what does not fit gives the nearest that does, and NaN zero, instead of a trap.
    saturating: bool,
}

macro_rules! truncate {
    ($($visit:ident: $from:ident => $to:ident, $signed:literal, $saturating:literal;)*) => {$(
        pub(super) fn $visit(&mut self) {
            let (from, to) = (Type::$from, Type::$to);
            self.truncate_float(Truncation { from, to, signed: $signed, saturating: $saturating });
        }
    )*};
}

/// From integers; those of 32 bits without a sign are numbers of 64 with zeros above.
macro_rules! convert {
    ($($visit:ident: $ty:ident, $instruction:ident;)*) => {$(
        pub(super) fn $visit(&mut self) {
            let from = self.pop_readable();
            let to = self.xmm();
            // The instruction keeps the rest of the register, and would wait for it.
            emit!(self.code, xorps_a, to, XmmMem::Xmm(to));
            emit!(self.code, $instruction, to, from);
            self.gprs.release(from);
            self.push_register(Type::$ty, to);
        }
    )*};
}

impl Truncation {
    /// The number that floats must be greater than, or equal to when the second value says so.
    fn lower(self) -> (f64, bool) {
        match (self.signed, self.to, self.from) {
            (false, ..) => (-1.0, false),
            // Less by one is a double too.
            (true, Type::I32, Type::F64) => (-2_147_483_649.0, false),
            (true, Type::I32, _) => (-2_147_483_648.0, true),
            (true, ..) => (-9_223_372_036_854_775_808.0, true),
        }
    }

    /// The number that floats must be less than.
    fn upper(self) -> f64 {
        match (self.signed, self.to) {
            (true, Type::I32) => 2_147_483_648.0,
            (false, Type::I32) => 4_294_967_296.0,
            (true, _) => 9_223_372_036_854_775_808.0,
            (false, _) => 18_446_744_073_709_551_616.0,
        }
    }

    /// The least and the greatest result.
    fn range(self) -> (u64, u64) {
        match (self.signed, self.to) {
            (true, Type::I32) => (1 << 31, (1 << 31) - 1),
            (false, Type::I32) => (0, u64::from(u32::MAX)),
            (true, _) => (1 << 63, (1 << 63) - 1),
            (false, _) => (0, u64::MAX),
        }
    }
}

impl Direct<'_> {
    truncate! {
        visit_i32_trunc_f32_s: F32 => I32, true, false;
        visit_i32_trunc_f32_u: F32 => I32, false, false;
        visit_i32_trunc_f64_s: F64 => I32, true, false;
        visit_i32_trunc_f64_u: F64 => I32, false, false;
        visit_i64_trunc_f32_s: F32 => I64, true, false;
        visit_i64_trunc_f32_u: F32 => I64, false, false;
        visit_i64_trunc_f64_s: F64 => I64, true, false;
        visit_i64_trunc_f64_u: F64 => I64, false, false;
        visit_i32_trunc_sat_f32_s: F32 => I32, true, true;
        visit_i32_trunc_sat_f32_u: F32 => I32, false, true;
        visit_i32_trunc_sat_f64_s: F64 => I32, true, true;
        visit_i32_trunc_sat_f64_u: F64 => I32, false, true;
        visit_i64_trunc_sat_f32_s: F32 => I64, true, true;
        visit_i64_trunc_sat_f32_u: F32 => I64, false, true;
        visit_i64_trunc_sat_f64_s: F64 => I64, true, true;
        visit_i64_trunc_sat_f64_u: F64 => I64, false, true;
    }

    convert! {
        visit_f32_convert_i32_s: F32, cvtsi2ssl_a;
        visit_f32_convert_i32_u: F32, cvtsi2ssq_a;
        visit_f32_convert_i64_s: F32, cvtsi2ssq_a;
        visit_f64_convert_i32_s: F64, cvtsi2sdl_a;
        visit_f64_convert_i32_u: F64, cvtsi2sdq_a;
        visit_f64_convert_i64_s: F64, cvtsi2sdq_a;
    }

    pub(super) fn visit_f32_convert_i64_u(&mut self) {
        self.convert_unsigned(Type::F32);
    }

    pub(super) fn visit_f64_convert_i64_u(&mut self) {
        self.convert_unsigned(Type::F64);
    }

    /// The processor knows numbers with signs only. One that is too large is halved first, where the bit that is lost still
    /// counts in rounding, and the result doubled.
    fn convert_unsigned(&mut self, ty: Type) {
        let from = self.pop_owned();
        let to = self.xmm();
        let (large, end) = (self.code.new_label(), self.code.new_label());
        emit!(self.code, xorps_a, to, XmmMem::Xmm(to));
        emit!(self.code, testq_mr, from, from);
        self.code.jump_if(Condition::Negative, large);
        self.convert_signed(ty, to, from);
        self.code.jump(end);
        self.code.bind(large);
        emit!(self.code, movq_rm, SCRATCH, from);
        emit!(self.code, shrq_mi, SCRATCH, 1u8);
        emit!(self.code, andl_mi_sxb, from, 1i8);
        emit!(self.code, orq_rm, from, SCRATCH);
        self.convert_signed(ty, to, from);
        match ty {
            Type::F32 => emit!(self.code, addss_a, to, XmmMem::Xmm(to)),
            _ => emit!(self.code, addsd_a, to, XmmMem::Xmm(to)),
        }
        self.code.bind(end);
        self.gprs.release(from);
        self.push_register(ty, to);
    }

    fn convert_signed(&mut self, ty: Type, to: u8, from: u8) {
        match ty {
            Type::F32 => emit!(self.code, cvtsi2ssq_a, to, from),
            _ => emit!(self.code, cvtsi2sdq_a, to, from),
        }
    }

    fn truncate_float(&mut self, how: Truncation) {
        let from = self.pop_owned();
        let to = self.gpr();
        let [nan, below, above, end] = std::array::from_fn(|_| self.code.new_label());
        self.compare_floats(how.from, from, from);
        self.leave_if(Condition::Unordered, how, nan, TrapCode::InvalidConversionToInteger);
        let (lower, is_included) = how.lower();
        self.compare_with(how.from, from, lower);
        let too_low = if is_included { Condition::Below } else { Condition::BelowOrEqual };
        self.leave_if(too_low, how, below, TrapCode::IntegerOverflow);
        self.compare_with(how.from, from, how.upper());
        self.leave_if(Condition::AboveOrEqual, how, above, TrapCode::IntegerOverflow);
        self.truncate_in_range(how, to, from);
        if how.saturating {
            let (least, greatest) = how.range();
            for (label, value) in [(nan, 0), (below, least), (above, greatest)] {
                self.code.jump(end);
                self.code.bind(label);
                self.load_constant(how.to, to, value);
            }
            self.code.bind(end);
        }
        self.xmms.release(from);
        self.push_register(how.to, to);
    }

    /// Leaves the usual way: for a trap, or for what stands for it.
    fn leave_if(&mut self, condition: Condition, how: Truncation, label: Label, why: TrapCode) {
        match how.saturating {
            true => self.code.jump_if(condition, label),
            false => self.code.trap_if(condition, why),
        }
    }

    /// Compares a float with a number that its type has exactly.
    fn compare_with(&mut self, ty: Type, float: u8, number: f64) {
        let bits = match ty {
            Type::F32 => u64::from((number as f32).to_bits()),
            _ => number.to_bits(),
        };
        self.load_constant(ty, XMM_SCRATCH, bits);
        self.compare_floats(ty, float, XMM_SCRATCH);
    }

    /// Truncates a number whose result is known to fit; changes `from`.
    fn truncate_in_range(&mut self, how: Truncation, to: u8, from: u8) {
        if how.signed || how.to == Type::I32 {
            return self.truncate_signed(how, to, from);
        }
        // What does not fit with a sign is made smaller by 2^63, and the result larger.
        let (large, end) = (self.code.new_label(), self.code.new_label());
        let limit = 9_223_372_036_854_775_808.0;
        self.compare_with(how.from, from, limit);
        self.code.jump_if(Condition::AboveOrEqual, large);
        self.truncate_signed(how, to, from);
        self.code.jump(end);
        self.code.bind(large);
        match how.from {
            Type::F32 => emit!(self.code, subss_a, from, XmmMem::Xmm(XMM_SCRATCH)),
            _ => emit!(self.code, subsd_a, from, XmmMem::Xmm(XMM_SCRATCH)),
        }
        self.truncate_signed(how, to, from);
        self.load_constant(Type::I64, SCRATCH, 1 << 63);
        emit!(self.code, xorq_rm, to, SCRATCH);
        self.code.bind(end);
    }

    /// Truncates to 32 bits with a sign, or to 64, of which the lower half is a result of 32 without one.
    fn truncate_signed(&mut self, how: Truncation, to: u8, from: u8) {
        let from_register = XmmMem::Xmm(from);
        match (how.from, how.to == Type::I32 && how.signed) {
            (Type::F32, true) => emit!(self.code, cvttss2si_a, to, from_register),
            (Type::F32, false) => emit!(self.code, cvttss2si_aq, to, from_register),
            (_, true) => emit!(self.code, cvttsd2si_a, to, from_register),
            (_, false) => emit!(self.code, cvttsd2si_aq, to, from_register),
        }
    }
}
