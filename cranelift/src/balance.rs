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
    func.dfg.inst_args(inst).iter().any(|&arg| match func.dfg.value_def(arg) {
        ValueDef::Result(def, _) => func.dfg.insts[def].opcode() == Opcode::Iconst,
        _ => false,
    })
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
mod tests {
    use cranelift_codegen::{
        ir::{AbiParam, Function, InstBuilder, MemFlagsData, Signature, UserFuncName, types::I32},
        isa::CallConv,
        settings,
        verifier::verify_function,
    };
    use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};

    use super::balance;

    /// A function with a loop of one block: `body` gets an `i32` that the iteration before has computed, of which it takes a
    /// while to make the next one, and the address of others. It gives the next value, which is returned in the end.
    fn with_loop(
        body: impl FnOnce(&mut FunctionBuilder<'_>, super::Value, super::Value) -> super::Value,
    ) -> Function {
        let mut signature = Signature::new(CallConv::SystemV);
        signature.params.push(AbiParam::new(super::types::I64));
        signature.returns.push(AbiParam::new(I32));
        let mut func = Function::with_name_signature(UserFuncName::default(), signature);
        let mut frontend = FunctionBuilderContext::new();
        let mut builder = FunctionBuilder::new(&mut func, &mut frontend);
        let [entry, header, exit] = [0; 3].map(|_| builder.create_block());
        builder.append_block_params_for_function_params(entry);
        let late = builder.append_block_param(header, I32);
        builder.switch_to_block(entry);
        let address = builder.block_params(entry)[0];
        let zero = builder.ins().iconst(I32, 0);
        builder.ins().jump(header, &[zero.into()]);
        builder.switch_to_block(header);
        let next = body(&mut builder, late, address);
        builder.ins().brif(next, header, &[next.into()], exit, &[]);
        builder.switch_to_block(exit);
        builder.ins().return_(&[next]);
        builder.seal_all_blocks();
        builder.finalize(cranelift_codegen::isa::TargetFrontendConfig {
            default_call_conv: CallConv::SystemV,
            pointer_width: target_lexicon::PointerWidth::U64,
            page_size_align_log2: 12,
        });
        func
    }

    /// The instructions of the loop after balancing, one a line.
    fn balanced(mut func: Function) -> String {
        balance(&mut func);
        let flags = settings::Flags::new(settings::builder());
        verify_function(&func, &flags).unwrap();
        let block = func.layout.blocks().nth(1).unwrap();
        let insts = func.layout.block_insts(block);
        insts.map(|inst| func.dfg.display_inst(inst).to_string() + "\n").collect()
    }

    fn load(builder: &mut FunctionBuilder<'_>, address: super::Value, offset: i32) -> super::Value {
        builder.ins().load(I32, MemFlagsData::trusted(), address, offset)
    }

    #[test]
    fn what_is_late_is_added_last() {
        let func = with_loop(|builder, late, address| {
            let loads = [0, 4, 8].map(|offset| load(builder, address, offset));
            let mut sum = builder.ins().rotl(late, late);
            for load in loads {
                sum = builder.ins().iadd(sum, load);
            }
            sum
        });
        let expected = "\
            v3 = load.i32 notrap aligned v0\n\
            v4 = load.i32 notrap aligned v0+4\n\
            v5 = load.i32 notrap aligned v0+8\n\
            v6 = rotl.i32 v1, v1\n\
            v10 = iadd.i32 v3, v4\n\
            v11 = iadd.i32 v5, v10\n\
            v9 = iadd.i32 v11, v6\n\
            brif.i32 v9, block1(v9), block2\n";
        assert_eq!(balanced(func), expected);
    }

    #[test]
    fn what_others_use_stays() {
        let func = with_loop(|builder, late, address| {
            let early = load(builder, address, 0);
            let part = builder.ins().iadd(late, early);
            let store = builder.ins().iadd(part, early);
            builder.ins().store(MemFlagsData::trusted(), part, address, 4);
            store
        });
        let before = func.display().to_string();
        let mut after = func;
        balance(&mut after);
        assert_eq!(after.display().to_string(), before);
    }

    #[test]
    fn what_is_handed_on_stays() {
        let mut func = with_loop(|builder, late, address| {
            let early = load(builder, address, 0);
            let next = builder.ins().iadd(late, early);
            builder.ins().iadd(next, early);
            next
        });
        let before = func.display().to_string();
        balance(&mut func);
        assert_eq!(func.display().to_string(), before);
    }

    #[test]
    fn a_constant_that_is_added_last_stays_last() {
        let func = with_loop(|builder, late, address| {
            let early = load(builder, address, 0);
            let near = builder.ins().iadd(early, late);
            let seven = builder.ins().iconst(I32, 7);
            builder.ins().iadd(near, seven)
        });
        let before = func.display().to_string();
        let mut after = func;
        balance(&mut after);
        assert_eq!(after.display().to_string(), before);
    }
}
