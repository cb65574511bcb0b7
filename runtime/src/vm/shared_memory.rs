//! [`VmSharedMemory`]: a linear memory that instances in several stores use at the same time, on several threads.
//!
//! It never moves: its maximum is reserved. Its length lies where generated code of all stores reads it, only grows, and
//! is written after the bytes have become accessible. Nobody gets a plain reference to its bytes: they are read and
//! written through atomics and by [`super::racing`].

use std::{
    fs::File,
    io,
    ops::Range,
    ptr::NonNull,
    slice,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use wrun_module::{MemoryStyle, MemoryType, TrapCode};

use super::{
    layout::{VmSharedDefinition, VmSlot},
    memory::VmMemory,
    racing,
    waiters::{WaitResult, Waiters},
};

/// A shared memory. Its address must not change while an instance uses it: it is always in an [`Arc`](std::sync::Arc).
#[derive(Debug)]
pub(crate) struct VmSharedMemory {
    /// Read by generated code of all stores.
    definition: VmSharedDefinition,
    addresses: Range<usize>,
    ty: MemoryType,
    /// The address space, and whoever makes it grow. Its bytes are not accessed through it.
    space: Mutex<VmMemory>,
    waiters: Waiters,
}

// SAFETY: the base points into the space, which is owned and can be sent; all else is atomic or behind a lock.
unsafe impl Send for VmSharedMemory {}
// SAFETY: as above.
unsafe impl Sync for VmSharedMemory {}

impl VmSharedMemory {
    /// A memory of the type's least size, all bytes zero. The type is shared and has a maximum.
    pub(crate) fn new(ty: MemoryType, style: MemoryStyle) -> io::Result<Self> {
        debug_assert!(ty.shared, "{ty} is shared");
        let space = VmMemory::new(ty, style)?;
        let length = AtomicU64::new(space.len());
        Ok(Self {
            definition: VmSharedDefinition { base: space.definition.base, length },
            addresses: space.addresses(),
            ty,
            space: Mutex::new(space),
            waiters: Waiters::default(),
        })
    }

    /// The type it was made with.
    pub(crate) fn declared_type(&self) -> MemoryType {
        self.ty
    }

    /// Size in bytes; it may be larger when this returns.
    pub(crate) fn len(&self) -> u64 {
        self.definition.length.load(Ordering::SeqCst)
    }

    /// Size in pages; it may be larger when this returns.
    pub(crate) fn pages(&self) -> u64 {
        self.space().pages()
    }

    fn space(&self) -> MutexGuard<'_, VmMemory> {
        self.space.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Grows by `delta` pages, to `most` bytes at most, and gives the old size, or nothing when that is too much or the
    /// system refuses. The bound is held under the lock: others may grow it at the same time.
    pub(crate) fn grow(&self, delta: u64, most: u64) -> Option<u64> {
        let mut space = self.space();
        let more = delta.checked_mul(self.ty.page_size())?;
        if space.len().checked_add(more)? > most {
            return None;
        }
        let old = space.grow(delta)?;
        assert!(space.definition.base == self.definition.base, "a shared memory does not move");
        self.definition.length.store(space.len(), Ordering::SeqCst);
        Some(old)
    }

    /// Shows bytes of a file, as [`VmMemory::map_file`] does; nobody else has the memory yet.
    pub(super) fn map_file(
        &mut self,
        start: u64,
        len: u64,
        file: &File,
        offset: u64,
    ) -> io::Result<()> {
        let space = self.space.get_mut().unwrap_or_else(PoisonError::into_inner);
        space.map_file(start, len, file, offset)
    }

    /// The addresses it owns, accessible or not.
    pub(super) fn addresses(&self) -> Range<usize> {
        self.addresses.clone()
    }

    /// What a context says of it.
    pub(super) fn slot(&self) -> VmSlot {
        // Generated code reads both kinds of definition in the same way: the layouts are equal.
        VmSlot { base: self.definition.base, definition: NonNull::from(&self.definition).cast() }
    }

    /// Its bytes.
    pub(crate) fn bytes(&self) -> &[AtomicU8] {
        // SAFETY: `length` bytes from `base` are accessible from now on until `self` is dropped, since memories never
        // shrink and this one never moves. Whatever else accesses them is generated code and assembly, to which other
        // threads' atomic accesses are accesses like any other, and atomics here.
        unsafe { slice::from_raw_parts(self.definition.base.as_ptr().cast(), self.len() as usize) }
    }

    /// The address of `len` bytes at `offset`, when they are inside.
    fn place(&self, offset: u64, len: usize) -> Option<*mut u8> {
        let end = offset.checked_add(len as u64)?;
        // SAFETY: inside the memory, whose bytes are one allocation.
        (end <= self.len()).then(|| unsafe { self.definition.base.as_ptr().add(offset as usize) })
    }

    /// Copies bytes out of it; nothing when the range is not inside.
    pub(crate) fn read(&self, offset: u64, buffer: &mut [u8]) -> Option<()> {
        let src = self.place(offset, buffer.len())?;
        // SAFETY: the source is inside the memory, to which there are no plain references; the buffer is the caller's own.
        unsafe { racing::copy(src, buffer.as_mut_ptr(), buffer.len()) };
        Some(())
    }

    /// Copies bytes into it; nothing when the range is not inside.
    pub(crate) fn write(&self, offset: u64, bytes: &[u8]) -> Option<()> {
        let dst = self.place(offset, bytes.len())?;
        // SAFETY: as for `read`.
        unsafe { racing::copy(bytes.as_ptr(), dst, bytes.len()) };
        Some(())
    }

    /// The address of an aligned value of `size` bytes.
    ///
    /// # Errors
    /// With the trap of an atomic instruction that accesses it.
    fn atomic_place(&self, address: u64, size: usize) -> Result<*mut u8, TrapCode> {
        check_atomic(address, size, self.len())?;
        self.place(address, size).ok_or(TrapCode::MemoryOutOfBounds)
    }

    /// Waits until `address` is notified, unless the value there is not `expected`; for ever without a `timeout`.
    ///
    /// # Errors
    /// When the address is out of bounds or not aligned.
    pub(crate) fn wait32(
        &self,
        address: u64,
        expected: u32,
        timeout: Option<Duration>,
    ) -> Result<WaitResult, TrapCode> {
        let place = self.atomic_place(address, size_of::<u32>())?;
        // SAFETY: inside the memory and aligned: bases are, to a page. For other accesses see `bytes`.
        let value = unsafe { AtomicU32::from_ptr(place.cast()) };
        let is_expected = || value.load(Ordering::SeqCst) == expected;
        Ok(self.waiters.wait(address, is_expected, timeout))
    }

    /// As [`wait32`](Self::wait32).
    ///
    /// # Errors
    /// When the address is out of bounds or not aligned.
    pub(crate) fn wait64(
        &self,
        address: u64,
        expected: u64,
        timeout: Option<Duration>,
    ) -> Result<WaitResult, TrapCode> {
        let place = self.atomic_place(address, size_of::<u64>())?;
        // SAFETY: as for `wait32`.
        let value = unsafe { AtomicU64::from_ptr(place.cast()) };
        let is_expected = || value.load(Ordering::SeqCst) == expected;
        Ok(self.waiters.wait(address, is_expected, timeout))
    }

    /// Wakes at most `count` of those who wait at `address`, and gives how many.
    ///
    /// # Errors
    /// When the address is out of bounds or not aligned to four bytes.
    pub(crate) fn notify(&self, address: u64, count: u32) -> Result<u32, TrapCode> {
        check_atomic(address, size_of::<u32>(), self.len())?;
        Ok(self.waiters.notify(address, count))
    }
}

/// What an atomic instruction checks before it accesses `size` bytes of a memory of `len` bytes, in the order in which
/// generated code does.
pub(super) fn check_atomic(address: u64, size: usize, len: u64) -> Result<(), TrapCode> {
    if !address.is_multiple_of(size as u64) {
        return Err(TrapCode::UnalignedAtomic);
    }
    match address.checked_add(size as u64) {
        Some(end) if end <= len => Ok(()),
        _ => Err(TrapCode::MemoryOutOfBounds),
    }
}

#[cfg(test)]
mod tests {
    use wrun_module::{Limits, MemoryStyle, MemoryType, TrapCode};

    use super::VmSharedMemory;

    fn memory(style: MemoryStyle) -> VmSharedMemory {
        let ty = MemoryType { shared: true, ..MemoryType::new(Limits { min: 1, max: Some(3) }) };
        VmSharedMemory::new(ty, style).unwrap()
    }

    #[test]
    fn growing_does_not_move() {
        for style in [MemoryStyle::Reserved, MemoryStyle::Checked] {
            let memory = memory(style);
            memory.write(65535, &[7]).unwrap();
            let addresses = memory.addresses();
            assert_eq!(memory.grow(2, u64::MAX), Some(1));
            assert_eq!(memory.grow(1, u64::MAX), None);
            assert_eq!(memory.addresses(), addresses);
            assert_eq!(memory.bytes().len(), 3 * 65536);
            let mut end = [1; 2];
            memory.read(65535, &mut end).unwrap();
            assert_eq!(end, [7, 0]);
        }
    }

    #[test]
    fn growing_is_held_to_the_bound_of_who_grows() {
        let memory = memory(MemoryStyle::Reserved);
        assert_eq!(memory.grow(1, 2 * 65536 - 1), None);
        assert_eq!(memory.grow(u64::MAX, u64::MAX), None);
        assert_eq!(memory.grow(1, 2 * 65536), Some(1));
        assert_eq!(memory.grow(0, 65536), None);
    }

    #[test]
    fn what_is_outside_is_neither_read_nor_written() {
        let memory = memory(MemoryStyle::Reserved);
        let mut buffer = [1; 2];
        for offset in [65535, 65536, u64::MAX, 1 << 32] {
            assert_eq!(memory.read(offset, &mut buffer), None);
            assert_eq!(memory.write(offset, &[9, 9]), None);
        }
        assert_eq!(buffer, [1; 2]);
        assert_eq!(memory.read(65535, &mut buffer[..1]), Some(()));
        assert_eq!(buffer, [0, 1]);
        assert_eq!(memory.read(65536, &mut []), Some(()));
    }

    #[test]
    fn waiting_and_notifying_check_the_address() {
        let memory = memory(MemoryStyle::Checked);
        assert_eq!(memory.wait32(2, 0, None), Err(TrapCode::UnalignedAtomic));
        assert_eq!(memory.wait64(4, 0, None), Err(TrapCode::UnalignedAtomic));
        assert_eq!(memory.wait32(65536, 0, None), Err(TrapCode::MemoryOutOfBounds));
        assert_eq!(memory.wait64(u64::MAX - 7, 0, None), Err(TrapCode::MemoryOutOfBounds));
        assert_eq!(memory.notify(65532, 1), Ok(0));
        assert_eq!(memory.notify(65536, 1), Err(TrapCode::MemoryOutOfBounds));
        assert_eq!(memory.notify(1, 1), Err(TrapCode::UnalignedAtomic));
    }
}
