//! The third form of a function: what is left of it from a loop on, for a frame of the baseline tier that is in the middle of
//! its work.
//!
//! The whole function is translated, beginning in a block that nothing leads to; the code's entry leads to the *landing*
//! instead, from where the loop's header is entered with the state that was handed over. Cranelift drops what cannot be
//! reached.
//!
//! # The rule
//! With a second way into its middle, what stands in front of something in the function need not come before it any more: a
//! value that is pushed in front of the loop does not dominate what follows. Locals are variables of the frontend, which
//! finds their values for all ways. The operands below a block are kept in such variables too ([`FuncTranslator::keep_operands`], before
//! the block begins) and are fetched from them where ways meet: at headers, ends, `else`, and in handlers
//! ([`FuncTranslator::fetch_operands`]). Operands inside of the innermost block have been pushed on the way that is being
//! translated. Nothing else may be held over the beginning or the end of a block but what the entry block defines.

use cranelift_codegen::ir::{self, Block, BlockArg, InstBuilder, MemFlagsData, Value};
use cranelift_frontend::{FunctionBuilder, Variable};
use wrun_module::ValType;

use super::{function::FuncTranslator, invariants::Invariants, tiering::Tiering};
use crate::{abi::clif_type, loop_state::StateLayout};

/// How many of the loops around, the outermost, are asked what they leave alone: for each the loop is read once more.
const MAX_AROUND: usize = 8;

/// The entry of a function that begins at one of its loops.
pub(super) struct LoopEntry {
    /// Position of the function among those that the module defines.
    position: usize,
    /// Offset of the loop's instruction in the body.
    offset: u32,
    /// Where the loop's state is.
    buffer: Value,
    /// Where the state is loaded.
    landing: Block,
    /// Whether the loop was come to.
    entered: bool,
    /// The offsets of the outermost loops around.
    around: Vec<u32>,
    /// What is known in front of the loops around, the outermost first, and of the loop itself.
    invariants: Vec<Invariants>,
    /// The operands below the innermost block, from the bottom.
    operands: Vec<Operand>,
}

#[derive(Clone, Copy)]
struct Operand {
    variable: Variable,
    ty: ir::Type,
    /// Whether the collector has to know of it.
    traced: bool,
}

impl LoopEntry {
    /// Ends the entry block, in which `builder` is, and begins the code that cannot be reached. The loop is at `offset`, its
    /// state at the address that `buffer` will be.
    pub(super) fn new(
        builder: &mut FunctionBuilder<'_>,
        position: usize,
        offset: u32,
        buffer: Value,
        mut around: Vec<u32>,
    ) -> Self {
        around.truncate(MAX_AROUND);
        let (landing, start) = (builder.create_block(), builder.create_block());
        builder.ins().jump(landing, &[]);
        builder.seal_block(landing);
        builder.seal_block(start);
        builder.switch_to_block(start);
        builder.ensure_inserted_block();
        let (operands, invariants) = (Vec::new(), Vec::new());
        Self { position, offset, buffer, landing, entered: false, around, invariants, operands }
    }

    /// Checks that there was such a loop.
    pub(super) fn check(&self) -> Result<(), String> {
        match self.entered {
            true => Ok(()),
            false => Err(format!("there is no loop at offset {:#x} of it", self.offset)),
        }
    }
}

impl FuncTranslator<'_, '_> {
    /// A value of which nothing is known, in code that cannot be reached.
    pub(super) fn unknown_value(&mut self, ty: ir::Type) -> Value {
        let Tiering::FromLoop(LoopEntry { buffer, .. }) = self.tiering else {
            unreachable!("there is such code in front of loops that are entered only")
        };
        self.ins().load(ty, MemFlagsData::trusted(), buffer, 0)
    }

    /// Keeps all operands but the topmost `params`, which a block takes that is about to begin.
    pub(super) fn keep_operands(&mut self, params: usize) {
        let Tiering::FromLoop(entry) = &self.tiering else { return };
        for position in entry.operands.len()..self.height() - params {
            let value = self.settled_operand(position);
            self.replace_operand(position, value);
            let ty = self.type_of(value);
            let variable = self.builder.declare_var(ty);
            let traced = self.traced.is_mapped(value);
            if traced {
                self.builder.declare_var_needs_stack_map(variable);
            }
            self.builder.def_var(variable, value);
            if let Tiering::FromLoop(entry) = &mut self.tiering {
                entry.operands.push(Operand { variable, ty, traced });
            }
        }
    }

    /// Fetches the operands that are kept, in a block where ways meet. The block gets parameters for them, so that its own
    /// have to be on the stack.
    pub(super) fn fetch_operands(&mut self) {
        let Tiering::FromLoop(entry) = &self.tiering else { return };
        for position in 0..entry.operands.len().min(self.height()) {
            let Tiering::FromLoop(entry) = &self.tiering else { return };
            let operand = entry.operands[position];
            let value = self.builder.use_var(operand.variable);
            self.trace_kept(value, operand.traced);
            self.replace_operand(position, value);
        }
    }

    /// Keeps only operands below the innermost block: one has ended.
    pub(super) fn drop_operands(&mut self) {
        if let Tiering::FromLoop(entry) = &mut self.tiering {
            entry.operands.truncate(self.frames.last().map_or(0, |frame| frame.height));
        }
    }

    fn trace_kept(&mut self, value: Value, traced: bool) {
        match traced {
            true => self.trace(value, ValType::ANYREF),
            false => self.traced.note(value),
        }
    }

    /// Notes what is known in front of the loop that is about to begin, when it is the one or around it.
    pub(super) fn note_invariants(&mut self) {
        let Tiering::FromLoop(entry) = &self.tiering else { return };
        let (position, offset) = (entry.position, self.position_in_body);
        if offset == entry.offset || entry.around.contains(&offset) {
            let (types, body) = (self.locals.types(), &self.env.module.bodies[position]);
            let known = Invariants::in_front(&mut self.builder, types, body, offset);
            let Tiering::FromLoop(entry) = &mut self.tiering else { return };
            entry.invariants.extend(known);
        }
    }

    /// Writes the way from the entry to the loop that begins, with this header and these parameters, when it is the one.
    pub(super) fn enter_loop(&mut self, header: Block, params: &[ValType]) {
        let (landing, buffer, operands, mut invariants) = match &mut self.tiering {
            Tiering::FromLoop(entry) if entry.offset == self.position_in_body => {
                entry.entered = true;
                let invariants = std::mem::take(&mut entry.invariants);
                (entry.landing, entry.buffer, entry.operands.clone(), invariants)
            }
            _ => return,
        };
        if !self.can_enter_here() {
            return self.refuse("entry of a loop in a clause of try");
        }
        self.builder.switch_to_block(landing);
        let mut layout = StateLayout::default();
        let mut load = |this: &mut Self, ty: ir::Type| {
            let offset = layout.push(ty.bytes()) as i32;
            this.ins().load(ty, MemFlagsData::trusted(), buffer, offset)
        };
        let mut derived = Vec::new();
        for local in 0..self.locals.types().len() as u32 {
            let ty = self.locals.types()[local as usize];
            let loaded = load(self, clif_type(ty));
            let dfg = &self.builder.func.dfg;
            match invariants.iter().position(|known| known.is_derived(dfg, local)) {
                Some(from) => derived.push((from, local, loaded)),
                None => self.def_entered(&mut invariants, local, loaded),
            }
        }
        // What is known in front of outer loops first: what is known further inside may be computed from it.
        derived.sort_unstable_by_key(|&(from, local, _)| (from, local));
        for (from, local, loaded) in derived {
            let value = invariants[from].derive(&mut self.builder, local).unwrap_or(loaded);
            self.def_entered(&mut invariants, local, value);
        }
        for Operand { variable, ty, traced } in operands {
            let value = load(self, ty);
            self.trace_kept(value, traced);
            self.builder.def_var(variable, value);
        }
        let mut args = Vec::with_capacity(params.len());
        for &ty in params {
            args.push(BlockArg::Value(load(self, clif_type(ty))));
        }
        self.ins().jump(header, &args);
    }

    /// Sets a local where the loop is entered.
    fn def_entered(&mut self, invariants: &mut [Invariants], local: u32, value: Value) {
        let value = invariants.iter_mut().fold(value, |value, known| known.enter(local, value));
        self.trace(value, self.locals.types()[local as usize]);
        self.def_local(Variable::from_u32(local), value);
    }
}
