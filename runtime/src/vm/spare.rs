//! [`SpareParts`]: what is left of a dropped instance and can be taken over by the next one of the same module: its
//! context with the references to functions, its tables, and its memories with the addresses they have reserved.
//!
//! Whoever instantiates a module again and again would otherwise have the system map and unmap the same things each
//! time. The invariant others rely on: parts that come out of here are as new ones are, all memory zero or the module's
//! mapped data, all tables null, all of them at their least size. Only the references to functions stay, which depend on
//! nothing but the module and the address of the context.

use std::{
    mem,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use wrun_module::{MemoryIndex, TableIndex};

use super::{
    instance::{ContextBlock, VmInstance},
    memory::VmMemory,
    store::StoreOpaque,
    store_memory::StoreMemory,
    table::VmTable,
};
use crate::Module;

/// The most that one module keeps: as many threads can instantiate it in turn without getting in one another's way.
const MOST_OF_MODULE: usize = 4;

/// The most that all modules of the process keep. A reserved memory takes 8 GiB of addresses, of which there are 128 TiB.
const MOST: usize = 256;

/// Bytes of a table up to which it is cleared in place. Pages of a larger one are given back.
const SMALL_TABLE: usize = 256 * 1024;

/// How many are kept by all modules.
static KEPT: AtomicUsize = AtomicUsize::new(0);

/// The parts that a module keeps.
#[derive(Debug, Default)]
pub(crate) struct SpareParts(Mutex<Vec<Spare>>);

/// The parts of one instance, in the order of its module's definitions.
#[derive(Debug)]
#[allow(
    clippy::vec_box,
    reason = "stores keep them in boxes, because generated code points to them"
)]
pub(super) struct Spare {
    pub(super) context: ContextBlock,
    pub(super) tables: Vec<Box<VmTable>>,
    pub(super) memories: Vec<Box<VmMemory>>,
    _counted: Counted,
}

/// One of [`KEPT`].
#[derive(Debug)]
struct Counted;

impl Counted {
    /// Nothing when there are enough.
    fn new() -> Option<Self> {
        let counted = Self;
        // What was too much is taken back by dropping it.
        (KEPT.fetch_add(1, Ordering::Relaxed) < MOST).then_some(counted)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        KEPT.fetch_sub(1, Ordering::Relaxed);
    }
}

impl SpareParts {
    /// Parts for a new instance.
    pub(super) fn take(&self) -> Option<Spare> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn has_room(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len() < MOST_OF_MODULE
    }

    fn put(&self, spare: Spare) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < MOST_OF_MODULE {
            kept.push(spare);
        }
    }
}

/// The memories and tables of a store that is dropped; none where one was taken.
struct Remains {
    memories: Vec<Option<StoreMemory>>,
    tables: Vec<Option<Box<VmTable>>>,
}

impl StoreOpaque {
    /// Gives the parts of all instances to their modules, as far as these want them. The store is being dropped: nobody
    /// refers to the parts any more.
    pub(super) fn give_parts_back(&mut self) {
        let mut remains = Remains {
            memories: mem::take(&mut self.memories).into_iter().map(Some).collect(),
            tables: mem::take(&mut self.tables).into_iter().map(Some).collect(),
        };
        for instance in mem::take(&mut self.instances) {
            let module = instance.module().clone();
            // What is not given back is dropped here, before its module could be.
            if instance.is_complete()
                && module.spare_parts().has_room()
                && let Some(counted) = Counted::new()
                && let Some(spare) = remains.spare(&module, instance, counted)
            {
                module.spare_parts().put(spare);
            }
        }
    }
}

impl Remains {
    /// The parts of an instance as if new; nothing when one of them cannot be made so, or is shared with other stores.
    fn spare(&mut self, module: &Module, instance: VmInstance, counted: Counted) -> Option<Spare> {
        let info = module.info();
        let mut memories = Vec::with_capacity(info.memories.len());
        for index in (0..info.memories.len()).map(MemoryIndex::from_index) {
            if !info.is_imported_memory(index) {
                let mut memory = renewable(self.memories[instance.memory(index)].take()?)?;
                memory.renew().ok()?;
                memories.push(memory);
            }
        }
        let mut tables = Vec::with_capacity(info.tables.len());
        for index in (0..info.tables.len()).map(TableIndex::from_index) {
            if !info.is_imported_table(index) {
                let mut table = self.tables[instance.table(index)].take()?;
                table.renew(SMALL_TABLE).ok()?;
                tables.push(table);
            }
        }
        let context = instance.into_context();
        context.clear_before(module.layout().func_ref(0));
        Some(Spare { context, tables, memories, _counted: counted })
    }
}

/// The memory, when it is a store's alone and stays where it is.
fn renewable(memory: StoreMemory) -> Option<Box<VmMemory>> {
    match memory {
        StoreMemory::Own(memory) if memory.is_reserved() => Some(memory),
        StoreMemory::Own(_) | StoreMemory::Shared(_) => None,
    }
}
