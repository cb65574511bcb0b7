//! Reads an image, and refuses what is damaged or made for somebody else.

use std::{fs::File, ops::Range};

use object::{
    Endianness,
    read::{Object, ObjectSection, ReadCache, elf::ElfFile64},
};

use super::{
    MAGIC, Metadata, Target, VERSION, section,
    tables::{
        AddressMap, BaselineTable, FuncTable, HandlerTable, NameTable, StackMapTable, TrapTable,
    },
    write::{CHECKSUM_SIZE, PAGE, checksum},
};
use crate::InputHash;

/// Why bytes are not an image that can be loaded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// The bytes are no ELF file, or one without our sections.
    #[error("not a wrun image: {0}")]
    NotAnImage(String),
    /// Another version made it.
    #[error("the image was made by `{found}`, and this is `{VERSION}`")]
    Version {
        /// What made it.
        found: String,
    },
    /// It is damaged: cut off, or changed since it was written.
    #[error("the image is damaged: {0}")]
    Damaged(String),
    /// Functions are missing, and the module that they could be compiled from is not at hand.
    #[error("the image has not all functions of its module, and is of use to the cache only")]
    Partial,
    /// It was compiled for another kind of machine or with other options.
    #[error("the image does not fit this host: {0}")]
    Target(String),
}

/// Where the bytes of an image come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// They were made in this process, and have been in its memory since.
    Here,
    /// From a file, or from somebody else: they may be damaged.
    Elsewhere,
}

/// A valid image: its decoded metadata, and where its parts lie in the file.
#[derive(Clone, Debug)]
pub struct Image {
    /// What it was made for and with.
    pub target: Target,
    /// What is decoded of it.
    pub metadata: Metadata,
    text: Range<usize>,
    eh_frame: Range<usize>,
    data: Range<usize>,
    funcs: Range<usize>,
    trampolines: Range<usize>,
    baseline: Range<usize>,
    traps: Range<usize>,
    addresses: Range<usize>,
    stack_maps: Range<usize>,
    handlers: Range<usize>,
    names: Range<usize>,
    pub(super) parts: Range<usize>,
    pub(super) inputs: Range<usize>,
    dwarf: Vec<(String, Range<usize>)>,
}

/// Whether bytes claim to be an image, by their first ones.
pub(super) fn is_elf(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

impl Image {
    /// Whether bytes claim to be an image, by their first ones.
    pub fn is_image(bytes: &[u8]) -> bool {
        is_elf(bytes)
    }

    /// Checks the bytes of an image and decodes what is needed to load it. The version is looked at first: all
    /// else may have changed with it.
    ///
    /// # Errors
    /// When the bytes are no image, were made by another version, or are damaged. Whether the image fits the host is
    /// for the caller to decide, by [`target`](Self::target).
    pub fn parse(bytes: &[u8]) -> Result<Image, ImageError> {
        Self::parse_with(bytes, Origin::Elsewhere)
    }

    /// As [`parse`](Self::parse), and of an image that was made in this process its checksum is not looked at: whole pages of
    /// it are then not even read.
    ///
    /// # Errors
    /// As for `parse`.
    pub fn parse_with(bytes: &[u8], origin: Origin) -> Result<Image, ImageError> {
        if !is_elf(bytes) {
            return Err(ImageError::NotAnImage("it does not begin as an ELF file".into()));
        }
        let sections = SectionList::read(bytes)?;
        let version = sections
            .find(section::VERSION)
            .ok_or_else(|| ImageError::NotAnImage(format!("no section {}", section::VERSION)))?;
        if bytes[version.clone()] != *VERSION.as_bytes() {
            let found = String::from_utf8_lossy(&bytes[version]).into_owned();
            return Err(ImageError::Version { found });
        }
        let hole = sections.get(section::CHECKSUM)?;
        let fits = || checksum(bytes, hole.start) == bytes[hole.clone()];
        if hole.len() != CHECKSUM_SIZE || origin == Origin::Elsewhere && !fits() {
            return Err(ImageError::Damaged("its checksum does not match".into()));
        }
        let decode_error = |_| ImageError::Damaged("its metadata cannot be decoded".into());
        let target = &bytes[sections.get(section::TARGET)?];
        let metadata = &bytes[sections.get(section::METADATA)?];
        let image = Image {
            target: postcard::from_bytes(target).map_err(decode_error)?,
            metadata: postcard::from_bytes(metadata).map_err(decode_error)?,
            text: sections.get(section::TEXT)?,
            eh_frame: sections.get(section::EH_FRAME)?,
            data: sections.get(section::DATA)?,
            funcs: sections.get(section::FUNCS)?,
            trampolines: sections.get(section::TRAMPOLINES)?,
            baseline: sections.get(section::BASELINE)?,
            traps: sections.get(section::TRAPS)?,
            addresses: sections.get(section::ADDRESSES)?,
            stack_maps: sections.get(section::STACK_MAPS)?,
            handlers: sections.get(section::HANDLERS)?,
            names: sections.get(section::NAMES)?,
            parts: sections.get(section::PARTS)?,
            inputs: sections.get(section::INPUTS)?,
            dwarf: sections.dwarf(),
        };
        image.check(bytes)?;
        Ok(image)
    }

    /// Checks everything that later code takes for granted, so that it cannot fail there.
    fn check(&self, bytes: &[u8]) -> Result<(), ImageError> {
        let damaged = |what: &str| Err(ImageError::Damaged(what.to_owned()));
        let page = PAGE as usize;
        if [&self.text, &self.eh_frame, &self.data].iter().any(|range| range.start % page != 0) {
            return damaged("a mapped section is not aligned");
        }
        let text_len = self.text.len() as u64;
        let inside = |table: FuncTable<'_>| {
            let ends = [0, table.len().saturating_sub(1)].map(|index| table.get(index));
            ends.iter().flatten().all(|&(start, len)| u64::from(start) + u64::from(len) <= text_len)
        };
        // Each adapter has a place of its own in the table, in the order of the functions.
        let adapters = self.metadata.info.num_adapters();
        let numbered = self.metadata.info.func_refs.iter().filter_map(|decl| decl.adapter);
        if !numbered.eq(0..adapters as u32) {
            return damaged("its table of adapters is wrong");
        }
        match (
            FuncTable::new(&bytes[self.funcs.clone()]),
            FuncTable::new(&bytes[self.trampolines.clone()]),
        ) {
            (Some(funcs), Some(trampolines))
                if inside(funcs)
                    && inside(trampolines)
                    && funcs.len() == self.metadata.info.num_defined_funcs as usize
                    && trampolines.len() == 2 * self.metadata.trampolines.len() + adapters => {}
            _ => return damaged("its table of functions is wrong"),
        }
        if BaselineTable::new(&bytes[self.baseline.clone()]).is_none()
            || TrapTable::new(&bytes[self.traps.clone()]).is_none()
            || AddressMap::new(&bytes[self.addresses.clone()]).is_none()
            || StackMapTable::new(&bytes[self.stack_maps.clone()]).is_none()
            || HandlerTable::new(&bytes[self.handlers.clone()]).is_none()
            || NameTable::new(&bytes[self.names.clone()]).is_none()
        {
            return damaged("one of its tables is wrong");
        }
        let num_segments = self.metadata.info.num_data_segments;
        if !self.metadata.data.fits(num_segments, self.data.len() as u64) {
            return damaged("its data section is wrong");
        }
        Ok(())
    }

    /// The code, as a range of the file. Starts on a page.
    pub fn text(&self) -> Range<usize> {
        self.text.clone()
    }

    /// The unwind tables, as a range of the file. Starts on a page.
    pub fn eh_frame(&self) -> Range<usize> {
        self.eh_frame.clone()
    }

    /// The data section, as a range of the file. Starts on a page.
    pub fn data(&self) -> Range<usize> {
        self.data.clone()
    }

    /// Where the defined functions lie. `bytes` is the file that was parsed.
    pub fn funcs<'a>(&self, bytes: &'a [u8]) -> FuncTable<'a> {
        FuncTable::new(&bytes[self.funcs.clone()]).unwrap_or_default()
    }

    /// Where the trampolines lie: for each signature of [`Metadata::trampolines`] first the one that calls a native
    /// function with arguments from memory, then the one that is native and calls with arguments in memory. Behind them
    /// lie the adapters of [`FuncRefDecl::adapter`](crate::FuncRefDecl::adapter).
    pub fn trampolines<'a>(&self, bytes: &'a [u8]) -> FuncTable<'a> {
        FuncTable::new(&bytes[self.trampolines.clone()]).unwrap_or_default()
    }

    /// Which of the defined functions are not optimised.
    pub fn baseline<'a>(&self, bytes: &'a [u8]) -> BaselineTable<'a> {
        BaselineTable::new(&bytes[self.baseline.clone()]).unwrap_or_default()
    }

    /// Which instructions may trap.
    pub fn traps<'a>(&self, bytes: &'a [u8]) -> TrapTable<'a> {
        TrapTable::new(&bytes[self.traps.clone()]).unwrap_or_default()
    }

    /// From code to positions in the module.
    pub fn addresses<'a>(&self, bytes: &'a [u8]) -> AddressMap<'a> {
        AddressMap::new(&bytes[self.addresses.clone()]).unwrap_or_default()
    }

    /// Where frames hold references to objects.
    pub fn stack_maps<'a>(&self, bytes: &'a [u8]) -> StackMapTable<'a> {
        StackMapTable::new(&bytes[self.stack_maps.clone()]).unwrap_or_default()
    }

    /// Where exceptions go that come out of calls.
    pub fn handlers<'a>(&self, bytes: &'a [u8]) -> HandlerTable<'a> {
        HandlerTable::new(&bytes[self.handlers.clone()]).unwrap_or_default()
    }

    /// Names of functions.
    pub fn names<'a>(&self, bytes: &'a [u8]) -> NameTable<'a> {
        NameTable::new(&bytes[self.names.clone()]).unwrap_or_default()
    }

    /// The bytes of one of the module's DWARF sections, by its name there; empty when the module has none.
    pub fn dwarf<'a>(&self, bytes: &'a [u8], name: &str) -> &'a [u8] {
        let found = self.dwarf.iter().find(|section| section.0 == name);
        found.map_or(&[], |section| &bytes[section.1.clone()])
    }

    /// What the image carries of its module as it was, whatever becomes of the functions: names and contents of sections.
    pub fn carried<'a>(&self, bytes: &'a [u8]) -> impl Iterator<Item = (String, &'a [u8])> {
        let dwarf = self.dwarf.iter().map(|(name, range)| {
            (format!("{}{name}", section::DWARF_PREFIX), &bytes[range.clone()])
        });
        dwarf.chain([(section::NAMES.to_owned(), &bytes[self.names.clone()])])
    }
}

/// How many functions an image has, and how many its module defines; nothing when this version cannot read it. The file is
/// not read as a whole, and so not checked either.
pub fn presence(file: &File) -> Option<(usize, usize)> {
    let content = ReadCache::new(file);
    let elf = ElfFile64::<Endianness, _>::parse(&content).ok()?;
    let section = |name| elf.section_by_name(name)?.data().ok();
    if section(section::VERSION)? != VERSION.as_bytes() {
        return None;
    }
    let funcs = FuncTable::new(section(section::FUNCS)?)?;
    let is_present = |&index: &usize| funcs.get(index).is_some_and(|place| place.1 != 0);
    Some(((0..funcs.len()).filter(is_present).count(), funcs.len()))
}

/// The hashes of the compiler's inputs for the functions of an image, with the records of its
/// [`PartsTable`](super::PartsTable); none when this version cannot read it. The file is not read as a whole, and so not
/// checked either.
pub fn inputs(file: &File) -> Vec<(usize, InputHash)> {
    let content = ReadCache::new(file);
    let read = || {
        let elf = ElfFile64::<Endianness, _>::parse(&content).ok()?;
        let section = |name| elf.section_by_name(name)?.data().ok();
        let readable = section(section::VERSION)? == VERSION.as_bytes();
        readable.then(|| section(section::INPUTS))?
    };
    let (hashes, _) = read().unwrap_or_default().as_chunks::<32>();
    let hashes = hashes.iter().enumerate().filter(|(_, hash)| **hash != [0; 32]);
    hashes.map(|(record, hash)| (record, InputHash(*hash))).collect()
}

/// Names and ranges of the sections of an ELF file, all inside the file.
struct SectionList(Vec<(String, Range<usize>)>);

impl SectionList {
    fn read(bytes: &[u8]) -> Result<Self, ImageError> {
        let damaged = |error: object::read::Error| ImageError::Damaged(error.to_string());
        let file = ElfFile64::<Endianness>::parse(bytes).map_err(damaged)?;
        let mut sections = Vec::new();
        for section in file.sections() {
            let name = section.name().map_err(damaged)?.to_owned();
            let Some((offset, size)) = section.file_range() else { continue };
            let end = offset.checked_add(size).filter(|&end| end <= bytes.len() as u64);
            let Some(end) = end else {
                return Err(ImageError::Damaged(format!("section {name} is cut off")));
            };
            sections.push((name, offset as usize..end as usize));
        }
        Ok(Self(sections))
    }

    fn find(&self, name: &str) -> Option<Range<usize>> {
        self.0.iter().find(|section| section.0 == name).map(|section| section.1.clone())
    }

    fn get(&self, name: &str) -> Result<Range<usize>, ImageError> {
        self.find(name).ok_or_else(|| ImageError::Damaged(format!("no section {name}")))
    }

    fn dwarf(&self) -> Vec<(String, Range<usize>)> {
        let strip = |(name, range): &(String, Range<usize>)| {
            let name = name.strip_prefix(section::DWARF_PREFIX)?;
            name.starts_with(".debug_").then(|| (name.to_owned(), range.clone()))
        };
        self.0.iter().filter_map(strip).collect()
    }
}
