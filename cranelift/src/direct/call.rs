//! Calls. Where arguments are is said by [`Places`]; here they get there.

use cranelift_assembler_x64::{GprMem, Scale};
use wrun_module::{
    FuncIndex, FuncType, HeapType, Libcall, TableIndex, TrapCode, TypeIndex, ValType,
    layout::{context, func_ref, imported_func, table, table_slot},
};

use super::{
    code::{Condition, Memory, at, at_index, emit, trapping},
    function::{Direct, Place, Places},
    registers::{BASE, GPR_PARAMS, RAX, RDI, RSI, RSP, SCRATCH},
    value::{Location, Operand, Type},
};
use crate::abi::Convention;

/// A move between registers of one kind that all happen at once.
type Move = (u8, u8);

impl<'a> Direct<'a> {
    /// Whether functions of a type are called from here. Others are left to Cranelift.
    fn can_call(&self, ty: &FuncType) -> bool {
        let is_known = |&ty: &ValType| Type::of(ty).is_some();
        ty.results().len() < 2 && ty.params().iter().chain(ty.results()).all(is_known)
    }

    pub(super) fn visit_call(&mut self, function: u32) {
        let func = FuncIndex(function);
        let ty = self.env.module.func_type(func);
        if !self.can_call(ty) {
            return self.abort();
        }
        let convention = self.env.abi.convention(&self.env.module.info, func);
        let pushed = self.pass_arguments(ty, convention);
        if self.env.module.info.is_imported_func(func) {
            let slot = self.env.layout.imported_func(func);
            self.load_context(RSI);
            self.load(Type::I64, RDI, at(RSI, (slot + imported_func::CONTEXT) as i32));
            self.code.call_at(at(RSI, (slot + imported_func::NATIVE) as i32).into());
        } else {
            self.load_context(RDI);
            if convention == Convention::Native {
                emit!(self.code, movq_rm, RSI, RDI);
            }
            self.code.call_function(function);
        }
        self.take_results(ty, convention, pushed);
    }

    pub(super) fn visit_call_indirect(&mut self, ty: u32, table: u32) {
        let (index, table) = (TypeIndex(ty), TableIndex(table));
        let info = &self.env.module.info;
        let ty = info.func_type(index);
        let element = &info.tables[table.index()].ty;
        // A table of one type needs fewer checks, and a type with subtypes others.
        let is_usual = matches!(element.element.heap, HeapType::Func) && !element.table64;
        if !self.can_call(ty) || !info.types[index.index()].is_final || !is_usual {
            return self.abort();
        }
        self.load_reference(index, table);
        let pushed = self.pass_arguments(ty, Convention::Native);
        self.load_context(RSI);
        self.load(Type::I64, RDI, at(BASE, func_ref::CONTEXT as i32));
        self.code.call_at(at(BASE, func_ref::NATIVE as i32).into());
        self.take_results(ty, Convention::Native, pushed);
    }

    /// Pops an index, and loads the register of bases with the reference there, which is to a function of type `ty`. No
    /// base is in it any more.
    fn load_reference(&mut self, ty: TypeIndex, table: TableIndex) {
        self.base = None;
        let (slot, limits) =
            (self.env.layout.table(table), self.env.module.info.tables[table.index()].ty.limits);
        let index = self.pop_readable();
        self.load_from_context(BASE, slot + table_slot::BASE);
        let fixed = (limits.max == Some(limits.min)).then(|| i32::try_from(limits.min).ok());
        match fixed.flatten() {
            Some(length) => emit!(self.code, cmpq_mi, index, length),
            None => {
                self.load_from_context(SCRATCH, slot + table_slot::DEFINITION);
                emit!(self.code, cmpq_rm, index, at(SCRATCH, table::LENGTH as i32));
            }
        }
        // Out of bounds the address is 0, which is never mapped; taking it from a conditional move, the processor does not
        // run ahead with another.
        emit!(self.code, leaq_rm, BASE, at_index(BASE, index, Scale::Eight, 0));
        emit!(self.code, movl_oi, SCRATCH, 0u32);
        self.code.move_if(Condition::AboveOrEqual, BASE, SCRATCH);
        let element = trapping(at(BASE, 0), TrapCode::UndefinedElement);
        emit!(self.code, movq_rm, BASE, element);
        self.gprs.release(index);

        self.load_from_context(SCRATCH, context::TYPE_IDS);
        emit!(self.code, movl_rm, SCRATCH, at(SCRATCH, self.env.layout.type_id(ty) as i32));
        // A null reference is address 0 too.
        let found = at(BASE, func_ref::TYPE_ID as i32);
        emit!(self.code, cmpl_rm, SCRATCH, trapping(found, TrapCode::UninitializedElement));
        self.code.trap_if(Condition::NotEqual, TrapCode::IndirectCallTypeMismatch);
    }

    /// Pops the arguments of a call and puts them where the callee wants them. All else that is in registers goes to the
    /// frame. Gives how many bytes of arguments are on the stack. Changes no register but those of arguments and those for
    /// the moment.
    fn pass_arguments(&mut self, ty: &FuncType, convention: Convention) -> u32 {
        let count = ty.params().len();
        self.spill_below(count);
        let first = self.stack.len() - count;
        let mut places = Places::new(convention);
        let (mut gprs, mut xmms) = (Vec::<Move>::new(), Vec::<Move>::new());
        // What is not in a register yet is loaded when all that is has left.
        let mut loads: Vec<(usize, u8)> = Vec::new();
        for height in first..self.stack.len() {
            let Operand { ty, location } = self.stack[height];
            match (places.next(ty), location) {
                (Place::Stack(offset), _) => self.write_operand(height, at(RSP, offset as i32)),
                (Place::Register(to), Location::Register(from)) => {
                    let moves = if ty.is_integer() { &mut gprs } else { &mut xmms };
                    moves.push((to, from));
                }
                (Place::Register(to), _) => loads.push((height, to)),
            }
        }
        self.move_all(Type::I64, gprs);
        self.move_all(Type::F64, xmms);
        for (height, to) in loads {
            self.read_operand(height, to);
        }
        self.truncate(first);
        self.forget_registers();
        self.frame.arguments = self.frame.arguments.max(places.stack_size());
        places.stack_size()
    }

    /// Moves values between registers, none of which is the destination of two.
    fn move_all(&mut self, ty: Type, mut moves: Vec<Move>) {
        moves.retain(|(to, from)| to != from);
        while !moves.is_empty() {
            // One whose destination nobody reads any more.
            let free = moves.iter().position(|(to, _)| moves.iter().all(|(_, from)| from != to));
            let (to, from) = match free {
                Some(free) => moves.swap_remove(free),
                None => {
                    // All that are left go in circles. One value steps aside.
                    let scratch =
                        if ty.is_integer() { SCRATCH } else { super::registers::XMM_SCRATCH };
                    let aside = moves[0].1;
                    self.copy(ty, scratch, aside);
                    moves[0].1 = scratch;
                    continue;
                }
            };
            self.copy(ty, to, from);
        }
    }

    /// Pushes what a call gave, after which nothing is in registers any more.
    fn take_results(&mut self, ty: &FuncType, convention: Convention, pushed: u32) {
        if convention == Convention::Internal && pushed != 0 {
            // The callee has taken it back.
            emit!(self.code, subq_mi_sxl, RSP, pushed as i32);
        }
        let Some(ty) = ty.results().first().copied().and_then(Type::of) else { return };
        let register = if ty.is_integer() { RAX } else { 0 };
        self.file(ty).take(register);
        if ty == Type::I32 {
            // Conventions leave the upper half open.
            emit!(self.code, movl_rm, RAX, GprMem::Gpr(RAX));
        }
        self.push_register(ty, register);
    }

    /// Calls the runtime. The arguments behind the context are in registers; all of them were taken and are free then.
    pub(super) fn call_libcall(&mut self, libcall: Libcall) {
        self.load_context(RDI);
        let code: Memory = self.libcall(libcall);
        self.code.call_at(code.into());
        for &register in &GPR_PARAMS[1..=libcall.params().len()] {
            self.gprs.release(register);
        }
        self.forget_registers();
    }
}
