//! Exceptions: throwing them, calls that they may come out of, and what a handler begins with.
//!
//! - [`clauses`]: what the control stack keeps of them;
//! - [`try_table`]: the instruction;
//! - [`legacy`]: `try` and what belongs to it, as they were before the standard.
//!
//! # How an exception gets to its handler
//! A call inside a `try_table` is a `try_call`: it ends its block, and goes on in another one when it returns. Besides, it
//! has a list of handlers: those of all clauses around it, innermost first, up to one that takes everything. The list is
//! no code but an entry of a table in the image, found by the call's return address when something is thrown, so that a
//! call inside costs what one outside does; calls outside are what they would be without exceptions.
//!
//! The runtime makes the handler's frame the innermost one again, by frame and stack pointer, and jumps to the handler. No
//! other register has a meaning there: Cranelift treats them all as lost (`Abi::catching`), and keeps what the handler uses
//! in the frame, references to objects where the collector finds them. The exception is in the store's context, and
//! reading it there is the first thing a handler does: nothing can collect before that.
//!
//! Which tag a clause is for can be said only of an instance. So the table says the index in the module, and where in the
//! frame the instance's context is, which says the rest.

pub(super) mod clauses;
mod legacy;
mod try_table;

use cranelift_codegen::ir::{
    BlockArg, ExceptionTableData, ExceptionTableItem, ExceptionTag, ExtFuncData, FuncRef,
    InstBuilder, MemFlagsData, SigRef, Value, types,
};
use wrun_module::{
    HeapType, Libcall, RefType, TagIndex, TrapCode, ValType,
    gc::{self, StructLayout},
    layout::{context, store_context},
};

use super::{
    call::Callee,
    context::Region,
    frame::FrameKind,
    function::FuncTranslator,
    gc::object::{Extension, NewObject},
};
use crate::traps::clif_trap;

/// The type of an exception that is there.
const EXCEPTION: ValType = ValType::Ref(RefType { nullable: false, heap: HeapType::Exn });

impl<'m> FuncTranslator<'_, 'm> {
    pub(super) fn visit_throw(&mut self, tag: u32) {
        let tag = TagIndex(tag);
        let ty = self.env.module.info.tag_type(tag);
        let layout = StructLayout::of_exception(ty);
        let mut values = Vec::with_capacity(ty.params().len());
        self.pop_all(ty.params(), &mut values);
        let number = self.tag_number(tag);
        let type_id = self.ins().iconst(types::I32, i64::from(gc::EXCEPTION_TYPE));
        let size = self.ins().iconst(types::I64, i64::from(layout.size));
        let NewObject { reference, address } = self.allocate(type_id, size);
        self.trace(reference, EXCEPTION);
        let flags = self.trusted(Region::Fixed);
        self.ins().store(flags, number, address, gc::exception::TAG as i32);
        for (&value, place) in values.iter().zip(&layout.fields) {
            self.write_storage(flags, value, address, place.offset, place.storage);
        }
        self.throw_exception(reference, self.frames.len());
    }

    pub(super) fn visit_throw_ref(&mut self) {
        let exception = self.pop();
        self.ins().trapz(exception, clif_trap(TrapCode::NullExceptionReference));
        self.throw_exception(exception, self.frames.len());
    }

    /// Throws an exception that is there, as if the innermost of the first `depth` blocks were the one around.
    fn throw_exception(&mut self, exception: Value, depth: usize) {
        let signature = self.env.abi.libcall_signature(Libcall::throw_ref);
        let signature = self.builder.import_signature(signature);
        let code = self.libcall_code(Libcall::throw_ref);
        let args = [self.vmctx(), exception];
        self.call_within(depth, Callee::Indirect(signature, code), &args, &[]);
        // It does not come back. What is here keeps its return address inside of the function.
        self.ins().trap(clif_trap(TrapCode::Unreachable));
        self.reachable = false;
    }

    /// Calls, and pushes the results that are returned in registers, which are of these types.
    pub(super) fn call_with(&mut self, callee: Callee, args: &[Value], results: &'m [ValType]) {
        self.call_within(self.frames.len(), callee, args, results);
    }

    /// As [`call_with`](Self::call_with), with the handlers of the first `depth` blocks only.
    fn call_within(
        &mut self,
        depth: usize,
        callee: Callee,
        args: &[Value],
        results: &'m [ValType],
    ) {
        let handlers = if self.open_tries == 0 { Vec::new() } else { self.handlers(depth) };
        if !handlers.is_empty() {
            return self.try_call(callee, args, results, handlers);
        }
        let call = match callee {
            Callee::Direct(func) => self.ins().call(func, args),
            Callee::Indirect(signature, code) => self.ins().call_indirect(signature, code, args),
        };
        self.push_inst_results(call, results);
    }

    /// Calls a function whose exceptions have handlers.
    fn try_call(
        &mut self,
        callee: Callee,
        args: &[Value],
        results: &'m [ValType],
        handlers: Vec<ExceptionTableItem>,
    ) {
        let next = self.create_block(results);
        let returned = (0..results.len() as u32).map(BlockArg::TryCallRet);
        let next_call = self.builder.func.dfg.block_call(next, &returned.collect::<Vec<_>>());
        let table = |signature| ExceptionTableData::new(signature, next_call, handlers);
        match callee {
            Callee::Direct(func) => {
                let func = self.catching_func(func);
                let dfg = &mut self.builder.func.dfg;
                let table = dfg.exception_tables.push(table(dfg.ext_funcs[func].signature));
                self.ins().try_call(func, args, table);
            }
            Callee::Indirect(signature, code) => {
                let signature = self.catching_signature(signature);
                let table = self.builder.func.dfg.exception_tables.push(table(signature));
                self.ins().try_call_indirect(code, args, table);
            }
        }
        self.builder.seal_block(next);
        self.builder.switch_to_block(next);
        self.push_block_params(next);
    }

    /// The handlers of the first `depth` blocks, innermost first. What stands behind one for everything is left out.
    fn handlers(&mut self, depth: usize) -> Vec<ExceptionTableItem> {
        let vmctx = self.vmctx();
        let builder = &mut self.builder;
        let mut cold_block = || {
            let block = builder.create_block();
            builder.set_cold_block(block);
            block
        };
        let mut blocks = Vec::new();
        'frames: for frame in self.frames[..depth].iter_mut().rev() {
            match &mut frame.kind {
                FrameKind::TryTable(clauses) => {
                    for clause in clauses {
                        let block = *clause.handler.get_or_insert_with(&mut cold_block);
                        blocks.push((clause.tag, block));
                        if clause.tag.is_none() {
                            break 'frames;
                        }
                    }
                }
                FrameKind::Try { landing } => {
                    blocks.push((None, *landing.get_or_insert_with(&mut cold_block)));
                    break;
                }
                _ => {}
            }
        }
        let mut items = Vec::with_capacity(blocks.len() + 1);
        if blocks.iter().any(|handler| handler.0.is_some()) {
            items.push(ExceptionTableItem::Context(vmctx));
        }
        items.extend(blocks.into_iter().map(|(tag, block)| {
            let block = self.builder.func.dfg.block_call(block, &[]);
            match tag {
                Some(tag) => ExceptionTableItem::Tag(ExceptionTag::from_u32(tag.0), block),
                None => ExceptionTableItem::Default(block),
            }
        }));
        items
    }

    /// The signature with which a call is made that has handlers.
    fn catching_signature(&mut self, signature: SigRef) -> SigRef {
        let (builder, env) = (&mut self.builder, self.env);
        *self.catching_signatures.entry(signature).or_insert_with(|| {
            match env.abi.catching(&builder.func.dfg.signatures[signature]) {
                Some(catching) => builder.import_signature(catching),
                None => signature,
            }
        })
    }

    /// A function of this module for calls that have handlers.
    fn catching_func(&mut self, func: FuncRef) -> FuncRef {
        if let Some(&catching) = self.catching_funcs.get(&func) {
            return catching;
        }
        let data = self.builder.func.dfg.ext_funcs[func].clone();
        let signature = self.catching_signature(data.signature);
        let catching = match signature == data.signature {
            true => func,
            false => self.builder.import_function(ExtFuncData { signature, ..data }),
        };
        self.catching_funcs.insert(func, catching);
        catching
    }

    // What is in an exception

    /// The exception that a handler is for: first of all there.
    fn caught_exception(&mut self) -> Value {
        let store = self.context_pointer(context::STORE);
        let flags = MemFlagsData::trusted();
        let exception = self.ins().load(types::I32, flags, store, store_context::EXCEPTION as i32);
        self.trace(exception, EXCEPTION);
        exception
    }

    /// Pushes the values of an exception that has a tag.
    fn push_exception_values(&mut self, exception: Value, tag: TagIndex) {
        let ty = self.env.module.info.tag_type(tag);
        if ty.params().is_empty() {
            return;
        }
        let address = self.object_address(exception);
        let flags = self.trusted(Region::Fixed);
        let places = StructLayout::of_exception(ty).fields;
        for (place, &ty) in places.iter().zip(ty.params()) {
            let (offset, storage) = (place.offset, place.storage);
            // None is packed.
            let value = self.read_storage(flags, address, offset, storage, Extension::Unsigned);
            self.push_typed(value, ty);
        }
    }

    /// The number that a tag has in the store.
    fn tag_number(&mut self, tag: TagIndex) -> Value {
        self.invariant(self.vmctx(), self.env.layout.tag(tag), types::I32)
    }
}
