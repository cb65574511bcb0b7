//! [`Arena`]: where code goes that is compiled while the module runs.
//!
//! It is a file in memory that is mapped twice: readable and executable where the code runs, and readable and writable at
//! another address that only this file knows. So no page is ever both at one address, and adding code changes nothing
//! about the pages that are being executed. For a profiler it is memory without a file, mapped twice all the same.

use std::{fs::File, io};

use rustix::{
    fs::{MemfdFlags, ftruncate, memfd_create},
    process::{Resource, getrlimit},
};
use wrun_module::{
    CompiledFunc, Placement,
    lazy::{ARENA, ARENA_END},
};

use super::region::Region;
use crate::vm::mapping::Mapping;

/// Bytes that the file grows by, at least.
const STEP: u64 = 1 << 20;

/// Bytes of an arena.
const LEN: usize = (ARENA_END - ARENA) as usize;

/// Code that grows.
#[derive(Debug, Default)]
pub(super) struct Arena {
    /// Nothing before the first function comes: what an earlier run left may be all that is needed.
    memory: Option<Memory>,
    /// Bytes in use.
    end: u64,
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

/// Where a function was put: offsets from the start of `.text`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) code: u32,
    pub(super) eh_frame: u32,
}

impl Arena {
    /// An empty one, whose code `perf` can look up in a [map](crate::vm::perf_map).
    pub(super) fn profiled() -> Self {
        Self { is_profiled: true, ..Self::default() }
    }

    /// Adds a function and its unwind table: `eh_frame` makes the latter, given the distance to the former. Calls go where
    /// `callee` says, an offset from the start of `.text`. `region` is the same each time.
    ///
    /// # Errors
    /// When there is no room, or a call does not reach.
    pub(super) fn add(
        &mut self,
        region: &Region,
        func: &CompiledFunc,
        placement: Placement,
        callee: impl Fn(u32, u32) -> i64,
        eh_frame: impl Fn(i64) -> Vec<u8>,
    ) -> io::Result<Place> {
        let start = placement.next_start(self.end, func.align);
        let table = (start + func.code.len() as u64).next_multiple_of(8);
        let eh_frame = eh_frame(start as i64 - table as i64);
        let end = table + eh_frame.len() as u64;
        let mut code = func.code.clone();
        let at = ARENA + start as u32;
        for call in &func.calls {
            call.resolve(&mut code, callee(at, call.callee) - i64::from(at))
                .map_err(io::Error::other)?;
        }
        let memory = match &mut self.memory {
            Some(memory) => memory,
            memory if self.is_profiled => memory.insert(Memory::without_file(region)?),
            memory => memory.insert(Memory::new(region)?),
        };
        memory.make_room(end)?;
        memory.write(start, &code);
        memory.write(table, &eh_frame);
        self.end = end;
        Ok(Place { code: at, eh_frame: ARENA + table as u32 })
    }
}

impl Memory {
    /// An empty file, executable in `region`.
    fn new(region: &Region) -> io::Result<Self> {
        let file = File::from(memfd_create("wrun-code", MemfdFlags::CLOEXEC)?);
        let writable = Mapping::of_shared_file(&file, LEN)?;
        // SAFETY: nothing was placed there, and the arena, which does so once, is the only one that ever does.
        unsafe { region.mapping().map_code_over(Region::ARENA_START, LEN, &file)? };
        Ok(Self { file: Some(file), writable, len: 0 })
    }

    /// Memory that has no file to be known by, executable in `region`.
    fn without_file(region: &Region) -> io::Result<Self> {
        let writable = Mapping::shared(LEN)?;
        // SAFETY: as for `new`.
        unsafe { region.mapping().map_shared_code_over(Region::ARENA_START, &writable)? };
        Ok(Self { file: None, writable, len: LEN as u64 })
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
        let limit = getrlimit(Resource::Fsize).current.unwrap_or(u64::MAX).min(LEN as u64);
        if len > limit {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        ftruncate(file, len)?;
        self.len = len;
        Ok(())
    }
}
