//! What code of the baseline tier does for better code to take its place: it counts, and lets itself be left at loops.
//!
//! The same as `translate::tiering` does for code that Cranelift makes: the function's counter goes down with each call and
//! each round of a loop; below zero the runtime is told, and may answer with code that goes on from the loop.

use wrun_module::{
    Libcall,
    layout::{context, hot},
};

use super::{
    code::{Condition, Label, at, emit},
    function::{CALLER_CONTEXT, CONTEXT, Cold, Direct},
    registers::{RAX, RBP, RCX, RDI, RDX, RSI, RSP, SCRATCH},
    value::{Location, Operand, Type},
};
use crate::{abi::Convention, loop_state::StateLayout};

/// Functions with more operands at their loops, all together, are left to Cranelift: each is code of its own.
const MOST_OPERANDS: usize = 10_000;

impl Direct<'_> {
    /// Counts a call of the function, or a round of the loop whose header this is.
    pub(super) fn count(&mut self, counted: u32) {
        let (label, next) = (self.code.new_label(), self.code.new_label());
        self.load_from_context(SCRATCH, context::COUNTERS);
        emit!(self.code, subl_mi_sxb, at(SCRATCH, self.position as i32 * 4), 1i8);
        self.code.jump_if(Condition::Negative, label);
        self.code.bind(next);
        let (operands, held) = match counted {
            hot::CALL => (Vec::new(), self.held()),
            _ => (self.stack.clone(), Vec::new()),
        };
        self.cold_operands += operands.len();
        if self.cold_operands > MOST_OPERANDS {
            return self.abort();
        }
        self.cold.push(Cold { label, next, counted, operands, held, position: self.code.position });
    }

    /// The registers that have the values of locals.
    fn held(&self) -> Vec<(Type, u8, u32)> {
        let typed =
            |(register, local): (u8, u32)| (self.frame.locals[local as usize].0, register, local);
        self.gprs.held().chain(self.xmms.held()).map(typed).collect()
    }

    /// Writes all questions.
    pub(super) fn end_cold(&mut self) {
        for cold in std::mem::take(&mut self.cold) {
            self.code.position = cold.position;
            self.code.bind(cold.label);
            emit!(self.code, movl_oi, RSI, self.position);
            emit!(self.code, movl_oi, RDX, cold.counted);
            self.load_context(RDI);
            let code = self.libcall(Libcall::hot);
            self.code.call_at(code.into());
            if cold.counted == hot::CALL {
                for (ty, register, local) in cold.held {
                    self.load(ty, register, at(RBP, self.frame.locals[local as usize].1));
                }
                self.code.jump(cold.next);
                continue;
            }
            emit!(self.code, testq_mr, RAX, RAX);
            self.code.jump_if(Condition::Equal, cold.next);
            self.hand_over_operands(&cold.operands);
            let exit = match self.exit {
                Some(exit) => exit,
                None => {
                    let exit = self.code.new_label();
                    self.exit = Some(exit);
                    exit
                }
            };
            self.code.jump(exit);
        }
        if let Some(exit) = self.exit {
            self.end_exit(exit);
        }
    }

    /// Makes room for the state of a loop below the frame, and writes its operands there.
    fn hand_over_operands(&mut self, operands: &[Operand]) {
        let mut layout = StateLayout::behind(self.frame.locals_size);
        let offsets: Vec<u32> =
            operands.iter().map(|operand| layout.push(operand.ty.bytes())).collect();
        let size = layout.size().next_multiple_of(16).max(16);
        emit!(self.code, subq_mi_sxl, RSP, size as i32);
        for (height, (operand, offset)) in operands.iter().zip(offsets).enumerate() {
            let place = at(RSP, offset as i32);
            match operand.location {
                Location::Constant(value) => self.store_constant(operand.ty, value, place),
                _ => {
                    let scratch = self.load_scratch(operand.ty, self.slot(height));
                    self.store(operand.ty, scratch, place);
                }
            }
        }
    }

    /// Leaves the function for the code whose address is in `rax`, with the state of a loop where the stack pointer is. Its
    /// operands are there already.
    fn end_exit(&mut self, exit: Label) {
        self.code.bind(exit);
        let start = -(self.frame.slots as i32);
        let size = self.frame.locals_size.next_multiple_of(4);
        // Four bytes at a time: operands may begin right behind the last local.
        if size != 0 {
            let again = self.code.new_label();
            emit!(self.code, leaq_rm, SCRATCH, at(RBP, start));
            emit!(self.code, movl_oi, RCX, size);
            self.code.bind(again);
            use cranelift_assembler_x64::Scale;
            let from = super::code::at_index(SCRATCH, RCX, Scale::One, -4);
            let to = super::code::at_index(RSP, RCX, Scale::One, -4);
            emit!(self.code, movl_rm, RDX, from);
            emit!(self.code, movl_mr, to, RDX);
            emit!(self.code, subq_mi_sxb, RCX, 4i8);
            self.code.jump_if(Condition::NotEqual, again);
        }
        self.load(Type::I64, RDI, at(RBP, CONTEXT));
        let state = match self.convention {
            Convention::Native => {
                self.load(Type::I64, RSI, at(RBP, CALLER_CONTEXT));
                RDX
            }
            Convention::Internal => RSI,
        };
        emit!(self.code, movq_rm, state, RSP);
        self.code.call_at(RAX.into());
        // The state lies below the frame.
        emit!(self.code, movq_rm, RSP, RBP);
        self.return_to_caller();
    }
}
