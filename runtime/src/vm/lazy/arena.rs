//! [`Arena`]: where code of a tier goes that is compiled while the module runs.
//!
//! It is a file in memory that is mapped twice: readable and executable where the code runs, and readable and writable at
//! another address that only this file knows. So no page is ever both at one address, and adding code changes nothing
//! about the pages that are being executed. For a profiler it is memory without a file, mapped twice all the same.
//!
//! There is one for each tier: code that counts and is left soon would lie between what runs for long, which then is on twice as many
//! pages and lines. RATIONALE.md has the measurements.

use std::{fs::File, io};

use rustix::{
    fs::{MemfdFlags, ftruncate, memfd_create},
    process::{Resource, getrlimit},
};
use wrun_module::{
    CompiledFunc, Placement, Tier,
    lazy::{ARENA, BASELINE_ARENA, TABLES},
};

use super::region::Region;
use crate::vm::mapping::Mapping;

/// Bytes that the file grows by, at least.
const STEP: u64 = 1 << 20;

/// Code that grows.
#[derive(Debug)]
pub(super) struct Arena {
    /// Nothing before the first function comes: what an earlier run left may be all that is needed.
    memory: Option<Memory>,
    /// Offset of its first byte from the start of `.text`.
    start: u32,
    /// Bytes that it may have.
    max_len: usize,
    /// Bytes in use.
    len: u64,
    /// Whether a profiler shall see memory that no file is mapped to.
    is_profiled: bool,
}

/// The file in memory.
#[derive(Debug)]
struct Memory {
    /// Nothing for memory without a file, which has all of its bytes from the beginning.
    file: Option<File>,
    writable: Mapping,
    /// Bytes that there are.
    len: u64,
}

impl Arena {
    /// An empty one for code of a tier. When it `is_profiled`, `perf` can look its code up in a [map](crate::vm::perf_map).
    pub(super) fn new(tier: Tier, is_profiled: bool) -> Self {
        let (start, end) = match tier {
            Tier::Optimised => (ARENA, BASELINE_ARENA),
            Tier::Baseline => (BASELINE_ARENA, TABLES),
        };
        Self { memory: None, start, max_len: (end - start) as usize, len: 0, is_profiled }
    }

    /// Adds a function, and gives the offset of its code from the start of `.text`. Calls go where `callee` says, an offset from there
    /// too, given the function's own. `region` is the same each time.
    ///
    /// # Errors
    /// When there is no room, or a call does not reach.
    pub(super) fn add(
        &mut self,
        region: &Region,
        func: &CompiledFunc,
        placement: Placement,
        callee: impl Fn(u32, u32) -> i64,
    ) -> io::Result<u32> {
        let start = placement.next_start(self.len, func.align);
        let end = start + func.code.len() as u64;
        if end > self.max_len as u64 {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        let mut code = func.code.clone();
        let at = self.start + start as u32;
        for call in &func.calls {
            call.resolve(&mut code, callee(at, call.callee) - i64::from(at))
                .map_err(io::Error::other)?;
        }
        let memory = match &mut self.memory {
            Some(memory) => memory,
            memory => {
                memory.insert(Memory::new(region, self.start, self.max_len, self.is_profiled)?)
            }
        };
        memory.make_room(end)?;
        memory.write(start, &code);
        self.len = end;
        Ok(at)
    }
}

impl Memory {
    /// Empty memory of at most `max_len` bytes, executable in `region` at an offset from `.text`.
    fn new(region: &Region, start: u32, max_len: usize, is_profiled: bool) -> io::Result<Self> {
        let place = Region::place(start);
        if is_profiled {
            let writable = Mapping::shared(max_len)?;
            // SAFETY: nothing was placed there, and the arena, which does so once, is the only one that ever does.
            unsafe { region.mapping().map_shared_code_over(place, &writable)? };
            return Ok(Self { file: None, writable, len: max_len as u64 });
        }
        let file = File::from(memfd_create("wrun-code", MemfdFlags::CLOEXEC)?);
        let writable = Mapping::of_shared_file(&file, max_len)?;
        // SAFETY: as above.
        unsafe { region.mapping().map_code_over(place, max_len, &file)? };
        Ok(Self { file: Some(file), writable, len: 0 })
    }

    /// Writes to where nobody executes anything yet.
    fn write(&mut self, start: u64, bytes: &[u8]) {
        assert!(start + bytes.len() as u64 <= self.len, "write behind the arena");
        // SAFETY: in bounds of the file, and so of the mapping, by the assertion; the bytes lie behind all that has been
        // given out, and the mapping is borrowed exclusively.
        unsafe {
            let place = self.writable.base().as_ptr().add(start as usize);
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), place, bytes.len());
        }
    }

    fn make_room(&mut self, end: u64) -> io::Result<()> {
        if end <= self.len {
            return Ok(());
        }
        let Some(file) = &self.file else { return Err(io::ErrorKind::OutOfMemory.into()) };
        let len = end.max(self.len * 3 / 2).next_multiple_of(STEP);
        // A file that grows past the process's limit would end it by a signal.
        let limit =
            getrlimit(Resource::Fsize).current.unwrap_or(u64::MAX).min(self.writable.len() as u64);
        if len > limit {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        ftruncate(file, len)?;
        self.len = len;
        Ok(())
    }
}
