//! Blocks and branches.
//!
//! Values that a branch carries are put into the slots that they have behind it; see the rule in `operands`.

use std::collections::HashMap;

use cranelift_assembler_x64::Scale;
use wasmparser::{BlockType, BrTable};
use wrun_module::{TrapCode, TypeIndex, ValType};

use super::{
    block::{Block, Kind},
    code::{Condition, Label, at, at_index, emit},
    function::Direct,
    registers::{RBP, SCRATCH},
    value::{Location, Operand, Popped, Right, Type},
};

/// The most values that a block takes or leaves; functions with more are left to Cranelift. Each branch moves them all, so that
/// code could be larger than what it is made from by any factor.
const MOST_VALUES: usize = 16;

/// Where the labels of a `br_table` lead.
#[derive(Default)]
struct Ways {
    /// By block.
    known: HashMap<usize, Label>,
    /// Those where there is more to do than to jump.
    long: Vec<(usize, Label)>,
}

/// How many labels of a `br_table` are compared with one by one.
const FEW_LABELS: u32 = 3;

impl<'a> Direct<'a> {
    pub(super) fn visit_nop(&mut self) {}

    pub(super) fn visit_unreachable(&mut self) {
        self.code.trap(TrapCode::Unreachable);
        self.reachable = false;
    }

    fn block_type(&self, ty: BlockType) -> (&'a [ValType], &'a [ValType]) {
        let info = &self.env.module.info;
        match ty {
            BlockType::Empty => (&[], &[]),
            BlockType::FuncType(index) => {
                let ty = info.func_type(TypeIndex(index));
                (ty.params(), ty.results())
            }
            BlockType::Type(ty) => (&[], super::single_result(ty)),
        }
    }

    fn open(&mut self, kind: Kind, ty: BlockType) {
        let (params, results) = self.block_type(ty);
        let few = params.len() <= MOST_VALUES && results.len() <= MOST_VALUES;
        if !few || params.iter().chain(results).any(|&ty| Type::of(ty).is_none()) {
            self.abort();
        }
        let target = self.code.new_label();
        let height = self.stack.len() - params.len();
        self.blocks.push(Block { kind, params, results, height, target, is_left: false });
    }

    pub(super) fn visit_block(&mut self, ty: BlockType) {
        let params = self.block_type(ty).0.len();
        self.settle_all(params);
        self.open(Kind::Block, ty);
    }

    pub(super) fn visit_loop(&mut self, ty: BlockType) {
        let params = self.block_type(ty).0.len();
        self.settle_all(params);
        self.open(Kind::Loop, ty);
        let header = self.block(0).target;
        self.code.bind(header);
        self.forget_registers();
        self.count(self.position_in_body);
    }

    pub(super) fn visit_if(&mut self, ty: BlockType) {
        let condition = self.pop_condition();
        let params = self.block_type(ty).0.len();
        self.settle_all(params);
        let otherwise = self.code.new_label();
        self.code.jump_if(condition.negated(), otherwise);
        self.open(Kind::If(otherwise), ty);
    }

    pub(super) fn visit_else(&mut self) {
        let depth = self.blocks.len() - 1;
        if self.reachable {
            self.branch(depth);
        }
        let Block { kind: Kind::If(otherwise), params, height, .. } = self.blocks[depth] else {
            unreachable!("validated: `else` belongs to an `if`");
        };
        self.blocks[depth].kind = Kind::Block;
        self.code.bind(otherwise);
        self.meet(height, params);
    }

    pub(super) fn visit_end(&mut self) {
        let depth = self.blocks.len() - 1;
        let Block { kind, results, height, .. } = self.blocks[depth];
        if kind == Kind::Function {
            if self.reachable {
                self.return_results();
            }
            self.blocks.pop();
            return;
        }
        let otherwise = match kind {
            Kind::If(otherwise) => Some(otherwise),
            _ => None,
        };
        let is_left = self.blocks[depth].is_left && kind != Kind::Loop;
        if is_left || otherwise.is_some() {
            if self.reachable {
                self.carry(height, results.len());
            }
            if let Some(otherwise) = otherwise {
                self.code.bind(otherwise);
            }
            if is_left {
                self.code.bind(self.blocks[depth].target);
            }
            self.meet(height, results);
        } else if !self.reachable {
            self.truncate(height);
        }
        self.blocks.pop();
    }

    /// Goes on where ways meet: nothing is known of registers, and values of these types are in the slots from `height` on.
    fn meet(&mut self, height: usize, types: &[ValType]) {
        self.truncate(height);
        self.forget_registers();
        for &ty in types {
            match Type::of(ty) {
                Some(ty) => self.push(ty, Location::Slot),
                None => self.abort(),
            }
        }
        self.settled = self.stack.len();
        self.reachable = true;
    }

    fn block(&self, relative_depth: u32) -> &Block<'a> {
        &self.blocks[self.depth(relative_depth)]
    }

    fn depth(&self, relative_depth: u32) -> usize {
        self.blocks.len() - 1 - relative_depth as usize
    }

    /// Writes the topmost `count` operands to the slots from `height` on. They stay what they are for what follows on
    /// another way; flags do too.
    fn carry(&mut self, height: usize, count: usize) {
        let first = self.stack.len() - count;
        for index in 0..count {
            let is_there =
                first == height && matches!(self.stack[first + index].location, Location::Slot);
            if !is_there {
                self.write_operand(first + index, at(RBP, self.slot(height + index)));
            }
        }
    }

    /// Whether a branch to a block has nothing to do but to jump.
    fn is_plain(&self, block: usize) -> bool {
        let Block { kind, height, .. } = self.blocks[block];
        let types = self.blocks[block].branch_types();
        let first = self.stack.len() - types.len();
        let is_slot = |operand: &Operand| matches!(operand.location, Location::Slot);
        kind != Kind::Function
            && (types.is_empty() || first == height && self.stack[first..].iter().all(is_slot))
    }

    /// Branches to a block.
    fn branch(&mut self, block: usize) {
        if self.blocks[block].kind == Kind::Function {
            return self.return_results();
        }
        let (height, count) = (self.blocks[block].height, self.blocks[block].branch_types().len());
        self.carry(height, count);
        self.blocks[block].is_left = true;
        self.code.jump(self.blocks[block].target);
    }

    pub(super) fn visit_return(&mut self) {
        self.return_results();
        self.reachable = false;
    }

    pub(super) fn visit_br(&mut self, relative_depth: u32) {
        self.branch(self.depth(relative_depth));
        self.reachable = false;
    }

    pub(super) fn visit_br_if(&mut self, relative_depth: u32) {
        let condition = self.pop_condition();
        let block = self.depth(relative_depth);
        if self.is_plain(block) {
            self.blocks[block].is_left = true;
            self.code.jump_if(condition, self.blocks[block].target);
            return;
        }
        let next = self.code.new_label();
        self.code.jump_if(condition.negated(), next);
        self.branch(block);
        self.code.bind(next);
    }

    pub(super) fn visit_br_table(&mut self, targets: BrTable<'_>) {
        let (ty, popped) = self.pop();
        let index = self.owned(ty, popped);
        let default = self.depth(targets.default());
        let mut blocks = Vec::with_capacity(targets.len() as usize);
        for target in targets.targets() {
            match target {
                Ok(target) => blocks.push(self.depth(target)),
                Err(_) => return self.abort(),
            }
        }
        let mut ways = Ways::default();
        if targets.len() <= FEW_LABELS {
            for (number, &block) in blocks.iter().enumerate() {
                emit!(self.code, cmpl_mi_sxb, index, number as i8);
                let way = self.way(block, &mut ways);
                self.code.jump_if(Condition::Equal, way);
            }
            let way = self.way(default, &mut ways);
            self.code.jump(way);
        } else {
            emit!(self.code, cmpl_mi, index, targets.len());
            let way = self.way(default, &mut ways);
            self.code.jump_if(Condition::AboveOrEqual, way);
            // The processor must not run ahead to where a number out of the table leads.
            emit!(self.code, movl_oi, SCRATCH, 0u32);
            self.code.move_if(Condition::AboveOrEqual, index, SCRATCH);
            let table = self.code.new_label();
            self.code.address_of(SCRATCH, table);
            emit!(self.code, movslq_rm, index, at_index(SCRATCH, index, Scale::Four, 0));
            emit!(self.code, addq_rm, index, SCRATCH);
            emit!(self.code, jmpq_m, index);
            self.code.bind(table);
            let start = self.code.offset();
            for &block in &blocks {
                let way = self.way(block, &mut ways);
                self.code.distance(way, Some(start));
            }
        }
        self.gprs.release(index);
        for (block, way) in ways.long {
            self.code.bind(way);
            self.branch(block);
        }
        self.reachable = false;
    }

    /// The label that leads to a block: its own, or that of the way that ends there.
    fn way(&mut self, block: usize, ways: &mut Ways) -> Label {
        if let Some(&way) = ways.known.get(&block) {
            return way;
        }
        let way = if self.is_plain(block) {
            self.blocks[block].is_left = true;
            self.blocks[block].target
        } else {
            let way = self.code.new_label();
            ways.long.push((block, way));
            way
        };
        ways.known.insert(block, way);
        way
    }

    /// Pops a condition, in the flags now.
    pub(super) fn pop_condition(&mut self) -> Condition {
        if let Some(Operand { location: Location::Flags(condition), .. }) = self.stack.last() {
            let condition = *condition;
            self.stack.pop();
            self.settled = self.settled.min(self.stack.len());
            return condition;
        }
        let (ty, popped) = self.pop();
        match popped {
            Popped::Owned(register) | Popped::Held(register) => {
                emit!(self.code, testl_mr, register, register);
            }
            _ => match self.right(ty, popped) {
                (Right::Operand(operand), popped) => {
                    emit!(self.code, cmpl_mi_sxb, operand, 0i8);
                    self.release(ty, popped);
                    return Condition::NotEqual;
                }
                (Right::Immediate(value), _) => {
                    emit!(self.code, movl_oi, SCRATCH, value as u32);
                    emit!(self.code, testl_mr, SCRATCH, SCRATCH);
                }
            },
        }
        self.release(ty, popped);
        Condition::NotEqual
    }

    pub(super) fn visit_select(&mut self) {
        let condition = self.pop_condition();
        let (ty, otherwise) = self.pop();
        let otherwise = self.readable(ty, otherwise);
        let (_, then) = self.pop();
        let then = self.owned(ty, then);
        if ty.is_integer() {
            self.code.move_if(condition.negated(), then, otherwise);
        } else {
            let end = self.code.new_label();
            self.code.jump_if(condition, end);
            self.copy(ty, then, otherwise);
            self.code.bind(end);
        }
        self.file(ty).release(otherwise);
        self.push_register(ty, then);
    }

    pub(super) fn visit_typed_select(&mut self, ty: wasmparser::ValType) {
        match self.env.module.info.body_val_type(ty).and_then(Type::of) {
            Some(_) => self.visit_select(),
            None => self.abort(),
        }
    }
}
