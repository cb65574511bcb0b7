//! What code does for there being several forms of a function ([`Form`]).
//!
//! Code of the *baseline* tier counts down in the function's counter, once for each call and each round of a loop, and tells
//! the runtime when it passes below zero. For a loop the runtime may answer with code of the third form, that goes on at this
//! loop: the frame hands on the state of the loop, all locals and then all operands, to that code, and returns what it
//! returns. The third form is made by [`loop_entry`](super::loop_entry). Optimised code has nothing of all this.
//!
//! The runtime raises the counter again when it is asked, at the latest after a while, so that what is behind the test rarely
//! runs: blocks of it are cold.

use cranelift_codegen::ir::{
    Block, InstBuilder, MemFlagsData, StackSlot, StackSlotData, StackSlotKind, Value,
    condcodes::IntCC, types,
};
use cranelift_frontend::{FunctionBuilder, Variable};
use wasmparser::FunctionBody;
use wrun_module::{
    Libcall, Tier,
    layout::{context, hot},
    nesting::loops_around,
};

use super::{Form, frame::FrameKind, function::FuncTranslator, loop_entry::LoopEntry};
use crate::{
    abi::{Convention, POINTER},
    loop_state::StateLayout,
};

/// By form, what its code does besides what the function says.
pub(super) enum Tiering {
    /// Nothing.
    Optimised,
    /// It counts.
    Baseline(Baseline),
    /// It begins at a loop.
    FromLoop(LoopEntry),
}

/// A function of the baseline tier.
pub(super) struct Baseline {
    /// Its position among those that the module defines.
    position: u32,
    /// Nothing when the code cannot be left at loops.
    pub(super) state: Option<State>,
    /// Where the function is left for code that the parameter is the address of.
    exit: Option<Block>,
}

/// Room in the frame for the state of a loop.
pub(super) struct State {
    slot: StackSlot,
    pub(super) address: Value,
    /// What there is so far: the locals.
    pub(super) layout: StateLayout,
}

impl Tiering {
    /// For the form of a function at a position; `params` are those of its code behind the contexts.
    pub(super) fn new(
        form: Form,
        position: usize,
        builder: &mut FunctionBuilder<'_>,
        params: &[Value],
        body: &FunctionBody<'_>,
    ) -> Self {
        match form {
            Form::Whole(Tier::Optimised) => Self::Optimised,
            Form::Whole(Tier::Baseline) => Self::Baseline(Baseline {
                position: position as u32,
                state: Some(State::new(builder)),
                exit: None,
            }),
            Form::FromLoop(offset) => {
                let around = loops_around(body, offset);
                Self::FromLoop(LoopEntry::new(builder, position, offset, params[0], around))
            }
        }
    }
}

impl State {
    fn new(builder: &mut FunctionBuilder<'_>) -> Self {
        let kind = StackSlotKind::ExplicitSlot;
        let slot = StackSlotData::new(kind, 0, StateLayout::ALIGN_SHIFT);
        let slot = builder.create_sized_stack_slot(slot);
        let address = builder.ins().stack_addr(POINTER, slot, 0);
        Self { slot, address, layout: StateLayout::default() }
    }
}

impl FuncTranslator<'_, '_> {
    /// Counts a call of the function, at its beginning.
    pub(super) fn count_call(&mut self) {
        if matches!(self.tiering, Tiering::Baseline(_)) {
            self.count(hot::CALL);
        }
    }

    /// Counts a round of the innermost block, a loop whose header this is.
    pub(super) fn count_round(&mut self) {
        if matches!(&self.tiering, Tiering::Baseline(baseline) if baseline.state.is_some())
            && self.can_enter_here()
        {
            self.count(self.position_in_body);
        }
    }

    /// Whether a loop that begins here can be entered: what a clause of `try` has caught is no part of the state.
    pub(super) fn can_enter_here(&self) -> bool {
        !self.frames.iter().any(|frame| matches!(frame.kind, FrameKind::Catch(_)))
    }

    /// Counts, and asks the runtime when the function is hot; then goes on in a block of its own.
    fn count(&mut self, asked: u32) {
        let Tiering::Baseline(Baseline { position, .. }) = self.tiering else { return };
        let counters = self.context_pointer(context::COUNTERS);
        let (flags, offset) = (MemFlagsData::trusted(), position as i32 * 4);
        let count = self.ins().load(types::I32, flags, counters, offset);
        let count = self.ins().iadd_imm_s(count, -1);
        self.ins().store(flags, count, counters, offset);
        let is_hot = self.ins().icmp_imm_s(IntCC::SignedLessThan, count, 0);
        let (cold, next) = (self.cold_block(), self.builder.create_block());
        self.ins().brif(is_hot, cold, &[], next, &[]);
        self.builder.seal_block(cold);
        self.builder.switch_to_block(cold);
        self.ask_runtime(asked, next);
        self.builder.seal_block(next);
        self.builder.switch_to_block(next);
    }

    fn cold_block(&mut self) -> Block {
        let block = self.builder.create_block();
        self.builder.set_cold_block(block);
        block
    }

    /// Asks the runtime and goes on to `next`, or leaves the function.
    fn ask_runtime(&mut self, asked: u32, next: Block) {
        let Tiering::Baseline(Baseline { position, .. }) = self.tiering else { return };
        let position = self.ins().iconst(types::I32, i64::from(position));
        let offset = self.ins().iconst(types::I32, i64::from(asked));
        let code = self.call_libcall(Libcall::hot, &[position, offset])[0];
        if asked == hot::CALL {
            self.ins().jump(next, &[]);
            return;
        }
        let exit = self.exit();
        if self.height() == 0 {
            self.ins().brif(code, exit, &[code.into()], next, &[]);
            return;
        }
        let leave = self.cold_block();
        self.ins().brif(code, leave, &[], next, &[]);
        self.builder.seal_block(leave);
        self.builder.switch_to_block(leave);
        self.store_operands();
        self.ins().jump(exit, &[code.into()]);
    }

    /// Stores the operands behind the locals.
    fn store_operands(&mut self) {
        let Tiering::Baseline(Baseline { state: Some(state), .. }) = &self.tiering else { return };
        let (slot, address, mut layout) = (state.slot, state.address, state.layout);
        for operand in 0..self.height() {
            let value = self.settled_operand(operand);
            let offset = layout.push(self.type_of(value).bytes()) as i32;
            self.ins().store(MemFlagsData::trusted(), value, address, offset);
        }
        self.reserve_state(slot, layout);
    }

    /// Makes the room in the frame large enough.
    fn reserve_state(&mut self, slot: StackSlot, layout: StateLayout) {
        let data = &mut self.builder.func.sized_stack_slots[slot];
        data.size = data.size.max(layout.size());
    }

    /// The block in which the function is left for the code that its parameter is the address of.
    fn exit(&mut self) -> Block {
        let Tiering::Baseline(baseline) = &mut self.tiering else {
            unreachable!("other code is not left");
        };
        *baseline.exit.get_or_insert_with(|| {
            let exit = self.builder.create_block();
            self.builder.append_block_param(exit, POINTER);
            self.builder.set_cold_block(exit);
            exit
        })
    }

    /// Ends what the form has besides the function, whose code is complete.
    ///
    /// # Errors
    /// When there was nothing to enter.
    pub(super) fn end_tiering(&mut self) -> Result<(), String> {
        match &mut self.tiering {
            Tiering::Optimised => {}
            Tiering::Baseline(baseline) => {
                if let Some(state) = &baseline.state {
                    let (slot, layout) = (state.slot, state.layout);
                    self.reserve_state(slot, layout);
                    self.end_locals();
                }
                self.end_exit();
            }
            Tiering::FromLoop(entry) => entry.check()?,
        }
        Ok(())
    }

    /// Writes the code that leaves the function.
    fn end_exit(&mut self) {
        let Tiering::Baseline(Baseline { state: Some(state), exit: Some(exit), .. }) =
            &self.tiering
        else {
            return;
        };
        let (buffer, exit, ty) = (state.address, *exit, self.ty);
        self.builder.seal_block(exit);
        self.builder.switch_to_block(exit);
        let code = self.builder.block_params(exit)[0];
        for local in 0..self.locals.types().len() as u32 {
            if self.in_frame(local).is_none() {
                let value = self.use_local(Variable::from_u32(local));
                let offset = self.locals.offset(local);
                self.ins().store(MemFlagsData::trusted(), value, buffer, offset);
            }
        }
        let convention = match self.caller_vmctx {
            Some(_) => Convention::Native,
            None => Convention::Internal,
        };
        let signature = self.env.abi.loop_signature(ty, convention);
        let signature = self.builder.import_signature(signature);
        let mut args = vec![self.vmctx()];
        args.extend(self.caller_vmctx);
        args.push(buffer);
        args.extend(self.out_pointer);
        let call = self.ins().call_indirect(signature, code, &args);
        let results = self.builder.inst_results(call).to_vec();
        self.ins().return_(&results);
    }
}
