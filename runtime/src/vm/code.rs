//! [`VmCode`]: an image in memory, ready to run.
//!
//! The whole file is mapped once, read-only; its code is then made executable, and its unwind tables are made known
//! to the system's unwinder for as long as the mapping lives. Nothing is copied or relocated.

use std::{
    fs::File,
    io::{self, Write},
    ops::Range,
    ptr::NonNull,
    slice,
};

use rustix::fs::{MemfdFlags, memfd_create};
use wrun_module::{
    ModuleInfo, TrapCode,
    image::{
        Image, ImageError,
        tables::{Handlers, StackMap},
    },
};

use super::mapping::Mapping;

// Part of the platform's unwinder, which Rust's standard library links: libgcc's, or a compatible one.
unsafe extern "C" {
    fn __register_frame(begin: *const u8);
    fn __deregister_frame(begin: *const u8);
}

/// An image that is mapped, checked and executable.
#[derive(Debug)]
pub(crate) struct VmCode {
    mapping: Mapping,
    file: File,
    image: Image,
}

/// Why an image could not be loaded.
#[derive(Debug)]
pub(crate) enum LoadError {
    /// The system refused something.
    System(io::Error),
    /// It is damaged or made by another version.
    Image(ImageError),
}

impl From<io::Error> for LoadError {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

impl VmCode {
    /// Loads the image that `bytes` are, from a copy in memory.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, LoadError> {
        let file = memfd_create("wrun-image", MemfdFlags::CLOEXEC).map_err(io::Error::from)?;
        let mut file = File::from(file);
        file.write_all(bytes)?;
        Self::from_file(file)
    }

    /// Loads the image in a file, which must not be changed while it is in use. None of it is executable yet.
    pub(crate) fn from_file(file: File) -> Result<Self, LoadError> {
        let len = usize::try_from(file.metadata()?.len());
        let len = len.map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
        if len == 0 {
            return Err(LoadError::Image(ImageError::NotAnImage("the file is empty".into())));
        }
        let mapping = Mapping::of_file(&file, len)?;
        // SAFETY: `len` bytes are mapped readable. That nobody changes the file is the contract of loading images.
        let bytes = unsafe { slice::from_raw_parts(mapping.base().as_ptr(), len) };
        let image = Image::parse(bytes).map_err(LoadError::Image)?;
        if !ends_with_terminator(&bytes[image.eh_frame()]) {
            return Err(LoadError::Image(ImageError::Damaged(
                "its unwind tables have no end".into(),
            )));
        }
        Ok(Self { mapping, file, image })
    }

    /// Makes the code executable and its unwind tables known. The caller has checked that the image fits the host.
    pub(crate) fn activate(self) -> Result<ActiveCode, LoadError> {
        let text = self.image.text();
        match self.mapping.make_executable(text.start, text.len()) {
            // A file system that is mounted without execution: what was mapped from it is copied.
            Err(error) if error.raw_os_error() == Some(libc::EACCES) => {
                let copy = Self::from_bytes(self.bytes())?;
                copy.mapping.make_executable(text.start, text.len())?;
                Ok(ActiveCode::new(copy))
            }
            result => {
                result?;
                Ok(ActiveCode::new(self))
            }
        }
    }

    /// The image's metadata and tables.
    pub(crate) fn image(&self) -> &Image {
        &self.image
    }

    /// The bytes of the file.
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: the whole mapping is readable, and as for `from_file`.
        unsafe { slice::from_raw_parts(self.mapping.base().as_ptr(), self.mapping.len()) }
    }

    /// The file it is mapped from, and where its data section lies there.
    pub(crate) fn data_file(&self) -> (&File, u64) {
        (&self.file, self.image.data().start as u64)
    }
}

/// Code that can be run.
#[derive(Debug)]
pub(crate) struct ActiveCode {
    code: VmCode,
    /// The unwind tables, registered; null when there are none.
    eh_frame: *const u8,
}

// SAFETY: the tables lie in the mapping, which is owned; the unwinder's registry has its own lock.
unsafe impl Send for ActiveCode {}
// SAFETY: as above; nothing changes through shared references.
unsafe impl Sync for ActiveCode {}

impl ActiveCode {
    fn new(code: VmCode) -> Self {
        let eh_frame = code.image.eh_frame();
        // A terminator alone is no table.
        let registered =
            if eh_frame.len() <= 4 { std::ptr::null() } else { code.bytes()[eh_frame].as_ptr() };
        if !registered.is_null() {
            // SAFETY: the section is a sequence of well-formed entries with its terminator in place (checked when it
            // was loaded, as far as the checksum can tell), and stays mapped until it is deregistered.
            unsafe { __register_frame(registered) };
        }
        Self { code, eh_frame: registered }
    }

    /// The image.
    pub(crate) fn code(&self) -> &VmCode {
        &self.code
    }

    /// What the image says of the module, to be changed before anyone has seen it.
    pub(crate) fn info_mut(&mut self) -> &mut ModuleInfo {
        &mut self.code.image.metadata.info
    }

    /// Addresses of the code.
    pub(crate) fn addresses(&self) -> Range<usize> {
        let text = self.code.image.text();
        let base = self.code.mapping.base().as_ptr() as usize;
        base + text.start..base + text.end
    }

    /// Why the instruction at an address traps. Called in a signal handler: neither allocates nor locks.
    pub(super) fn trap_at(&self, address: usize) -> Option<TrapCode> {
        let offset = address.checked_sub(self.addresses().start)?;
        self.code.image.traps(self.code.bytes()).find(u32::try_from(offset).ok()?)
    }

    /// Where the frame of a function has references to objects while a call is under way that returns to an address:
    /// distances down from its frame pointer, in bytes.
    pub(super) fn stack_map_at(&self, return_address: usize) -> StackMap<'_> {
        let offset = return_address.checked_sub(self.addresses().start);
        let offset = offset.and_then(|offset| u32::try_from(offset).ok());
        let maps = self.code.image.stack_maps(self.code.bytes());
        offset.map(|offset| maps.find(offset)).unwrap_or_default()
    }

    /// The handlers for exceptions out of the call that returns to an address.
    pub(super) fn handlers_at(&self, return_address: usize) -> Option<Handlers<'_>> {
        let handlers = self.code.image.handlers(self.code.bytes());
        if handlers.is_empty() {
            return None;
        }
        let offset = return_address.checked_sub(self.addresses().start)?;
        handlers.find(u32::try_from(offset).ok()?)
    }

    /// Address of a defined function, by its position among them.
    pub(crate) fn function(&self, position: usize) -> Option<NonNull<u8>> {
        self.address_of(self.code.image.funcs(self.code.bytes()).get(position)?.0)
    }

    /// Address of the trampoline that calls native functions of a signature with arguments from memory.
    pub(crate) fn array_to_native(&self, signature: usize) -> Option<NonNull<u8>> {
        self.address_of(self.code.image.trampolines(self.code.bytes()).get(2 * signature)?.0)
    }

    /// Address of the trampoline that is called natively and calls on with arguments in memory.
    pub(crate) fn native_to_array(&self, signature: usize) -> Option<NonNull<u8>> {
        self.address_of(self.code.image.trampolines(self.code.bytes()).get(2 * signature + 1)?.0)
    }

    /// Address of an adapter: the native entry of a function that has the internal calling convention.
    pub(crate) fn adapter(&self, position: u32) -> Option<NonNull<u8>> {
        let first = 2 * self.code.image.metadata.trampolines.len();
        let trampolines = self.code.image.trampolines(self.code.bytes());
        self.address_of(trampolines.get(first + position as usize)?.0)
    }

    /// The address of an offset in the code.
    pub(super) fn address_of(&self, offset: u32) -> Option<NonNull<u8>> {
        let addresses = self.addresses();
        let address =
            addresses.start.checked_add(offset as usize).filter(|at| *at < addresses.end)?;
        NonNull::new(address as *mut u8)
    }
}

impl Drop for ActiveCode {
    fn drop(&mut self) {
        if !self.eh_frame.is_null() {
            // SAFETY: registered by `new`, once, and still mapped.
            unsafe { __deregister_frame(self.eh_frame) };
        }
    }
}

/// Whether the unwinder will find an end: the last four bytes are the zero length that stands for it.
fn ends_with_terminator(eh_frame: &[u8]) -> bool {
    eh_frame.is_empty() || eh_frame.ends_with(&[0; 4])
}
