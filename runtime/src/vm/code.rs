//! [`VmCode`]: an image in memory, ready to run.
//!
//! The whole file is mapped once, read-only; its code is then made executable, and its unwind tables are made known
//! to the system's unwinder for as long as the mapping lives. Nothing is copied or relocated. Where functions are missing
//! the mapping lies in the addresses of a [`LazyCode`], which has the others.
//!
//! Places in the code are told by their offset from `.text`, be they in the image or behind it.

use std::{
    fs::File,
    io::{self, Write},
    ops::Range,
    ptr::NonNull,
    slice,
    sync::Arc,
};

use rustix::fs::{MemfdFlags, memfd_create};
use wrun_module::{
    ModuleInfo, Tier, TrapCode,
    image::{
        Image, ImageError, Origin,
        tables::{Handlers, InlinedAt, StackMap},
    },
    lazy,
};

use super::{
    lazy::{FuncRefs, LazyCode, Record, Region, Source},
    mapping::Mapping,
    perf_map::{Names, PerfMap},
};
use crate::LazyOptions;

// Part of the platform's unwinder, which Rust's standard library links: libgcc's, or a compatible one.
unsafe extern "C" {
    fn __register_frame(begin: *const u8);
    fn __deregister_frame(begin: *const u8);
}

/// An image that is mapped and checked.
#[derive(Debug)]
pub(crate) struct VmCode {
    mapping: ImageMapping,
    file: File,
    image: Image,
}

/// Where an image is mapped.
#[derive(Debug)]
enum ImageMapping {
    /// Anywhere.
    Own(Mapping),
    /// In the addresses of code that grows, at this range of them.
    Lazy(Arc<LazyCode>, Range<usize>),
}

impl ImageMapping {
    /// Address of the first byte, and number of bytes.
    fn place(&self) -> (*const u8, usize) {
        match self {
            Self::Own(mapping) => (mapping.base().as_ptr(), mapping.len()),
            Self::Lazy(lazy, range) => {
                let base = lazy.region().mapping().base().as_ptr();
                (base.wrapping_add(range.start), range.len())
            }
        }
    }
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
    pub(crate) fn from_bytes(bytes: &[u8], origin: Origin) -> Result<Self, LoadError> {
        let file = memfd_create("wrun-image", MemfdFlags::CLOEXEC).map_err(io::Error::from)?;
        let mut file = File::from(file);
        file.write_all(bytes)?;
        Self::map(file, origin)
    }

    /// Loads the image in a file, which must not be changed while it is in use. None of it is executable yet.
    pub(crate) fn from_file(file: File) -> Result<Self, LoadError> {
        Self::map(file, Origin::Elsewhere)
    }

    fn map(file: File, origin: Origin) -> Result<Self, LoadError> {
        let len = usize::try_from(file.metadata()?.len());
        let len = len.map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
        if len == 0 {
            return Err(LoadError::Image(ImageError::NotAnImage("the file is empty".into())));
        }
        let mapping = Mapping::of_file(&file, len)?;
        // SAFETY: `len` bytes are mapped readable. That nobody changes the file is the contract of loading images.
        let bytes = unsafe { slice::from_raw_parts(mapping.base().as_ptr(), len) };
        let image = Image::parse_with(bytes, origin).map_err(LoadError::Image)?;
        if !ends_with_terminator(&bytes[image.eh_frame()]) {
            return Err(LoadError::Image(ImageError::Damaged(
                "its unwind tables have no end".into(),
            )));
        }
        Ok(Self { mapping: ImageMapping::Own(mapping), file, image })
    }

    /// The same image in memory that no file is mapped to, which is where `perf` looks names up in a
    /// [map](super::perf_map).
    pub(crate) fn without_file(self) -> io::Result<Self> {
        let mapping = Mapping::copy_of(self.bytes())?;
        Ok(Self { mapping: ImageMapping::Own(mapping), ..self })
    }

    /// Makes the code executable and its unwind tables known. The caller has checked that the image fits the host.
    pub(crate) fn activate(self) -> Result<ActiveCode, LoadError> {
        let text = self.image.text();
        let ImageMapping::Own(mapping) = &self.mapping else {
            unreachable!("an image goes among lazy code when it is activated")
        };
        match mapping.make_executable(text.start, text.len()) {
            Err(error) if is_no_execution(&error) => {
                let copy = Self::from_bytes(self.bytes(), Origin::Here)?;
                let ImageMapping::Own(mapping) = &copy.mapping else { unreachable!("as above") };
                mapping.make_executable(text.start, text.len())?;
                Ok(ActiveCode::new(copy))
            }
            result => {
                result?;
                Ok(ActiveCode::new(self))
            }
        }
    }

    /// As [`activate`](Self::activate), for an image some of whose functions are missing: `source` gives the compiler for them.
    pub(crate) fn activate_lazily(
        self,
        source: Source,
        options: LazyOptions,
        perf_map: Option<Arc<PerfMap>>,
    ) -> Result<ActiveCode, LoadError> {
        let names = perf_map.clone().map(|map| Names::of(map, &self));
        let info = &self.image.metadata.info;
        let (funcs, num_imported_funcs) = (info.num_defined_funcs, info.num_imported_funcs);
        let func_refs = FuncRefs::new(info);
        let text = self.image.text();
        let Self { mapping: ImageMapping::Own(mapping), file, image } = self else {
            unreachable!("an image goes among lazy code when it is activated")
        };
        let mut region = Region::new(funcs as usize)?;
        let range = region.take_image(mapping, text.clone())?;
        let start = range.start + text.start;
        // SAFETY: the image is mapped readable at its range of the region, which is kept until the last use of the bytes.
        let bytes = unsafe {
            let base = region.mapping().base().as_ptr().add(range.start);
            slice::from_raw_parts(base, range.len())
        };
        match region.mapping().make_executable(start, text.len()) {
            Err(error) if is_no_execution(&error) => {
                return Self::from_bytes(bytes, Origin::Here)?
                    .activate_lazily(source, options, perf_map);
            }
            result => result?,
        }
        let (table, baseline) = (image.funcs(bytes), image.baseline(bytes));
        let present = |index| match table.get(index) {
            Some((offset, len)) if len != 0 => Some((offset, baseline.tier(index as u32))),
            _ => None,
        };
        let present: Vec<_> = (0..table.len()).map(present).collect();
        let present = present.into_iter();
        let lazy =
            LazyCode::new(region, present, num_imported_funcs, func_refs, source, options, names)?;
        let mapping = ImageMapping::Lazy(Arc::new(lazy), range);
        Ok(ActiveCode::new(Self { mapping, file, image }))
    }

    /// The image's metadata and tables.
    pub(crate) fn image(&self) -> &Image {
        &self.image
    }

    /// The bytes of the file.
    pub(crate) fn bytes(&self) -> &[u8] {
        let (base, len) = self.mapping.place();
        // SAFETY: the whole mapping is readable, and as for `from_file`.
        unsafe { slice::from_raw_parts(base, len) }
    }

    /// The file it is mapped from, and where its data section lies there.
    pub(crate) fn data_file(&self) -> (&File, u64) {
        (&self.file, self.image.data().start as u64)
    }
}

/// An unwind table that the system's unwinder knows, until it is dropped.
#[derive(Debug)]
pub(super) struct UnwindTable(*const u8);

// SAFETY: the unwinder's registry has its own lock; nothing is read through the pointer here.
unsafe impl Send for UnwindTable {}
// SAFETY: as above.
unsafe impl Sync for UnwindTable {}

impl UnwindTable {
    /// Registers a table.
    ///
    /// # Safety
    /// It is a sequence of well-formed entries with their terminator, and stays mapped until this is dropped.
    unsafe fn register(table: *const u8) -> Self {
        // SAFETY: the contract.
        unsafe { __register_frame(table) };
        Self(table)
    }

    /// Registers a table that was written for code that was compiled lazily, which lies at an offset from `.text`. Whoever keeps
    /// it drops it before `region`.
    pub(super) fn of_lazy_code(region: &Region, offset: u32) -> Self {
        // SAFETY: the compiler made it, terminator included, and it stays where it is as long as the region does.
        unsafe { Self::register((region.text() + offset as usize) as *const u8) }
    }
}

impl Drop for UnwindTable {
    fn drop(&mut self) {
        // SAFETY: registered once, by the only way to make one, and still mapped.
        unsafe { __deregister_frame(self.0) };
    }
}

/// Code that can be run.
#[derive(Debug)]
pub(crate) struct ActiveCode {
    /// The unwind tables of the image, if it has any. Dropped before what they lie in.
    _unwind: Option<UnwindTable>,
    code: VmCode,
}

/// Where a frame has references to objects: distances down from its frame pointer, in bytes.
pub(super) enum References<'a> {
    /// By the image.
    Image(StackMap<'a>),
    /// By what the compiler said lately.
    Lazy(slice::Iter<'a, u32>),
}

impl Iterator for References<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        match self {
            Self::Image(map) => map.next(),
            Self::Lazy(distances) => distances.next().copied(),
        }
    }
}

impl ActiveCode {
    fn new(code: VmCode) -> Self {
        let eh_frame = code.image.eh_frame();
        // A terminator alone is no table.
        let unwind = (eh_frame.len() > 4).then(|| {
            let table = code.bytes()[eh_frame].as_ptr();
            // SAFETY: the section is a sequence of well-formed entries with its terminator in place (checked when it
            // was loaded, as far as the checksum can tell), and is mapped longer than this is registered.
            unsafe { UnwindTable::register(table) }
        });
        Self { _unwind: unwind, code }
    }

    /// The image.
    pub(crate) fn code(&self) -> &VmCode {
        &self.code
    }

    /// What compiles the functions that the image lacks; nothing when it is complete.
    pub(crate) fn lazy(&self) -> Option<&Arc<LazyCode>> {
        match &self.code.mapping {
            ImageMapping::Own(_) => None,
            ImageMapping::Lazy(lazy, _) => Some(lazy),
        }
    }

    /// Tells `perf` where the functions of the image are.
    pub(crate) fn add_to(&self, perf_map: Arc<PerfMap>) {
        Names::of(perf_map, &self.code).add_image(&self.code, self.text_base());
    }

    /// What the image says of the module, to be changed before anyone has seen it.
    pub(crate) fn info_mut(&mut self) -> &mut ModuleInfo {
        &mut self.code.image.metadata.info
    }

    /// Addresses of the code, be it there already or not.
    pub(crate) fn addresses(&self) -> Range<usize> {
        let base = self.text_base();
        match self.lazy() {
            None => base..base + self.code.image.text().len(),
            Some(_) => base - lazy::STUBS as usize..base + lazy::TABLES as usize,
        }
    }

    fn text_base(&self) -> usize {
        self.code.mapping.place().0 as usize + self.code.image.text().start
    }

    /// The offset of an address from `.text`. That of a stub has none.
    pub(super) fn offset_of(&self, address: usize) -> Option<u32> {
        u32::try_from(address.checked_sub(self.text_base())?).ok()
    }

    /// The address of an offset in the code.
    pub(super) fn address_of(&self, offset: u32) -> Option<NonNull<u8>> {
        let address = self.text_base().checked_add(offset as usize)?;
        let inside = address < self.addresses().end;
        NonNull::new(address as *mut u8).filter(|_| inside)
    }

    /// What is known of code behind the image. Called in a signal handler: neither allocates nor locks.
    fn record_at(&self, offset: u32) -> Option<&Record> {
        if offset < lazy::ARENA {
            return None;
        }
        self.lazy()?.record_at(offset)
    }

    /// Why the instruction at an address traps. Called in a signal handler: neither allocates nor locks.
    pub(super) fn trap_at(&self, address: usize) -> Option<TrapCode> {
        let offset = self.offset_of(address)?;
        match self.record_at(offset) {
            Some(record) => record.trap_at(offset),
            None => self.code.image.traps(self.code.bytes()).find(offset),
        }
    }

    /// Where the frame of a function has references to objects while a call is under way that returns to an address.
    pub(super) fn stack_map_at(&self, return_address: usize) -> References<'_> {
        let Some(offset) = self.offset_of(return_address) else {
            return References::Image(StackMap::default());
        };
        // The instruction behind a call may be another function's.
        match offset.checked_sub(1).and_then(|offset| self.record_at(offset)) {
            Some(record) => References::Lazy(record.stack_map_at(offset).iter()),
            None => References::Image(self.code.image.stack_maps(self.code.bytes()).find(offset)),
        }
    }

    /// The handlers for exceptions out of the call that returns to an address.
    pub(super) fn handlers_at(&self, return_address: usize) -> Option<Handlers<'_>> {
        let offset = self.offset_of(return_address)?;
        let handlers = match self.record_at(offset.checked_sub(1)?) {
            Some(record) => record.handlers(),
            None => self.code.image.handlers(self.code.bytes()),
        };
        if handlers.is_empty() {
            return None;
        }
        handlers.find(offset)
    }

    /// Position of the defined function whose code is at an offset.
    pub(crate) fn function_at(&self, offset: u32) -> Option<u32> {
        match self.record_at(offset) {
            Some(record) => record.function_at(offset),
            None => {
                let position = self.code.image.funcs(self.code.bytes()).find(offset)?;
                Some(position as u32)
            }
        }
    }

    /// Whether the code at an offset goes on in a loop of a function that its caller began: both frames are one call.
    pub(super) fn goes_on_for_caller(&self, offset: u32) -> bool {
        self.record_at(offset).is_some_and(|record| record.goes_on_for_caller())
    }

    /// The offset in the module's binary that the code at an offset comes from.
    pub(crate) fn module_offset(&self, offset: u32) -> Option<u32> {
        match self.record_at(offset) {
            Some(record) => record.module_offset(offset),
            None => self.code.image.addresses(self.code.bytes()).find(offset),
        }
    }

    /// The function that was inlined where the code at an offset is.
    pub(crate) fn inlined_at(&self, offset: u32) -> Option<InlinedAt> {
        match self.record_at(offset) {
            Some(record) => record.inlined_at(offset),
            None => self.code.image.addresses(self.code.bytes()).inlined_at(offset),
        }
    }

    /// Address of a defined function, by its position among them: of its code, or of its stub.
    pub(crate) fn function(&self, position: usize) -> Option<NonNull<u8>> {
        let (image, bytes) = (&self.code.image, self.code.bytes());
        let (offset, len) = image.funcs(bytes).get(position)?;
        let is_final = len != 0 && image.baseline(bytes).tier(position as u32) == Tier::Optimised;
        match self.lazy() {
            Some(lazy) if !is_final => NonNull::new(lazy.stub(position) as *mut u8),
            _ => self.address_of(offset),
        }
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
}

/// Whether a file system is mounted without execution: what was mapped from it has to be copied.
fn is_no_execution(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EACCES)
}

/// Whether the unwinder will find an end: the last four bytes are the zero length that stands for it.
fn ends_with_terminator(eh_frame: &[u8]) -> bool {
    eh_frame.is_empty() || eh_frame.ends_with(&[0; 4])
}
