//! Calls and returns, in all conventions.
//!
//! What a convention looks like is said in `abi`; here arguments are put where it wants them, and results fetched.

use cranelift_codegen::ir::{
    ExtFuncData, ExternalName, FuncRef, InstBuilder, MemFlagsData, SigRef, StackSlotData,
    StackSlotKind, UserExternalName, Value, types,
};
use wrun_module::{
    ConcreteType, FuncIndex, FuncType, HeapType, Libcall, TableIndex, TrapCode, TypeIndex,
    layout::{func_ref, value},
};

use super::function::FuncTranslator;
use crate::{
    abi::{Convention, POINTER, clif_type},
    traps::clif_trap,
};

/// What is called.
#[derive(Clone, Copy)]
pub(super) enum Callee {
    /// A function of this module.
    Direct(FuncRef),
    /// Code at an address.
    Indirect(SigRef, Value),
}

impl<'m> FuncTranslator<'_, 'm> {
    pub(super) fn visit_call(&mut self, function: u32) {
        let func = FuncIndex(function);
        let ty = self.env.module.func_type(func);
        if self.env.module.info.is_imported_func(func) {
            let signature =
                self.signature(self.env.module.func_types[func.index()], Convention::Native);
            let (code, context) = self.imported_func(func);
            self.call_native(Callee::Indirect(signature, code), context, ty);
            return;
        }
        let callee = Callee::Direct(self.callee(func));
        match self.env.abi.convention(&self.env.module.info, func) {
            Convention::Native => self.call_native(callee, self.vmctx(), ty),
            Convention::Internal => self.call_internal(callee, ty),
        }
    }

    pub(super) fn visit_call_indirect(&mut self, ty: u32, table: u32) {
        let ty = TypeIndex(ty);
        let (reference, null) = self.checked_element(ty, TableIndex(table));
        self.call_reference(ty, reference, null);
    }

    /// The type of the reference says what is called, so that only null has to be ruled out.
    pub(super) fn visit_call_ref(&mut self, ty: u32) {
        let reference = self.pop();
        self.call_reference(TypeIndex(ty), reference, Some(TrapCode::NullFunctionReference));
    }

    /// Pops an index and loads the element of a table there, a function of type `ty`. When it may be null still, what its
    /// first use then has to trap as is given too.
    pub(super) fn checked_element(
        &mut self,
        ty: TypeIndex,
        table: TableIndex,
    ) -> (Value, Option<TrapCode>) {
        let index = self.pop();
        let (flags, element) = self.table_element(table, index, TrapCode::UndefinedElement);
        let reference = self.ins().load(POINTER, flags, element, 0);
        let info = &self.env.module.info;
        if let HeapType::ConcreteFunc(ConcreteType::Declared(element)) =
            info.tables[table.index()].ty.element.heap
            && info.ancestry(element).any(|ancestor| ancestor == ty)
        {
            // Whatever is in the table has the type, or is null.
            return (reference, Some(TrapCode::UninitializedElement));
        }
        // A null reference is address 0, which is never mapped: looking at its type traps.
        let checked = self.reference_flags(Some(TrapCode::UninitializedElement));
        let found = self.ins().load(types::I32, checked, reference, func_ref::TYPE_ID as i32);
        let matches = self.is_subtype(found, ty);
        self.ins().trapz(matches, clif_trap(TrapCode::IndirectCallTypeMismatch));
        (reference, None)
    }

    /// Flags of a load of what a reference points to, which never changes. When the reference may be null, the load traps
    /// as `null` says: all offsets are within the first page, which is never mapped. Not marked as movable: the load must
    /// not come before the check that there is what is loaded.
    pub(super) fn reference_flags(&self, null: Option<TrapCode>) -> MemFlagsData {
        let flags = MemFlagsData::trusted().with_readonly();
        match null {
            Some(trap) => flags.with_trap_code(Some(clif_trap(trap))),
            None => flags,
        }
    }

    /// Calls a reference to a function of type `ty`, which traps as `null` says when it is null.
    fn call_reference(&mut self, ty: TypeIndex, reference: Value, null: Option<TrapCode>) {
        let flags = self.reference_flags(null);
        let code = self.ins().load(POINTER, flags, reference, func_ref::NATIVE as i32);
        let flags = self.reference_flags(None);
        let context = self.ins().load(POINTER, flags, reference, func_ref::CONTEXT as i32);
        let callee = Callee::Indirect(self.signature(ty, Convention::Native), code);
        self.call_native(callee, context, self.env.module.info.func_type(ty));
    }

    pub(super) fn visit_return(&mut self) {
        self.return_from_stack();
        self.reachable = false;
    }

    /// Returns the topmost values, by the function's convention.
    pub(super) fn return_from_stack(&mut self) {
        let mut results = Vec::with_capacity(self.ty.results().len());
        self.pop_all(self.ty.results(), &mut results);
        self.return_values(&results);
    }

    /// Returns these values, by the function's convention.
    pub(super) fn return_values(&mut self, results: &[Value]) {
        let Some(out_pointer) = self.out_pointer else {
            self.ins().return_(results);
            return;
        };
        let (first, others) = results.split_at(1);
        for (&result, offset) in others.iter().zip((0..).step_by(value::SIZE as usize)) {
            self.ins().store(MemFlagsData::new().with_notrap(), result, out_pointer, offset);
        }
        self.ins().return_(first);
    }

    /// Calls the runtime; the arguments are those behind the context.
    pub(super) fn call_libcall(&mut self, libcall: Libcall, args: &[Value]) -> Vec<Value> {
        let signature = match self.libcall_signatures.get(&libcall) {
            Some(&signature) => signature,
            None => {
                let signature = self.env.abi.libcall_signature(libcall);
                let signature = self.builder.import_signature(signature);
                self.libcall_signatures.insert(libcall, signature);
                signature
            }
        };
        let code = self.libcall_code(libcall);
        let mut all_args = vec![self.vmctx()];
        all_args.extend_from_slice(args);
        let call = self.ins().call_indirect(signature, code, &all_args);
        self.builder.inst_results(call).to_vec()
    }

    /// Pops the arguments, calls, and pushes the results; native convention.
    pub(super) fn call_native(&mut self, callee: Callee, callee_context: Value, ty: &'m FuncType) {
        let contexts = [callee_context, self.vmctx()];
        self.call_by(Convention::Native, callee, &contexts, ty);
    }

    /// Pops the arguments, calls, and pushes the results; internal convention.
    fn call_internal(&mut self, callee: Callee, ty: &'m FuncType) {
        let context = [self.vmctx()];
        self.call_by(Convention::Internal, callee, &context, ty);
    }

    /// Pops the arguments behind the contexts, calls, and pushes the results.
    fn call_by(
        &mut self,
        convention: Convention,
        callee: Callee,
        contexts: &[Value],
        ty: &'m FuncType,
    ) {
        let mut args = Vec::with_capacity(ty.params().len() + 3);
        args.extend_from_slice(contexts);
        self.pop_all(ty.params(), &mut args);
        if !self.env.abi.has_out_pointer(ty, convention) {
            self.call_with(callee, &args, ty.results());
            return;
        }
        let out_pointer = self.results_pointer(ty.results().len() - 1);
        args.push(out_pointer);
        self.call_with(callee, &args, &ty.results()[..1]);
        for (&ty, offset) in ty.results()[1..].iter().zip((0..).step_by(value::SIZE as usize)) {
            let flags = MemFlagsData::new().with_notrap();
            let result = self.ins().load(clif_type(ty), flags, out_pointer, offset);
            self.push_typed(result, ty);
        }
    }

    /// The address of room for `count` results, until the next call.
    fn results_pointer(&mut self, count: usize) -> Value {
        let size = count as u32 * value::SIZE;
        let slot = *self.results_slot.get_or_insert_with(|| {
            let align_shift = value::SIZE.trailing_zeros() as u8;
            let data = StackSlotData::new(StackSlotKind::ExplicitSlot, size, align_shift);
            self.builder.create_sized_stack_slot(data)
        });
        let data = &mut self.builder.func.sized_stack_slots[slot];
        data.size = data.size.max(size);
        self.ins().stack_addr(POINTER, slot, 0)
    }

    /// A defined function as the target of direct calls; the linker resolves it.
    pub(super) fn callee(&mut self, func: FuncIndex) -> FuncRef {
        if let Some(&callee) = self.callees.get(&func) {
            return callee;
        }
        let convention = self.env.abi.convention(&self.env.module.info, func);
        let ty = self.env.module.func_types[func.index()];
        let signature = self.signature(ty, convention);
        let name = UserExternalName::new(0, func.0);
        let name = ExternalName::user(self.builder.func.declare_imported_user_function(name));
        let data = ExtFuncData { name, signature, colocated: true, patchable: false };
        let callee = self.builder.import_function(data);
        self.callees.insert(func, callee);
        callee
    }

    /// The signature of functions of a type with a convention; one for all calls.
    pub(super) fn signature(&mut self, ty: TypeIndex, convention: Convention) -> SigRef {
        let (builder, env) = (&mut self.builder, self.env);
        *self.signatures.entry((ty, convention)).or_insert_with(|| {
            let ty = env.module.info.func_type(ty);
            builder.import_signature(env.abi.signature_of(ty, convention))
        })
    }
}
