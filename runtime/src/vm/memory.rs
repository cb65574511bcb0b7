//! [`VmMemory`]: a linear memory.
//!
//! A *reserved* memory owns all addresses that a 32-bit index plus a 32-bit offset can name, of which only the
//! memory's own bytes are accessible: an access out of bounds faults, and nothing has to be checked. A *checked*
//! one owns what it needs and some room to grow; generated code compares each access with the length.

use std::{fs::File, io, slice};

use wrun_module::{MemoryStyle, MemoryType, RESERVATION};

use super::{layout::VmDefinition, mapping::Mapping};

const PAGE_SIZE: u64 = MemoryType::PAGE_SIZE;

/// A linear memory. Its address must not change while an instance uses it: stores keep it in a box.
#[derive(Debug)]
pub(crate) struct VmMemory {
    /// Read by generated code.
    pub(super) definition: VmDefinition,
    mapping: Mapping,
    style: MemoryStyle,
    ty: MemoryType,
}

// SAFETY: the definition points into the mapping, which is owned and can be sent.
unsafe impl Send for VmMemory {}
// SAFETY: a shared reference only allows reading.
unsafe impl Sync for VmMemory {}

impl VmMemory {
    /// A memory of the type's least size, all bytes zero.
    pub(crate) fn new(ty: MemoryType, style: MemoryStyle) -> io::Result<Self> {
        let len = ty.limits.min * PAGE_SIZE;
        let mapping = match style {
            MemoryStyle::Reserved => Mapping::reserve(RESERVATION as usize)?,
            MemoryStyle::Checked => Mapping::reserve(len as usize)?,
        };
        mapping.make_accessible(0, len as usize)?;
        let definition = VmDefinition { base: mapping.base(), length: len };
        Ok(Self { definition, mapping, style, ty })
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
        self.len() / PAGE_SIZE
    }

    /// The largest size it may have, in pages.
    pub(crate) fn max_pages(&self) -> u64 {
        self.ty.limits.max.unwrap_or(MemoryType::MAX_PAGES).min(MemoryType::MAX_PAGES)
    }

    /// Grows by `delta` pages and gives the old size, or nothing when that is too much or the system refuses.
    pub(crate) fn grow(&mut self, delta: u64) -> Option<u64> {
        let old = self.pages();
        let new = old.checked_add(delta).filter(|&new| new <= self.max_pages())?;
        let (old_len, new_len) = (self.len() as usize, usize::try_from(new * PAGE_SIZE).ok()?);
        if new_len > self.mapping.len() {
            self.relocate(old_len, new_len).ok()?;
        }
        self.mapping.make_accessible(old_len, new_len - old_len).ok()?;
        self.definition.length = new_len as u64;
        Some(old)
    }

    /// Moves to a larger mapping, with room to grow again without moving.
    fn relocate(&mut self, old_len: usize, new_len: usize) -> io::Result<()> {
        debug_assert_eq!(self.style, MemoryStyle::Checked);
        let most = (self.max_pages() * PAGE_SIZE) as usize;
        let roomy = new_len.saturating_add(new_len / 2).min(most);
        let mapping = Mapping::reserve(roomy).or_else(|_| Mapping::reserve(new_len))?;
        mapping.make_accessible(0, old_len)?;
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

/// Whether the system lets this process reserve the addresses of a memory without bounds checks.
pub(crate) fn can_reserve() -> bool {
    Mapping::reserve(RESERVATION as usize).is_ok()
}

#[cfg(test)]
mod tests {
    use wrun_module::{Limits, MemoryStyle, MemoryType};

    use super::VmMemory;

    fn grown(style: MemoryStyle) {
        let ty = MemoryType { limits: Limits { min: 1, max: Some(3) } };
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
}
