//! Tail calls: calls in place of a return, in constant stack.
//!
//! A function with a tail call has the internal convention, in which a frame can be given up for the callee's. A callee
//! with the internal convention is jumped to. One with the native convention has no tail calls of its own, so a chain
//! of tail calls ends there: it is called and its results returned, for which one frame more is enough, however long the
//! chain was. Which of the two a reference is to, it says itself: its tail entry is null for native functions.
//!
//! A callee's results are the function's, in number and kinds. So both return them in registers, or both through a pointer,
//! which is handed on.

use cranelift_codegen::ir::{InstBuilder, Value};
use wrun_module::{
    FuncIndex, TableIndex, TrapCode, TypeIndex,
    layout::{func_ref, imported_func},
};

use super::{call::Callee, function::FuncTranslator};
use crate::abi::{Convention, POINTER};

/// The entries of a function that is not known before the program runs, and its context.
struct Entries {
    native: Value,
    tail: Value,
    context: Value,
}

impl FuncTranslator<'_, '_> {
    pub(super) fn visit_return_call(&mut self, function: u32) {
        let func = FuncIndex(function);
        let info = &self.env.module.info;
        if info.is_imported_func(func) {
            let reference = self.env.layout.imported_func(func) + imported_func::FUNC_REF;
            let reference = self.context_pointer(reference);
            let tail = self.invariant(reference, func_ref::TAIL, POINTER);
            let (native, context) = self.imported_func(func);
            let ty = self.env.module.func_types[func.index()];
            return self.tail_call(ty, &Entries { native, tail, context });
        }
        let ty = self.env.module.func_type(func);
        let callee = self.callee(func);
        match self.env.abi.convention(info, func) {
            Convention::Native => {
                self.leave_tries(|this| this.call_native(Callee::Direct(callee), this.vmctx(), ty));
                self.return_from_stack();
            }
            Convention::Internal => {
                let mut args = vec![self.vmctx()];
                self.pop_all(ty.params(), &mut args);
                args.extend(self.out_pointer);
                self.ins().return_call(callee, &args);
            }
        }
        self.reachable = false;
    }

    pub(super) fn visit_return_call_indirect(&mut self, ty: u32, table: u32) {
        let ty = TypeIndex(ty);
        let (reference, null) = self.checked_element(ty, TableIndex(table));
        self.tail_call_reference(ty, reference, null);
    }

    pub(super) fn visit_return_call_ref(&mut self, ty: u32) {
        let reference = self.pop();
        self.tail_call_reference(TypeIndex(ty), reference, Some(TrapCode::NullFunctionReference));
    }

    /// Tail-calls a reference to a function of type `ty`, which traps as `null` says when it is null.
    fn tail_call_reference(&mut self, ty: TypeIndex, reference: Value, null: Option<TrapCode>) {
        let flags = self.reference_flags(null);
        let tail = self.ins().load(POINTER, flags, reference, func_ref::TAIL as i32);
        let flags = self.reference_flags(None);
        let context = self.ins().load(POINTER, flags, reference, func_ref::CONTEXT as i32);
        let native = self.ins().load(POINTER, flags, reference, func_ref::NATIVE as i32);
        self.tail_call(ty, &Entries { native, tail, context });
    }

    /// Pops the arguments and gives control to a function of type `ty` for good.
    fn tail_call(&mut self, ty: TypeIndex, callee: &Entries) {
        let func_type = self.env.module.info.func_type(ty);
        let mut args = vec![callee.context];
        self.pop_all(func_type.params(), &mut args);
        let (tail, native) = (self.builder.create_block(), self.builder.create_block());
        self.ins().brif(callee.tail, tail, &[], native, &[]);
        self.builder.seal_block(tail);
        self.builder.seal_block(native);

        self.builder.switch_to_block(tail);
        let signature = self.signature(ty, Convention::Internal);
        let tail_args = [&args[..], self.out_pointer.as_slice()].concat();
        self.ins().return_call_indirect(signature, callee.tail, &tail_args);

        self.builder.switch_to_block(native);
        self.push_all(&args[1..]);
        let signature = self.signature(ty, Convention::Native);
        let native = Callee::Indirect(signature, callee.native);
        self.leave_tries(|this| this.call_native(native, callee.context, func_type));
        self.return_from_stack();
        self.reachable = false;
    }

    /// Makes a call that stands for a tail call: the blocks around it have been left by then, and their handlers are not asked.
    fn leave_tries(&mut self, call: impl FnOnce(&mut Self)) {
        let open_tries = std::mem::take(&mut self.open_tries);
        call(self);
        self.open_tries = open_tries;
    }
}
