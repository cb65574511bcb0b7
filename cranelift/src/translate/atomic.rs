//! Atomic accesses, the fence, and waiting: the proposal *threads*.
//!
//! All are sequentially consistent. An address that is not a multiple of the access's size traps first; what is out of
//! bounds is found as for every other access, by [`FuncTranslator::address`]. Atomic instructions of CLIF have no
//! offset of their own. They work on memories that are not shared too; only waiting does not.

use cranelift_codegen::ir::{
    self, AtomicRmwOp, InstBuilder, MemFlagsData, Value,
    types::{I8, I16, I32, I64},
};
use wasmparser::{MemArg, MemArgTarget, Ordering};
use wrun_module::{Libcall, TrapCode};

use super::function::FuncTranslator;
use crate::traps::clif_trap;

impl FuncTranslator<'_, '_> {
    /// Pops an index and gives the place that an atomic access to `ty` goes to, after a trap when that is not aligned.
    fn atomic_address(&mut self, memarg: MemArg, ty: ir::Type) -> (MemFlagsData, Value) {
        let size = ty.bytes();
        if size > 1 {
            // The low bits of the sum are those of the sum of the low bits, whatever overflows above them.
            let mask = i64::from(size - 1);
            let mut low = self.peek();
            if memarg.offset as i64 & mask != 0 {
                low = self.ins().iadd_imm_u(low, memarg.offset as i64 & mask);
            }
            let low = self.ins().band_imm_u(low, mask);
            self.ins().trapnz(low, clif_trap(TrapCode::UnalignedAtomic));
        }
        let (flags, mut address, offset) = self.address(memarg, size);
        if offset != 0 {
            address = self.ins().iadd_imm_u(address, i64::from(offset));
        }
        (flags, address)
    }

    /// Pops a value and takes the part of it that an access to `ty` is about.
    fn pop_low(&mut self, ty: ir::Type) -> Value {
        let value = self.pop();
        if self.type_of(value) == ty { value } else { self.ins().ireduce(ty, value) }
    }

    /// Pushes what was read, extended with zeros.
    fn push_extended(&mut self, value: Value, ty: ir::Type) {
        let value = if self.type_of(value) == ty { value } else { self.ins().uextend(ty, value) };
        self.push(value);
    }

    fn atomic_load(&mut self, memarg: MemArg, ty: ir::Type, access: ir::Type) {
        let (flags, address) = self.atomic_address(memarg, access);
        let value = self.ins().atomic_load(access, flags, address);
        self.push_extended(value, ty);
    }

    fn atomic_store(&mut self, memarg: MemArg, access: ir::Type) {
        let value = self.pop_low(access);
        let (flags, address) = self.atomic_address(memarg, access);
        self.ins().atomic_store(flags, value, address);
    }

    fn atomic_rmw(&mut self, memarg: MemArg, ty: ir::Type, access: ir::Type, op: AtomicRmwOp) {
        let operand = self.pop_low(access);
        let (flags, address) = self.atomic_address(memarg, access);
        let old = self.ins().atomic_rmw(access, flags, op, address, operand);
        self.push_extended(old, ty);
    }

    /// Of the expected value of a narrow access only the low part counts.
    fn atomic_cmpxchg(&mut self, memarg: MemArg, ty: ir::Type, access: ir::Type) {
        let replacement = self.pop_low(access);
        let expected = self.pop_low(access);
        let (flags, address) = self.atomic_address(memarg, access);
        let old = self.ins().atomic_cas(flags, address, expected, replacement);
        self.push_extended(old, ty);
    }

    pub(super) fn visit_atomic_fence(&mut self, _ordering: Ordering) {
        self.ins().fence();
    }

    /// Pops the index below the operands of a libcall: the arguments it begins with.
    fn waiting_place(&mut self, memarg: MemArg) -> [Value; 3] {
        let MemArgTarget::Memory(memory) = memarg.target else {
            self.refuse("access to an array");
            let zero = self.ins().iconst(I64, 0);
            return [zero; 3];
        };
        let index = self.pop();
        let index = self.extend_index(index);
        let memory = self.ins().iconst(I32, i64::from(memory));
        let offset = self.ins().iconst(I64, memarg.offset as i64);
        [memory, index, offset]
    }

    fn wait(&mut self, memarg: MemArg, libcall: Libcall) {
        let (expected, timeout) = self.pop2();
        let [memory, index, offset] = self.waiting_place(memarg);
        let outcome = self.call_libcall(libcall, &[memory, index, offset, expected, timeout]);
        self.push(outcome[0]);
    }

    pub(super) fn visit_memory_atomic_wait32(&mut self, memarg: MemArg) {
        self.wait(memarg, Libcall::memory_atomic_wait32);
    }

    pub(super) fn visit_memory_atomic_wait64(&mut self, memarg: MemArg) {
        self.wait(memarg, Libcall::memory_atomic_wait64);
    }

    pub(super) fn visit_memory_atomic_notify(&mut self, memarg: MemArg) {
        let count = self.pop();
        let [memory, index, offset] = self.waiting_place(memarg);
        let args = [memory, index, offset, count];
        let woken = self.call_libcall(Libcall::memory_atomic_notify, &args);
        self.push(woken[0]);
    }
}

macro_rules! atomic_loads {
    ($($visit:ident: $ty:ident of $access:ident;)*) => {
        impl FuncTranslator<'_, '_> {$(
            pub(super) fn $visit(&mut self, memarg: MemArg) {
                self.atomic_load(memarg, $ty, $access);
            }
        )*}
    };
}

atomic_loads! {
    visit_i32_atomic_load: I32 of I32;
    visit_i64_atomic_load: I64 of I64;
    visit_i32_atomic_load8_u: I32 of I8;
    visit_i32_atomic_load16_u: I32 of I16;
    visit_i64_atomic_load8_u: I64 of I8;
    visit_i64_atomic_load16_u: I64 of I16;
    visit_i64_atomic_load32_u: I64 of I32;
}

macro_rules! atomic_stores {
    ($($visit:ident: $access:ident;)*) => {
        impl FuncTranslator<'_, '_> {$(
            pub(super) fn $visit(&mut self, memarg: MemArg) {
                self.atomic_store(memarg, $access);
            }
        )*}
    };
}

atomic_stores! {
    visit_i32_atomic_store: I32;
    visit_i64_atomic_store: I64;
    visit_i32_atomic_store8: I8;
    visit_i32_atomic_store16: I16;
    visit_i64_atomic_store8: I8;
    visit_i64_atomic_store16: I16;
    visit_i64_atomic_store32: I32;
}

/// The seven widths of one operation.
macro_rules! atomic_rmw {
    ($($op:ident: $i32:ident $i64:ident $i32_8:ident $i32_16:ident $i64_8:ident $i64_16:ident $i64_32:ident;)*) => {$(
        atomic_rmw!(@$op $i32: I32 of I32);
        atomic_rmw!(@$op $i64: I64 of I64);
        atomic_rmw!(@$op $i32_8: I32 of I8);
        atomic_rmw!(@$op $i32_16: I32 of I16);
        atomic_rmw!(@$op $i64_8: I64 of I8);
        atomic_rmw!(@$op $i64_16: I64 of I16);
        atomic_rmw!(@$op $i64_32: I64 of I32);
    )*};
    (@Cmpxchg $visit:ident: $ty:ident of $access:ident) => {
        impl FuncTranslator<'_, '_> {
            pub(super) fn $visit(&mut self, memarg: MemArg) {
                self.atomic_cmpxchg(memarg, $ty, $access);
            }
        }
    };
    (@$op:ident $visit:ident: $ty:ident of $access:ident) => {
        impl FuncTranslator<'_, '_> {
            pub(super) fn $visit(&mut self, memarg: MemArg) {
                self.atomic_rmw(memarg, $ty, $access, AtomicRmwOp::$op);
            }
        }
    };
}

#[rustfmt::skip]
atomic_rmw! {
    Add: visit_i32_atomic_rmw_add visit_i64_atomic_rmw_add visit_i32_atomic_rmw8_add_u visit_i32_atomic_rmw16_add_u
        visit_i64_atomic_rmw8_add_u visit_i64_atomic_rmw16_add_u visit_i64_atomic_rmw32_add_u;
    Sub: visit_i32_atomic_rmw_sub visit_i64_atomic_rmw_sub visit_i32_atomic_rmw8_sub_u visit_i32_atomic_rmw16_sub_u
        visit_i64_atomic_rmw8_sub_u visit_i64_atomic_rmw16_sub_u visit_i64_atomic_rmw32_sub_u;
    And: visit_i32_atomic_rmw_and visit_i64_atomic_rmw_and visit_i32_atomic_rmw8_and_u visit_i32_atomic_rmw16_and_u
        visit_i64_atomic_rmw8_and_u visit_i64_atomic_rmw16_and_u visit_i64_atomic_rmw32_and_u;
    Or: visit_i32_atomic_rmw_or visit_i64_atomic_rmw_or visit_i32_atomic_rmw8_or_u visit_i32_atomic_rmw16_or_u
        visit_i64_atomic_rmw8_or_u visit_i64_atomic_rmw16_or_u visit_i64_atomic_rmw32_or_u;
    Xor: visit_i32_atomic_rmw_xor visit_i64_atomic_rmw_xor visit_i32_atomic_rmw8_xor_u visit_i32_atomic_rmw16_xor_u
        visit_i64_atomic_rmw8_xor_u visit_i64_atomic_rmw16_xor_u visit_i64_atomic_rmw32_xor_u;
    Xchg: visit_i32_atomic_rmw_xchg visit_i64_atomic_rmw_xchg visit_i32_atomic_rmw8_xchg_u visit_i32_atomic_rmw16_xchg_u
        visit_i64_atomic_rmw8_xchg_u visit_i64_atomic_rmw16_xchg_u visit_i64_atomic_rmw32_xchg_u;
    Cmpxchg: visit_i32_atomic_rmw_cmpxchg visit_i64_atomic_rmw_cmpxchg visit_i32_atomic_rmw8_cmpxchg_u
        visit_i32_atomic_rmw16_cmpxchg_u visit_i64_atomic_rmw8_cmpxchg_u visit_i64_atomic_rmw16_cmpxchg_u
        visit_i64_atomic_rmw32_cmpxchg_u;
}
