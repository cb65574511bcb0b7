//! Writes an image.

use std::borrow::Cow;

use object::{
    Endianness, elf,
    write::elf::{FileHeader, SectionHeader, SinglePhase, Writer},
};
use xxhash_rust::xxh3::Xxh3;

use super::{Metadata, Target, VERSION, section};
use crate::CompileError;

/// Alignment of what is mapped on its own: a multiple of every page size that a supported host uses.
pub(super) const PAGE: u64 = 64 * 1024;

/// The parts of an image, made by a compiler.
#[allow(missing_debug_implementations, reason = "holds a closure")]
pub struct Sections<'a> {
    /// Machine of the ELF header, [`elf::EM_X86_64`] for one.
    pub machine: u16,
    /// Content of [`section::TARGET`].
    pub target: &'a Target,
    /// Content of [`section::METADATA`].
    pub metadata: &'a Metadata,
    /// Content of [`section::DATA`].
    pub data: &'a [u8],
    /// Content of [`section::TEXT`].
    pub text: &'a [u8],
    /// Makes the content of [`section::EH_FRAME`], given the distance from the start of `.eh_frame` to the start of
    /// `.text`, in bytes (negative: the text comes first).
    pub eh_frame: &'a dyn Fn(i64) -> Vec<u8>,
    /// Contents of the tables, and of DWARF sections: name and bytes.
    pub tables: &'a [(String, Cow<'a, [u8]>)],
}

/// One section whose bytes have been written.
struct Written {
    name: object::write::StringId,
    flags: u64,
    offset: u64,
    size: u64,
    align: u64,
}

/// The bytes of an image.
///
/// The mapped parts come last, each on pages of its own: data, then code, then unwind tables. So the head of the
/// file that is always read is small and consecutive.
///
/// # Errors
/// When a part is larger than the format can hold.
pub fn write(sections: &Sections<'_>) -> Result<Vec<u8>, CompileError> {
    let too_large = |error: &dyn std::fmt::Display| CompileError::TooLarge(error.to_string());
    if i32::try_from(sections.text.len()).is_err() {
        return Err(CompileError::TooLarge(format!("{} bytes of code", sections.text.len())));
    }
    let target = postcard::to_stdvec(sections.target).map_err(|error| too_large(&error))?;
    let metadata = postcard::to_stdvec(sections.metadata).map_err(|error| too_large(&error))?;

    // At once, so that what has been written never moves.
    let tables: usize = sections.tables.iter().map(|table| table.1.len() + 128).sum();
    let large = tables + metadata.len() + sections.data.len() + sections.text.len();
    let mut bytes: Vec<u8> = Vec::with_capacity(large + large / 16 + 4 * PAGE as usize);
    let (header, checksum_offset) = {
        let mut out = Output::new(&mut bytes, sections.machine)?;
        out.add(section::VERSION, 0, 1, VERSION.as_bytes());
        let checksum_offset = out.add(section::CHECKSUM, 0, 16, &[0; CHECKSUM_SIZE]);
        out.add(section::TARGET, 0, 1, &target);
        out.add(section::METADATA, 0, 1, &metadata);
        for (name, content) in sections.tables {
            out.add(name, 0, 4, content);
        }
        out.add(section::DATA, ALLOC, PAGE, sections.data);
        let text_offset = out.add(section::TEXT, ALLOC | EXEC, PAGE, sections.text);
        let eh_frame_offset = out.writer.write_align(PAGE);
        let distance = text_offset as i64 - eh_frame_offset as i64;
        out.add(section::EH_FRAME, ALLOC, PAGE, &(sections.eh_frame)(distance));
        (out.finish().map_err(|error| too_large(&error))?, checksum_offset)
    };
    bytes[..header.len()].copy_from_slice(&header);
    let checksum = checksum(&bytes, checksum_offset as usize);
    bytes[checksum_offset as usize..][..CHECKSUM_SIZE].copy_from_slice(&checksum);
    Ok(bytes)
}

const ALLOC: u64 = elf::SHF_ALLOC.0;
const EXEC: u64 = elf::SHF_EXECINSTR.0;

/// Bytes of the checksum.
pub(super) const CHECKSUM_SIZE: usize = 16;

/// The checksum of an image: of all bytes but the checksum's own, which begin at `hole`.
pub(super) fn checksum(image: &[u8], hole: usize) -> [u8; CHECKSUM_SIZE] {
    let mut hash = Xxh3::new();
    hash.update(&image[..hole]);
    hash.update(&image[hole + CHECKSUM_SIZE..]);
    hash.digest128().to_le_bytes()
}

/// An ELF file in the making, section by section.
struct Output<'a> {
    writer: Writer<'a, SinglePhase>,
    written: Vec<Written>,
}

impl<'a> Output<'a> {
    fn new(bytes: &'a mut Vec<u8>, machine: u16) -> Result<Self, CompileError> {
        let mut writer = Writer::new_single_phase(Endianness::Little, true, bytes);
        let header = FileHeader {
            os_abi: elf::ELFOSABI_NONE,
            abi_version: 0,
            e_type: elf::ET_DYN,
            e_machine: elf::Machine(machine),
            e_entry: 0,
            e_flags: elf::FileFlags(0),
        };
        let result = writer.write_file_header(&header);
        result.map_err(|error| CompileError::TooLarge(error.to_string()))?;
        Ok(Self { writer, written: Vec::new() })
    }

    /// Writes a section and gives its offset.
    fn add(&mut self, name: &'a str, flags: u64, align: u64, content: &[u8]) -> u64 {
        let offset = self.writer.write_align(align);
        self.writer.write(content);
        let name = self.writer.add_section_name(name.as_bytes());
        self.written.push(Written { name, flags, offset, size: content.len() as u64, align });
        offset
    }

    /// Writes the section headers and gives the file header, which belongs at the start.
    fn finish(mut self) -> object::write::Result<Vec<u8>> {
        self.writer.write_shstrtab()?;
        self.writer.write_null_section_header();
        for section in &self.written {
            self.writer.write_section_header(&SectionHeader {
                sh_name: self.writer.section_name_offset(Some(section.name)),
                sh_type: elf::SHT_PROGBITS,
                sh_flags: elf::SectionFlags(section.flags),
                // Addresses are offsets in the file, as everything in it is.
                sh_addr: if section.flags & ALLOC == 0 { 0 } else { section.offset },
                sh_offset: section.offset,
                sh_size: section.size,
                sh_link: 0,
                sh_info: 0,
                sh_addralign: section.align,
                sh_entsize: 0,
            });
        }
        self.writer.write_shstrtab_section_header();
        let mut header = Vec::new();
        self.writer.write_file_header_to(&mut header)?;
        Ok(header)
    }
}
