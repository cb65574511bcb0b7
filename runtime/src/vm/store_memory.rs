//! [`StoreMemory`]: a memory of a store, its own or shared with others.

use std::{fs::File, io, ops::Range, ptr::NonNull, sync::Arc};

use wrun_module::{MemoryStyle, MemoryType};

use super::{layout::VmSlot, memory::VmMemory, shared_memory::VmSharedMemory};

/// A memory of a store.
#[derive(Debug)]
pub(crate) enum StoreMemory {
    /// Nobody else's. In a box, because generated code points to it.
    Own(Box<VmMemory>),
    /// Used by other stores too, perhaps at this moment.
    Shared(Arc<VmSharedMemory>),
}

impl StoreMemory {
    /// A memory of the type's least size, all bytes zero.
    pub(super) fn new(ty: MemoryType, style: MemoryStyle) -> io::Result<Self> {
        Ok(if ty.shared {
            Self::Shared(Arc::new(VmSharedMemory::new(ty, style)?))
        } else {
            Self::Own(Box::new(VmMemory::new(ty, style)?))
        })
    }

    /// The type it was made with.
    pub(crate) fn declared_type(&self) -> MemoryType {
        match self {
            Self::Own(memory) => memory.declared_type(),
            Self::Shared(memory) => memory.declared_type(),
        }
    }

    /// Size in bytes.
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Own(memory) => memory.len(),
            Self::Shared(memory) => memory.len(),
        }
    }

    /// Size in pages.
    pub(crate) fn pages(&self) -> u64 {
        match self {
            Self::Own(memory) => memory.pages(),
            Self::Shared(memory) => memory.pages(),
        }
    }

    /// Grows by `delta` pages and gives the old size, or nothing when that is too much or the system refuses. The caller
    /// has seen that no more than `most` bytes come out, which may have changed for a shared memory.
    pub(super) fn grow(&mut self, delta: u64, most: u64) -> Option<u64> {
        match self {
            Self::Own(memory) => memory.grow(delta),
            Self::Shared(memory) => memory.grow(delta, most),
        }
    }

    /// Shows bytes of a file, as [`VmMemory::map_file`] does. Of a shared memory while it is new: others would see it
    /// change under them.
    pub(crate) fn map_file(
        &mut self,
        start: u64,
        len: u64,
        file: &File,
        offset: u64,
    ) -> io::Result<()> {
        match self {
            Self::Own(memory) => memory.map_file(start, len, file, offset),
            Self::Shared(memory) => Arc::get_mut(memory)
                .ok_or(io::ErrorKind::ResourceBusy)?
                .map_file(start, len, file, offset),
        }
    }

    /// The addresses it owns, accessible or not.
    pub(super) fn addresses(&self) -> Range<usize> {
        match self {
            Self::Own(memory) => memory.addresses(),
            Self::Shared(memory) => memory.addresses(),
        }
    }

    /// What a context says of it.
    pub(super) fn slot(&self) -> VmSlot {
        match self {
            Self::Own(memory) => VmSlot {
                base: memory.definition.base,
                definition: NonNull::from(&memory.definition),
            },
            Self::Shared(memory) => memory.slot(),
        }
    }

    /// Its bytes; nothing for a shared memory, whose bytes may change at any time.
    pub(crate) fn data(&self) -> Option<&[u8]> {
        match self {
            Self::Own(memory) => Some(memory.data()),
            Self::Shared(_) => None,
        }
    }

    /// Its bytes, to be changed; nothing for a shared memory.
    pub(crate) fn data_mut(&mut self) -> Option<&mut [u8]> {
        match self {
            Self::Own(memory) => Some(memory.data_mut()),
            Self::Shared(_) => None,
        }
    }

    /// Copies bytes out of it; nothing when the range is not inside.
    pub(crate) fn read(&self, offset: u64, buffer: &mut [u8]) -> Option<()> {
        match self {
            Self::Own(memory) => {
                let data = memory.data();
                buffer.copy_from_slice(&data[range(offset, buffer.len(), data.len())?]);
                Some(())
            }
            Self::Shared(memory) => memory.read(offset, buffer),
        }
    }

    /// Copies bytes into it; nothing when the range is not inside.
    pub(crate) fn write(&mut self, offset: u64, bytes: &[u8]) -> Option<()> {
        match self {
            Self::Own(memory) => {
                let data = memory.data_mut();
                let range = range(offset, bytes.len(), data.len())?;
                data[range].copy_from_slice(bytes);
                Some(())
            }
            Self::Shared(memory) => memory.write(offset, bytes),
        }
    }

    /// What other stores may have of it; nothing when it is the store's own.
    pub(crate) fn shared(&self) -> Option<&Arc<VmSharedMemory>> {
        match self {
            Self::Own(_) => None,
            Self::Shared(memory) => Some(memory),
        }
    }
}

/// `offset..offset + len`, when that is inside `0..size`.
fn range(offset: u64, len: usize, size: usize) -> Option<Range<usize>> {
    let start = usize::try_from(offset).ok()?;
    let end = start.checked_add(len).filter(|&end| end <= size)?;
    Some(start..end)
}
