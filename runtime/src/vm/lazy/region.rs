//! [`Region`]: the addresses of a module that is compiled as it runs, laid out as [`wrun_module::lazy`] says, with its stubs
//! and entries.
//!
//! Stubs are written once, before any of them can be executed. Entries are data: they are written whenever a function
//! gets other code, and read by stubs on any thread.

use std::{
    io,
    ops::Range,
    sync::atomic::{AtomicU64, Ordering},
};

use wrun_module::lazy::{
    ARENA, END, ENTRIES, MAX_FUNCS, MAX_HEAD, STUB_SIZE, STUBS, TABLES, stub_offset,
};

use super::resolver;
use crate::vm::mapping::Mapping;

/// The addresses of one module.
#[derive(Debug)]
pub(in crate::vm) struct Region {
    mapping: Mapping,
    funcs: usize,
}

/// Offset of `.text` in the mapping.
const TEXT: usize = STUBS as usize;

/// The stubs go on to the runtime through these bytes behind the last of them: `jmp [rip]`, and the address.
const COMMON: usize = 14;

impl Region {
    /// Reserves the addresses for a module of `funcs` functions, and writes their stubs. All functions are absent.
    ///
    /// # Errors
    /// When the system has no room.
    pub(in crate::vm) fn new(funcs: usize) -> io::Result<Self> {
        if funcs > MAX_FUNCS {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        let mapping = Mapping::reserve(TEXT + END as usize)?;
        let page = |len: usize| len.next_multiple_of(Mapping::PAGE);
        let (stubs, entries) = (page(funcs * STUB_SIZE as usize + COMMON), page(funcs * 8));
        mapping.make_accessible(0, stubs)?;
        mapping.make_accessible(TEXT - ENTRIES as usize, entries)?;
        let region = Self { mapping, funcs };
        region.write_stubs();
        (0..funcs).for_each(|position| region.enter(position, region.resolving_entry(position)));
        region.mapping.make_executable(0, stubs)?;
        Ok(region)
    }

    /// Moves the mapping of an image here, so that its `.text` lies where it has to. `text` is its range in the file.
    ///
    /// # Errors
    /// When it is too large, or the system refuses.
    pub(in crate::vm) fn take_image(
        &mut self,
        image: Mapping,
        text: Range<usize>,
    ) -> io::Result<Range<usize>> {
        let (head, len) = (text.start, image.len());
        if head > MAX_HEAD as usize || len - head > ARENA as usize {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        let start = TEXT - head;
        self.mapping.replace_by(start, image)?;
        Ok(start..start + len)
    }

    /// The mapping.
    pub(in crate::vm) fn mapping(&self) -> &Mapping {
        &self.mapping
    }

    /// Where an offset from `.text` is in the mapping.
    pub(super) const fn place(offset: u32) -> usize {
        TEXT + offset as usize
    }

    /// Address of `.text`.
    pub(in crate::vm) fn text(&self) -> usize {
        self.mapping.base().as_ptr() as usize + TEXT
    }

    /// The bytes of code that was put at an offset from `.text`.
    pub(super) fn code(&self, offset: u32, len: u32) -> Box<[u8]> {
        let start = Self::place(offset);
        assert!(start + len as usize <= self.mapping.len(), "code behind the region");
        // SAFETY: inside the mapping by the assertion, readable since code is there, and not changed any more.
        let code = unsafe {
            std::slice::from_raw_parts(self.mapping.base().as_ptr().add(start), len as usize)
        };
        code.into()
    }

    /// Writes an unwind table to an offset from `.text`.
    ///
    /// # Safety
    /// The bytes have been made accessible, and nobody has been told of them.
    pub(super) unsafe fn write_table(&self, offset: u32, table: &[u8]) {
        assert!(offset >= TABLES && offset as usize + table.len() <= END as usize, "not a table");
        // SAFETY: in bounds of the tables by the assertion; the rest is the contract.
        unsafe {
            let place = self.mapping.base().as_ptr().add(Self::place(offset));
            std::ptr::copy_nonoverlapping(table.as_ptr(), place, table.len());
        }
    }

    /// Address of a function's stub.
    pub(super) fn stub(&self, position: usize) -> usize {
        self.text().wrapping_add_signed(stub_offset(position as u32) as isize)
    }

    /// What the entry of an absent function holds: the address behind the stub's jump.
    fn resolving_entry(&self, position: usize) -> usize {
        self.stub(position) + 6
    }

    /// Has calls of a function go to the code at an address from now on.
    pub(super) fn enter(&self, position: usize, code: usize) {
        self.entry(position).store(code as u64, Ordering::Release);
    }

    /// The address that calls of a function go to.
    pub(super) fn entered(&self, position: usize) -> usize {
        self.entry(position).load(Ordering::Acquire) as usize
    }

    fn entry(&self, position: usize) -> &AtomicU64 {
        assert!(position < self.funcs, "no such function");
        let offset = TEXT - ENTRIES as usize + position * 8;
        // SAFETY: inside the accessible entries by the assertion, aligned, and only ever accessed as atomics, by stubs
        // as aligned loads of 8 bytes.
        unsafe { &*self.mapping.base().as_ptr().add(offset).cast::<AtomicU64>() }
    }

    /// Writes all stubs, and the way from them to the runtime.
    fn write_stubs(&self) {
        let base = self.mapping.base().as_ptr();
        let common = self.funcs * STUB_SIZE as usize;
        // The distance from a stub to its entry shrinks by the difference of their sizes with each.
        let to_entries = TEXT as i32 - ENTRIES as i32;
        for position in 0..self.funcs {
            let at = position * STUB_SIZE as usize;
            let to_entry = to_entries + (position * 8) as i32 - (at as i32 + 6);
            let to_common = common as i32 - (at as i32 + STUB_SIZE as i32);
            let mut stub = [0; STUB_SIZE as usize];
            stub[..2].copy_from_slice(&[0xff, 0x25]); // jmp [rip + to_entry]
            stub[2..6].copy_from_slice(&to_entry.to_le_bytes());
            stub[6] = 0x68; // push position
            stub[7..11].copy_from_slice(&(position as u32).to_le_bytes());
            stub[11] = 0xe9; // jmp common
            stub[12..].copy_from_slice(&to_common.to_le_bytes());
            // SAFETY: the stubs were made accessible for `funcs` of them and what follows; nobody else knows of them yet.
            unsafe { base.add(at).cast::<[u8; STUB_SIZE as usize]>().write(stub) };
        }
        let mut code = [0; COMMON];
        code[..6].copy_from_slice(&[0xff, 0x25, 0, 0, 0, 0]);
        code[6..].copy_from_slice(&(resolver::address() as u64).to_le_bytes());
        // SAFETY: as above.
        unsafe { base.add(common).cast::<[u8; COMMON]>().write(code) };
    }
}
