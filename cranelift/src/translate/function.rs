//! [`FuncTranslator`]: the state of one function's translation, and its operand stack.
//!
//! The operand stack holds CLIF values of the type of their WebAssembly type ([`clif_type`](crate::abi::clif_type)), with two exceptions
//! that save instructions, and that only the methods here look at:
//!
//! - an `i32` that is the outcome of a test may still be an `i8` ([`FuncTranslator::push_bool`]). It is extended
//!   when it is popped as a number, and never is when it is popped as a condition;
//! - a `v128` may have any 128-bit vector type, and is bitcast by whoever needs another one.
//!
//! A value that leaves the stack for a local, a block, a call or memory is [settled](FuncTranslator::settle) first.
//!
//! References to objects are pushed with their type, so that the collector knows of them: see `traced`.

use std::collections::HashMap;

use cranelift_codegen::{
    ir::{
        self, BlockArg, Endianness, FuncRef, InstBuilder, MemFlagsData, SigRef, StackSlot, Value,
        types,
    },
    isa::TargetFrontendConfig,
};
use cranelift_frontend::{FuncInstBuilder, FunctionBuilder, FunctionBuilderContext};
use target_lexicon::PointerWidth;
use wrun_module::{FuncIndex, FuncType, Libcall, TypeIndex, ValType};

use super::{
    Form,
    address::Addresses,
    context::{Context, slot_region},
    frame::Frame,
    local::Locals,
    tiering::Tiering,
    traced::Traced,
};
use crate::{abi::Convention, constants, env::ModuleEnv};

/// Translates one function. `'f` is the CLIF function, `'m` the module.
pub(super) struct FuncTranslator<'f, 'm> {
    /// Appends instructions.
    pub(super) builder: FunctionBuilder<'f>,
    /// The module.
    pub(super) env: &'m ModuleEnv<'m>,
    /// The type of the function.
    pub(super) ty: &'m FuncType,
    /// Where results behind the first go, in a native function with several.
    pub(super) out_pointer: Option<Value>,
    /// The caller's context, in a native function.
    pub(super) caller_vmctx: Option<Value>,
    /// The instance's context, and what has been loaded from it once and for all.
    pub(super) context: Context,
    /// Where indices of memory lie.
    pub(super) addresses: Addresses,
    /// The control stack; the function's own frame is at the bottom.
    pub(super) frames: Vec<Frame<'m>>,
    /// Whether the next instruction can be reached.
    pub(super) reachable: bool,
    /// How many blocks have begun since code became unreachable.
    pub(super) skipped_frames: u32,
    /// Functions that have been called directly.
    pub(super) callees: HashMap<FuncIndex, FuncRef>,
    /// Signatures that have been called indirectly.
    pub(super) signatures: HashMap<(TypeIndex, Convention), SigRef>,
    /// Signatures of libcalls that have been called.
    pub(super) libcall_signatures: HashMap<Libcall, SigRef>,
    /// Room for results behind the first of native callees; shared by all calls, as large as the largest needs.
    pub(super) results_slot: Option<StackSlot>,
    /// How many blocks are open whose exceptions are caught.
    pub(super) open_tries: u32,
    /// The signatures with which calls are made that have handlers, by those of calls without.
    pub(super) catching_signatures: HashMap<SigRef, SigRef>,
    /// Functions that have been called directly with handlers, by those without.
    pub(super) catching_funcs: HashMap<FuncRef, FuncRef>,
    /// Which values the collector has to know of.
    pub(super) traced: Traced,
    /// How the locals are held.
    pub(super) locals: Locals,
    /// What the code does for there being several forms of it.
    pub(super) tiering: Tiering,
    /// The function's branch hints that are not behind it yet.
    hints: &'m [(FuncIndex, u32, bool)],
    /// Offset of the instruction in the body.
    pub(super) position_in_body: u32,
    /// The operand stack.
    stack: Vec<Value>,
    /// Arguments of a branch while it is built; here to keep its allocation.
    block_args: Vec<BlockArg>,
    /// What cannot be translated.
    refused: Option<&'static str>,
}

impl<'f, 'm> FuncTranslator<'f, 'm> {
    /// A translator at the beginning of the function: the outermost frame is open, no local is declared.
    pub(super) fn new(
        env: &'m ModuleEnv<'m>,
        index: FuncIndex,
        form: Form,
        frontend: &'f mut FunctionBuilderContext,
        func: &'f mut ir::Function,
    ) -> Self {
        let mut builder = FunctionBuilder::new(func, frontend);
        builder.make_stack_map_alias_region(Box::new(slot_region));
        let entry = builder.create_block();
        builder.append_block_params_for_function_params(entry);
        builder.switch_to_block(entry);
        builder.seal_block(entry);
        builder.ensure_inserted_block();

        let ty = env.module.func_type(index);
        let first_param = match env.abi.convention(&env.module.info, index) {
            Convention::Native => 2,
            Convention::Internal => 1,
        };
        let params = builder.block_params(entry);
        let context = Context::new(entry, params[0], env.module.info.memories.len());
        let caller_vmctx = params[..first_param].get(1).copied();
        let params: Vec<Value> = params[first_param..].to_vec();
        let num_params = match form {
            Form::Whole(_) => ty.params().len(),
            Form::FromLoop(_) => 1,
        };
        let out_pointer = params.get(num_params).copied();
        let position = index.index() - env.module.info.num_imported_funcs as usize;
        let tiering =
            Tiering::new(form, position, &mut builder, &params, &env.module.bodies[position]);
        Self {
            builder,
            env,
            ty,
            out_pointer,
            caller_vmctx,
            context,
            addresses: Addresses::default(),
            frames: vec![Frame::function(ty.results())],
            reachable: true,
            skipped_frames: 0,
            callees: HashMap::new(),
            signatures: HashMap::new(),
            libcall_signatures: HashMap::new(),
            results_slot: None,
            open_tries: 0,
            catching_signatures: HashMap::new(),
            catching_funcs: HashMap::new(),
            traced: Traced::new(matches!(form, Form::FromLoop(_))),
            locals: Locals::new(params),
            tiering,
            hints: env.module.branch_hints(index),
            position_in_body: 0,
            stack: Vec::new(),
            block_args: Vec::new(),
            refused: None,
        }
    }

    /// Ends the translation.
    pub(super) fn finish(self) {
        debug_assert!(self.frames.is_empty(), "every frame was closed");
        let config = TargetFrontendConfig {
            default_call_conv: self.builder.func.signature.call_conv,
            pointer_width: PointerWidth::U64,
            page_size_align_log2: 12,
        };
        self.builder.finalize(config);
    }

    /// Whether the condition of the instruction is expected to hold, when the module says so (custom section
    /// `metadata.code.branch_hint`).
    pub(super) fn hint(&mut self) -> Option<bool> {
        let passed = self.hints.partition_point(|hint| hint.1 < self.position_in_body);
        self.hints = &self.hints[passed..];
        let &(_, position, taken) = self.hints.first()?;
        (position == self.position_in_body).then_some(taken)
    }

    /// Records that something cannot be translated; the driver stops there.
    #[cold]
    pub(super) fn refuse(&mut self, what: &'static str) {
        self.refused.get_or_insert(what);
    }

    /// What could not be translated.
    pub(super) fn refused(&self) -> Option<&'static str> {
        self.refused
    }

    /// Appends an instruction.
    pub(super) fn ins(&mut self) -> FuncInstBuilder<'_, 'f> {
        self.builder.ins()
    }

    /// The CLIF type of a value.
    pub(super) fn type_of(&self, value: Value) -> ir::Type {
        self.builder.func.dfg.value_type(value)
    }

    /// What an integer is, when it is a constant; one of 32 bits with zeros above.
    pub(super) fn constant(&self, value: Value) -> Option<u64> {
        constants::constant(self.builder.func, value)
    }

    /// Number of values on the stack.
    pub(super) fn height(&self) -> usize {
        self.stack.len()
    }

    /// Drops values until `height` are left.
    pub(super) fn truncate(&mut self, height: usize) {
        self.stack.truncate(height);
    }

    /// Pushes a value, of the type its WebAssembly type has or, for `v128`, of any vector type. No reference to an object:
    /// those are pushed with their types.
    pub(super) fn push(&mut self, value: Value) {
        self.stack.push(value);
    }

    /// Pushes an `i32` that is 0 or 1, given as the `i8` that CLIF's tests yield.
    pub(super) fn push_bool(&mut self, value: Value) {
        debug_assert_eq!(self.type_of(value), types::I8);
        self.stack.push(value);
    }

    /// Pushes values in order; references to objects among them were on the stack before.
    pub(super) fn push_all(&mut self, values: &[Value]) {
        self.stack.extend_from_slice(values);
    }

    /// Pushes the results of a call, which are of these types.
    pub(super) fn push_inst_results(&mut self, inst: ir::Inst, types: &[ValType]) {
        for (index, &ty) in types.iter().enumerate() {
            let result = self.builder.func.dfg.inst_results(inst)[index];
            self.push_typed(result, ty);
        }
    }

    /// Pushes the parameters of a block that was made with their types.
    pub(super) fn push_block_params(&mut self, block: ir::Block) {
        self.stack.extend_from_slice(self.builder.func.dfg.block_params(block));
    }

    /// The value at a position of the stack, counted from the bottom, in the form in which it may leave it.
    pub(super) fn settled_operand(&mut self, position: usize) -> Value {
        self.settle(self.stack[position])
    }

    /// Replaces the value at a position of the stack by an equal one.
    pub(super) fn replace_operand(&mut self, position: usize, value: Value) {
        self.stack[position] = value;
    }

    /// Pops a value as it is: possibly an `i8` for an `i32`, any vector type for a `v128`.
    pub(super) fn pop_raw(&mut self) -> Value {
        self.stack.pop().expect("validated code does not pop from an empty stack")
    }

    /// Pops a value of the type its WebAssembly type has; vectors come as `i8x16`.
    pub(super) fn pop(&mut self) -> Value {
        let value = self.pop_raw();
        self.settle(value)
    }

    /// Pops the operands of a binary instruction, in their order.
    pub(super) fn pop2(&mut self) -> (Value, Value) {
        let y = self.pop();
        let x = self.pop();
        (x, y)
    }

    /// Pops a vector as `ty`.
    pub(super) fn pop_as(&mut self, ty: ir::Type) -> Value {
        let value = self.pop_raw();
        self.cast_vector(value, ty)
    }

    /// Pops the operands of a binary vector instruction, in their order, as `ty`.
    pub(super) fn pop2_as(&mut self, ty: ir::Type) -> (Value, Value) {
        let y = self.pop_as(ty);
        let x = self.pop_as(ty);
        (x, y)
    }

    /// Pops an `i32` that is only compared with zero; its CLIF type may be `i8`.
    pub(super) fn pop_condition(&mut self) -> Value {
        self.pop_raw()
    }

    /// The topmost value, settled.
    pub(super) fn peek(&mut self) -> Value {
        let value = self.pop();
        self.push(value);
        value
    }

    /// Settles the topmost `count` values and gives their place in the stack.
    fn settle_top(&mut self, count: usize) -> std::ops::Range<usize> {
        let range = self.stack.len() - count..self.stack.len();
        for slot in range.clone() {
            self.stack[slot] = self.settle(self.stack[slot]);
        }
        range
    }

    /// The topmost `count` values, settled; they stay where they are.
    pub(super) fn peek_all(&mut self, count: usize) -> &[Value] {
        let range = self.settle_top(count);
        &self.stack[range]
    }

    /// Pops as many values as there are types, settled, onto the end of `values`.
    pub(super) fn pop_all(&mut self, types: &[ValType], values: &mut Vec<Value>) {
        let range = self.settle_top(types.len());
        self.check_traced(&self.stack[range.clone()], types);
        values.extend(self.stack.drain(range));
    }

    /// Calls `build` with as many of the topmost values as there are types as arguments of a branch; they stay where they are.
    pub(super) fn with_block_args<R>(
        &mut self,
        types: &[ValType],
        build: impl FnOnce(&mut FunctionBuilder<'f>, &[BlockArg]) -> R,
    ) -> R {
        let range = self.settle_top(types.len());
        self.check_traced(&self.stack[range.clone()], types);
        self.block_args.clear();
        self.block_args.extend(self.stack[range].iter().map(|&value| BlockArg::Value(value)));
        build(&mut self.builder, &self.block_args)
    }

    /// The value in the form in which it may leave the stack: tests as `i32`, vectors as `i8x16`.
    pub(super) fn settle(&mut self, value: Value) -> Value {
        match self.type_of(value) {
            types::I8 => self.ins().uextend(types::I32, value),
            ty if ty.is_vector() => self.cast_vector(value, types::I8X16),
            _ => value,
        }
    }

    /// A vector as another vector type; lanes are numbered from the least significant byte.
    pub(super) fn cast_vector(&mut self, value: Value, ty: ir::Type) -> Value {
        if self.type_of(value) == ty {
            return value;
        }
        let flags = MemFlagsData::new().with_endianness(Endianness::Little);
        self.ins().bitcast(ty, flags, value)
    }

    /// Replaces the topmost value by what `op` makes of it.
    pub(super) fn unary(&mut self, op: impl FnOnce(FuncInstBuilder<'_, 'f>, Value) -> Value) {
        let x = self.pop();
        let result = op(self.ins(), x);
        self.push(result);
    }

    /// Replaces the topmost two values by what `op` makes of them.
    pub(super) fn binary(
        &mut self,
        op: impl FnOnce(FuncInstBuilder<'_, 'f>, Value, Value) -> Value,
    ) {
        let (x, y) = self.pop2();
        let result = op(self.ins(), x, y);
        self.push(result);
    }
}
