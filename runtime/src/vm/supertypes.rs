//! [`SupertypeTable`]: what generated code reads to find out whether a type is a subtype of another. What is in it is said
//! by [`wrun_module::gc`]; the registry of types writes it.

use std::{
    io,
    sync::atomic::{AtomicU32, Ordering},
};

use wrun_module::gc;

use super::mapping::Mapping;

/// Entries there are addresses for: 256 MiB, so that engines can also be made where addresses are few.
const MAX_ENTRIES: u32 = 1 << 26;

/// Bytes behind the last row: generated code reads the entry for any depth there is, whatever that of the type is.
const BEHIND: usize = Mapping::PAGE;

const _: () = assert!(BEHIND > gc::MAX_DEPTH as usize * size_of::<u32>());

/// The table. It never moves, and is all zero where nothing was written.
#[derive(Debug)]
pub(crate) struct SupertypeTable(Mapping);

impl SupertypeTable {
    /// A table with nothing in it: addresses only, memory is taken as it is written.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self(Mapping::zeroed(MAX_ENTRIES as usize * size_of::<u32>() + BEHIND)?))
    }

    /// Number of rows.
    pub(crate) const ROWS: u32 = MAX_ENTRIES / gc::ROW;

    /// The first entry.
    pub(super) fn base(&self) -> *const u32 {
        self.0.base().as_ptr().cast()
    }

    /// Writes the entry for a depth in the row of a type.
    ///
    /// # Panics
    /// When the row is none of the table's.
    pub(crate) fn write(&self, number: u32, depth: u32, ancestor: u32) {
        // Whoever reads the entry has the number from the registry, after its lock was released.
        self.entry(number, depth).store(ancestor, Ordering::Relaxed);
    }

    /// The entry for a depth in the row of a type, or in those behind it.
    #[cfg(test)]
    pub(crate) fn read(&self, number: u32, depth: u32) -> u32 {
        self.entry(number, depth).load(Ordering::Relaxed)
    }

    fn entry(&self, number: u32, depth: u32) -> &AtomicU32 {
        let index = number as usize + depth as usize;
        assert!(index < MAX_ENTRIES as usize, "an entry of one of the rows");
        // SAFETY: in bounds, accessible and aligned; the host only accesses entries as atomics, and generated code only
        // reads.
        unsafe { &*self.base().add(index).cast::<AtomicU32>() }
    }
}
