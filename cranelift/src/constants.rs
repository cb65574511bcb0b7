//! Adds what is constant in a sum last, and at once: Cranelift makes that part of an address.
//!
//! `((frame + 48) + index) − 1` is what the code of C programs has where a field of the frame is computed once and used in a loop. Cranelift
//! does not keep `frame + 48` in a register but adds it where it is used, in each round, and takes one constant into an
//! address. Of `(frame + index) + 47` all is one instruction.

use cranelift_codegen::{
    cursor::{Cursor, FuncCursor},
    ir::{Block, Function, Inst, InstBuilder, InstructionData, Opcode, Value, ValueDef, types},
};

/// How many constants are looked for behind one another.
const MOST: usize = 8;

/// Gathers the constants of all sums of `i32` that have some at their end and some further in.
pub(crate) fn gather(func: &mut Function) {
    let blocks: Vec<Block> = func.layout.blocks().collect();
    for block in blocks {
        let mut next = func.layout.first_inst(block);
        while let Some(inst) = next {
            next = func.layout.next_inst(inst);
            gather_in(func, inst);
        }
    }
}

/// Gathers the constants of the sum that an instruction ends, if it ends one with a constant.
fn gather_in(func: &mut Function, inst: Inst) {
    if func.dfg.insts[inst].opcode() != Opcode::Iadd {
        return;
    }
    let Some((rest, last)) = plus_constant(func, func.dfg.first_result(inst)) else { return };
    let Some((x, y)) = sum(func, rest) else { return };
    let ((x, first), (y, second)) = (without_constants(func, x), without_constants(func, y));
    let inner = first.wrapping_add(second);
    if inner == 0 {
        return;
    }
    let mut cursor = FuncCursor::new(func).at_inst(inst);
    cursor.set_srcloc(cursor.func.srcloc(inst));
    let sum = cursor.ins().iadd(x, y);
    let constant = cursor.ins().iconst(types::I32, i64::from(last.wrapping_add(inner)));
    cursor.func.dfg.insts[inst] =
        InstructionData::Binary { opcode: Opcode::Iadd, args: [sum, constant] };
}

/// The terms of a sum of two `i32`.
fn sum(func: &Function, value: Value) -> Option<(Value, Value)> {
    let ValueDef::Result(inst, _) = func.dfg.value_def(value) else { return None };
    match func.dfg.insts[inst] {
        InstructionData::Binary { opcode: Opcode::Iadd, args: [x, y] }
            if func.dfg.value_type(value) == types::I32 =>
        {
            Some((x, y))
        }
        _ => None,
    }
}

/// The term of a sum that is no constant, and the constant.
fn plus_constant(func: &Function, value: Value) -> Option<(Value, u32)> {
    let (x, y) = sum(func, value)?;
    let (term, constant) = match constant(func, y) {
        Some(y) => (x, y),
        None => (y, constant(func, x)?),
    };
    Some((term, constant as u32))
}

/// What is left of a value without the constants that are added to it last, and their sum.
fn without_constants(func: &Function, mut value: Value) -> (Value, u32) {
    let mut total = 0_u32;
    for _ in 0..MOST {
        let Some((term, constant)) = plus_constant(func, value) else { break };
        value = term;
        total = total.wrapping_add(constant);
    }
    (value, total)
}

/// What an integer is, when it is a constant; one of 32 bits with zeros above.
pub(crate) fn constant(func: &Function, value: Value) -> Option<u64> {
    let ValueDef::Result(inst, _) = func.dfg.value_def(value) else { return None };
    match func.dfg.insts[inst] {
        InstructionData::UnaryImm { opcode: Opcode::Iconst, imm } => Some(imm.bits() as u64),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use cranelift_codegen::{
        ir::{AbiParam, Function, InstBuilder, Signature, UserFuncName, types::I32},
        isa::{CallConv, TargetFrontendConfig},
        settings,
        verifier::verify_function,
    };
    use cranelift_frontend::{FuncInstBuilder, FunctionBuilder, FunctionBuilderContext};

    use super::{Value, gather};

    /// What is returned after gathering, for what `body` makes of two parameters.
    fn gathered(body: impl FnOnce(&mut FunctionBuilder<'_>, Value, Value) -> Value) -> String {
        let mut signature = Signature::new(CallConv::SystemV);
        signature.params.extend([AbiParam::new(I32); 2]);
        signature.returns.push(AbiParam::new(I32));
        let mut func = Function::with_name_signature(UserFuncName::default(), signature);
        let mut frontend = FunctionBuilderContext::new();
        let mut builder = FunctionBuilder::new(&mut func, &mut frontend);
        let entry = builder.create_block();
        builder.append_block_params_for_function_params(entry);
        builder.switch_to_block(entry);
        let &[x, y] = builder.block_params(entry) else { unreachable!() };
        let result = body(&mut builder, x, y);
        builder.ins().return_(&[result]);
        builder.seal_all_blocks();
        builder.finalize(TargetFrontendConfig {
            default_call_conv: CallConv::SystemV,
            pointer_width: target_lexicon::PointerWidth::U64,
            page_size_align_log2: 12,
        });
        gather(&mut func);
        verify_function(&func, &settings::Flags::new(settings::builder())).unwrap();
        let insts: Vec<_> = func.layout.block_insts(entry).collect();
        let shown = insts[insts.len().saturating_sub(4)..].iter();
        shown.map(|&inst| func.dfg.display_inst(inst).to_string() + "\n").collect()
    }

    fn plus(ins: FuncInstBuilder<'_, '_>, x: Value, constant: i64) -> Value {
        ins.iadd_imm_s(x, constant)
    }

    #[test]
    fn all_constants_become_one() {
        let text = gathered(|builder, x, y| {
            let frame = plus(builder.ins(), x, -64);
            let field = plus(builder.ins(), frame, 48);
            let place = builder.ins().iadd(field, y);
            plus(builder.ins(), place, -1)
        });
        let expected = "v9 = iadd.i32 v0, v1\nv10 = iconst.i32 -17\nv8 = iadd.i32 v9, v10  ; v10 = -17\nreturn v8\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn sums_with_one_constant_stay() {
        let text = gathered(|builder, x, y| {
            let place = builder.ins().iadd(x, y);
            plus(builder.ins(), place, 7)
        });
        assert_eq!(
            text,
            "v2 = iadd.i32 v0, v1\nv3 = iconst.i32 7\nv4 = iadd.i32 v2, v3  ; v3 = 7\nreturn v4\n"
        );
    }

    #[test]
    fn sums_wrap_around() {
        let text = gathered(|builder, x, y| {
            let far = plus(builder.ins(), x, i64::from(i32::MAX));
            let place = builder.ins().iadd(y, far);
            plus(builder.ins(), place, 2)
        });
        assert!(text.contains("iconst.i32 -2147483647"), "{text}");
    }
}
