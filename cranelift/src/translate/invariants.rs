//! What the locals are that a loop leaves alone, when its code is entered in the middle.
//!
//! To code that begins at a loop all locals are numbers that were handed over. Some of them were computed from others in front of the
//! loop, or are constants, and the loop leaves all of these alone: then they still are what they were. Computed again where the loop
//! is entered they tell the optimiser what they have to do with one another, as they do in the whole function. Otherwise the
//! inner loop of a matrix multiplication keeps n, 4 n, 8 n and 12 n each in a register, and runs out of them.
//!
//! # Why it holds
//! A local's value where the loop is come by from the front is known as the result of an instruction. What that takes, as far as it
//! is used here, is the value of other locals at the same place. With values that are assigned once, the instruction was
//! executed after all that it takes, in the same round of each loop around; so the equation holds there each time, and all through the
//! loop, which changes none of these locals. That is so for the loop at which the code is entered, and for each loop around it.
//! Instructions that may trap, read memory or have other effects are not repeated.

use std::collections::{HashMap, HashSet};

use cranelift_codegen::ir::{
    DataFlowGraph, InstBuilderBase, InstructionData, Opcode, Value, ValueDef,
};
use cranelift_frontend::{FunctionBuilder, Variable};
use wasmparser::FunctionBody;
use wrun_module::{ValType, nesting::assigned_in_loop};

/// Instructions between a local and what it is computed from.
const MAX_DEPTH: u32 = 4;

/// Instructions, those for other locals included, that a local is computed anew by at the most: one takes another call.
const MAX_CHAIN: u32 = 100;

/// Whether locals of this type are looked at.
pub(super) fn is_integer(ty: ValType) -> bool {
    matches!(ty, ValType::I32 | ValType::I64)
}

/// What is known of the locals that a loop leaves alone.
pub(super) struct Invariants {
    /// The value of each in front of the loop.
    locals: HashMap<u32, Value>,
    /// The same values.
    held: HashSet<Value>,
    /// The values where the code is entered, by those in front of the loop.
    entered: HashMap<Value, Value>,
}

impl Invariants {
    /// What is known in front of the loop at an offset of the body, where `builder` is, of those of the locals that are integers;
    /// nothing when the body cannot be read.
    pub(super) fn in_front(
        builder: &mut FunctionBuilder<'_>,
        types: &[ValType],
        body: &FunctionBody<'_>,
        offset: u32,
    ) -> Option<Self> {
        let assigned = assigned_in_loop(body, offset)?;
        let mut locals = HashMap::new();
        for (local, &ty) in (0..).zip(types) {
            if is_integer(ty) && !assigned.contains(&local) {
                let value = builder.use_var(Variable::from_u32(local));
                locals.insert(local, builder.func.dfg.resolve_aliases(value));
            }
        }
        let held = locals.values().copied().collect();
        Some(Self { locals, held, entered: HashMap::new() })
    }

    /// Notes the value of a local where the code is entered, and gives the one that it is to have: another local may be the same.
    pub(super) fn enter(&mut self, local: u32, value: Value) -> Value {
        let Some(&front) = self.locals.get(&local) else { return value };
        *self.entered.entry(front).or_insert(value)
    }

    /// Whether a local is computed from others that the loop leaves alone.
    pub(super) fn is_derived(&self, dfg: &DataFlowGraph, local: u32) -> bool {
        self.locals.get(&local).is_some_and(|&front| self.can_repeat(dfg, front, MAX_DEPTH))
    }

    /// Computes a local that is derived, where the code is entered; nothing when something is missing for that.
    pub(super) fn derive(
        &mut self,
        builder: &mut FunctionBuilder<'_>,
        local: u32,
    ) -> Option<Value> {
        let &front = self.locals.get(&local)?;
        self.repeat(builder, front, MAX_CHAIN)
    }

    /// Whether the instruction that a value is the result of takes nothing but what locals are, directly or by a few others like it.
    fn can_repeat(&self, dfg: &DataFlowGraph, value: Value, depth: u32) -> bool {
        let ValueDef::Result(inst, _) = dfg.value_def(value) else { return false };
        is_repeatable(dfg.insts[inst].opcode())
            && dfg.inst_args(inst).iter().all(|&arg| {
                let arg = dfg.resolve_aliases(arg);
                self.held.contains(&arg) || (depth > 0 && self.can_repeat(dfg, arg, depth - 1))
            })
    }

    /// Computes a value anew, by a chain of so many instructions at the most.
    fn repeat(
        &mut self,
        builder: &mut FunctionBuilder<'_>,
        value: Value,
        chain: u32,
    ) -> Option<Value> {
        if let Some(&entered) = self.entered.get(&value) {
            return Some(entered);
        }
        let chain = chain.checked_sub(1)?;
        let dfg = &builder.func.dfg;
        let ValueDef::Result(inst, _) = dfg.value_def(value) else { return None };
        let (data, ty) = (dfg.insts[inst], dfg.ctrl_typevar(inst));
        let mut entered = |arg: Value| {
            let arg = builder.func.dfg.resolve_aliases(arg);
            self.repeat(builder, arg, chain)
        };
        let data = match data {
            InstructionData::Binary { opcode, args: [left, right] } => {
                InstructionData::Binary { opcode, args: [entered(left)?, entered(right)?] }
            }
            InstructionData::Unary { opcode, arg } => {
                InstructionData::Unary { opcode, arg: entered(arg)? }
            }
            InstructionData::UnaryImm { .. } => data,
            _ => return None,
        };
        let (inst, dfg) = builder.ins().build(data, ty);
        let repeated = dfg.first_result(inst);
        self.entered.insert(value, repeated);
        Some(repeated)
    }
}

/// Whether an instruction gives the same for the same operands, whenever it is executed, and does nothing else.
fn is_repeatable(opcode: Opcode) -> bool {
    matches!(
        opcode,
        Opcode::Iconst
            | Opcode::Iadd
            | Opcode::Isub
            | Opcode::Imul
            | Opcode::Ishl
            | Opcode::Ushr
            | Opcode::Sshr
            | Opcode::Band
            | Opcode::Bor
            | Opcode::Bxor
            | Opcode::Uextend
            | Opcode::Sextend
            | Opcode::Ireduce
    )
}
