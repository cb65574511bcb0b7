//! Locals, globals, constants, and dropping values.

use wrun_module::{GlobalIndex, layout::GlobalPlace};

use super::{
    code::{Memory, at},
    function::Direct,
    registers::{RBP, SCRATCH},
    value::{Location, Operand, Popped, Type},
};

impl Direct<'_> {
    pub(super) fn visit_local_get(&mut self, local: u32) {
        let ty = self.frame.locals[local as usize].0;
        self.push(ty, Location::Local(local));
    }

    pub(super) fn visit_local_set(&mut self, local: u32) {
        self.keep_value_of(local);
        let (ty, popped) = self.pop();
        let offset = self.frame.locals[local as usize].1;
        self.file(ty).forget(local);
        if let Popped::Constant(value) = popped {
            return self.store_constant(ty, value, at(RBP, offset));
        }
        let register = self.readable(ty, popped);
        self.store(ty, register, at(RBP, offset));
        // Another local's value stays known as that one's.
        if matches!(popped, Popped::Owned(_) | Popped::Frame(_)) {
            self.file(ty).hold(register, local);
        }
        self.file(ty).release(register);
    }

    pub(super) fn visit_local_tee(&mut self, local: u32) {
        if let Some(Operand { ty, location: constant @ Location::Constant(_) }) = self.stack.last()
        {
            let (ty, constant) = (*ty, *constant);
            self.visit_local_set(local);
            return self.push(ty, constant);
        }
        self.visit_local_set(local);
        self.visit_local_get(local);
    }

    /// Makes operands independent of a local that is about to be set.
    fn keep_value_of(&mut self, local: u32) {
        for height in self.settled..self.stack.len() {
            let Operand { ty, location: Location::Local(there) } = self.stack[height] else {
                continue;
            };
            if there != local {
                continue;
            }
            let register = self.register(ty);
            // Making room may have settled it.
            if let Location::Local(_) = self.stack[height].location {
                let offset = self.frame.locals[local as usize].1;
                self.load(ty, register, at(RBP, offset));
                self.stack[height].location = Location::Register(register);
            } else {
                self.file(ty).release(register);
            }
        }
    }

    pub(super) fn visit_drop(&mut self) {
        let (ty, popped) = self.pop();
        self.release(ty, popped);
    }

    pub(super) fn visit_i32_const(&mut self, value: i32) {
        self.push(Type::I32, Location::Constant(u64::from(value as u32)));
    }

    pub(super) fn visit_i64_const(&mut self, value: i64) {
        self.push(Type::I64, Location::Constant(value as u64));
    }

    pub(super) fn visit_f32_const(&mut self, value: wasmparser::Ieee32) {
        self.push(Type::F32, Location::Constant(u64::from(value.bits())));
    }

    pub(super) fn visit_f64_const(&mut self, value: wasmparser::Ieee64) {
        self.push(Type::F64, Location::Constant(value.bits()));
    }

    /// The type of a global, and where it lies; the scratch register may be needed for it. Nothing for types that are left to
    /// Cranelift.
    fn global(&mut self, global: u32) -> Option<(Type, Memory)> {
        let ty = Type::of(self.env.module.info.globals[global as usize].ty.content)?;
        let place = match self.env.layout.global(GlobalIndex(global)) {
            GlobalPlace::Inline(offset) => {
                self.load_context(SCRATCH);
                at(SCRATCH, offset as i32)
            }
            GlobalPlace::Pointer(offset) => {
                self.load_from_context(SCRATCH, offset);
                at(SCRATCH, 0)
            }
        };
        Some((ty, place))
    }

    pub(super) fn visit_global_get(&mut self, global: u32) {
        let Some(ty) = Type::of(self.env.module.info.globals[global as usize].ty.content) else {
            return self.abort();
        };
        let register = self.register(ty);
        let Some((_, place)) = self.global(global) else { return self.abort() };
        self.load(ty, register, place);
        self.push(ty, Location::Register(register));
    }

    pub(super) fn visit_global_set(&mut self, global: u32) {
        let (ty, value) = self.pop();
        let value = self.readable(ty, value);
        let Some((_, place)) = self.global(global) else { return self.abort() };
        self.store(ty, value, place);
        self.file(ty).release(value);
    }
}
