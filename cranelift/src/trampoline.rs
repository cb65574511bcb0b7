//! Trampolines between native functions and calls with arguments and results in memory: one of each kind for a
//! signature. Only dynamic calls go through them. And adapters, one for each function that escapes and has tail calls:
//! its native entry.

use cranelift_codegen::ir::{
    ExtFuncData, ExternalName, Function, InstBuilder, MemFlagsData, StackSlotData, StackSlotKind,
    Type, UserExternalName, UserFuncName, Value,
};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use wrun_module::{
    FuncIndex, FuncType,
    layout::{host_func, value},
};

use crate::{
    abi::{Abi, Convention, POINTER, clif_type},
    env::ModuleEnv,
};

/// Accesses cannot trap. That values are aligned is not asked of the host.
const ACCESS: MemFlagsData = MemFlagsData::new().with_notrap();

/// The direction of a trampoline, in the order of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trampoline {
    /// Takes `(native_code, callee_vmctx, caller_vmctx, values)`, calls the native code with the arguments at
    /// `values`, and leaves the results there.
    ArrayToNative,
    /// Is a native function; calls the pointer at [`host_func::ARRAY_ENTRY`] of its callee's context with
    /// `(callee_vmctx, caller_vmctx, values)`, and takes the results from there.
    NativeToArray,
}

impl Trampoline {
    /// Both, in the order of an image.
    pub(crate) const ALL: [Trampoline; 2] = [Trampoline::ArrayToNative, Trampoline::NativeToArray];

    /// Writes the trampoline for functions of type `ty` into `func`.
    pub(crate) fn build(
        self,
        abi: &Abi,
        ty: &FuncType,
        frontend: &mut FunctionBuilderContext,
        func: &mut Function,
    ) {
        func.name = UserFuncName::testcase("trampoline");
        func.signature = match self {
            Trampoline::ArrayToNative => abi.array_signature(),
            Trampoline::NativeToArray => abi.native_signature(ty),
        };
        let mut builder = FunctionBuilder::new(func, frontend);
        let block = builder.create_block();
        builder.append_block_params_for_function_params(block);
        builder.switch_to_block(block);
        builder.seal_block(block);
        let params = builder.block_params(block).to_vec();
        match self {
            Trampoline::ArrayToNative => array_to_native(&mut builder, abi, ty, &params),
            Trampoline::NativeToArray => native_to_array(&mut builder, abi, ty, &params),
        }
        builder.finalize(abi.frontend_config());
    }
}

fn array_to_native(builder: &mut FunctionBuilder<'_>, abi: &Abi, ty: &FuncType, params: &[Value]) {
    let &[code, callee, caller, values] = params else { unreachable!("as its signature says") };
    let mut args = vec![callee, caller];
    for (slot, &param) in ty.params().iter().enumerate() {
        args.push(load(builder, clif_type(param), values, slot));
    }
    if ty.results().len() > 1 {
        // Result i + 1 goes to the out-pointer's place i, so that all results end where they belong.
        args.push(builder.ins().iadd_imm_s(values, i64::from(value::SIZE)));
    }
    let signature = builder.import_signature(abi.native_signature(ty));
    let call = builder.ins().call_indirect(signature, code, &args);
    if let Some(&result) = builder.inst_results(call).first() {
        store(builder, result, values, 0);
    }
    builder.ins().return_(&[]);
}

fn native_to_array(builder: &mut FunctionBuilder<'_>, abi: &Abi, ty: &FuncType, params: &[Value]) {
    let (callee, caller) = (params[0], params[1]);
    let slots = ty.params().len().max(ty.results().len()).max(1) as u32;
    let values = builder.create_sized_stack_slot(StackSlotData::new(
        StackSlotKind::ExplicitSlot,
        slots * value::SIZE,
        value::SIZE.ilog2() as u8,
    ));
    let values = builder.ins().stack_addr(POINTER, values, 0);
    for (slot, &param) in params[2..2 + ty.params().len()].iter().enumerate() {
        store(builder, param, values, slot);
    }
    let entry = host_func::ARRAY_ENTRY as i32;
    let code = builder.ins().load(POINTER, ACCESS, callee, entry);
    let signature = builder.import_signature(abi.array_entry_signature());
    builder.ins().call_indirect(signature, code, &[callee, caller, values]);
    for (slot, &result) in ty.results().iter().enumerate().skip(1) {
        let result = load(builder, clif_type(result), values, slot);
        let out = params[params.len() - 1];
        store(builder, result, out, slot - 1);
    }
    let first = ty.results().first().map(|&result| load(builder, clif_type(result), values, 0));
    builder.ins().return_(first.as_slice());
}

/// Writes the adapter of a defined function that has the internal convention: a native function that calls it.
pub(crate) fn build_adapter(
    env: &ModuleEnv<'_>,
    callee: FuncIndex,
    frontend: &mut FunctionBuilderContext,
    func: &mut Function,
) {
    let ty = env.module.func_type(callee);
    func.name = UserFuncName::testcase("adapter");
    func.signature = env.abi.native_signature(ty);
    let mut builder = FunctionBuilder::new(func, frontend);
    let block = builder.create_block();
    builder.append_block_params_for_function_params(block);
    builder.switch_to_block(block);
    builder.seal_block(block);
    let params = builder.block_params(block).to_vec();
    let signature = builder.import_signature(env.abi.internal_signature(ty));
    let name = UserExternalName::new(0, callee.0);
    let name = ExternalName::user(builder.func.declare_imported_user_function(name));
    let data = ExtFuncData { name, signature, colocated: true, patchable: false };
    let code = builder.import_function(data);
    // All but the caller's context; and the pointer for results, unless they come in registers.
    let mut args = vec![params[0]];
    let behind = if env.abi.has_out_pointer(ty, Convention::Internal) { 3 } else { 2 };
    args.extend_from_slice(&params[2..behind + ty.params().len()]);
    let call = builder.ins().call(code, &args);
    let results = builder.inst_results(call).to_vec();
    for (slot, &result) in results.iter().skip(1).enumerate() {
        store(&mut builder, result, params[params.len() - 1], slot);
    }
    builder.ins().return_(&results[..results.len().min(1)]);
    builder.finalize(env.abi.frontend_config());
}

fn offset(slot: usize) -> i32 {
    slot as i32 * value::SIZE as i32
}

fn load(builder: &mut FunctionBuilder<'_>, ty: Type, values: Value, slot: usize) -> Value {
    builder.ins().load(ty, ACCESS, values, offset(slot))
}

fn store(builder: &mut FunctionBuilder<'_>, x: Value, values: Value, slot: usize) {
    builder.ins().store(ACCESS, x, values, offset(slot));
}
