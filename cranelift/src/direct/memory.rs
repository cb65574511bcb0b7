//! Loads and stores of linear memories, their sizes, and whole ranges of them.
//!
//! Only memories of which all is reserved that an index can name are accessed here ([`MemoryStyle::Reserved`]): no access is
//! checked, what is out of bounds faults. A 32-bit index is in a register with nothing above, so that the sum of base, index and
//! offset stays within the reservation.

use cranelift_assembler_x64::Scale;
use wasmparser::{MemArg, MemArgTarget};
use wrun_module::{
    Libcall, MemoryIndex, MemoryStyle, TrapCode,
    layout::{memory, memory_slot},
};

use super::{
    code::{Condition, Memory, at, at_index, emit, trapping},
    function::Direct,
    registers::{BASE, R8, R9, RAX, RCX, RDX, RSI, SCRATCH},
    value::{Popped, Type},
};

/// A place in a linear memory, and the register to be given back behind the access.
type Access = (Memory, u8);

macro_rules! loads {
    ($($visit:ident: $ty:ident, $load:ident;)*) => {$(
        pub(super) fn $visit(&mut self, memarg: MemArg) {
            let Some((place, index)) = self.access(memarg) else { return self.abort() };
            self.gprs.release(index);
            let to = self.register(Type::$ty);
            emit!(self.code, $load, to, place);
            self.push_register(Type::$ty, to);
        }
    )*};
}

macro_rules! stores {
    ($($visit:ident: $store:ident, $store_constant:ident, $constant:ty;)*) => {$(
        pub(super) fn $visit(&mut self, memarg: MemArg) {
            let (ty, value) = self.pop();
            if let Popped::Constant(value) = value
                && fits::<$constant>(value, ty)
            {
                let Some((place, index)) = self.access(memarg) else { return self.abort() };
                emit!(self.code, $store_constant, place, value as $constant);
                return self.gprs.release(index);
            }
            let value = self.readable(ty, value);
            let Some((place, index)) = self.access(memarg) else { return self.abort() };
            emit!(self.code, $store, place, value);
            self.gprs.release(index);
            self.file(ty).release(value);
        }
    )*};
}

/// Whether a constant can be written by an instruction: all but those of 64 bits that are not an extended number of 32.
fn fits<T>(value: u64, ty: Type) -> bool {
    ty == Type::I32 || size_of::<T>() < 4 || i32::try_from(value as i64).is_ok()
}

impl Direct<'_> {
    /// Pops an index; the place that it and the immediate offset name. Nothing for memories whose accesses are checked.
    fn access(&mut self, memarg: MemArg) -> Option<Access> {
        let MemArgTarget::Memory(memory) = memarg.target else { return None };
        if !self.is_reserved(memory) {
            return None;
        }
        let index = self.pop_readable();
        self.load_base(memory);
        let place = match i32::try_from(memarg.offset) {
            Ok(offset) => at_index(BASE, index, Scale::One, offset),
            Err(_) => {
                // It is below 2^32, as the memory's indices are.
                emit!(self.code, movl_oi, SCRATCH, memarg.offset as u32);
                emit!(self.code, addq_rm, SCRATCH, index);
                at_index(BASE, SCRATCH, Scale::One, 0)
            }
        };
        Some((trapping(place, TrapCode::MemoryOutOfBounds), index))
    }

    fn is_reserved(&self, memory: u32) -> bool {
        let ty = &self.env.module.info.memories[memory as usize];
        self.env.memory_style.of(ty) == MemoryStyle::Reserved
    }

    loads! {
        visit_i32_load: I32, movl_rm;
        visit_i64_load: I64, movq_rm;
        visit_f32_load: F32, movss_a_m;
        visit_f64_load: F64, movsd_a_m;
        visit_i32_load8_s: I32, movsbl_rm;
        visit_i32_load8_u: I32, movzbl_rm;
        visit_i32_load16_s: I32, movswl_rm;
        visit_i32_load16_u: I32, movzwl_rm;
        visit_i64_load8_s: I64, movsbq_rm;
        visit_i64_load8_u: I64, movzbl_rm;
        visit_i64_load16_s: I64, movswq_rm;
        visit_i64_load16_u: I64, movzwl_rm;
        visit_i64_load32_s: I64, movslq_rm;
        visit_i64_load32_u: I64, movl_rm;
    }

    stores! {
        visit_i32_store: movl_mr, movl_mi, u32;
        visit_i64_store: movq_mr, movq_mi_sxl, i32;
        visit_i32_store8: movb_mr, movb_mi, u8;
        visit_i32_store16: movw_mr, movw_mi, u16;
        visit_i64_store8: movb_mr, movb_mi, u8;
        visit_i64_store16: movw_mr, movw_mi, u16;
        visit_i64_store32: movl_mr, movl_mi, u32;
    }

    pub(super) fn visit_f32_store(&mut self, memarg: MemArg) {
        self.store_float(memarg);
    }

    pub(super) fn visit_f64_store(&mut self, memarg: MemArg) {
        self.store_float(memarg);
    }

    fn store_float(&mut self, memarg: MemArg) {
        let (ty, value) = self.pop();
        let value = self.readable(ty, value);
        let Some((place, index)) = self.access(memarg) else { return self.abort() };
        self.store(ty, value, place);
        self.gprs.release(index);
        self.xmms.release(value);
    }

    /// Loads a register with the number of bytes of a memory.
    fn load_length(&mut self, register: u8, memory: u32) {
        let slot = self.env.layout.memory(MemoryIndex(memory));
        self.load_from_context(register, slot + memory_slot::DEFINITION);
        self.load(Type::I64, register, at(register, memory::LENGTH as i32));
    }

    pub(super) fn visit_memory_size(&mut self, memory: u32) {
        if !self.is_reserved(memory) {
            return self.abort();
        }
        let register = self.gpr();
        self.load_length(register, memory);
        let page_size = self.env.module.info.memories[memory as usize].page_size_log2;
        emit!(self.code, shrq_mi, register, page_size);
        self.push_register(Type::I32, register);
    }

    pub(super) fn visit_memory_grow(&mut self, memory: u32) {
        if !self.is_reserved(memory) {
            return self.abort();
        }
        self.spill_below(1);
        self.pop_into(RDX);
        self.take_gpr(RSI);
        emit!(self.code, movl_oi, RSI, memory);
        self.call_libcall(Libcall::memory_grow);
        // −1 or less than 2^32: its low half is the same number.
        self.gprs.take(RAX);
        self.copy(Type::I32, RAX, RAX);
        self.push_register(Type::I32, RAX);
    }

    pub(super) fn visit_memory_copy(&mut self, dst_memory: u32, src_memory: u32) {
        if !self.is_reserved(dst_memory) || !self.is_reserved(src_memory) {
            return self.abort();
        }
        self.pop_range([RSI, RDX, RCX]);
        self.check_range(RDX, RCX, src_memory);
        self.check_range(RSI, RCX, dst_memory);
        let shared = |memory| self.env.module.info.memories[memory as usize].shared;
        let libcall = match shared(dst_memory) || shared(src_memory) {
            true => Libcall::shared_memory_copy,
            false => Libcall::memory_copy,
        };
        self.call_libcall(libcall);
    }

    pub(super) fn visit_memory_fill(&mut self, memory: u32) {
        if !self.is_reserved(memory) {
            return self.abort();
        }
        self.pop_range([RSI, RDX, RCX]);
        self.check_range(RSI, RCX, memory);
        let shared = self.env.module.info.memories[memory as usize].shared;
        self.call_libcall(if shared { Libcall::shared_memory_fill } else { Libcall::memory_fill });
    }

    /// Pops the three operands of an instruction on a range into these registers. No other operand is in a register then.
    fn pop_range(&mut self, registers: [u8; 3]) {
        self.spill_below(registers.len());
        for register in registers.into_iter().rev() {
            self.pop_into(register);
        }
    }

    /// Makes the address of the index in a register, after a trap when not so many bytes from there on are inside the memory.
    /// The processor may run ahead as if there were no trap; it then gets address 0. No operand is in a register.
    fn check_range(&mut self, start: u8, len: u8, memory: u32) {
        self.load_base(memory);
        self.load_length(SCRATCH, memory);
        emit!(self.code, movl_oi, R8, 0u32);
        // No overflow: both are below 2^32.
        emit!(self.code, leaq_rm, RAX, at_index(start, len, Scale::One, 0));
        emit!(self.code, cmpq_rm, RAX, SCRATCH);
        self.code.trap_if(Condition::Above, TrapCode::MemoryOutOfBounds);
        emit!(self.code, leaq_rm, start, at_index(BASE, start, Scale::One, 0));
        self.code.move_if(Condition::Above, start, R8);
        self.gprs.forget_all();
    }

    pub(super) fn visit_memory_init(&mut self, data: u32, memory: u32) {
        if !self.is_reserved(memory) {
            return self.abort();
        }
        self.pop_range([RCX, R8, R9]);
        self.take_gpr(RSI);
        self.take_gpr(RDX);
        emit!(self.code, movl_oi, RSI, memory);
        emit!(self.code, movl_oi, RDX, data);
        self.call_libcall(Libcall::memory_init);
    }

    pub(super) fn visit_data_drop(&mut self, data: u32) {
        self.spill_below(0);
        self.take_gpr(RSI);
        emit!(self.code, movl_oi, RSI, data);
        self.call_libcall(Libcall::data_drop);
    }
}
