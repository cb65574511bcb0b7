//! Structured control: blocks, branches, and the traps that are instructions.
//!
//! A block is sealed as soon as nothing more can branch to it: loop headers at the end of the loop, exits when
//! their frame is closed, all others where they are made.

use std::collections::{HashMap, hash_map::Entry};

use cranelift_codegen::ir::{Block, BlockCall, InstBuilder, JumpTableData, Value};
use wasmparser::{BlockType, BrTable};
use wrun_module::{TrapCode, TypeIndex, ValType};

use super::{
    frame::{ElseEdge, Frame, FrameKind},
    function::FuncTranslator,
};
use crate::traps::clif_trap;

impl<'m> FuncTranslator<'_, 'm> {
    pub(super) fn visit_nop(&mut self) {}

    pub(super) fn visit_unreachable(&mut self) {
        // What ends in a trap is not where time is spent.
        if let Some(block) = self.builder.current_block()
            && !self.is_entry(block)
        {
            self.builder.set_cold_block(block);
        }
        self.ins().trap(clif_trap(TrapCode::Unreachable));
        self.reachable = false;
    }

    pub(super) fn visit_block(&mut self, blockty: BlockType) {
        self.push_frame(FrameKind::Block, blockty);
    }

    pub(super) fn visit_loop(&mut self, blockty: BlockType) {
        let (params, _) = self.block_type(blockty);
        let header = self.create_block(params);
        self.keep_operands(params.len());
        self.note_invariants();
        self.with_block_args(params, |builder, args| builder.ins().jump(header, args));
        self.enter_loop(header, params);
        self.builder.switch_to_block(header);
        self.push_frame(FrameKind::Loop { header }, blockty);
        self.truncate(self.height() - params.len());
        self.push_block_params(header);
        self.fetch_operands();
        self.count_round();
    }

    pub(super) fn visit_if(&mut self, blockty: BlockType) {
        let condition = self.pop_condition();
        let (params, results) = self.block_type(blockty);
        self.keep_operands(params.len());
        let then = self.builder.create_block();
        if self.hint() == Some(false) {
            self.builder.set_cold_block(then);
        }
        let (edge, exit) = if params.is_empty() {
            let exit = self.create_block(results);
            // Should there be no `else`, there are no results either: validation saw to that.
            let branch = self.ins().brif(condition, then, &[], exit, &[]);
            (ElseEdge::ToExit(branch), Some(exit))
        } else {
            let otherwise = self.builder.create_block();
            // Settling them takes instructions, which come in front of the branch.
            let values: Box<[Value]> = self.peek_all(params.len()).into();
            self.ins().brif(condition, then, &[], otherwise, &[]);
            self.builder.seal_block(otherwise);
            (ElseEdge::ToBlock(otherwise, values), None)
        };
        self.builder.seal_block(then);
        self.carry_addresses(then);
        self.builder.switch_to_block(then);
        self.push_frame(FrameKind::If(edge), blockty);
        self.top_frame().exit = exit;
    }

    /// Ends the first arm of an `if`, reachable or not, and begins the second, which always is.
    pub(super) fn visit_else(&mut self) {
        self.jump_to_exit();
        let frame = self.top_frame();
        let height = frame.height;
        let FrameKind::If(edge) = std::mem::replace(&mut frame.kind, FrameKind::Block) else {
            return self.refuse("else without if");
        };
        self.truncate(height);
        self.begin_else(edge);
    }

    /// Continues in the block where the condition of an `if` leads when it is zero.
    fn begin_else(&mut self, edge: ElseEdge) {
        match edge {
            ElseEdge::ToExit(branch) => {
                let otherwise = self.builder.create_block();
                let exit = self.top_frame().exit.expect("made together with the branch");
                self.builder.change_jump_destination(branch, exit, otherwise);
                self.builder.seal_block(otherwise);
                self.builder.switch_to_block(otherwise);
                self.fetch_operands();
            }
            ElseEdge::ToBlock(otherwise, params) => {
                self.builder.switch_to_block(otherwise);
                self.fetch_operands();
                self.push_all(&params);
            }
        }
        self.reachable = true;
    }

    /// Closes the innermost frame, reachable or not.
    pub(super) fn visit_end(&mut self) {
        match std::mem::replace(&mut self.top_frame().kind, FrameKind::Block) {
            FrameKind::If(ElseEdge::ToExit(_)) => self.top_frame().exit_used = true,
            FrameKind::If(edge @ ElseEdge::ToBlock(..)) => {
                // Without `else` the parameters are the results.
                self.jump_to_exit();
                self.truncate(self.frames[self.frames.len() - 1].height);
                self.begin_else(edge);
            }
            FrameKind::Loop { header } => self.builder.seal_block(header),
            FrameKind::TryTable(clauses) => self.end_try_table(clauses),
            kind @ (FrameKind::Try { .. } | FrameKind::Catch(_)) => {
                self.end_try(kind, self.frames.len());
            }
            FrameKind::Block | FrameKind::Function => {}
        }
        if self.top_frame().exit_used {
            self.jump_to_exit();
        }
        let frame = self.frames.pop().expect("validated code closes what it opened");
        if let Some(exit) = frame.exit
            && frame.exit_used
        {
            self.builder.seal_block(exit);
            self.builder.switch_to_block(exit);
            self.truncate(frame.height);
            self.push_block_params(exit);
            self.fetch_operands();
            self.reachable = true;
        } else if !self.reachable {
            self.truncate(frame.height);
        }
        self.drop_operands();
        if self.frames.is_empty() && self.reachable {
            self.visit_return();
        }
    }

    pub(super) fn visit_br(&mut self, depth: u32) {
        if depth as usize + 1 == self.frames.len() {
            return self.visit_return();
        }
        let (target, types) = self.branch_target(depth);
        self.with_block_args(types, |builder, args| builder.ins().jump(target, args));
        self.reachable = false;
    }

    pub(super) fn visit_br_if(&mut self, depth: u32) {
        let condition = self.pop_condition();
        match self.hint() {
            None => self.branch_if(condition, depth),
            Some(taken) => self.hinted_branch_if(condition, depth, taken),
        }
    }

    /// As [`branch_if`](Self::branch_if), where one of the two ways is rarely taken: its code is put aside.
    fn hinted_branch_if(&mut self, condition: Value, depth: u32, taken: bool) {
        let (target, types) = self.branch_target(depth);
        let (leave, next) = (self.builder.create_block(), self.builder.create_block());
        self.builder.set_cold_block(if taken { next } else { leave });
        self.ins().brif(condition, leave, &[], next, &[]);
        self.builder.seal_block(leave);
        self.builder.switch_to_block(leave);
        self.with_block_args(types, |builder, args| builder.ins().jump(target, args));
        self.builder.seal_block(next);
        self.builder.switch_to_block(next);
    }

    /// Branches by `depth` with what is on the stack when `condition` is not zero.
    pub(super) fn branch_if(&mut self, condition: Value, depth: u32) {
        let (target, types) = self.branch_target(depth);
        let next = self.builder.create_block();
        self.with_block_args(types, |builder, args| {
            builder.ins().brif(condition, target, args, next, &[])
        });
        self.builder.seal_block(next);
        self.carry_addresses(next);
        self.builder.switch_to_block(next);
    }

    /// Settles what a branch by `depth` takes along, so that it can be used in every block from here on.
    pub(super) fn settle_branch(&mut self, depth: u32) {
        let (_, types) = self.branch_target(depth);
        self.peek_all(types.len());
    }

    /// Branches by `depth` in a block of its own, with what is on the stack.
    pub(super) fn branch_from(&mut self, block: Block, depth: u32) {
        self.builder.switch_to_block(block);
        let (target, types) = self.branch_target(depth);
        self.with_block_args(types, |builder, args| builder.ins().jump(target, args));
    }

    pub(super) fn visit_br_table(&mut self, targets: BrTable<'_>) {
        let index = self.pop();
        let mut entries = Vec::with_capacity(targets.len() as usize);
        for depth in targets.targets() {
            let Ok(depth) = depth else { return self.refuse("malformed br_table") };
            entries.push(depth);
        }
        let (_, types) = self.branch_target(targets.default());
        if types.is_empty() {
            let default = self.plain_branch_target(targets.default());
            let entries: Vec<_> =
                entries.into_iter().map(|depth| self.plain_branch_target(depth)).collect();
            self.jump_by_table(index, default, &entries);
        } else {
            self.br_table_with_values(index, targets.default(), &entries, types.len());
        }
        self.reachable = false;
    }

    /// Goes through one block per label, so that the values are passed on once for each, not once per entry.
    fn br_table_with_values(&mut self, index: Value, default: u32, entries: &[u32], arity: usize) {
        let mut edges: HashMap<u32, Block> = HashMap::new();
        let mut order = Vec::new();
        let mut edge = |translator: &mut Self, depth: u32| {
            let block = match edges.entry(depth) {
                Entry::Occupied(entry) => *entry.get(),
                Entry::Vacant(entry) => {
                    let block = translator.builder.create_block();
                    order.push((depth, block));
                    *entry.insert(block)
                }
            };
            translator.builder.func.dfg.block_call(block, &[])
        };
        let default = edge(self, default);
        let entries: Vec<_> = entries.iter().map(|&depth| edge(self, depth)).collect();
        // Before the table, because what it converts must dominate all edges.
        self.peek_all(arity);
        self.jump_by_table(index, default, &entries);
        for (depth, block) in order {
            self.builder.seal_block(block);
            self.builder.switch_to_block(block);
            let (target, types) = self.branch_target(depth);
            self.with_block_args(types, |builder, args| builder.ins().jump(target, args));
        }
    }

    fn jump_by_table(&mut self, index: Value, default: BlockCall, entries: &[BlockCall]) {
        if self.jump_by_ranges(index, default, entries) {
            return;
        }
        let table = self.builder.create_jump_table(JumpTableData::new(default, entries));
        self.ins().br_table(index, table);
    }

    fn plain_branch_target(&mut self, depth: u32) -> BlockCall {
        let (block, _) = self.branch_target(depth);
        self.builder.func.dfg.block_call(block, &[])
    }

    /// The innermost frame.
    pub(super) fn top_frame(&mut self) -> &mut Frame<'m> {
        self.frames.last_mut().expect("validated code ends with its outermost frame")
    }

    pub(super) fn push_frame(&mut self, kind: FrameKind, blockty: BlockType) {
        let (params, results) = self.block_type(blockty);
        self.keep_operands(params.len());
        let height = self.height() - params.len();
        self.frames.push(Frame { kind, params, results, height, exit: None, exit_used: false });
    }

    /// Where a branch by `depth` goes, and the types of what it carries. Counts as a branch.
    fn branch_target(&mut self, depth: u32) -> (Block, &'m [ValType]) {
        let position = self.frames.len() - 1 - depth as usize;
        let frame = &mut self.frames[position];
        let types = frame.branch_types();
        if let FrameKind::Loop { header } = frame.kind {
            return (header, types);
        }
        frame.exit_used = true;
        if let Some(exit) = frame.exit {
            return (exit, types);
        }
        let exit = self.create_block(types);
        self.frames[position].exit = Some(exit);
        (exit, types)
    }

    /// Jumps from the end of the innermost frame's code to its exit, unless that end cannot be reached.
    pub(super) fn jump_to_exit(&mut self) {
        if self.reachable {
            let (exit, types) = {
                let frame = self.top_frame();
                frame.exit_used = true;
                (frame.exit, frame.results)
            };
            let exit = exit.unwrap_or_else(|| {
                let exit = self.create_block(types);
                self.top_frame().exit = Some(exit);
                exit
            });
            self.with_block_args(types, |builder, args| builder.ins().jump(exit, args));
            self.reachable = false;
        }
    }

    /// Parameters and results of a block.
    fn block_type(&mut self, blockty: BlockType) -> (&'m [ValType], &'m [ValType]) {
        match blockty {
            BlockType::Empty => (&[], &[]),
            BlockType::Type(ty) => match self.env.module.info.body_val_type(ty) {
                Some(ty) => (&[], single(ty)),
                None => {
                    self.refuse("block of an unknown type");
                    (&[], &[])
                }
            },
            BlockType::FuncType(index) => {
                let ty = self.env.module.info.func_type(TypeIndex(index));
                (ty.params(), ty.results())
            }
        }
    }
}

/// A list of one type.
fn single(ty: ValType) -> &'static [ValType] {
    match ty {
        ValType::I32 => &[ValType::I32],
        ValType::I64 => &[ValType::I64],
        ValType::F32 => &[ValType::F32],
        ValType::F64 => &[ValType::F64],
        ValType::V128 => &[ValType::V128],
        // What matters is how a reference is held, and whether the collector has to know of it.
        ValType::Ref(ty) if ty.heap.is_func() => &[ValType::FUNCREF],
        ValType::Ref(ty) if ty.heap.is_traced() => &[ValType::ANYREF],
        ValType::Ref(_) => &[ValType::I31REF],
    }
}
