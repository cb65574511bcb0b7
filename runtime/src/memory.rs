//! [`Memory`]: a linear memory, with access that is checked.

use wrun_module::MemoryType;

use crate::{
    AsContext, AsContextMut, Engine, Error, Result, SharedMemory, StoreContext, StoreContextMut,
    store::StoreId, vm::StoreOpaque,
};

/// A linear memory of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Memory {
    store: StoreId,
    position: usize,
}

/// A range that is not inside a memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("out of bounds memory access: {len} bytes at {offset:#x} of a memory of {size:#x} bytes")]
pub struct MemoryAccessError {
    /// First byte of the range.
    pub offset: u64,
    /// Number of bytes.
    pub len: usize,
    /// Bytes of the memory.
    pub size: u64,
}

impl Memory {
    pub(crate) fn at(store: &StoreOpaque, position: usize) -> Self {
        Self { store: store.id(), position }
    }

    pub(crate) fn position(self, store: &StoreOpaque) -> usize {
        store.id().assert_eq(self.store, "memory");
        self.position
    }

    /// A memory of the type's least size, all bytes zero.
    ///
    /// # Errors
    /// When the type is not valid, a limit of the store is passed, or the system has no room.
    pub fn new(mut store: impl AsContextMut, ty: MemoryType) -> Result<Memory> {
        check_type(ty)?;
        let mut store = store.as_context_mut();
        let position = store.opaque_mut().add_memory(ty)?;
        Ok(Self::at(store.opaque(), position))
    }

    /// A shared memory as one of the store's.
    ///
    /// # Errors
    /// When it was made with another engine, or a limit of the store is passed.
    pub fn from_shared(mut store: impl AsContextMut, memory: &SharedMemory) -> Result<Memory> {
        let mut store = store.as_context_mut();
        if !Engine::same(store.engine(), memory.engine()) {
            return Err(Error::usage(
                "the shared memory was made with another engine than the store's".into(),
            ));
        }
        let position = store.opaque_mut().add_shared_memory(memory.vm())?;
        Ok(Self::at(store.opaque(), position))
    }

    /// What other stores and threads can use, when it is shared.
    pub fn to_shared(&self, store: impl AsContext) -> Option<SharedMemory> {
        let store = store.as_context();
        let memory = store.opaque().memory(self.position(store.opaque())).shared()?;
        Some(SharedMemory::of(store.engine(), memory.clone()))
    }

    /// Its type, with the present size as the minimum.
    pub fn ty(&self, store: impl AsContext) -> MemoryType {
        let store = store.as_context();
        let memory = store.opaque().memory(self.position(store.opaque()));
        let mut ty = memory.declared_type();
        ty.limits.min = memory.pages();
        ty
    }

    /// Size in pages of [`page_size`](Self::page_size) bytes.
    pub fn size(&self, store: impl AsContext) -> u64 {
        let store = store.as_context();
        store.opaque().memory(self.position(store.opaque())).pages()
    }

    /// Bytes in a page: 65536 unless its type says otherwise.
    pub fn page_size(&self, store: impl AsContext) -> u64 {
        self.ty(store).page_size()
    }

    /// Size in bytes.
    pub fn data_size(&self, store: impl AsContext) -> usize {
        let store = store.as_context();
        store.opaque().memory(self.position(store.opaque())).len() as usize
    }

    /// Its bytes; none of a shared memory, which others may write at any time: see [`to_shared`](Self::to_shared).
    /// [`read`](Self::read) and [`write`](Self::write) are for all memories.
    ///
    /// # Panics
    /// When the memory is another store's; so do all methods.
    pub fn data<'a, T: 'static>(&self, store: impl Into<StoreContext<'a, T>>) -> &'a [u8] {
        let store = store.into().into_opaque();
        store.memory(self.position(store)).data().unwrap_or_default()
    }

    /// Its bytes, to be changed; none of a shared memory.
    pub fn data_mut<'a, T: 'static>(
        &self,
        store: impl Into<StoreContextMut<'a, T>>,
    ) -> &'a mut [u8] {
        self.data_and_store_mut(store).0
    }

    /// Its bytes, none of a shared memory, and the user's data of the store, both to be changed.
    pub fn data_and_store_mut<'a, T: 'static>(
        &self,
        store: impl Into<StoreContextMut<'a, T>>,
    ) -> (&'a mut [u8], &'a mut T) {
        let (store, data) = store.into().into_split();
        let position = self.position(store);
        (store.memory_mut(position).data_mut().unwrap_or_default(), data)
    }

    /// Copies bytes out of it.
    ///
    /// # Errors
    /// When the range is not inside; nothing is copied then.
    pub fn read(
        &self,
        store: impl AsContext,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<(), MemoryAccessError> {
        let store = store.as_context();
        let memory = store.opaque().memory(self.position(store.opaque()));
        let len = buffer.len();
        let outside = || MemoryAccessError { offset, len, size: memory.len() };
        memory.read(offset, buffer).ok_or_else(outside)
    }

    /// Copies bytes into it.
    ///
    /// # Errors
    /// When the range is not inside; nothing is copied then.
    pub fn write(
        &self,
        mut store: impl AsContextMut,
        offset: u64,
        bytes: &[u8],
    ) -> Result<(), MemoryAccessError> {
        let mut store = store.as_context_mut();
        let position = self.position(store.opaque());
        let memory = store.opaque_mut().memory_mut(position);
        let written = memory.write(offset, bytes);
        written.ok_or_else(|| MemoryAccessError { offset, len: bytes.len(), size: memory.len() })
    }

    /// Grows it by `delta` pages and gives the old size in pages.
    ///
    /// # Errors
    /// When it would pass its maximum or a limit of the store, or the system has no room.
    pub fn grow(&self, mut store: impl AsContextMut, delta: u64) -> Result<u64> {
        let mut store = store.as_context_mut();
        let position = self.position(store.opaque());
        let size = store.opaque().memory(position).pages();
        store
            .opaque_mut()
            .grow_memory(position, delta)
            .ok_or_else(|| Error::limit(format!("cannot grow a memory of {size} pages by {delta}")))
    }
}

/// Checks that there can be a memory of a type that the host made.
pub(crate) fn check_type(ty: MemoryType) -> Result<()> {
    if !ty.is_valid() || (ty.shared && ty.limits.max.is_none()) {
        return Err(Error::usage(format!("{ty} is no valid type of a memory")));
    }
    Ok(())
}
