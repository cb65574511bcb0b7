//! Arithmetic and comparisons of floats.
//!
//! What the instructions of the processor give for NaNs is what the specification allows; where results have to be the same on
//! every machine, functions are not compiled here.

use cranelift_assembler_x64::XmmMem;

use super::{
    code::{Condition, emit},
    function::Direct,
    registers::XMM_SCRATCH,
    value::{Location, Type},
};

macro_rules! binary {
    ($($visit:ident: $ty:ident, $rm:ident;)*) => {$(
        pub(super) fn $visit(&mut self) {
            let (_, right) = self.pop();
            let to = self.pop_owned();
            let (right, used) = self.right_float(Type::$ty, right);
            emit!(self.code, $rm, to, right);
            self.release(Type::$ty, used);
            self.push_register(Type::$ty, to);
        }
    )*};
}

/// Operations of one operand that may be the result's place too.
macro_rules! unary {
    ($($visit:ident: $ty:ident, $rm:ident $(, $immediate:expr)?;)*) => {$(
        pub(super) fn $visit(&mut self) {
            let value = self.pop_owned();
            emit!(self.code, $rm, value, XmmMem::Xmm(value) $(, $immediate)?);
            self.push_register(Type::$ty, value);
        }
    )*};
}

/// Comparisons by which number is greater: the processor finds a number greater only when neither is a NaN. Which operand comes
/// first, and what is asked.
macro_rules! compare {
    ($($visit:ident: $ty:ident, $order:ident, $condition:ident;)*) => {$(
        pub(super) fn $visit(&mut self) {
            let right = self.pop_readable();
            let left = self.pop_readable();
            let (first, second) = order!($order, left, right);
            self.compare_floats(Type::$ty, first, second);
            self.xmms.release(left);
            self.xmms.release(right);
            self.push(Type::I32, Location::Flags(Condition::$condition));
        }
    )*};
}

macro_rules! order {
    (same, $left:ident, $right:ident) => {
        ($left, $right)
    };
    (exchanged, $left:ident, $right:ident) => {
        ($right, $left)
    };
}

/// Rounding as `roundss` and `roundsd` know it, without signalling that the result is not exact.
const NEAREST: u8 = 8;
const FLOOR: u8 = 9;
const CEIL: u8 = 10;
const TRUNC: u8 = 11;

impl Direct<'_> {
    binary! {
        visit_f32_add: F32, addss_a;
        visit_f32_sub: F32, subss_a;
        visit_f32_mul: F32, mulss_a;
        visit_f32_div: F32, divss_a;
        visit_f64_add: F64, addsd_a;
        visit_f64_sub: F64, subsd_a;
        visit_f64_mul: F64, mulsd_a;
        visit_f64_div: F64, divsd_a;
    }

    unary! {
        visit_f32_sqrt: F32, sqrtss_a;
        visit_f64_sqrt: F64, sqrtsd_a;
        visit_f32_nearest: F32, roundss_rmi, NEAREST;
        visit_f64_nearest: F64, roundsd_rmi, NEAREST;
        visit_f32_floor: F32, roundss_rmi, FLOOR;
        visit_f64_floor: F64, roundsd_rmi, FLOOR;
        visit_f32_ceil: F32, roundss_rmi, CEIL;
        visit_f64_ceil: F64, roundsd_rmi, CEIL;
        visit_f32_trunc: F32, roundss_rmi, TRUNC;
        visit_f64_trunc: F64, roundsd_rmi, TRUNC;
        visit_f64_promote_f32: F64, cvtss2sd_a;
        visit_f32_demote_f64: F32, cvtsd2ss_a;
    }

    compare! {
        visit_f32_lt: F32, exchanged, Above;
        visit_f32_le: F32, exchanged, AboveOrEqual;
        visit_f32_gt: F32, same, Above;
        visit_f32_ge: F32, same, AboveOrEqual;
        visit_f64_lt: F64, exchanged, Above;
        visit_f64_le: F64, exchanged, AboveOrEqual;
        visit_f64_gt: F64, same, Above;
        visit_f64_ge: F64, same, AboveOrEqual;
    }

    /// Compares two floats; the flags say which is greater, or that they have no order.
    pub(super) fn compare_floats(&mut self, ty: Type, left: u8, right: u8) {
        match ty {
            Type::F32 => emit!(self.code, ucomiss_a, left, XmmMem::Xmm(right)),
            _ => emit!(self.code, ucomisd_a, left, XmmMem::Xmm(right)),
        }
    }

    pub(super) fn visit_f32_eq(&mut self) {
        self.equal(Type::F32);
    }

    pub(super) fn visit_f64_eq(&mut self) {
        self.equal(Type::F64);
    }

    pub(super) fn visit_f32_ne(&mut self) {
        self.not_equal(Type::F32);
    }

    pub(super) fn visit_f64_ne(&mut self) {
        self.not_equal(Type::F64);
    }

    /// Pops two floats; two registers say whether they are equal or have no order, and whether they have (or have no) order.
    fn equality(&mut self, ty: Type, equality: Condition, order: Condition) -> (u8, u8) {
        let right = self.pop_readable();
        let left = self.pop_readable();
        let (result, other) = (self.gpr(), self.gpr());
        self.compare_floats(ty, left, right);
        self.xmms.release(left);
        self.xmms.release(right);
        self.code.set_if(equality, result);
        self.code.set_if(order, other);
        (result, other)
    }

    fn equal(&mut self, ty: Type) {
        let (result, ordered) = self.equality(ty, Condition::Equal, Condition::Ordered);
        emit!(self.code, andl_rm, result, ordered);
        self.gprs.release(ordered);
        self.push_register(Type::I32, result);
    }

    fn not_equal(&mut self, ty: Type) {
        let (result, unordered) = self.equality(ty, Condition::NotEqual, Condition::Unordered);
        emit!(self.code, orl_rm, result, unordered);
        self.gprs.release(unordered);
        self.push_register(Type::I32, result);
    }

    pub(super) fn visit_f32_min(&mut self) {
        self.extremum(Type::F32, true);
    }

    pub(super) fn visit_f32_max(&mut self) {
        self.extremum(Type::F32, false);
    }

    pub(super) fn visit_f64_min(&mut self) {
        self.extremum(Type::F64, true);
    }

    pub(super) fn visit_f64_max(&mut self) {
        self.extremum(Type::F64, false);
    }

    /// The lesser or greater of two floats. The processor's instruction gives its second operand for a NaN and for zeros of both
    /// signs: the sum of both is a NaN in the first case; in the second, bits decide.
    fn extremum(&mut self, ty: Type, least: bool) {
        let right = self.pop_readable();
        let left = self.pop_owned();
        let [unordered, different, end] = std::array::from_fn(|_| self.code.new_label());
        self.compare_floats(ty, left, right);
        self.code.jump_if(Condition::Unordered, unordered);
        self.code.jump_if(Condition::NotEqual, different);
        match least {
            true => emit!(self.code, orps_a, left, XmmMem::Xmm(right)),
            false => emit!(self.code, andps_a, left, XmmMem::Xmm(right)),
        }
        self.code.jump(end);
        self.code.bind(unordered);
        match ty {
            Type::F32 => emit!(self.code, addss_a, left, XmmMem::Xmm(right)),
            _ => emit!(self.code, addsd_a, left, XmmMem::Xmm(right)),
        }
        self.code.jump(end);
        self.code.bind(different);
        match (ty, least) {
            (Type::F32, true) => emit!(self.code, minss_a, left, XmmMem::Xmm(right)),
            (Type::F32, false) => emit!(self.code, maxss_a, left, XmmMem::Xmm(right)),
            (_, true) => emit!(self.code, minsd_a, left, XmmMem::Xmm(right)),
            (_, false) => emit!(self.code, maxsd_a, left, XmmMem::Xmm(right)),
        }
        self.code.bind(end);
        self.xmms.release(right);
        self.push_register(ty, left);
    }

    pub(super) fn visit_f32_abs(&mut self) {
        self.with_bits(Type::F32, 0x7fff_ffff, false);
    }

    pub(super) fn visit_f64_abs(&mut self) {
        self.with_bits(Type::F64, i64::MAX as u64, false);
    }

    pub(super) fn visit_f32_neg(&mut self) {
        self.with_bits(Type::F32, SIGN_32, true);
    }

    pub(super) fn visit_f64_neg(&mut self) {
        self.with_bits(Type::F64, SIGN_64, true);
    }

    /// Keeps only some bits of a float, or turns them over.
    fn with_bits(&mut self, ty: Type, bits: u64, turned: bool) {
        let value = self.pop_owned();
        self.load_constant(ty, XMM_SCRATCH, bits);
        match turned {
            true => emit!(self.code, xorps_a, value, XmmMem::Xmm(XMM_SCRATCH)),
            false => emit!(self.code, andps_a, value, XmmMem::Xmm(XMM_SCRATCH)),
        }
        self.push_register(ty, value);
    }

    pub(super) fn visit_f32_copysign(&mut self) {
        self.copysign(Type::F32, SIGN_32);
    }

    pub(super) fn visit_f64_copysign(&mut self) {
        self.copysign(Type::F64, SIGN_64);
    }

    fn copysign(&mut self, ty: Type, sign: u64) {
        let signed = self.pop_owned();
        let value = self.pop_owned();
        self.load_constant(ty, XMM_SCRATCH, sign);
        emit!(self.code, andps_a, signed, XmmMem::Xmm(XMM_SCRATCH));
        emit!(self.code, andnps_a, XMM_SCRATCH, XmmMem::Xmm(value));
        emit!(self.code, orps_a, signed, XmmMem::Xmm(XMM_SCRATCH));
        self.xmms.release(value);
        self.push_register(ty, signed);
    }

    pub(super) fn visit_i32_reinterpret_f32(&mut self) {
        let from = self.pop_readable();
        let to = self.gpr();
        emit!(self.code, movd_b, to, from);
        self.xmms.release(from);
        self.push_register(Type::I32, to);
    }

    pub(super) fn visit_i64_reinterpret_f64(&mut self) {
        let from = self.pop_readable();
        let to = self.gpr();
        emit!(self.code, movq_b, to, from);
        self.xmms.release(from);
        self.push_register(Type::I64, to);
    }

    pub(super) fn visit_f32_reinterpret_i32(&mut self) {
        let from = self.pop_readable();
        let to = self.xmm();
        emit!(self.code, movd_a, to, from);
        self.gprs.release(from);
        self.push_register(Type::F32, to);
    }

    pub(super) fn visit_f64_reinterpret_i64(&mut self) {
        let from = self.pop_readable();
        let to = self.xmm();
        emit!(self.code, movq_a, to, from);
        self.gprs.release(from);
        self.push_register(Type::F64, to);
    }
}

/// The sign's bit.
const SIGN_32: u64 = 1 << 31;
/// The sign's bit.
const SIGN_64: u64 = 1 << 63;
