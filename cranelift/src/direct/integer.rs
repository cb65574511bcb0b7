//! Arithmetic and comparisons of integers.

use wrun_module::TrapCode;

use super::{
    code::{Condition, assembler_trap, emit},
    function::Direct,
    registers::{RAX, RCX, RDX, SCRATCH},
    value::{Location, Operand, Popped, Right, Type},
};

/// `visit_<opcode>` for operations of two operands, the first of which becomes the result: type, whether the operands may be
/// exchanged, and the instruction's forms with an operand, a number of 32 bits and one of 8.
macro_rules! binary {
    ($($visit:ident: $ty:ident, $commutes:literal, $rm:ident, $imm:ident, $imm8:ident;)*) => {$(
        pub(super) fn $visit(&mut self) {
            let (to, right, used) = self.binary_operands($commutes);
            match right {
                Right::Operand(operand) => emit!(self.code, $rm, to, operand),
                Right::Immediate(value) => match i8::try_from(value) {
                    Ok(value) => emit!(self.code, $imm8, to, value),
                    Err(_) => emit!(self.code, $imm, to, value),
                },
            }
            self.release(Type::$ty, used);
            self.push_register(Type::$ty, to);
        }
    )*};
}

macro_rules! multiply {
    ($($visit:ident: $ty:ident, $rm:ident, $imm:ident;)*) => {$(
        pub(super) fn $visit(&mut self) {
            let (to, right, used) = self.binary_operands(true);
            match right {
                Right::Operand(operand) => emit!(self.code, $rm, to, operand),
                Right::Immediate(value) => emit!(self.code, $imm, to, to, value),
            }
            self.release(Type::$ty, used);
            self.push_register(Type::$ty, to);
        }
    )*};
}

macro_rules! compare {
    ($($visit:ident: $ty:ident, $condition:ident;)*) => {$(
        pub(super) fn $visit(&mut self) {
            self.compare(Type::$ty);
            self.push(Type::I32, Location::Flags(Condition::$condition));
        }
    )*};
}

/// Shifts and rotations: the forms with a constant and with a count in `cl`.
macro_rules! shift {
    ($($visit:ident: $ty:ident, $constant:ident, $variable:ident;)*) => {$(
        pub(super) fn $visit(&mut self) {
            if let Some(&Operand { location: Location::Constant(count), .. }) = self.stack.last() {
                self.pop();
                let to = self.pop_owned();
                // The processor, too, takes the count modulo the width.
                emit!(self.code, $constant, to, count as u8 & (8 * Type::$ty.bytes() - 1) as u8);
                return self.push_register(Type::$ty, to);
            }
            self.pop_into(RCX);
            let to = self.pop_owned();
            emit!(self.code, $variable, to, RCX);
            self.gprs.release(RCX);
            self.push_register(Type::$ty, to);
        }
    )*};
}

/// Operations of one operand: instruction, and the processor's feature that has to be there.
macro_rules! unary {
    ($($visit:ident: $from:ident => $ty:ident, $rm:ident $(, $feature:ident)?;)*) => {$(
        pub(super) fn $visit(&mut self) {
            $(if !self.features.$feature {
                return self.abort();
            })?
            let from = self.pop_owned();
            emit!(self.code, $rm, from, from);
            self.push_register(Type::$ty, from);
        }
    )*};
}

macro_rules! divide {
    ($($visit:ident: $ty:ident, $result:ident, $signed:literal, $divide:ident;)*) => {$(
        pub(super) fn $visit(&mut self) {
            self.divide(Type::$ty, $result, $signed, |this, divisor| {
                let trap = assembler_trap(TrapCode::IntegerDivideByZero);
                emit!(this.code, $divide, RAX, RDX, divisor, trap);
            });
        }
    )*};
}

impl Direct<'_> {
    binary! {
        visit_i32_add: I32, true, addl_rm, addl_mi, addl_mi_sxb;
        visit_i32_sub: I32, false, subl_rm, subl_mi, subl_mi_sxb;
        visit_i32_and: I32, true, andl_rm, andl_mi, andl_mi_sxb;
        visit_i32_or: I32, true, orl_rm, orl_mi, orl_mi_sxb;
        visit_i32_xor: I32, true, xorl_rm, xorl_mi, xorl_mi_sxb;
        visit_i64_add: I64, true, addq_rm, addq_mi_sxl, addq_mi_sxb;
        visit_i64_sub: I64, false, subq_rm, subq_mi_sxl, subq_mi_sxb;
        visit_i64_and: I64, true, andq_rm, andq_mi_sxl, andq_mi_sxb;
        visit_i64_or: I64, true, orq_rm, orq_mi_sxl, orq_mi_sxb;
        visit_i64_xor: I64, true, xorq_rm, xorq_mi_sxl, xorq_mi_sxb;
    }

    multiply! {
        visit_i32_mul: I32, imull_rm, imull_rmi;
        visit_i64_mul: I64, imulq_rm, imulq_rmi_sxl;
    }

    compare! {
        visit_i32_eq: I32, Equal;
        visit_i32_ne: I32, NotEqual;
        visit_i32_lt_s: I32, Less;
        visit_i32_lt_u: I32, Below;
        visit_i32_gt_s: I32, Greater;
        visit_i32_gt_u: I32, Above;
        visit_i32_le_s: I32, LessOrEqual;
        visit_i32_le_u: I32, BelowOrEqual;
        visit_i32_ge_s: I32, GreaterOrEqual;
        visit_i32_ge_u: I32, AboveOrEqual;
        visit_i64_eq: I64, Equal;
        visit_i64_ne: I64, NotEqual;
        visit_i64_lt_s: I64, Less;
        visit_i64_lt_u: I64, Below;
        visit_i64_gt_s: I64, Greater;
        visit_i64_gt_u: I64, Above;
        visit_i64_le_s: I64, LessOrEqual;
        visit_i64_le_u: I64, BelowOrEqual;
        visit_i64_ge_s: I64, GreaterOrEqual;
        visit_i64_ge_u: I64, AboveOrEqual;
    }

    shift! {
        visit_i32_shl: I32, shll_mi, shll_mc;
        visit_i32_shr_s: I32, sarl_mi, sarl_mc;
        visit_i32_shr_u: I32, shrl_mi, shrl_mc;
        visit_i32_rotl: I32, roll_mi, roll_mc;
        visit_i32_rotr: I32, rorl_mi, rorl_mc;
        visit_i64_shl: I64, shlq_mi, shlq_mc;
        visit_i64_shr_s: I64, sarq_mi, sarq_mc;
        visit_i64_shr_u: I64, shrq_mi, shrq_mc;
        visit_i64_rotl: I64, rolq_mi, rolq_mc;
        visit_i64_rotr: I64, rorq_mi, rorq_mc;
    }

    unary! {
        visit_i32_clz: I32 => I32, lzcntl_rm, lzcnt;
        visit_i64_clz: I64 => I64, lzcntq_rm, lzcnt;
        visit_i32_ctz: I32 => I32, tzcntl_a, bmi1;
        visit_i64_ctz: I64 => I64, tzcntq_a, bmi1;
        visit_i32_popcnt: I32 => I32, popcntl_rm, popcnt;
        visit_i64_popcnt: I64 => I64, popcntq_rm, popcnt;
        visit_i32_extend8_s: I32 => I32, movsbl_rm;
        visit_i32_extend16_s: I32 => I32, movswl_rm;
        visit_i64_extend8_s: I64 => I64, movsbq_rm;
        visit_i64_extend16_s: I64 => I64, movswq_rm;
        visit_i64_extend32_s: I64 => I64, movslq_rm;
        visit_i64_extend_i32_s: I32 => I64, movslq_rm;
        visit_i32_wrap_i64: I64 => I32, movl_rm;
    }

    divide! {
        visit_i32_div_s: I32, RAX, true, idivl_m;
        visit_i32_div_u: I32, RAX, false, divl_m;
        visit_i32_rem_s: I32, RDX, true, idivl_m;
        visit_i32_rem_u: I32, RDX, false, divl_m;
        visit_i64_div_s: I64, RAX, true, idivq_m;
        visit_i64_div_u: I64, RAX, false, divq_m;
        visit_i64_rem_s: I64, RDX, true, idivq_m;
        visit_i64_rem_u: I64, RDX, false, divq_m;
    }

    /// Nothing: the upper half of an `i32` in a register is zero.
    pub(super) fn visit_i64_extend_i32_u(&mut self) {
        let (ty, popped) = self.pop();
        match popped {
            Popped::Constant(value) => self.push(Type::I64, Location::Constant(value)),
            _ => {
                let register = self.owned(ty, popped);
                self.push_register(Type::I64, register);
            }
        }
    }

    /// Pops the operands of an operation: the left one, in a register that becomes the result's, the right one, and what has
    /// to be given back of that.
    fn binary_operands(&mut self, commutes: bool) -> (u8, Right, Popped) {
        let (ty, mut right) = self.pop();
        let (_, mut left) = self.pop();
        if commutes && !matches!(left, Popped::Owned(_)) && matches!(right, Popped::Owned(_))
            || commutes && matches!(left, Popped::Constant(_))
        {
            std::mem::swap(&mut left, &mut right);
        }
        let to = self.owned(ty, left);
        let (right, used) = self.right(ty, right);
        (to, right, used)
    }

    /// Pops two operands and compares them.
    fn compare(&mut self, ty: Type) {
        let (_, right) = self.pop();
        let (_, left) = self.pop();
        let (right, used) = self.right(ty, right);
        if let (Right::Immediate(value), Popped::Frame(_) | Popped::Local(..)) = (&right, left) {
            let value = *value;
            if let (Right::Operand(operand), _) = self.right(ty, left) {
                match (ty, i8::try_from(value)) {
                    (Type::I32, Ok(value)) => emit!(self.code, cmpl_mi_sxb, operand, value),
                    (Type::I32, Err(_)) => emit!(self.code, cmpl_mi, operand, value),
                    (_, Ok(value)) => emit!(self.code, cmpq_mi_sxb, operand, value),
                    (_, Err(_)) => emit!(self.code, cmpq_mi, operand, value),
                }
            }
            return;
        }
        let left = self.readable(ty, left);
        match (ty, right) {
            (Type::I32, Right::Operand(operand)) => emit!(self.code, cmpl_rm, left, operand),
            (Type::I32, Right::Immediate(value)) => emit!(self.code, cmpl_mi, left, value),
            (_, Right::Operand(operand)) => emit!(self.code, cmpq_rm, left, operand),
            (_, Right::Immediate(value)) => emit!(self.code, cmpq_mi, left, value),
        }
        self.release(ty, used);
        self.gprs.release(left);
    }

    pub(super) fn visit_i32_eqz(&mut self) {
        if let Some(Operand { location: Location::Flags(condition), .. }) = self.stack.last_mut() {
            *condition = condition.negated();
            return;
        }
        let condition = self.pop_condition().negated();
        self.push(Type::I32, Location::Flags(condition));
    }

    pub(super) fn visit_i64_eqz(&mut self) {
        let value = self.pop_readable();
        emit!(self.code, testq_mr, value, value);
        self.gprs.release(value);
        self.push(Type::I32, Location::Flags(Condition::Equal));
    }

    /// Pops dividend and divisor and pushes the quotient, which is in `rax` then, or the remainder, in `rdx`.
    fn divide(&mut self, ty: Type, result: u8, signed: bool, divide: impl FnOnce(&mut Self, u8)) {
        // What is in these registers goes elsewhere, so that the operands cannot be there.
        self.take_gpr(RAX);
        self.take_gpr(RDX);
        let (_, divisor) = self.pop();
        let constant = match divisor {
            Popped::Constant(value) if ty == Type::I32 => Some(i64::from(value as i32)),
            Popped::Constant(value) => Some(value as i64),
            _ => None,
        };
        let divisor = self.readable(ty, divisor);
        let (_, dividend) = self.pop();
        self.fill(ty, RAX, dividend);
        self.release(ty, dividend);
        if constant.is_none_or(|constant| constant == 0) {
            self.test(ty, divisor);
            self.code.trap_if(Condition::Equal, TrapCode::IntegerDivideByZero);
        }
        let end = self.code.new_label();
        if !signed {
            emit!(self.code, movl_oi, RDX, 0u32);
        } else {
            if constant.is_none_or(|constant| constant == -1) {
                self.divide_by_minus_one(ty, result, divisor, end);
            }
            match ty {
                Type::I32 => emit!(self.code, cltd_zo, RDX, RAX),
                _ => emit!(self.code, cqto_zo, RDX, RAX),
            }
        }
        divide(self, divisor);
        self.code.bind(end);
        self.gprs.release(divisor);
        self.gprs.release(if result == RAX { RDX } else { RAX });
        self.push_register(ty, result);
    }

    fn test(&mut self, ty: Type, register: u8) {
        match ty {
            Type::I32 => emit!(self.code, testl_mr, register, register),
            _ => emit!(self.code, testq_mr, register, register),
        }
    }

    /// The processor traps for every result that does not fit, the remainder of the least number and −1 too, which is 0.
    fn divide_by_minus_one(&mut self, ty: Type, result: u8, divisor: u8, end: super::code::Label) {
        let other = self.code.new_label();
        match ty {
            Type::I32 => emit!(self.code, cmpl_mi_sxb, divisor, -1i8),
            _ => emit!(self.code, cmpq_mi_sxb, divisor, -1i8),
        }
        self.code.jump_if(Condition::NotEqual, other);
        if result == RDX {
            emit!(self.code, movl_oi, RDX, 0u32);
            self.code.jump(end);
        } else {
            match ty {
                Type::I32 => emit!(self.code, cmpl_mi, RAX, i32::MIN),
                _ => {
                    self.load_constant(Type::I64, SCRATCH, i64::MIN as u64);
                    emit!(self.code, cmpq_rm, RAX, SCRATCH);
                }
            }
            self.code.trap_if(Condition::Equal, TrapCode::IntegerOverflow);
        }
        self.code.bind(other);
    }
}
