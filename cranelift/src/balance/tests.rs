//! Loops by hand, and what becomes of the sums in them.

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
