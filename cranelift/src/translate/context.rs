//! Access to the instance's context: what is in it for good is loaded once, in the entry block.
//!
//! Loads of what never changes are marked so that the optimiser may move and merge them. All of them are put into
//! the entry block when they are first needed; the optimiser then takes each to where its first use is, so that a
//! path that has no use of it does not pay.
//!
//! # Alias regions
//! Memory accesses carry one of the [`Region`]s; accesses in different regions never touch the same bytes. Two
//! imports may be the same memory, table or global, so there is one region for all of a kind.

use std::collections::HashMap;

use cranelift_codegen::{
    cursor::{Cursor, FuncCursor},
    ir::{
        self, AliasRegion, AliasRegionData, AliasRegionSet, Block, Endianness, Inst, InstBuilder,
        MemFlagsData, StackSlot, Value,
    },
};
use wrun_module::{
    FuncIndex, GlobalIndex, Libcall, MemoryIndex, TableIndex, TrapCode, TypeIndex,
    layout::{self, GlobalPlace, context},
};

use super::function::FuncTranslator;
use crate::{abi::POINTER, traps::clif_trap};

/// A kind of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Region {
    /// Linear memories.
    Heap,
    /// Elements of tables.
    Table,
    /// Mutable globals.
    Global,
    /// Bases and lengths of memories and tables.
    Definition,
    /// What does not change in an object of the garbage-collected heap: its type, its length, and what is immutable. It is
    /// only written while the object is made.
    Fixed,
    /// Mutable fields of structs.
    Field,
    /// Mutable elements of arrays.
    Element,
    /// Where the next object goes.
    Bump,
}

impl Region {
    const COUNT: usize = 8;

    fn data(self) -> AliasRegionData {
        let description = match self {
            Region::Heap => "memory",
            Region::Table => "table",
            Region::Global => "global",
            Region::Definition => "definition",
            Region::Fixed => "fixed",
            Region::Field => "field",
            Region::Element => "element",
            Region::Bump => "bump",
        };
        AliasRegionData { user_id: self as u32, description: description.into() }
    }
}

/// How many regions the slots are divided among in which references wait for calls to return.
const SLOT_REGIONS: u32 = 32;

/// The region of a slot that a reference is kept in over calls. Only the instructions that put it there and fetch it again
/// carry it; the collector's accesses happen in calls, which count as accesses to everything. Without a region each of
/// these instructions would count so too. Slots share regions because a function can have more of them than of those.
pub(super) fn slot_region(
    regions: &mut AliasRegionSet,
    _ty: ir::Type,
    slot: StackSlot,
    _offset: u32,
) -> Option<AliasRegion> {
    let user_id = Region::COUNT as u32 + slot.as_u32() % SLOT_REGIONS;
    Some(regions.insert(AliasRegionData { user_id, description: "slot".into() }))
}

/// The instance's context in one function.
pub(super) struct Context {
    /// Its address.
    vmctx: Value,
    entry: Block,
    /// The last of the loads in the entry block; later ones may depend on earlier ones.
    last_load: Option<Inst>,
    /// Loads in the entry block, by address and offset.
    loads: HashMap<(Value, u32), Value>,
    /// The bases of memories that never move: reserved ones, and those that cannot grow. Apart from `loads` because they are asked for at every access.
    memory_bases: Vec<Option<Value>>,
    regions: [Option<AliasRegion>; Region::COUNT],
    /// Whether objects of the garbage-collected heap are accessed.
    uses_heap: bool,
}

impl Context {
    /// The context at `vmctx`, a parameter of the block `entry`.
    pub(super) fn new(entry: Block, vmctx: Value, num_memories: usize) -> Self {
        Self {
            vmctx,
            entry,
            last_load: None,
            loads: HashMap::new(),
            memory_bases: vec![None; num_memories],
            regions: [None; Region::COUNT],
            uses_heap: false,
        }
    }

    /// Whether the function accesses objects of the garbage-collected heap.
    pub(super) fn uses_heap(&self) -> bool {
        self.uses_heap
    }
}

impl FuncTranslator<'_, '_> {
    /// The address of the instance's context.
    pub(super) fn vmctx(&self) -> Value {
        self.context.vmctx
    }

    /// Whether `block` is the function's first.
    pub(super) fn is_entry(&self, block: Block) -> bool {
        self.context.entry == block
    }

    /// Flags of an access that does not trap and is aligned.
    pub(super) fn trusted(&mut self, region: Region) -> MemFlagsData {
        MemFlagsData::trusted().with_alias_region(Some(self.region(region)))
    }

    /// Flags of an access that faults when it must not be made, and then traps as `trap` says.
    pub(super) fn trapping(&mut self, region: Region, trap: TrapCode) -> MemFlagsData {
        MemFlagsData::new()
            .with_endianness(Endianness::Little)
            .with_trap_code(Some(clif_trap(trap)))
            .with_alias_region(Some(self.region(region)))
    }

    fn region(&mut self, region: Region) -> AliasRegion {
        let regions = &mut self.builder.func.dfg.alias_regions;
        *self.context.regions[region as usize].get_or_insert_with(|| regions.insert(region.data()))
    }

    /// What lies at `offset` from `base` and never changes while the instance exists.
    ///
    /// `base` is the context's address or was loaded by this method.
    pub(super) fn invariant(&mut self, base: Value, offset: u32, ty: ir::Type) -> Value {
        if let Some(&value) = self.context.loads.get(&(base, offset)) {
            return value;
        }
        let cursor = FuncCursor::new(self.builder.func);
        let mut cursor = match self.context.last_load {
            Some(inst) => cursor.after_inst(inst),
            None => cursor.at_first_insertion_point(self.context.entry),
        };
        // Vectors are not marked as aligned: the slot of a host's global might not be.
        let flags = if ty.is_vector() {
            MemFlagsData::new().with_notrap()
        } else {
            MemFlagsData::trusted()
        };
        let flags = flags.with_readonly().with_can_move();
        let value = cursor.ins().load(ty, flags, base, offset as i32);
        self.context.last_load = cursor.func.dfg.value_def(value).inst();
        self.context.loads.insert((base, offset), value);
        value
    }

    /// A pointer in the context that never changes.
    pub(super) fn context_pointer(&mut self, offset: u32) -> Value {
        self.invariant(self.context.vmctx, offset, POINTER)
    }

    /// What references to objects count from.
    pub(super) fn heap_base(&mut self) -> Value {
        // Whoever instantiates the module makes sure that there is a heap, so that its base never changes.
        self.context.uses_heap = true;
        let store = self.context_pointer(context::STORE);
        self.invariant(store, layout::store_context::GC_BASE, POINTER)
    }

    /// The code of a libcall. In a cold block it is loaded where it is called, and may not be moved: outside of the loop
    /// around, it would take a register from what runs more often.
    pub(super) fn libcall_code(&mut self, libcall: Libcall) -> Value {
        let offset = libcall.index() * layout::POINTER_SIZE;
        let block = self.builder.current_block();
        if block.is_some_and(|block| self.builder.func.layout.is_cold(block)) {
            let flags = MemFlagsData::trusted().with_readonly();
            let vmctx = self.vmctx();
            let array = self.ins().load(POINTER, flags, vmctx, context::LIBCALLS as i32);
            return self.ins().load(POINTER, flags, array, offset as i32);
        }
        let array = self.context_pointer(context::LIBCALLS);
        self.invariant(array, offset, POINTER)
    }

    /// The engine's number of a type.
    pub(super) fn type_id(&mut self, ty: TypeIndex) -> Value {
        let ids = self.context_pointer(context::TYPE_IDS);
        self.invariant(ids, self.env.layout.type_id(ty), ir::types::I32)
    }

    /// Code and context of an imported function.
    pub(super) fn imported_func(&mut self, func: FuncIndex) -> (Value, Value) {
        let slot = self.env.layout.imported_func(func);
        let code = self.context_pointer(slot + layout::imported_func::NATIVE);
        (code, self.context_pointer(slot + layout::imported_func::CONTEXT))
    }

    /// The base of a memory that never moves.
    pub(super) fn fixed_memory_base(&mut self, memory: MemoryIndex) -> Value {
        if let Some(base) = self.context.memory_bases[memory.index()] {
            return base;
        }
        let slot = self.env.layout.memory(memory);
        let base = self.context_pointer(slot + layout::memory_slot::BASE);
        self.context.memory_bases[memory.index()] = Some(base);
        base
    }

    /// A field of a memory, as it is now.
    pub(super) fn memory_field(&mut self, memory: MemoryIndex, field: u32) -> Value {
        let slot = self.env.layout.memory(memory);
        self.definition_field(slot + layout::memory_slot::DEFINITION, field)
    }

    /// The address of a table's elements, which never moves.
    pub(super) fn table_base(&mut self, table: TableIndex) -> Value {
        let slot = self.env.layout.table(table);
        self.context_pointer(slot + layout::table_slot::BASE)
    }

    /// A field of a table, as it is now.
    pub(super) fn table_field(&mut self, table: TableIndex, field: u32) -> Value {
        let slot = self.env.layout.table(table);
        self.definition_field(slot + layout::table_slot::DEFINITION, field)
    }

    fn definition_field(&mut self, pointer: u32, field: u32) -> Value {
        let definition = self.context_pointer(pointer);
        let flags = self.trusted(Region::Definition);
        self.ins().load(POINTER, flags, definition, field as i32)
    }

    /// Where a global's value lies: an address and an offset from it.
    pub(super) fn global_place(&mut self, global: GlobalIndex) -> (Value, u32) {
        match self.env.layout.global(global) {
            GlobalPlace::Inline(offset) => (self.context.vmctx, offset),
            GlobalPlace::Pointer(offset) => (self.context_pointer(offset), 0),
        }
    }
}
