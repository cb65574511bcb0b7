//! [`Direct`]: the state of one function's translation; how its frame begins and ends.
//!
//! # The frame
//! From the frame pointer down: the context, the caller's context (of a native function), the locals, a slot for each operand,
//! and room for arguments of calls that no register is left for. The locals lie as the state of a loop does
//! ([`wrun_module::FunctionCompiler::compile_loop`]), so that leaving the function at a loop is copying them.
//! How many slots there are is known at the end; until then the size of the frame is left open.

use wrun_module::{FuncIndex, FuncType, layout::context};

use super::{
    Abort,
    block::Block,
    code::{Code, Label, Memory, at, emit},
    registers::{BASE, File, GPR_PARAMS, RAX, RBP, RDI, RSI, RSP, SCRATCH, XMM_PARAMS},
    value::{Operand, Type},
};
use crate::{abi::Convention, env::ModuleEnv, loop_state::StateLayout};

/// Functions with more locals are left to Cranelift: what a frame holds has to be near.
const MOST_LOCALS: u64 = 1000;

/// The largest frame. The processor's guard of the stack is larger, so that no frame has to be probed.
const LARGEST_FRAME: u32 = 32 * 1024;

/// Where the context is in the frame.
pub(super) const CONTEXT: i32 = -8;
/// Where the caller's context is in the frame of a native function.
pub(super) const CALLER_CONTEXT: i32 = -16;

/// What is where in the frame.
#[derive(Default)]
pub(super) struct Frame {
    /// The type and the offset of each local.
    pub(super) locals: Vec<(Type, i32)>,
    /// Distance down to the first local, a multiple of 16; they lie from there upwards.
    pub(super) slots: u32,
    /// Bytes of all locals, without padding behind them.
    pub(super) locals_size: u32,
    /// Bytes for arguments of calls.
    pub(super) arguments: u32,
    /// Where its size is to be written.
    sizes: Vec<u32>,
}

/// Translates one function. What it writes goes to `code`.
pub(super) struct Direct<'a> {
    pub(super) env: &'a ModuleEnv<'a>,
    pub(super) features: super::Features,
    pub(super) code: Code,
    /// Its position among the functions that the module defines.
    pub(super) position: u32,
    pub(super) ty: &'a FuncType,
    pub(super) convention: Convention,
    pub(super) frame: Frame,
    pub(super) stack: Vec<Operand>,
    /// All operands below this height are settled.
    pub(super) settled: usize,
    pub(super) most_operands: usize,
    pub(super) gprs: File,
    pub(super) xmms: File,
    /// The memory whose base is in its register.
    pub(super) base: Option<u32>,
    pub(super) blocks: Vec<Block<'a>>,
    pub(super) reachable: bool,
    /// How many blocks have begun since code became unreachable.
    pub(super) skipped_blocks: u32,
    /// Offset of the instruction in the body.
    pub(super) position_in_body: u32,
    /// What is written behind everything else, because it rarely runs.
    pub(super) cold: Vec<Cold>,
    /// Operands that are mentioned there.
    pub(super) cold_operands: usize,
    /// Where the function is left at a loop.
    pub(super) exit: Option<Label>,
    /// Set when something is left to Cranelift.
    pub(super) aborted: bool,
}

/// A question to the runtime, behind the function.
pub(super) struct Cold {
    pub(super) label: Label,
    /// Where the function goes on.
    pub(super) next: Label,
    /// What it counted.
    pub(super) counted: u32,
    /// Of a loop, the operands: all are settled.
    pub(super) operands: Vec<Operand>,
    /// Of a call, the parameters that are in registers still.
    pub(super) held: Vec<(Type, u8, u32)>,
    pub(super) position: u32,
}

/// Where arguments or parameters of a function are.
pub(super) struct Places {
    gprs: usize,
    xmms: u8,
    stack: u32,
}

/// Where one of them is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Register(u8),
    /// So many bytes from the first that no register was left for.
    Stack(u32),
}

impl Places {
    pub(super) fn new(convention: Convention) -> Self {
        let contexts = match convention {
            Convention::Native => 2,
            Convention::Internal => 1,
        };
        Self { gprs: contexts, xmms: 0, stack: 0 }
    }

    pub(super) fn next(&mut self, ty: Type) -> Place {
        if ty.is_integer() && self.gprs < GPR_PARAMS.len() {
            self.gprs += 1;
            return Place::Register(GPR_PARAMS[self.gprs - 1]);
        }
        if !ty.is_integer() && self.xmms < XMM_PARAMS {
            self.xmms += 1;
            return Place::Register(self.xmms - 1);
        }
        self.stack += 8;
        Place::Stack(self.stack - 8)
    }

    /// Bytes that no register was left for.
    pub(super) fn stack_size(&self) -> u32 {
        self.stack.next_multiple_of(16)
    }
}

impl<'a> Direct<'a> {
    /// At the beginning of the function at a position: nothing is written yet.
    pub(super) fn new(
        env: &'a ModuleEnv<'a>,
        features: super::Features,
        position: usize,
        mut code: Code,
    ) -> Self {
        code.clear();
        let index: FuncIndex = env.module.defined_func(position);
        let ty = env.module.func_type(index);
        Self {
            env,
            features,
            code,
            position: position as u32,
            ty,
            convention: env.abi.convention(&env.module.info, index),
            frame: Frame::default(),
            stack: Vec::new(),
            settled: 0,
            most_operands: 0,
            gprs: File::gprs(),
            xmms: File::xmms(),
            base: None,
            blocks: vec![Block::function(ty.results())],
            reachable: true,
            skipped_blocks: 0,
            position_in_body: 0,
            cold: Vec::new(),
            cold_operands: 0,
            exit: None,
            aborted: false,
        }
    }

    /// Leaves the function to Cranelift.
    #[cold]
    pub(super) fn abort(&mut self) {
        self.aborted = true;
    }

    /// The registers for values of a type.
    pub(super) fn file(&mut self, ty: Type) -> &mut File {
        if ty.is_integer() { &mut self.gprs } else { &mut self.xmms }
    }

    /// Declares the locals: parameters, then those of the body.
    pub(super) fn declare_locals(
        &mut self,
        declared: wasmparser::LocalsReader<'_>,
    ) -> Result<(), Abort> {
        let mut types = Vec::new();
        for &ty in self.ty.params() {
            types.push(Type::of(ty).ok_or(Abort)?);
        }
        for declaration in declared {
            let (count, ty) = declaration.map_err(|_| Abort)?;
            let ty = self.env.module.info.body_val_type(ty).and_then(Type::of).ok_or(Abort)?;
            if types.len() as u64 + u64::from(count) > MOST_LOCALS {
                return Err(Abort);
            }
            types.resize(types.len() + count as usize, ty);
        }
        let mut layout = StateLayout::default();
        let offsets: Vec<u32> = types.iter().map(|ty| layout.push(ty.bytes())).collect();
        let start = -CALLER_CONTEXT as u32 + layout.size().next_multiple_of(16);
        let place = |(ty, offset)| (ty, offset as i32 - start as i32);
        self.frame.locals = types.into_iter().zip(offsets).map(place).collect();
        (self.frame.slots, self.frame.locals_size) = (start, layout.size());
        Ok(())
    }

    /// Writes the prologue.
    pub(super) fn begin(&mut self) {
        emit!(self.code, pushq_o, RBP);
        emit!(self.code, movq_mr, RBP, RSP);
        emit!(self.code, subq_mi_sxl, RSP, 0);
        self.frame.sizes.push(self.code.offset() - 4);
        self.store(Type::I64, RDI, at(RBP, CONTEXT));
        if self.convention == Convention::Native {
            self.store(Type::I64, RSI, at(RBP, CALLER_CONTEXT));
        }
        let mut places = Places::new(self.convention);
        let params = self.ty.params().len();
        for local in 0..params {
            let (ty, offset) = self.frame.locals[local];
            match places.next(ty) {
                Place::Register(register) => {
                    self.store(ty, register, at(RBP, offset));
                    if ty == Type::I32 {
                        // Conventions leave the upper half open.
                        self.copy(ty, register, register);
                    }
                    self.file(ty).hold(register, local as u32);
                }
                // Behind the saved frame pointer and the return address.
                Place::Stack(above) => {
                    let scratch = self.load_scratch(ty, 16 + above as i32);
                    self.store(ty, scratch, at(RBP, offset));
                }
            }
        }
        self.clear_locals(params);
    }

    /// Sets the locals behind the parameters to zero.
    fn clear_locals(&mut self, params: usize) {
        let Some(&(_, first)) = self.frame.locals.get(params) else { return };
        let end = self.frame.locals_size as i32 - self.frame.slots as i32;
        let mut offset = first;
        if offset % 8 != 0 {
            emit!(self.code, movl_mi, at(RBP, offset), 0u32);
            offset += 4;
        }
        if end - offset > 16 {
            emit!(self.code, xorps_a, super::registers::XMM_SCRATCH, super::registers::XMM_SCRATCH);
            while end - offset >= 16 {
                emit!(self.code, movups_b, at(RBP, offset), super::registers::XMM_SCRATCH);
                offset += 16;
            }
        }
        // What is behind the last local is padding, or the caller's context's neighbour: nothing is written there.
        while end - offset >= 8 {
            emit!(self.code, movq_mi_sxl, at(RBP, offset), 0);
            offset += 8;
        }
        if end - offset >= 4 {
            emit!(self.code, movl_mi, at(RBP, offset), 0u32);
        }
    }

    /// Writes the epilogue. The results are where the convention wants them, the stack pointer where the prologue has left it.
    pub(super) fn leave(&mut self) {
        // Not `mov rsp, rbp`: each return would wait for the callee's to have loaded `rbp`.
        emit!(self.code, addq_mi_sxl, RSP, 0);
        self.frame.sizes.push(self.code.offset() - 4);
        self.return_to_caller();
    }

    /// Returns from a frame whose stack pointer is where its frame pointer was saved.
    pub(super) fn return_to_caller(&mut self) {
        let mut places = Places::new(self.convention);
        for local in 0..self.ty.params().len() {
            places.next(self.frame.locals[local].0);
        }
        emit!(self.code, popq_o, RBP);
        // The callee takes back what it was passed on the stack, as the convention for tail calls has it.
        match (self.convention, places.stack_size()) {
            (Convention::Internal, size @ 1..) => emit!(self.code; retq_i, size as u16),
            _ => emit!(self.code; retq_zo),
        }
    }

    /// Writes how many bytes the frame has below the frame pointer, wherever that was left open.
    pub(super) fn end(&mut self) -> Result<(), Abort> {
        let size = self.frame_size()?;
        for &place in &self.frame.sizes {
            self.code.patch(place, size);
        }
        Ok(())
    }

    fn frame_size(&self) -> Result<u32, Abort> {
        let operands = u32::try_from(self.most_operands).map_err(|_| Abort)?;
        let size = operands.checked_mul(8).ok_or(Abort)?;
        let size = size.checked_add(self.frame.slots + self.frame.arguments).ok_or(Abort)?;
        let size = size.next_multiple_of(16);
        if size > LARGEST_FRAME { Err(Abort) } else { Ok(size) }
    }

    /// Loads the instance's context into a register.
    pub(super) fn load_context(&mut self, register: u8) {
        self.load(Type::I64, register, at(RBP, CONTEXT));
    }

    /// Loads a pointer in the context.
    pub(super) fn load_from_context(&mut self, register: u8, offset: u32) {
        self.load_context(register);
        self.load(Type::I64, register, at(register, offset as i32));
    }

    /// Where a function of the runtime is, by its number; changes the register for the moment.
    pub(super) fn libcall(&mut self, libcall: wrun_module::Libcall) -> Memory {
        self.load_from_context(SCRATCH, context::LIBCALLS);
        at(SCRATCH, (libcall.index() * wrun_module::layout::POINTER_SIZE) as i32)
    }

    /// Has the base of a memory, which never moves, in its register.
    pub(super) fn load_base(&mut self, memory: u32) {
        if self.base == Some(memory) {
            return;
        }
        let slot = self.env.layout.memory(wrun_module::MemoryIndex(memory));
        self.load_from_context(BASE, slot + wrun_module::layout::memory_slot::BASE);
        self.base = Some(memory);
    }

    /// Puts the results, the topmost operands, where the convention wants them, and leaves.
    pub(super) fn return_results(&mut self) {
        if let Some(&operand) = self.stack.last()
            && !self.ty.results().is_empty()
        {
            let to = if operand.ty.is_integer() { RAX } else { 0 };
            self.read_operand(self.stack.len() - 1, to);
        }
        self.leave();
    }
}
