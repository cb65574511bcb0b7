//! [`WasmBacktrace`]: where a program was, in its own terms.
//!
//! Frames are found by frame pointers when something happens; names come from the image when they are asked for, and
//! lines from the module's DWARF, which is only read then.

use std::{borrow::Cow, fmt};

use addr2line::gimli;
use wrun_module::image::tables::InlinedAt;

use crate::Module;

/// The most functions that may be inlined into one another. What reads them recurses, so that a module could use up the
/// stack of the host with more.
const MAX_INLINED: usize = 256;

/// The frames of WebAssembly that were active, innermost first.
#[derive(Clone, Debug, Default)]
pub struct WasmBacktrace {
    frames: Vec<Frame>,
    omitted: usize,
}

/// One frame.
#[derive(Clone)]
pub struct Frame {
    module: Module,
    /// Offset of the instruction in the image's code.
    code_offset: u32,
    func_index: u32,
    /// Offset of the instruction in the module, when the function was inlined into that of another frame.
    inlined: Option<u32>,
}

/// A place in the source that an instruction comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// The function, as the source calls it.
    pub name: Option<String>,
    /// The source file.
    pub file: Option<String>,
    /// The line, counted from 1.
    pub line: Option<u32>,
    /// The column, counted from 1.
    pub column: Option<u32>,
}

impl WasmBacktrace {
    /// `frames` are modules with offsets in their code; those in no function are left out.
    pub(crate) fn new(frames: impl Iterator<Item = (Module, u32)>, omitted: usize) -> Self {
        let mut all = Vec::new();
        for (module, code_offset) in frames {
            let Some(func_index) = module.function_at(code_offset) else { continue };
            if let Some(InlinedAt { func, position }) = module.inlined_at(code_offset) {
                let (module, inlined) = (module.clone(), Some(position));
                all.push(Frame { module, code_offset, func_index: func, inlined });
            }
            all.push(Frame { module, code_offset, func_index, inlined: None });
        }
        Self { frames: all, omitted }
    }

    /// The frames that were kept.
    pub fn frames(&self) -> &[Frame] {
        &self.frames
    }

    /// Number of outer frames that were not kept.
    pub fn omitted(&self) -> usize {
        self.omitted
    }

    /// Shows what [`Display`](fmt::Display) does, but of the frames only the first `limit`, where equal ones that follow
    /// each other count as one.
    pub fn innermost(&self, limit: usize) -> impl fmt::Display + '_ {
        Innermost { backtrace: self, limit }
    }
}

impl Frame {
    /// The function's index in its module.
    pub fn func_index(&self) -> u32 {
        self.func_index
    }

    /// The function's name in the `name` section.
    pub fn func_name(&self) -> Option<&str> {
        self.module.func_name(self.func_index)
    }

    /// The module's name.
    pub fn module_name(&self) -> Option<&str> {
        self.module.name()
    }

    /// Offset of the instruction in the module's binary.
    pub fn module_offset(&self) -> Option<u32> {
        self.inlined.or_else(|| self.module.module_offset(self.code_offset))
    }

    /// The places in the source, by the module's DWARF: of the innermost inlined function first. Empty without DWARF.
    pub fn symbols(&self) -> Vec<Symbol> {
        self.find_symbols().unwrap_or_default()
    }

    fn find_symbols(&self) -> Option<Vec<Symbol>> {
        if self.module.dwarf_section(gimli::SectionId::DebugInfo.name()).is_empty() {
            return None;
        }
        // Addresses in a module's DWARF count from the content of its code section.
        let start = self.module.metadata().code_section_offset;
        let address = u64::from(self.module_offset()?).checked_sub(start)?;
        let section = |id: gimli::SectionId| -> Result<_, gimli::Error> {
            let bytes = self.module.dwarf_section(id.name());
            Ok(gimli::EndianSlice::new(bytes, gimli::LittleEndian))
        };
        let dwarf = gimli::Dwarf::load(section).ok()?;
        if !self.module.dwarf_is_sound(|| is_shallow(&dwarf).unwrap_or(false)) {
            return None;
        }
        let context = addr2line::Context::from_dwarf(dwarf).ok()?;
        let mut frames = context.find_frames(address).skip_all_loads().ok()?;
        let mut symbols = Vec::new();
        while let Ok(Some(frame)) = frames.next() {
            let name = frame.function.as_ref().and_then(|name| name.demangle().ok());
            let location = frame.location.as_ref();
            symbols.push(Symbol {
                name: name.map(Cow::into_owned),
                file: location.and_then(|place| place.file).map(str::to_owned),
                line: location.and_then(|place| place.line),
                column: location.and_then(|place| place.column),
            });
        }
        Some(symbols)
    }
}

/// Whether no function in the DWARF has others inlined too deeply.
fn is_shallow<R: gimli::Reader>(dwarf: &gimli::Dwarf<R>) -> Result<bool, gimli::Error> {
    // The depths of the entries that enclose the one at hand and stand for inlined functions.
    let mut inlined: Vec<isize> = Vec::new();
    let mut units = dwarf.units();
    while let Some(header) = units.next()? {
        let abbreviations = dwarf.abbreviations(&header)?;
        let mut entries = header.entries_raw(&abbreviations, None)?;
        inlined.clear();
        while !entries.is_empty() {
            let depth = entries.next_depth();
            while inlined.pop_if(|enclosing| *enclosing >= depth).is_some() {}
            let Some(entry) = entries.read_abbreviation()? else { continue };
            entries.skip_attributes(entry.attributes())?;
            if entry.tag() == gimli::DW_TAG_inlined_subroutine {
                inlined.push(depth);
            }
            if inlined.len() > MAX_INLINED {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frame")
            .field("func_index", &self.func_index)
            .field("func_name", &self.func_name())
            .field("module_offset", &self.module_offset())
            .finish()
    }
}

impl fmt::Display for WasmBacktrace {
    /// A line for each frame: its number, the offset in the module, module and function; below it the places in the source.
    /// Frames that are the same as the one before are counted, as in a recursion.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.innermost(usize::MAX).fmt(f)
    }
}

/// A backtrace of which only the innermost frames are shown: see [`WasmBacktrace::innermost`].
#[derive(Debug)]
struct Innermost<'a> {
    backtrace: &'a WasmBacktrace,
    limit: usize,
}

impl fmt::Display for Innermost<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("wasm backtrace:")?;
        let same = |a: &Frame, b: &Frame| {
            a.code_offset == b.code_offset
                && (a.func_index, a.inlined) == (b.func_index, b.inlined)
                && std::ptr::eq(a.module.info(), b.module.info())
        };
        let frames = &self.backtrace.frames;
        let mut number = 0;
        for run in frames.chunk_by(same).take(self.limit) {
            write!(f, "\n  {number:>3}: {}", run[0])?;
            number += run.len();
            if run.len() > 1 {
                write!(f, "\n       … {} more of the same", run.len() - 1)?;
            }
        }
        match frames.len() - number + self.backtrace.omitted {
            0 => Ok(()),
            left => write!(f, "\n       … {left} more frames"),
        }
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(offset) = self.module_offset() {
            write!(f, "{offset:#8x} - ")?;
        }
        write!(f, "{}!", Printable(self.module_name().unwrap_or("<unknown>")))?;
        match self.func_name() {
            Some(name) => {
                write!(f, "{}", Printable(&format!("{:#}", rustc_demangle::demangle(name))))?;
            }
            None => write!(f, "<wasm function {}>", self.func_index)?,
        }
        for symbol in self.symbols() {
            let Some(file) = &symbol.file else { continue };
            write!(f, "\n                  at {}", Printable(file))?;
            if let Some(line) = symbol.line {
                write!(f, ":{line}")?;
            }
            if let Some(column) = symbol.column.filter(|&column| column > 0) {
                write!(f, ":{column}")?;
            }
            if let Some(name) = &symbol.name
                && self.func_name() != Some(name)
            {
                write!(f, " ({})", Printable(name))?;
            }
        }
        Ok(())
    }
}

/// A name from a module, whoever wrote it: control characters, which terminals obey, are escaped.
struct Printable<'a>(&'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            if character.is_control() {
                write!(f, "{}", character.escape_default())?;
            } else {
                write!(f, "{character}")?;
            }
        }
        Ok(())
    }
}
