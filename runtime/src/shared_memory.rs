//! [`SharedMemory`]: a linear memory for several stores and threads.

use std::{
    fmt,
    sync::{Arc, atomic::AtomicU8},
    time::Duration,
};

use wrun_module::MemoryType;

use crate::{
    Engine, Error, MemoryAccessError, Result,
    memory::check_type,
    vm::{VmSharedMemory, WaitResult},
};

/// A shared linear memory. Belongs to no store: [`Memory::from_shared`](crate::Memory::from_shared) and
/// [`Linker::define_shared_memory`](crate::Linker::define_shared_memory) give it to stores of its engine, which may run on
/// several threads at the same time. Cheap to clone; all clones are one memory.
#[derive(Clone)]
pub struct SharedMemory {
    engine: Engine,
    memory: Arc<VmSharedMemory>,
}

impl fmt::Debug for SharedMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SharedMemory").field(&self.ty()).finish()
    }
}

impl SharedMemory {
    /// A memory of the type's least size, all bytes zero. The addresses for its maximum are reserved. Limits of stores count
    /// it once it is theirs.
    ///
    /// # Errors
    /// When the type is not shared or has no maximum, or the system has no room.
    pub fn new(engine: &Engine, ty: MemoryType) -> Result<SharedMemory> {
        if !ty.shared {
            return Err(Error::usage(format!("{ty} is not the type of a shared memory")));
        }
        check_type(ty)?;
        let memory = VmSharedMemory::new(ty, engine.memory_style()).map_err(|error| {
            let pages = ty.limits.min;
            Error::limit(format!("cannot allocate a shared memory of {pages} pages: {error}"))
        })?;
        Ok(Self::of(engine, Arc::new(memory)))
    }

    pub(crate) fn of(engine: &Engine, memory: Arc<VmSharedMemory>) -> Self {
        Self { engine: engine.clone(), memory }
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(crate) fn vm(&self) -> &Arc<VmSharedMemory> {
        &self.memory
    }

    /// Its type, with the present size as the minimum.
    pub fn ty(&self) -> MemoryType {
        let mut ty = self.memory.declared_type();
        ty.limits.min = self.memory.pages();
        ty
    }

    /// Size in pages. Another thread may make it larger at any time, never smaller.
    pub fn size(&self) -> u64 {
        self.memory.pages()
    }

    /// Size in bytes.
    pub fn data_size(&self) -> usize {
        self.memory.len() as usize
    }

    /// Its bytes, as many as there are now.
    pub fn data(&self) -> &[AtomicU8] {
        self.memory.bytes()
    }

    /// Copies bytes out of it. What others write meanwhile may arrive in part.
    ///
    /// # Errors
    /// When the range is not inside; nothing is copied then.
    pub fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), MemoryAccessError> {
        let len = buffer.len();
        self.memory.read(offset, buffer).ok_or_else(|| self.outside(offset, len))
    }

    /// Copies bytes into it. Others may see a part of them before the rest.
    ///
    /// # Errors
    /// When the range is not inside; nothing is copied then.
    pub fn write(&self, offset: u64, bytes: &[u8]) -> Result<(), MemoryAccessError> {
        self.memory.write(offset, bytes).ok_or_else(|| self.outside(offset, bytes.len()))
    }

    fn outside(&self, offset: u64, len: usize) -> MemoryAccessError {
        MemoryAccessError { offset, len, size: self.memory.len() }
    }

    /// Grows it by `delta` pages and gives the old size in pages. It does not move.
    ///
    /// # Errors
    /// When it would pass its maximum, or the system has no room.
    pub fn grow(&self, delta: u64) -> Result<u64> {
        self.memory.grow(delta, u64::MAX).ok_or_else(|| {
            let size = self.size();
            Error::limit(format!("cannot grow a shared memory of {size} pages by {delta}"))
        })
    }

    /// Does what `memory.atomic.wait32` does; without a `timeout` waits for ever.
    ///
    /// # Errors
    /// The traps of the instruction: the address is out of bounds or not a multiple of 4.
    pub fn atomic_wait32(
        &self,
        address: u64,
        expected: u32,
        timeout: Option<Duration>,
    ) -> Result<WaitResult> {
        Ok(self.memory.wait32(address, expected, timeout)?)
    }

    /// Does what `memory.atomic.wait64` does; without a `timeout` waits for ever.
    ///
    /// # Errors
    /// The traps of the instruction: the address is out of bounds or not a multiple of 8.
    pub fn atomic_wait64(
        &self,
        address: u64,
        expected: u64,
        timeout: Option<Duration>,
    ) -> Result<WaitResult> {
        Ok(self.memory.wait64(address, expected, timeout)?)
    }

    /// Does what `memory.atomic.notify` does: wakes at most `count` of those who wait at `address`, and gives how many.
    ///
    /// # Errors
    /// The traps of the instruction: the address is out of bounds or not a multiple of 4.
    pub fn atomic_notify(&self, address: u64, count: u32) -> Result<u32> {
        Ok(self.memory.notify(address, count)?)
    }
}
