//! [`VmMemory`]: a linear memory.
//!
//! A *reserved* memory owns all addresses that a 32-bit index plus a 32-bit offset can name, of which only the
//! memory's own bytes are accessible: an access out of bounds faults, and nothing has to be checked. A *checked*
//! one owns what it needs and some room to grow; generated code compares each access with the length. Which of the two
//! a memory is depends on its type too: [`MemoryStyle::of`].
//!
//! The system makes bytes accessible in pages of its own, so behind a memory that ends within one there are bytes that
//! could be accessed and belong to nobody. Nothing writes them: they are zero when the memory grows over them.

use std::{fs::File, io, slice};

use wrun_module::{MemoryStyle, MemoryType, RESERVATION};

use super::{layout::VmDefinition, mapping::Mapping};

/// Addresses that a checked memory gets from the start where there are plenty, so that few memories ever have to move.
const ROOM: u64 = RESERVATION;

/// A linear memory. Its address must not change while an instance uses it: stores keep it in a box.
#[derive(Debug)]
pub(crate) struct VmMemory {
    /// Read by generated code.
    pub(super) definition: VmDefinition,
    mapping: Mapping,
    ty: MemoryType,
}

// SAFETY: the definition points into the mapping, which is owned and can be sent.
unsafe impl Send for VmMemory {}
// SAFETY: a shared reference only allows reading.
unsafe impl Sync for VmMemory {}

impl VmMemory {
    /// A memory of the type's least size, all bytes zero. `setting` is the engine's; it says whether addresses are
    /// plenty.
    pub(crate) fn new(ty: MemoryType, setting: MemoryStyle) -> io::Result<Self> {
        let len = ty.min_bytes().ok_or(io::ErrorKind::OutOfMemory)?;
        let mapping = match (setting, setting.of(&ty)) {
            (_, MemoryStyle::Reserved) => Mapping::reserve(RESERVATION as usize)?,
            // Other threads use a shared memory while it grows, so it must never move. Its maximum may be more than all
            // addresses there are: then it grows as far as it has room.
            _ if ty.shared => reserve(&ty, most_bytes(&ty).min(ROOM).max(len))?,
            (MemoryStyle::Reserved, MemoryStyle::Checked) => {
                let room = most_bytes(&ty).min(ROOM).max(len);
                reserve(&ty, room).or_else(|_| reserve(&ty, len))?
            }
            (MemoryStyle::Checked, MemoryStyle::Checked) => reserve(&ty, len)?,
        };
        let definition = VmDefinition { base: mapping.base(), length: 0 };
        let mut memory = Self { definition, mapping, ty };
        memory.extend_to(len as usize)?;
        Ok(memory)
    }

    /// Makes bytes accessible up to `len`, which is not less than before and inside the mapping.
    fn extend_to(&mut self, len: usize) -> io::Result<()> {
        let start = (self.len() as usize).next_multiple_of(Mapping::PAGE);
        let end = len.checked_next_multiple_of(Mapping::PAGE).ok_or(io::ErrorKind::OutOfMemory)?;
        self.mapping.make_accessible(start, end.saturating_sub(start))?;
        self.definition.length = len as u64;
        Ok(())
    }

    /// Whether it owns all addresses that it could ever need.
    pub(super) fn is_reserved(&self) -> bool {
        self.mapping.len() as u64 == RESERVATION && !self.ty.memory64
    }

    /// Makes it what it was when it was new, and what is mapped into it what it was then.
    pub(super) fn renew(&mut self) -> io::Result<()> {
        let rounded = |len: u64| (len as usize).next_multiple_of(Mapping::PAGE);
        let least = self.ty.min_bytes().ok_or(io::ErrorKind::OutOfMemory)?;
        let (old, new) = (rounded(self.len()), rounded(least));
        self.mapping.renew(0, old)?;
        self.mapping.make_inaccessible(new, old - new)?;
        self.definition.length = least;
        Ok(())
    }

    /// The type it was made with.
    pub(crate) fn declared_type(&self) -> MemoryType {
        self.ty
    }

    /// Size in bytes.
    pub(crate) fn len(&self) -> u64 {
        self.definition.length
    }

    /// Size in pages.
    pub(crate) fn pages(&self) -> u64 {
        self.len() >> self.ty.page_size_log2
    }

    /// The largest size it may have, in pages.
    pub(crate) fn max_pages(&self) -> u64 {
        self.ty.limits.max.unwrap_or(u64::MAX).min(self.ty.max_pages())
    }

    /// Grows by `delta` pages and gives the old size, or nothing when that is too much or the system refuses.
    pub(crate) fn grow(&mut self, delta: u64) -> Option<u64> {
        let old = self.pages();
        let new = old.checked_add(delta).filter(|&new| new <= self.max_pages())?;
        let new_len = usize::try_from(new.checked_mul(self.ty.page_size())?).ok()?;
        if new_len > self.mapping.len() {
            if self.ty.shared {
                return None;
            }
            self.relocate(new_len).ok()?;
        }
        self.extend_to(new_len).ok()?;
        Some(old)
    }

    /// Moves to a larger mapping, with room to grow again without moving. Makes all of `new_len` accessible before it
    /// copies anything: when the system has no room for it, that is soon known.
    ///
    /// Only ever happens to a checked memory: the mapping of a reserved one is larger than it can become.
    fn relocate(&mut self, new_len: usize) -> io::Result<()> {
        let old_len = self.len() as usize;
        let roomy = (new_len as u64).saturating_add(new_len as u64 / 2).min(most_bytes(&self.ty));
        let mapping = reserve(&self.ty, roomy).or_else(|_| reserve(&self.ty, new_len as u64))?;
        mapping.make_accessible(0, new_len.next_multiple_of(Mapping::PAGE))?;
        // SAFETY: both ranges are accessible and `old_len` bytes long; the new one is nobody else's.
        unsafe { mapping.base().copy_from_nonoverlapping(self.mapping.base(), old_len) };
        self.definition.base = mapping.base();
        self.mapping = mapping;
        Ok(())
    }

    /// Shows `len` bytes of a file at `start`, copied when they are written. All three numbers are multiples of 64 KiB.
    pub(crate) fn map_file(
        &mut self,
        start: u64,
        len: u64,
        file: &File,
        offset: u64,
    ) -> io::Result<()> {
        if start.checked_add(len).is_none_or(|end| end > self.len()) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        self.mapping.map_file_over(start as usize, len as usize, file, offset)
    }

    /// The addresses it owns, accessible or not.
    pub(crate) fn addresses(&self) -> std::ops::Range<usize> {
        let base = self.mapping.base().as_ptr() as usize;
        base..base + self.mapping.len()
    }

    /// Its bytes.
    pub(crate) fn data(&self) -> &[u8] {
        // SAFETY: `length` bytes from `base` are accessible, and nobody writes them while `self` is borrowed: code
        // that could runs only while the store is borrowed exclusively.
        unsafe { slice::from_raw_parts(self.definition.base.as_ptr(), self.len() as usize) }
    }

    /// Its bytes, to be changed.
    pub(crate) fn data_mut(&mut self) -> &mut [u8] {
        // SAFETY: as for `data`, and `self` is borrowed exclusively.
        unsafe { slice::from_raw_parts_mut(self.definition.base.as_ptr(), self.len() as usize) }
    }
}

/// The largest size that a memory of this type may have, in bytes.
fn most_bytes(ty: &MemoryType) -> u64 {
    let pages = ty.limits.max.unwrap_or(u64::MAX).min(ty.max_pages());
    pages.saturating_mul(ty.page_size())
}

/// Addresses for a checked memory.
///
/// A 64-bit memory can become larger than what the machine has; how much of it is accessible counts as used, so that the
/// system refuses what it cannot give.
fn reserve(ty: &MemoryType, len: u64) -> io::Result<Mapping> {
    let len = usize::try_from(len).map_err(|_| io::ErrorKind::OutOfMemory)?;
    if ty.memory64 { Mapping::reserve_counted(len) } else { Mapping::reserve(len) }
}

/// Whether the system lets this process reserve the addresses of a memory without bounds checks.
pub(crate) fn can_reserve() -> bool {
    Mapping::reserve(RESERVATION as usize).is_ok()
}

#[cfg(test)]
mod tests {
    use wrun_module::{Limits, MemoryStyle, MemoryType};

    use super::VmMemory;

    fn grown(style: MemoryStyle) {
        let ty = MemoryType::new(Limits { min: 1, max: Some(3) });
        let mut memory = VmMemory::new(ty, style).unwrap();
        memory.data_mut()[65535] = 7;
        assert_eq!(memory.grow(2), Some(1));
        assert_eq!(memory.grow(1), None);
        assert_eq!(memory.data().len(), 3 * 65536);
        assert_eq!(memory.data()[65535], 7);
        assert_eq!(memory.data()[65536], 0);
    }

    #[test]
    fn growing_keeps_the_bytes() {
        grown(MemoryStyle::Reserved);
        grown(MemoryStyle::Checked);
    }

    #[test]
    fn a_memory_of_single_bytes_grows_within_and_over_the_pages_of_the_system() {
        for (style, memory64) in [MemoryStyle::Reserved, MemoryStyle::Checked]
            .into_iter()
            .flat_map(|style| [(style, false), (style, true)])
        {
            let limits = Limits { min: 1, max: None };
            let ty = MemoryType { page_size_log2: 0, memory64, ..MemoryType::new(limits) };
            let mut memory = VmMemory::new(ty, style).unwrap();
            let mut size = 1;
            for delta in [0, 1, 4093, 1, 1, 61_439, 1, 65_536, 1 << 20] {
                memory.data_mut()[size - 1] = 7;
                assert_eq!(memory.grow(delta as u64), Some(size as u64));
                assert_eq!(memory.data()[size - 1], 7);
                assert!(memory.data()[size..].iter().all(|&byte| byte == 0));
                size += delta;
                assert_eq!((memory.data().len(), memory.pages()), (size, size as u64));
            }
            assert_eq!(memory.grow(memory.max_pages()), None);
            assert_eq!(memory.grow(u64::MAX), None);
            assert_eq!(memory.pages(), size as u64);
        }
    }

    #[test]
    fn a_64_bit_memory_that_the_system_has_no_room_for_is_refused() {
        let ty = |min| MemoryType { memory64: true, ..MemoryType::new(Limits { min, max: None }) };
        for style in [MemoryStyle::Reserved, MemoryStyle::Checked] {
            for pages in [1 << 31, (1 << 48) - 1, 1 << 48] {
                assert!(VmMemory::new(ty(pages), style).is_err(), "{pages} pages");
                let mut memory = VmMemory::new(ty(1), style).unwrap();
                memory.data_mut()[65535] = 7;
                assert_eq!(memory.grow(pages - 1), None, "to {pages} pages");
                assert_eq!((memory.pages(), memory.data()[65535]), (1, 7));
            }
        }
    }
}
