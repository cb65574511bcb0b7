//! [`Addresses`]: where in memory the indices lie that were used a moment ago.
//!
//! Compiled programs access the fields of one struct, and the slots of one frame, again and again by the same index. The
//! optimiser would find out, but it takes less time to make the addition once than to find it a second time; and without
//! optimisation nobody else finds it.
//!
//! An address may be used again where its instructions have been executed for certain: later in their block, and in blocks
//! that can only be entered from there ([`FuncTranslator::carry_addresses`]). Whoever switches to a block without saying so
//! forgets all addresses, so that forgetting to say it costs time and is never wrong.

use cranelift_codegen::ir::{Block, InstBuilder, Value};
use wrun_module::MemoryIndex;

use super::function::FuncTranslator;

/// How many addresses are remembered; a power of two. With more, hardly any is found that is not found with these.
const SLOTS: usize = 16;

/// Addresses in memories that do not move, by their index.
#[derive(Default)]
pub(super) struct Addresses {
    /// Addresses, each in a place that follows from its index. Those of other scopes count for nothing.
    slots: [Option<Address>; SLOTS],
    /// The block that all addresses of the scope may be used in.
    block: Option<Block>,
    /// Counts how often all was forgotten.
    scope: u32,
}

#[derive(Clone, Copy)]
struct Address {
    scope: u32,
    memory: MemoryIndex,
    index: Value,
    address: Value,
}

impl Addresses {
    /// The place of an index.
    fn slot(index: Value) -> usize {
        index.as_u32() as usize % SLOTS
    }

    /// Forgets all addresses unless they may be used in `block`.
    fn enter(&mut self, block: Option<Block>) {
        if self.block != block {
            self.block = block;
            self.scope += 1;
        }
    }

    fn get(&self, memory: MemoryIndex, index: Value) -> Option<Value> {
        let found = self.slots[Self::slot(index)].as_ref()?;
        let same = found.scope == self.scope && found.memory == memory && found.index == index;
        same.then_some(found.address)
    }

    fn insert(&mut self, memory: MemoryIndex, index: Value, address: Value) {
        let scope = self.scope;
        self.slots[Self::slot(index)] = Some(Address { scope, memory, index, address });
    }
}

impl FuncTranslator<'_, '_> {
    /// The address that an index, without an offset, stands for in a memory that does not move.
    pub(super) fn index_address(&mut self, memory: MemoryIndex, index: Value) -> Value {
        self.addresses.enter(self.builder.current_block());
        if let Some(address) = self.addresses.get(memory, index) {
            return address;
        }
        let base = self.fixed_memory_base(memory);
        let extended = self.extend_index(index);
        let address = self.ins().iadd(base, extended);
        self.addresses.insert(memory, index, address);
        address
    }

    /// Says that `next`, to which nothing has been appended, is only entered from the current block, by its last instruction:
    /// what is known there is known in `next` too.
    pub(super) fn carry_addresses(&mut self, next: Block) {
        self.addresses.enter(self.builder.current_block());
        self.addresses.block = Some(next);
    }
}
