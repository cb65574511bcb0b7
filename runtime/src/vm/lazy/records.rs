//! [`Records`]: what is known of each piece of code in the arena, found by where it lies.
//!
//! The list only grows, in the order of the code. It is read without a lock, also by the signal handler, while another
//! thread appends to it: what is within the length that a reader sees does not change any more.

use std::{
    io, ptr,
    sync::atomic::{AtomicUsize, Ordering},
};

use wrun_module::{
    CompiledFunc, Tier, TrapCode,
    image::tables::{AddressMap, HandlerTable, InlinedAt, inlined_at},
};

use crate::vm::{code::UnwindTable, mapping::Mapping};

/// The most pieces of code: for the largest module, twice for each function.
const MAX: usize = 2 << 20;

/// What a piece of code is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A function.
    Function(Tier),
    /// The rest of one, from a loop on.
    Loop,
}

/// A piece of code.
#[derive(Debug)]
pub(in crate::vm) struct Record {
    /// Offset of its first byte from the start of `.text`.
    pub(super) start: u32,
    /// Position of the function.
    pub(super) position: u32,
    pub(super) kind: Kind,
    /// All that the compiler said, but for the code.
    pub(super) func: CompiledFunc,
    /// Bytes of code.
    pub(super) len: u32,
    /// Its table of handlers; offsets count from `.text`.
    handlers: Vec<u8>,
    _unwind: UnwindTable,
}

impl Record {
    /// That of code that was put at `start`.
    pub(super) fn new(
        start: u32,
        position: u32,
        kind: Kind,
        mut func: CompiledFunc,
        unwind: UnwindTable,
    ) -> Self {
        let mut catching = func.catching_calls.clone();
        for call in &mut catching {
            call.return_offset += start;
            call.handlers.iter_mut().for_each(|handler| handler.offset += start);
        }
        let len = func.code.len() as u32;
        func.code = Box::default();
        let handlers = HandlerTable::encode(&catching);
        Self { start, position, kind, func, len, handlers, _unwind: unwind }
    }

    /// Position of the function that the code at an offset from `.text` is of.
    pub(in crate::vm) fn function_at(&self, offset: u32) -> Option<u32> {
        (offset - self.start < self.len).then_some(self.position)
    }

    /// Whether it goes on in a loop of a function that its caller began.
    pub(in crate::vm) fn goes_on_for_caller(&self) -> bool {
        matches!(self.kind, Kind::Loop)
    }

    /// Why the instruction at an offset from `.text` traps.
    pub(in crate::vm) fn trap_at(&self, offset: u32) -> Option<TrapCode> {
        let traps = &self.func.traps;
        let found = traps.binary_search_by_key(&(offset - self.start), |trap| trap.0).ok()?;
        Some(traps[found].1)
    }

    /// Where the frame holds references while the call waits that returns to an offset from `.text`.
    pub(in crate::vm) fn stack_map_at(&self, offset: u32) -> &[u32] {
        let maps = &self.func.stack_maps;
        let found = maps.binary_search_by_key(&(offset - self.start), |map| map.0);
        found.map_or(&[], |found| &maps[found].1)
    }

    /// The handlers of its calls.
    pub(in crate::vm) fn handlers(&self) -> HandlerTable<'_> {
        HandlerTable::new(&self.handlers).unwrap_or_default()
    }

    /// The offset in the module of the instruction that the code at an offset from `.text` stems from.
    pub(in crate::vm) fn module_offset(&self, offset: u32) -> Option<u32> {
        let addresses = &self.func.addresses;
        let after = addresses.partition_point(|entry| entry.0 <= offset - self.start);
        let (_, position) = addresses[after.checked_sub(1)?];
        (position != AddressMap::NONE).then_some(position)
    }

    /// The function that was inlined where the code at an offset from `.text` is.
    pub(in crate::vm) fn inlined_at(&self, offset: u32) -> Option<InlinedAt> {
        let addresses = &self.func.addresses;
        inlined_at(addresses.len(), |index| addresses[index], offset - self.start)
    }
}

/// An element of the list.
#[repr(C)]
struct Slot {
    start: u32,
    record: *const Record,
}

/// The list.
#[derive(Debug)]
pub(super) struct Records {
    slots: Mapping,
    len: AtomicUsize,
}

// SAFETY: records are owned, are given out by shared reference only, and can be sent and shared themselves.
unsafe impl Send for Records {}
// SAFETY: as above; the head of this file says how the list is shared.
unsafe impl Sync for Records {}

impl Records {
    /// An empty list.
    ///
    /// # Errors
    /// When the system has no room.
    pub(super) fn new() -> io::Result<Self> {
        let slots = Mapping::zeroed(MAX * size_of::<Slot>())?;
        Ok(Self { slots, len: AtomicUsize::new(0) })
    }

    /// Whether there is room for another one.
    pub(super) fn has_room(&self) -> bool {
        self.len.load(Ordering::Relaxed) < MAX
    }

    /// Appends a record, of code behind all others. Only one thread does so at a time: whoever holds the arena.
    pub(super) fn push(&self, record: Record) -> &Record {
        let len = self.len.load(Ordering::Relaxed);
        assert!(len < MAX && self.last().is_none_or(|last| last.start < record.start));
        let (start, record) = (record.start, Box::into_raw(Box::new(record)));
        // SAFETY: the slot is inside the accessible list, and no reader looks behind the length.
        unsafe { self.slots.base().as_ptr().cast::<Slot>().add(len).write(Slot { start, record }) };
        self.len.store(len + 1, Ordering::Release);
        // SAFETY: just made; freed with `self` only.
        unsafe { &*record }
    }

    fn last(&self) -> Option<&Record> {
        self.iter().next_back()
    }

    /// All, in the order in which they came.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &Record> {
        let slots = self.slots();
        // SAFETY: records are freed with `self` only.
        slots.iter().map(|slot| unsafe { &*slot.record })
    }

    /// The record whose code an offset from `.text` may belong to.
    pub(super) fn find(&self, offset: u32) -> Option<&Record> {
        let slots = self.slots();
        let found = slots.partition_point(|slot| slot.start <= offset).checked_sub(1)?;
        // SAFETY: as for `iter`.
        Some(unsafe { &*slots[found].record })
    }

    fn slots(&self) -> &[Slot] {
        let len = self.len.load(Ordering::Acquire);
        // SAFETY: that many have been written, and do not change any more.
        unsafe { std::slice::from_raw_parts(self.slots.base().as_ptr().cast::<Slot>(), len) }
    }
}

impl Drop for Records {
    fn drop(&mut self) {
        // The last first: the system's unwinder keeps its tables in a list, and finds the newest fastest.
        for index in (0..*self.len.get_mut()).rev() {
            // SAFETY: each was made by `push` from a box, and nobody has a reference any more.
            unsafe {
                let slot = self.slots.base().as_ptr().cast::<Slot>().add(index);
                drop(Box::from_raw(ptr::read(slot).record.cast_mut()));
            }
        }
    }
}
