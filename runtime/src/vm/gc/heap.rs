//! [`Heap`]: the memory that objects lie in, how it is divided, and how much of it is used.
//!
//! 4 GiB of addresses are reserved once, so that the base never changes:
//!
//! ```text
//! base      64 KiB            2 GiB                 4 GiB − 64 KiB    4 GiB
//!  │ null region │ one half     │ the other half        │ never accessible, with the guard behind │
//! ```
//!
//! Objects lie in one half, the *active* one, without gaps from its start on; the next one goes where the last one ends.
//! A collection copies those that are reachable to the start of the other half, which is active from then on. Of each
//! half only as much is accessible as was needed once.
//!
//! # How large the active half gets
//! It begins with [`FIRST_CAPACITY`], so that it stays in the processor's cache as long as little survives. After a
//! collection it may be filled to three times what was reachable, but not beyond the limit: so at least twice as many
//! bytes are allocated as are copied, however large the heap is.

use std::io;

use wrun_module::gc::{ADDRESS_SPACE, ALIGN, NULL_REGION, TYPE};

use super::{evacuation::Evacuation, externals::Externals, shape::ShapeTable};
use crate::vm::{layout::VmBump, mapping::Mapping};

/// Bytes of the active half that are filled before the first collection, and the least before any other.
const FIRST_CAPACITY: u64 = 1 << 20;

/// Where the halves begin.
const STARTS: [u64; 2] = [NULL_REGION as u64, ADDRESS_SPACE / 2];

/// Bytes of a half.
const HALF: u64 = ADDRESS_SPACE / 2 - NULL_REGION as u64;

/// Bytes behind the addresses that a reference can name which are never accessible: more than the offset of any field, of
/// which a struct has at most 10,000 with 16 bytes each. So an access to a field stays in the reservation whatever 32 bits
/// the reference is.
const GUARD: u64 = 256 << 10;

/// The memory of a store's objects. Where the next one goes says the [`VmBump`] that belongs to it, which generated code
/// changes too.
#[derive(Debug)]
pub(crate) struct Heap {
    mapping: Mapping,
    /// Which half is active.
    active: usize,
    /// Bytes of each half that are accessible.
    accessible: [u64; 2],
    /// Bytes of each half that may have been written since the system had them last.
    touched: [u64; 2],
    /// Bytes of the active half that may be filled before the next collection; they are accessible.
    capacity: u64,
    /// The most that `capacity` may be.
    limit: u64,
    /// Whether every allocation is preceded by a collection.
    stress: bool,
}

impl Heap {
    /// An empty heap whose halves may have `max` bytes together. Makes `bump` the one that belongs to it.
    ///
    /// # Errors
    /// When the system has not enough addresses.
    pub(crate) fn new(max: u64, stress: bool, bump: &mut VmBump) -> io::Result<Self> {
        let mapping = Mapping::reserve((ADDRESS_SPACE + GUARD) as usize)?;
        let limit = (max / 2).min(HALF) / u64::from(ALIGN) * u64::from(ALIGN);
        let mut heap = Self {
            mapping,
            active: 0,
            accessible: [0; 2],
            touched: [0; 2],
            capacity: 0,
            limit,
            stress,
        };
        heap.set_capacity(FIRST_CAPACITY);
        bump.base = heap.mapping.base().as_ptr();
        bump.next = STARTS[0];
        heap.publish_limit(bump);
        Ok(heap)
    }

    /// The bytes from the base on that are never accessible, as addresses: where null references lead.
    pub(crate) fn null_region(&self) -> std::ops::Range<usize> {
        let base = self.mapping.base().as_ptr() as usize;
        base..base + NULL_REGION as usize
    }

    /// Bytes that objects take, reachable or not.
    pub(crate) fn used(&self, bump: &VmBump) -> u64 {
        bump.next - STARTS[self.active]
    }

    /// Where the active half ends for now.
    fn end(&self) -> u64 {
        STARTS[self.active] + self.capacity
    }

    /// Says how far generated code may allocate without asking: not at all when every allocation is to collect.
    fn publish_limit(&self, bump: &mut VmBump) {
        bump.limit = if self.stress { 0 } else { self.end() };
    }

    /// Lets the active half be filled up to `wanted` bytes, or as many as the limit and the system allow.
    fn set_capacity(&mut self, wanted: u64) {
        let wanted = wanted.min(self.limit);
        self.capacity = match self.make_accessible(self.active, wanted) {
            Ok(()) => wanted,
            Err(_) => wanted.min(self.accessible[self.active]),
        };
    }

    /// Makes the first `len` bytes of a half accessible, if they are not.
    fn make_accessible(&mut self, half: usize, len: u64) -> io::Result<()> {
        let old = self.accessible[half];
        let new = len.next_multiple_of(Mapping::PAGE as u64);
        if new > old {
            self.mapping.make_accessible((STARTS[half] + old) as usize, (new - old) as usize)?;
            self.accessible[half] = new;
        }
        Ok(())
    }

    /// Room for an object of `size` bytes, of which only the type is written: the caller writes all else before anything
    /// can collect. Nothing when there is no room before a collection.
    #[inline]
    pub(crate) fn allocate(&mut self, bump: &mut VmBump, ty: u32, size: u64) -> Option<u32> {
        let size = size.checked_next_multiple_of(ALIGN.into())?;
        let end = bump.next.checked_add(size).filter(|&end| end <= self.end())?;
        let reference = bump.next as u32;
        bump.next = end;
        self.write(reference, TYPE, ty.to_le_bytes());
        Some(reference)
    }

    /// Whether the next allocation of `size` bytes has to be preceded by a collection.
    pub(crate) fn must_collect(&self, bump: &VmBump, size: u64) -> bool {
        self.stress || bump.next.checked_add(size).is_none_or(|end| end > self.end())
    }

    /// Moves everything that can be reached, from what `roots` shows to the evacuation, to the other half, and then lets it
    /// be filled so far that there is room for `needed` bytes, as far as the limit allows.
    ///
    /// # Errors
    /// When the system has no memory for the copies: nothing has been done then.
    pub(crate) fn collect(
        &mut self,
        bump: &mut VmBump,
        shapes: &ShapeTable,
        externals: &mut Externals,
        needed: u64,
        roots: impl FnOnce(&mut Evacuation<'_>),
    ) -> io::Result<()> {
        let (old, new) = (self.active, 1 - self.active);
        let used = self.used(bump);
        // Every object is copied once at most, so that the copies take no more than the objects did.
        self.make_accessible(new, used)?;
        // SAFETY: the objects lie in `STARTS[old]..bump.next`, and as many bytes are accessible from `STARTS[new]` on,
        // where there are none. The heap is borrowed exclusively.
        let mut evacuation = unsafe {
            Evacuation::new(bump.base, STARTS[old]..bump.next, STARTS[new], shapes, externals)
        };
        roots(&mut evacuation);
        bump.next = evacuation.finish();
        self.active = new;
        let live = self.used(bump);
        self.set_capacity(FIRST_CAPACITY.max(3 * live).max(live.saturating_add(needed)));
        self.publish_limit(bump);
        self.touched[old] = self.touched[old].max(used);
        self.give_back(old);
        Ok(())
    }

    /// Gives pages of the half that is not active back to the system: those that the next collection will not copy to. In
    /// stress mode it becomes inaccessible, so that whoever still has a reference to it is found out.
    fn give_back(&mut self, half: usize) {
        let kept = self.capacity.next_multiple_of(Mapping::PAGE as u64);
        if self.touched[half] > kept {
            let (start, len) = (STARTS[half] + kept, self.accessible[half] - kept);
            self.mapping.discard(start as usize, len as usize);
            self.touched[half] = kept;
        }
        if self.stress {
            let (start, len) = (STARTS[half] as usize, self.accessible[half] as usize);
            if self.mapping.make_inaccessible(start, len).is_ok() {
                self.accessible[half] = 0;
            }
        }
    }

    /// Reads bytes of an object.
    ///
    /// # Panics
    /// When they are not in the active half.
    #[inline]
    pub(crate) fn read<const N: usize>(&self, reference: u32, offset: u32) -> [u8; N] {
        let place = self.place(reference, offset, N);
        // SAFETY: `place` has seen that the bytes are accessible; nobody writes them while `self` is borrowed.
        unsafe { place.cast::<[u8; N]>().read() }
    }

    /// Writes bytes of an object.
    ///
    /// # Panics
    /// When they are not in the active half.
    #[inline]
    pub(crate) fn write<const N: usize>(&mut self, reference: u32, offset: u32, bytes: [u8; N]) {
        let place = self.place(reference, offset, N);
        // SAFETY: `place` has seen that the bytes are accessible, and `self` is borrowed exclusively.
        unsafe { place.cast::<[u8; N]>().write(bytes) }
    }

    /// Bytes of an object.
    ///
    /// # Panics
    /// When they are not in the active half.
    pub(crate) fn bytes(&self, reference: u32, offset: u32, len: usize) -> &[u8] {
        let place = self.place(reference, offset, len);
        // SAFETY: `place` has seen that the bytes are accessible; nobody writes them while `self` is borrowed.
        unsafe { std::slice::from_raw_parts(place, len) }
    }

    /// Bytes of an object, to be written.
    ///
    /// # Panics
    /// When they are not in the active half.
    pub(crate) fn bytes_mut(&mut self, reference: u32, offset: u32, len: usize) -> &mut [u8] {
        let place = self.place(reference, offset, len);
        // SAFETY: `place` has seen that the bytes are accessible, and `self` is borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(place, len) }
    }

    /// Copies bytes of an object to another, or to the same, as if through a copy of them. Places are references and offsets.
    ///
    /// # Panics
    /// When they are not in the active half.
    pub(crate) fn copy(&mut self, from: (u32, u32), to: (u32, u32), len: usize) {
        let (from, to) = (self.place(from.0, from.1, len), self.place(to.0, to.1, len));
        // SAFETY: `place` has seen that both ranges are accessible, and `self` is borrowed exclusively.
        unsafe { std::ptr::copy(from, to, len) };
    }

    /// Where bytes of an object are.
    #[inline]
    fn place(&self, reference: u32, offset: u32, len: usize) -> *mut u8 {
        let start = u64::from(reference) + u64::from(offset);
        let half = STARTS[self.active];
        let inside = start >= half && start + len as u64 <= half + self.accessible[self.active];
        assert!(inside, "an access outside the heap");
        // SAFETY: inside the reservation: the active half is.
        unsafe { self.mapping.base().as_ptr().add(start as usize) }
    }
}
