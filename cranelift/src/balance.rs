//! Puts the terms of sums in loops into the order in which they are there.
//!
//! Compilers to WebAssembly leave `((a + b) + c) + d` as it was written. When `a` is what the iteration before has just computed
//! and all others are long known, each iteration waits for three additions in a row, where `((b + c) + d) + a` waits for one.
//! For other targets compilers change that late, when they know their processor; here it is done late too. The inner loops
//! of checksums and ciphers consist of such sums.
//!
//! Which terms are late is found out by going through a few iterations with times: what an instruction takes after the last
//! of its operands, on a processor that does everything as soon as it can. Only loops of one block are looked at: there all
//! paths are known, and it costs hardly any time to find them.

use std::{cmp::Reverse, collections::BinaryHeap};

use cranelift_codegen::{
    cursor::{Cursor, FuncCursor},
    ir::{
        Block, Function, Inst, InstBuilder, InstructionData, Opcode, Type, Value, ValueDef, types,
    },
};
use cranelift_entity::{SecondaryMap, packed_option::PackedOption};

use crate::constants::constant;

/// How many iterations are gone through: what terms are handed on from one variable to the next is known after so many.
const ITERATIONS: usize = 8;

/// Balances the sums in all loops of one block.
pub(crate) fn balance(func: &mut Function) {
    let blocks: Vec<Block> = func.layout.blocks().collect();
    let mut uses = None;
    for block in blocks {
        let Some(next) = next_params(func, block) else { continue };
        if !has_sum(func, block) {
            continue;
        }
        let uses = uses.get_or_insert_with(|| {
            func.dfg.resolve_all_aliases();
            Uses::new(func)
        });
        let times = times(func, block, &next);
        let insts: Vec<Inst> = func.layout.block_insts(block).collect();
        for &inst in &insts {
            if let Some(sum) = Sum::ending_in(func, uses, inst) {
                sum.balance(func, &times);
            }
        }
    }
}

/// What the parameters of a block are in the next iteration, when it is a loop of its own.
fn next_params(func: &Function, block: Block) -> Option<Vec<Value>> {
    let dfg = &func.dfg;
    let branch = &dfg.insts[func.layout.last_inst(block)?];
    let calls = branch.branch_destination(&dfg.jump_tables, &dfg.exception_tables);
    let mut back = calls.iter().filter(|call| call.block(&dfg.value_lists) == block);
    let (Some(back), None) = (back.next(), back.next()) else { return None };
    back.args(&dfg.value_lists)
        .map(|arg| arg.as_value().map(|value| dfg.resolve_aliases(value)))
        .collect()
}

/// Whether there is an operation of which an operand is the same one.
fn has_sum(func: &Function, block: Block) -> bool {
    let mut insts = func.layout.block_insts(block);
    insts.any(|inst| {
        operation(func, inst).is_some_and(|this| {
            func.dfg.inst_args(inst).iter().any(|&arg| {
                let ValueDef::Result(def, _) = func.dfg.value_def(arg) else { return false };
                operation(func, def) == Some(this)
            })
        })
    })
}

/// The operation of an instruction and its type, when the order of its terms does not matter.
fn operation(func: &Function, inst: Inst) -> Option<(Opcode, Type)> {
    let opcode = func.dfg.insts[inst].opcode();
    if !matches!(opcode, Opcode::Iadd | Opcode::Bxor | Opcode::Bor | Opcode::Band) {
        return None;
    }
    let ty = func.dfg.value_type(func.dfg.first_result(inst));
    (ty == types::I32 || ty == types::I64).then_some((opcode, ty))
}

/// Whether an operand of an instruction is a constant.
fn has_constant(func: &Function, inst: Inst) -> bool {
    func.dfg.inst_args(inst).iter().any(|&arg| constant(func, arg).is_some())
}

/// When each value of a loop is there, in cycles, in an iteration after a few. Values from outside are there at the beginning.
fn times(func: &Function, block: Block, next: &[Value]) -> SecondaryMap<Value, u32> {
    let mut times = SecondaryMap::new();
    let params = func.dfg.block_params(block);
    for iteration in 0..ITERATIONS {
        if iteration > 0 {
            let new: Vec<u32> = next.iter().map(|&value| times[value]).collect();
            for (&param, time) in params.iter().zip(new) {
                times[param] = time;
            }
        }
        for inst in func.layout.block_insts(block) {
            let start = func.dfg.inst_args(inst).iter().map(|&arg| times[arg]).max();
            let end = start.unwrap_or(0) + latency(func.dfg.insts[inst].opcode());
            for &result in func.dfg.inst_results(inst) {
                times[result] = end;
            }
        }
    }
    times
}

/// About how many cycles pass from an operand to the result.
fn latency(opcode: Opcode) -> u32 {
    match opcode {
        Opcode::Iconst | Opcode::Uextend | Opcode::Ireduce => 0,
        Opcode::Imul | Opcode::Umulhi | Opcode::Smulhi => 3,
        Opcode::Udiv | Opcode::Sdiv | Opcode::Urem | Opcode::Srem => 12,
        opcode if opcode.is_call() => 20,
        opcode if opcode.can_load() => 4,
        _ => 1,
    }
}

/// Who uses values.
struct Uses {
    /// How often each value is used, at most 2.
    counts: SecondaryMap<Value, u8>,
    /// The last instruction that uses it.
    users: SecondaryMap<Value, PackedOption<Inst>>,
}

impl Uses {
    fn new(func: &Function) -> Self {
        let mut uses = Self { counts: SecondaryMap::new(), users: SecondaryMap::new() };
        for block in func.layout.blocks() {
            for inst in func.layout.block_insts(block) {
                for value in func.dfg.inst_values(inst) {
                    uses.counts[value] = uses.counts[value].saturating_add(1).min(2);
                    uses.users[value] = inst.into();
                }
            }
        }
        uses
    }

    /// The only instruction that uses a value, once.
    fn only(&self, value: Value) -> Option<Inst> {
        if self.counts[value] == 1 { self.users[value].expand() } else { None }
    }
}

/// Several instructions of one operation, of which only the last one's result is used by others.
struct Sum {
    operation: (Opcode, Type),
    last: Inst,
    /// The instructions in front of the last.
    parts: Vec<Inst>,
    terms: Vec<Value>,
}

impl Sum {
    /// The sum that an instruction ends, if it ends one.
    fn ending_in(func: &Function, uses: &Uses, last: Inst) -> Option<Self> {
        let operation = operation(func, last)?;
        let block = func.layout.inst_block(last)?;
        let same = |inst: Inst| {
            self::operation(func, inst) == Some(operation)
                && func.layout.inst_block(inst) == Some(block)
        };
        // A constant that is added last stays there: it becomes part of an address.
        let mut user = uses.only(func.dfg.first_result(last)).filter(|&user| same(user));
        while let Some(inst) = user
            && has_constant(func, inst)
        {
            user = uses.only(func.dfg.first_result(inst)).filter(|&user| same(user));
        }
        if user.is_some() || has_constant(func, last) {
            return None;
        }
        let mut sum = Self { operation, last, parts: Vec::new(), terms: Vec::new() };
        let mut open: Vec<Value> = func.dfg.inst_args(last).to_vec();
        while let Some(value) = open.pop() {
            match func.dfg.value_def(value) {
                ValueDef::Result(inst, _) if same(inst) && uses.only(value).is_some() => {
                    sum.parts.push(inst);
                    open.extend_from_slice(func.dfg.inst_args(inst));
                }
                _ => sum.terms.push(value),
            }
        }
        (sum.terms.len() > 2).then_some(sum)
    }

    /// Adds the terms in the order in which they are there, when that gives the sum earlier.
    fn balance(self, func: &mut Function, times: &SecondaryMap<Value, u32>) {
        let mut terms: BinaryHeap<_> =
            self.terms.iter().map(|&term| Reverse((times[term], term))).collect();
        if earliest(terms.iter().map(|term| term.0.0)) >= times[func.dfg.first_result(self.last)] {
            return;
        }
        let (opcode, ty) = self.operation;
        let mut cursor = FuncCursor::new(func).at_inst(self.last);
        cursor.set_srcloc(cursor.func.srcloc(self.last));
        while let (Some(Reverse((_, x))), Some(Reverse((later, y)))) = (terms.pop(), terms.pop()) {
            if terms.is_empty() {
                cursor.func.dfg.insts[self.last] = InstructionData::Binary { opcode, args: [x, y] };
                break;
            }
            let (part, dfg) = cursor.ins().Binary(opcode, ty, x, y);
            terms.push(Reverse((later + 1, dfg.first_result(part))));
        }
        for part in self.parts {
            cursor.func.layout.remove_inst(part);
        }
    }
}

/// When a sum of terms that are there at these times can be there: the two earliest ones are always added first.
fn earliest(times: impl Iterator<Item = u32>) -> u32 {
    let mut times: BinaryHeap<_> = times.map(Reverse).collect();
    loop {
        let first = times.pop().map_or(0, |first| first.0);
        let Some(Reverse(second)) = times.pop() else { return first };
        times.push(Reverse(second + 1));
    }
}

#[cfg(test)]
mod tests;
