//! How locals are held.
//!
//! Optimised code holds them in the frontend's variables, from which it makes values. Code of the baseline tier holds them in
//! the frame, in the slot that the state of a loop is handed on in ([`tiering`](super::tiering)): values would be kept in the
//! frame over branches anyway, the frontend has nothing to find out, and the state is there at all times. What a block
//! has read or written once it does not read again, and what is never read is not written. RATIONALE.md has the figures.
//!
//! References to objects are in variables in all code: the collector knows of those.

use cranelift_codegen::{
    cursor::{Cursor, FuncCursor},
    ir::{Block, Inst, InstBuilder, MemFlagsData, Value, types},
};
use cranelift_frontend::Variable;
use wrun_module::{MANY_LOCALS, ValType};

use super::{
    function::FuncTranslator,
    invariants::is_integer,
    tiering::{Baseline, Tiering},
    traced::declare_local,
};
use crate::abi::clif_type;

/// Functions with more locals have them in variables, and no state of their loops: their frames would be too large. Nobody
/// compiles one so first who can help it, and parameters are at most as many again.
const MAX_IN_FRAME: u64 = 2 * MANY_LOCALS;

/// The locals of a function.
pub(super) struct Locals {
    /// The function's parameters, until they are locals.
    params: Vec<Value>,
    types: Vec<ValType>,
    /// The places of all locals, when they are held in the frame.
    places: Vec<Place>,
    /// The instructions that write locals into the frame.
    stores: Vec<(u32, Inst)>,
}

/// Where a local lies in the frame.
struct Place {
    offset: i32,
    /// The block that knows its value, and the value.
    known: Option<(Block, Value)>,
    /// Whether it is ever read there.
    is_read: bool,
}

impl Locals {
    /// No locals yet. The first ones will have these values.
    pub(super) fn new(params: Vec<Value>) -> Self {
        Self { params, types: Vec::new(), places: Vec::new(), stores: Vec::new() }
    }

    /// The types of all locals.
    pub(super) fn types(&self) -> &[ValType] {
        &self.types
    }

    /// Where a local lies in the frame, when they are held there.
    pub(super) fn offset(&self, local: u32) -> i32 {
        self.places[local as usize].offset
    }
}

impl FuncTranslator<'_, '_> {
    /// Declares the parameters as the first locals; `count` others follow.
    pub(super) fn begin_locals(&mut self, count: u64) {
        let params = std::mem::take(&mut self.locals.params);
        if let Tiering::Baseline(baseline) = &mut self.tiering
            && params.len() as u64 + count > MAX_IN_FRAME
        {
            baseline.state = None;
        }
        for (index, &ty) in self.ty.params().iter().enumerate() {
            self.declare_local(ty);
            if !matches!(self.tiering, Tiering::FromLoop(_)) {
                self.trace(params[index], ty);
                self.set_local(index as u32, params[index]);
            } else if is_integer(ty) {
                // The frontend would take it for a zero, like other locals that nobody has assigned.
                let value = self.unknown_value(clif_type(ty));
                self.set_local(index as u32, value);
            }
        }
    }

    /// Declares the next `count` locals.
    ///
    /// They begin as zero without any instruction here: the frontend gives a variable that is read before it is
    /// written a zero in the entry block, so that only locals whose first value matters cost anything.
    pub(super) fn declare_locals(&mut self, count: u32, ty: wasmparser::ValType) {
        let Some(ty) = self.env.module.info.body_val_type(ty) else {
            return self.refuse("local of an unknown type");
        };
        for _ in 0..count {
            self.declare_local(ty);
        }
    }

    fn declare_local(&mut self, ty: ValType) {
        declare_local(&mut self.builder, &mut self.traced, ty);
        self.locals.types.push(ty);
        if let Tiering::Baseline(Baseline { state: Some(state), .. }) = &mut self.tiering {
            let offset = state.layout.push(clif_type(ty).bytes()) as i32;
            self.locals.places.push(Place { offset, known: None, is_read: false });
        }
    }

    /// Whether a local is held in the frame, and the address that places there count from.
    pub(super) fn in_frame(&self, local: u32) -> Option<Value> {
        let Tiering::Baseline(Baseline { state: Some(state), .. }) = &self.tiering else {
            return None;
        };
        (!self.locals.types[local as usize].is_traced()).then_some(state.address)
    }

    /// The value of a local.
    pub(super) fn get_local(&mut self, local: u32) -> Value {
        let ty = self.locals.types[local as usize];
        let Some(frame) = self.in_frame(local) else {
            let value = self.use_local(Variable::from_u32(local));
            if matches!(self.tiering, Tiering::FromLoop(_)) {
                self.trace(value, ty);
            }
            return value;
        };
        let block = self.builder.current_block().expect("code is written somewhere");
        let place = &mut self.locals.places[local as usize];
        if let Some((known, value)) = place.known
            && known == block
        {
            return value;
        }
        place.is_read = true;
        let offset = place.offset;
        let value = self.ins().load(clif_type(ty), MemFlagsData::trusted(), frame, offset);
        self.trace(value, ty);
        self.locals.places[local as usize].known = Some((block, value));
        value
    }

    /// Sets a local.
    pub(super) fn set_local(&mut self, local: u32, value: Value) {
        let Some(frame) = self.in_frame(local) else {
            return self.def_local(Variable::from_u32(local), value);
        };
        let block = self.builder.current_block().expect("code is written somewhere");
        let place = &mut self.locals.places[local as usize];
        place.known = Some((block, value));
        let offset = place.offset;
        let store = self.ins().store(MemFlagsData::trusted(), value, frame, offset);
        self.locals.stores.push((local, store));
    }

    /// Ends the code of a function whose locals are in the frame: those that are never read there need not be written, all
    /// others begin as zero.
    pub(super) fn end_locals(&mut self) {
        let locals = &self.locals;
        let mut cursor = FuncCursor::new(self.builder.func);
        for &(local, store) in &locals.stores {
            if !locals.places[local as usize].is_read {
                cursor.goto_inst(store);
                cursor.remove_inst();
            }
        }
        let Tiering::Baseline(Baseline { state: Some(state), .. }) = &self.tiering else { return };
        let address = cursor.func.dfg.value_def(state.address).unwrap_inst();
        let mut cursor = cursor.after_inst(address);
        let mut zero = None;
        for (place, &ty) in locals.places.iter().zip(&locals.types).skip(self.ty.params().len()) {
            if !place.is_read {
                continue;
            }
            let zero = *zero.get_or_insert_with(|| cursor.ins().iconst(types::I64, 0));
            let flags = MemFlagsData::trusted();
            match clif_type(ty).bytes() {
                4 => cursor.ins().istore32(flags, zero, state.address, place.offset),
                8 => cursor.ins().store(flags, zero, state.address, place.offset),
                _ => {
                    cursor.ins().store(flags, zero, state.address, place.offset);
                    cursor.ins().store(flags, zero, state.address, place.offset + 8)
                }
            };
        }
    }
}
