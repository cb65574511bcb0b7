//! The image: one ELF file that holds a compiled module, ready to be mapped.
//!
//! An image is written by a compiler through [`write()`] and read by [`Image::parse`]. Its sections are listed in
//! [`section`]. All addresses in it are distances within the file, so a mapping of the whole file is valid wherever
//! it lies; nothing has to be relocated, and reading it does nothing per function.
//!
//! Images are code. The checksum tells a damaged image from a whole one; it does not tell whose image it is.

mod handlers;
mod parts;
mod read;
mod stack_maps;
pub mod tables;
mod write;

use serde::{Deserialize, Serialize};

pub use parts::{Apart, Parts, PartsTable, PartsWriter};
pub use read::{Image, ImageError, Origin, inputs, presence};
pub use write::{Sections, write};

use crate::{CompileOptions, DataLayout, ModuleInfo};

/// The version an image must have been made by. Any change to code or layout changes the version of the crate.
pub const VERSION: &str = concat!("wrun ", env!("CARGO_PKG_VERSION"), " image 8");

/// The first bytes of every ELF file.
pub const MAGIC: &[u8] = b"\x7fELF";

/// Section names.
pub mod section {
    /// [`VERSION`](super::VERSION), as text; read before anything else.
    pub const VERSION: &str = ".wrun.version";
    /// Checksum of all other bytes of the file.
    pub const CHECKSUM: &str = ".wrun.checksum";
    /// [`Target`](super::Target), encoded.
    pub const TARGET: &str = ".wrun.target";
    /// [`Metadata`](super::Metadata), encoded.
    pub const METADATA: &str = ".wrun.module";
    /// The data section that [`DataLayout`](crate::DataLayout) describes.
    pub const DATA: &str = ".wrun.data";
    /// Code.
    pub const TEXT: &str = ".text";
    /// Unwind tables for the code.
    pub const EH_FRAME: &str = ".eh_frame";
    /// [`FuncTable`](super::tables::FuncTable) of the defined functions.
    pub const FUNCS: &str = ".wrun.funcs";
    /// [`FuncTable`](super::tables::FuncTable) of the trampolines, two for each signature, and of the
    /// adapters behind them.
    pub const TRAMPOLINES: &str = ".wrun.trampolines";
    /// [`BaselineTable`](super::tables::BaselineTable).
    pub const BASELINE: &str = ".wrun.baseline";
    /// [`TrapTable`](super::tables::TrapTable).
    pub const TRAPS: &str = ".wrun.traps";
    /// [`AddressMap`](super::tables::AddressMap).
    pub const ADDRESSES: &str = ".wrun.addresses";
    /// [`StackMapTable`](super::tables::StackMapTable).
    pub const STACK_MAPS: &str = ".wrun.stackmaps";
    /// [`HandlerTable`](super::tables::HandlerTable).
    pub const HANDLERS: &str = ".wrun.handlers";
    /// [`PartsTable`](super::PartsTable).
    pub const PARTS: &str = ".wrun.parts";
    /// The hashes that belong to it.
    pub const INPUTS: &str = ".wrun.inputs";
    /// [`NameTable`](super::tables::NameTable).
    pub const NAMES: &str = ".wrun.names";
    /// Prefix of the module's DWARF sections; what follows is their name in the module, `.debug_info` for one.
    pub const DWARF_PREFIX: &str = ".wrun";
}

/// What an image was made for and with. A host that differs refuses it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The target's triple.
    pub triple: String,
    /// CPU features that the code may use, by the code generator's names, sorted.
    pub cpu_features: Vec<String>,
    /// Options of the compilation.
    pub options: CompileOptions,
}

/// All that is decoded when an image is loaded.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Metadata {
    /// The module.
    pub info: ModuleInfo,
    /// Where its data lies.
    pub data: DataLayout,
    /// The signatures with trampolines, as positions in the module's types, in the order of the trampolines. Types
    /// that are equal are listed once.
    pub trampolines: Vec<crate::TypeIndex>,
    /// Offset of the code section's content in the module that was compiled; DWARF counts from there.
    pub code_section_offset: u64,
    /// Whether its code accesses objects of the garbage-collected heap, and so relies on there being one.
    pub uses_heap: bool,
    /// Whether functions may be missing: the image can only be run together with the module that it was made from.
    pub partial: bool,
    /// Whether the module has DWARF that the image has not: then it is needed beside the image even when no function is missing.
    pub lacks_dwarf: bool,
}
