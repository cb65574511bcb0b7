//! [`Mapping`]: a range of the address space that is ours, and the few things done with it.

use std::{fs::File, io, ptr::NonNull};

use rustix::mm::{
    Advice, MapFlags, MprotectFlags, MremapFlags, ProtFlags, madvise, mmap, mmap_anonymous,
    mprotect, mremap_fixed, munmap,
};

/// Addresses reserved from the system, released when dropped.
#[derive(Debug)]
pub(super) struct Mapping {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: a mapping is memory like any other and bound to no thread.
unsafe impl Send for Mapping {}
// SAFETY: a shared reference only gives out addresses; access through them is argued where it happens.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Bytes to which all lengths and offsets are rounded; a multiple of the system's pages.
    pub(super) const PAGE: usize = 64 * 1024;

    /// Reserves `len` bytes that can not be accessed yet and cost nothing. The system does not count them as used when
    /// they are made accessible either, only when they are written.
    pub(super) fn reserve(len: usize) -> io::Result<Self> {
        Self::map(len, MapFlags::PRIVATE | MapFlags::NORESERVE)
    }

    /// Reserves `len` bytes that can not be accessed yet. The system may refuse to make them accessible when it could
    /// not provide them all; how exactly it looks at that is a setting of it.
    pub(super) fn reserve_counted(len: usize) -> io::Result<Self> {
        Self::map(len, MapFlags::PRIVATE)
    }

    /// `len` bytes that are zero, readable and writable. As with [`reserve`](Self::reserve), the system counts them as used when
    /// they are written.
    pub(super) fn zeroed(len: usize) -> io::Result<Self> {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        Self::map_as(len, protection, MapFlags::PRIVATE | MapFlags::NORESERVE)
    }

    /// A copy of bytes, readable, in memory of its own.
    pub(super) fn copy_of(bytes: &[u8]) -> io::Result<Self> {
        let (len, protection) = (bytes.len(), ProtFlags::READ | ProtFlags::WRITE);
        // SAFETY: the system chooses the place, so nothing that exists is replaced.
        let base =
            unsafe { mmap_anonymous(std::ptr::null_mut(), len, protection, MapFlags::PRIVATE)? };
        let base = NonNull::new(base.cast::<u8>()).ok_or(io::ErrorKind::OutOfMemory)?;
        let copy = Self { base, len };
        // SAFETY: mapped just now for as many bytes, and nobody else knows of them.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), base.as_ptr(), len) };
        copy.protect(0, len, MprotectFlags::READ)?;
        Ok(copy)
    }

    /// `len` bytes that are zero, readable and writable, and can be had at a second address.
    pub(super) fn shared(len: usize) -> io::Result<Self> {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        Self::map_as(len, protection, MapFlags::SHARED | MapFlags::NORESERVE)
    }

    fn map(len: usize, flags: MapFlags) -> io::Result<Self> {
        Self::map_as(len, ProtFlags::empty(), flags)
    }

    fn map_as(len: usize, protection: ProtFlags, flags: MapFlags) -> io::Result<Self> {
        let len =
            len.max(1).checked_next_multiple_of(Self::PAGE).ok_or(io::ErrorKind::OutOfMemory)?;
        // SAFETY: the system chooses the place, so nothing that exists is replaced.
        let base = unsafe { mmap_anonymous(std::ptr::null_mut(), len, protection, flags)? };
        let base = NonNull::new(base.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { base, len })
    }

    /// Maps `len` bytes from the start of a file, readable.
    pub(super) fn of_file(file: &File, len: usize) -> io::Result<Self> {
        // SAFETY: the system chooses the place, so nothing that exists is replaced.
        let base = unsafe {
            mmap(std::ptr::null_mut(), len, ProtFlags::READ, MapFlags::PRIVATE, file, 0)?
        };
        let base = NonNull::new(base.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { base, len })
    }

    /// Maps `len` bytes from the start of a file, readable and writable; what is written there is in the file. The file may be
    /// shorter: bytes behind its end must not be accessed.
    pub(super) fn of_shared_file(file: &File, len: usize) -> io::Result<Self> {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: the system chooses the place, so nothing that exists is replaced.
        let base =
            unsafe { mmap(std::ptr::null_mut(), len, protection, MapFlags::SHARED, file, 0)? };
        let base = NonNull::new(base.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { base, len })
    }

    /// The first byte.
    pub(super) fn base(&self) -> NonNull<u8> {
        self.base
    }

    /// Number of bytes.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Makes bytes of a reservation readable and writable; they are zero unless they were accessible before.
    pub(super) fn make_accessible(&self, start: usize, len: usize) -> io::Result<()> {
        self.protect(start, len, MprotectFlags::READ | MprotectFlags::WRITE)
    }

    /// Makes bytes inaccessible again. They keep what they hold.
    pub(super) fn make_inaccessible(&self, start: usize, len: usize) -> io::Result<()> {
        self.protect(start, len, MprotectFlags::empty())
    }

    /// Gives bytes that nobody needs back to the system; they are zero then. Without effect when the system refuses.
    pub(super) fn discard(&mut self, start: usize, len: usize) {
        let _ = self.renew(start, len);
    }

    /// Makes bytes what they were when they were mapped: zero, or the file's. When the system refuses, they are as before.
    pub(super) fn renew(&mut self, start: usize, len: usize) -> io::Result<()> {
        self.check(start, len)?;
        // SAFETY: the range is inside the mapping, which is borrowed exclusively; what it held is given up.
        unsafe { Ok(madvise(self.base.as_ptr().add(start).cast(), len, Advice::LinuxDontNeed)?) }
    }

    /// Makes bytes executable and readable, and not writable.
    pub(super) fn make_executable(&self, start: usize, len: usize) -> io::Result<()> {
        self.protect(start, len, MprotectFlags::READ | MprotectFlags::EXEC)
    }

    fn protect(&self, start: usize, len: usize, flags: MprotectFlags) -> io::Result<()> {
        self.check(start, len)?;
        if len == 0 {
            return Ok(());
        }
        // SAFETY: the range is inside the mapping, and only this module's users know of it.
        unsafe { Ok(mprotect(self.base.as_ptr().add(start).cast(), len, flags)?) }
    }

    /// Replaces bytes by a private copy-on-write view of a file's. `start`, `offset` and `len` are multiples of
    /// [`Self::PAGE`].
    pub(super) fn map_file_over(
        &mut self,
        start: usize,
        len: usize,
        file: &File,
        offset: u64,
    ) -> io::Result<()> {
        self.check(start, len)?;
        if len == 0 {
            return Ok(());
        }
        let flags = MapFlags::PRIVATE | MapFlags::FIXED | MapFlags::NORESERVE;
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: the range is inside the mapping, which is borrowed exclusively; what it held is given up.
        unsafe {
            let place = self.base.as_ptr().add(start).cast();
            mmap(place, len, protection, flags, file, offset)?;
        }
        Ok(())
    }

    /// Replaces bytes by those of a file, from its start on, readable and executable; what is written to the file is here.
    ///
    /// # Safety
    /// What the bytes held is needed by nobody.
    pub(super) unsafe fn map_code_over(
        &self,
        start: usize,
        len: usize,
        file: &File,
    ) -> io::Result<()> {
        self.check(start, len)?;
        let flags = MapFlags::SHARED | MapFlags::FIXED;
        // SAFETY: the range is inside the mapping; what it held may be given up by the contract.
        unsafe {
            let place = self.base.as_ptr().add(start).cast();
            mmap(place, len, ProtFlags::READ | ProtFlags::EXEC, flags, file, 0)?;
        }
        Ok(())
    }

    /// Replaces bytes by those of another mapping, a [shared](Self::shared) one that goes on to be where it is: readable and executable
    /// here, what is written there is here.
    ///
    /// # Safety
    /// What the bytes held is needed by nobody.
    pub(super) unsafe fn map_shared_code_over(&self, start: usize, other: &Self) -> io::Result<()> {
        self.check(start, other.len)?;
        // SAFETY: the range is inside the mapping; what it held may be given up by the contract. With an old length of 0 the other
        // mapping stays.
        unsafe {
            let place = self.base.as_ptr().add(start).cast();
            mremap_fixed(other.base.as_ptr().cast(), 0, other.len, MremapFlags::MAYMOVE, place)?;
        }
        self.make_executable(start, other.len)
    }

    /// Replaces the bytes from `start` on by another mapping, which is moved here.
    pub(super) fn replace_by(&mut self, start: usize, other: Self) -> io::Result<()> {
        self.check(start, other.len)?;
        // SAFETY: the range is inside the mapping, which is borrowed exclusively; what it held is given up. The other
        // mapping is owned, so that nobody misses it where it was.
        unsafe {
            let place = self.base.as_ptr().add(start).cast();
            let (old, len) = (other.base.as_ptr().cast(), other.len);
            mremap_fixed(old, len, len, MremapFlags::MAYMOVE, place)?;
        }
        std::mem::forget(other);
        Ok(())
    }

    fn check(&self, start: usize, len: usize) -> io::Result<()> {
        match start.checked_add(len) {
            Some(end) if end <= self.len => Ok(()),
            _ => Err(io::ErrorKind::InvalidInput.into()),
        }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the range was mapped by `self`, and its users borrow or own `self`.
        // A failure leaves the addresses reserved, which harms nobody.
        let _ = unsafe { munmap(self.base.as_ptr().cast(), self.len) };
    }
}
