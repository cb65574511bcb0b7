//! The operand stack while code is written: where each value is, and how it gets to where it is needed.
//!
//! Nothing is done for a value before somebody needs it: a constant is an immediate, a local is read from the frame or from
//! the register that still has it, a comparison is the processor's flags. Every operand has a *slot* of its own in the frame,
//! by its height.
//!
//! # The rule
//! Where ways meet, all operands are constants or in their slots ([`Direct::settle_all`]), and no register has a local's value.
//! The operands below a block do not change inside of it, so they are the same on all ways out.
//!
//! What moves values writes only `mov`s: the flags of a comparison outlive it.

use cranelift_assembler_x64::{GprMem, XmmMem};

use super::{
    code::{Memory, XmmOrMemory, at, emit},
    function::Direct,
    registers::{RBP, SCRATCH, XMM_SCRATCH},
    value::{Location, Operand, Popped, Right, Type},
};
/// So many operands may be elsewhere than in their slots; it bounds what has to be looked at when a local is set.
const MOST_LAZY: usize = 24;

impl Direct<'_> {
    /// Where the slot of an operand is, by its height.
    pub(super) fn slot(&self, height: usize) -> i32 {
        -(self.frame.slots as i32 + 8 * (height as i32 + 1))
    }

    pub(super) fn push(&mut self, ty: Type, location: Location) {
        if self.stack.len() - self.settled >= MOST_LAZY {
            self.settle(self.settled, false);
            self.settled += 1;
        }
        self.stack.push(Operand { ty, location });
        self.most_operands = self.most_operands.max(self.stack.len());
    }

    pub(super) fn push_register(&mut self, ty: Type, register: u8) {
        self.push(ty, Location::Register(register));
    }

    /// Pops an operand as it is.
    pub(super) fn pop(&mut self) -> (Type, Popped) {
        let operand = self.stack.pop().expect("validated code does not pop from an empty stack");
        self.settled = self.settled.min(self.stack.len());
        let popped = match operand.location {
            Location::Constant(value) => Popped::Constant(value),
            Location::Register(register) => Popped::Owned(register),
            Location::Slot => Popped::Frame(self.slot(self.stack.len())),
            Location::Local(local) => match self.file(operand.ty).read_held(local) {
                Some(register) => Popped::Held(register),
                None => Popped::Local(local, self.frame.locals[local as usize].1),
            },
            Location::Flags(condition) => {
                let register = self.gpr();
                self.code.set_if(condition, register);
                Popped::Owned(register)
            }
        };
        (operand.ty, popped)
    }

    /// Puts what the last comparison found into a register: the next instruction does not look at the flags.
    pub(super) fn settle_flags(&mut self) {
        if let Some(Operand { location: Location::Flags(condition), .. }) = self.stack.last() {
            let condition = *condition;
            let register = self.gpr();
            self.code.set_if(condition, register);
            let top = self.stack.last_mut().expect("there is one");
            top.location = Location::Register(register);
        }
    }

    /// Drops operands until `height` are left.
    pub(super) fn truncate(&mut self, height: usize) {
        while self.stack.len() > height {
            let operand = self.stack.pop().expect("there is one");
            if let Location::Register(register) = operand.location {
                self.file(operand.ty).release(register);
            }
        }
        self.settled = self.settled.min(height);
    }

    pub(super) fn release(&mut self, ty: Type, popped: Popped) {
        if let Popped::Owned(register) | Popped::Held(register) = popped {
            self.file(ty).release(register);
        }
    }

    /// A general register, which is taken.
    pub(super) fn gpr(&mut self) -> u8 {
        self.register(Type::I64)
    }

    /// A vector register, which is taken.
    pub(super) fn xmm(&mut self) -> u8 {
        self.register(Type::F64)
    }

    /// A register for a value of a type, which is taken.
    pub(super) fn register(&mut self, ty: Type) -> u8 {
        if let Some(register) = self.file(ty).take_any() {
            return register;
        }
        let is_candidate = |operand: &Operand| {
            matches!(operand.location, Location::Register(_))
                && operand.ty.is_integer() == ty.is_integer()
        };
        let lowest = self.stack[self.settled..].iter().position(is_candidate);
        let lowest = lowest.expect("an instruction needs fewer registers than there are");
        self.settle(self.settled + lowest, false);
        self.file(ty).take_any().expect("one was given back")
    }

    /// Takes a certain general register; if an operand is there, it goes elsewhere.
    pub(super) fn take_gpr(&mut self, register: u8) {
        if !self.gprs.is_free(register) {
            let is_there = |operand: &Operand| {
                operand.ty.is_integer()
                    && matches!(operand.location, Location::Register(there) if there == register)
            };
            let operand = self.stack[self.settled..].iter().position(is_there);
            let operand = operand.expect("the register is an operand's, not one in use");
            self.settle(self.settled + operand, false);
        }
        self.gprs.take(register);
    }

    /// Puts an operand where ways may meet: constants stay what they are unless it is `forced`, all else goes to its slot.
    pub(super) fn settle(&mut self, height: usize, forced: bool) {
        let Operand { ty, location } = self.stack[height];
        match location {
            Location::Slot => return,
            Location::Constant(_) if !forced => return,
            _ => {}
        }
        self.write_operand(height, at(RBP, self.slot(height)));
        if let Location::Register(register) = location {
            self.file(ty).release(register);
        }
        self.stack[height].location = Location::Slot;
    }

    /// Settles all operands, with the topmost `forced` in their slots.
    pub(super) fn settle_all(&mut self, forced: usize) {
        for height in self.settled..self.stack.len() {
            self.settle(height, false);
        }
        for height in self.stack.len() - forced..self.stack.len() {
            self.settle(height, true);
        }
        self.settled = self.stack.len();
    }

    /// Puts the operands that are in registers into their slots, but the topmost `args`.
    pub(super) fn spill_below(&mut self, args: usize) {
        for height in self.settled..self.stack.len() - args {
            if let Location::Register(_) | Location::Flags(_) = self.stack[height].location {
                self.settle(height, false);
            }
        }
    }

    /// Says that a register may have any value again, and all others too.
    pub(super) fn forget_registers(&mut self) {
        self.gprs.forget_all();
        self.xmms.forget_all();
        self.base = None;
    }

    /// Writes an operand, which stays where it is, to a place in memory; no register changes but those for the moment.
    pub(super) fn write_operand(&mut self, height: usize, to: Memory) {
        let Operand { ty, location } = self.stack[height];
        let register = match location {
            Location::Constant(value) => return self.store_constant(ty, value, to),
            Location::Register(register) => register,
            Location::Slot | Location::Local(_) => {
                self.load_scratch(ty, self.place_in_frame(height))
            }
            Location::Flags(condition) => {
                self.code.set_if(condition, SCRATCH);
                SCRATCH
            }
        };
        self.store(ty, register, to);
    }

    /// Loads a register with an operand, which stays where it is.
    pub(super) fn read_operand(&mut self, height: usize, to: u8) {
        let Operand { ty, location } = self.stack[height];
        match location {
            Location::Constant(value) => self.load_constant(ty, to, value),
            Location::Register(from) if from == to => {}
            Location::Register(from) => self.copy(ty, to, from),
            Location::Slot | Location::Local(_) => {
                self.load(ty, to, at(RBP, self.place_in_frame(height)));
            }
            Location::Flags(condition) => self.code.set_if(condition, to),
        }
    }

    /// Where an operand is in the frame, which is a local or in its slot.
    fn place_in_frame(&self, height: usize) -> i32 {
        match self.stack[height].location {
            Location::Local(local) => self.frame.locals[local as usize].1,
            _ => self.slot(height),
        }
    }

    /// Loads a value from the frame for a moment.
    pub(super) fn load_scratch(&mut self, ty: Type, from: i32) -> u8 {
        let scratch = if ty.is_integer() { SCRATCH } else { XMM_SCRATCH };
        self.load(ty, scratch, at(RBP, from));
        scratch
    }

    /// Loads a register; the upper half of an `i32` is zero then.
    pub(super) fn load(&mut self, ty: Type, to: u8, from: Memory) {
        match ty {
            Type::I32 => emit!(self.code, movl_rm, to, GprMem::Mem(from)),
            Type::I64 => emit!(self.code, movq_rm, to, GprMem::Mem(from)),
            Type::F32 => emit!(self.code, movss_a_m, to, from),
            Type::F64 => emit!(self.code, movsd_a_m, to, from),
        }
    }

    pub(super) fn store(&mut self, ty: Type, from: u8, to: Memory) {
        match ty {
            Type::I32 => emit!(self.code, movl_mr, GprMem::Mem(to), from),
            Type::I64 => emit!(self.code, movq_mr, GprMem::Mem(to), from),
            Type::F32 => emit!(self.code, movss_c_m, to, from),
            Type::F64 => emit!(self.code, movsd_c_m, to, from),
        }
    }

    pub(super) fn store_constant(&mut self, ty: Type, value: u64, to: Memory) {
        match ty {
            Type::I32 | Type::F32 => emit!(self.code, movl_mi, GprMem::Mem(to), value as u32),
            Type::I64 | Type::F64 => match i32::try_from(value as i64) {
                Ok(value) => emit!(self.code, movq_mi_sxl, GprMem::Mem(to), value),
                Err(_) => {
                    self.load_constant(Type::I64, SCRATCH, value);
                    emit!(self.code, movq_mr, GprMem::Mem(to), SCRATCH);
                }
            },
        }
    }

    pub(super) fn load_constant(&mut self, ty: Type, to: u8, value: u64) {
        if !ty.is_integer() {
            self.load_constant(Type::I64, SCRATCH, value);
            return emit!(self.code, movq_a, to, GprMem::Gpr(SCRATCH));
        }
        if let Ok(value) = u32::try_from(value) {
            emit!(self.code, movl_oi, to, value);
        } else if let Ok(value) = i32::try_from(value as i64) {
            emit!(self.code, movq_mi_sxl, GprMem::Gpr(to), value);
        } else {
            emit!(self.code, movabsq_oi, to, value);
        }
    }

    pub(super) fn copy(&mut self, ty: Type, to: u8, from: u8) {
        match ty {
            Type::I32 => emit!(self.code, movl_rm, to, GprMem::Gpr(from)),
            Type::I64 => emit!(self.code, movq_rm, to, GprMem::Gpr(from)),
            Type::F32 | Type::F64 => emit!(self.code, movaps_a, to, XmmMem::Xmm(from)),
        }
    }

    /// A register with a popped value that may be changed.
    pub(super) fn owned(&mut self, ty: Type, popped: Popped) -> u8 {
        if let Popped::Owned(register) = popped {
            return register;
        }
        let register = self.register(ty);
        self.fill(ty, register, popped);
        self.release(ty, popped);
        register
    }

    /// Puts a popped value into a register.
    pub(super) fn fill(&mut self, ty: Type, to: u8, popped: Popped) {
        match popped {
            Popped::Constant(value) => self.load_constant(ty, to, value),
            Popped::Owned(from) | Popped::Held(from) => self.copy(ty, to, from),
            Popped::Frame(offset) | Popped::Local(_, offset) => {
                self.load(ty, to, at(RBP, offset));
            }
        }
    }

    /// A register with a popped value that is only read.
    pub(super) fn readable(&mut self, ty: Type, popped: Popped) -> u8 {
        match popped {
            Popped::Owned(register) | Popped::Held(register) => register,
            Popped::Local(local, offset) => {
                let register = self.register(ty);
                self.load(ty, register, at(RBP, offset));
                self.file(ty).hold(register, local);
                register
            }
            _ => self.owned(ty, popped),
        }
    }

    /// Pops an operand into a register that may be changed.
    pub(super) fn pop_owned(&mut self) -> u8 {
        let (ty, popped) = self.pop();
        self.owned(ty, popped)
    }

    /// Pops an operand into a register that is only read.
    pub(super) fn pop_readable(&mut self) -> u8 {
        let (ty, popped) = self.pop();
        self.readable(ty, popped)
    }

    /// Pops an integer into a certain register, which is taken.
    pub(super) fn pop_into(&mut self, register: u8) {
        let there = self.stack.last().is_some_and(
            |top| matches!(top.location, Location::Register(there) if there == register),
        );
        if !there {
            self.take_gpr(register);
        }
        let (ty, popped) = self.pop();
        if !there {
            self.fill(ty, register, popped);
            self.release(ty, popped);
        }
    }

    /// A popped integer as the right operand of an instruction. What has to be given back afterwards is in the second
    /// value.
    pub(super) fn right(&mut self, ty: Type, popped: Popped) -> (Right, Popped) {
        match popped {
            Popped::Constant(value) => {
                let value = match ty {
                    Type::I32 => Some(value as i32),
                    _ => i32::try_from(value as i64).ok(),
                };
                if let Some(value) = value {
                    return (Right::Immediate(value), popped);
                }
                let register = self.owned(ty, popped);
                (Right::Operand(GprMem::Gpr(register)), Popped::Owned(register))
            }
            Popped::Owned(register) | Popped::Held(register) => {
                (Right::Operand(GprMem::Gpr(register)), popped)
            }
            Popped::Frame(offset) | Popped::Local(_, offset) => {
                (Right::Operand(GprMem::Mem(at(RBP, offset))), popped)
            }
        }
    }

    /// A popped float as the right operand of an instruction, and what has to be given back afterwards.
    pub(super) fn right_float(&mut self, ty: Type, popped: Popped) -> (XmmOrMemory, Popped) {
        match popped {
            Popped::Owned(register) | Popped::Held(register) => (XmmMem::Xmm(register), popped),
            Popped::Frame(offset) | Popped::Local(_, offset) => {
                (XmmMem::Mem(at(RBP, offset)), popped)
            }
            Popped::Constant(_) => {
                let register = self.owned(ty, popped);
                (XmmMem::Xmm(register), Popped::Owned(register))
            }
        }
    }
}
