//! [`ParsedModule`]: a valid module, with its code still in the bytes it came from.

use wasmparser::FunctionBody;

use crate::{DataSegment, FuncIndex, FuncType, ModuleInfo, TypeIndex};

/// A module that has been parsed and validated. Borrows the bytes of the binary format.
#[derive(Debug)]
pub struct ParsedModule<'a> {
    /// What the runtime needs too.
    pub info: ModuleInfo,
    /// The type of every function, imported ones first.
    pub func_types: Vec<TypeIndex>,
    /// The body of every defined function, valid.
    pub bodies: Vec<FunctionBody<'a>>,
    /// Every data segment, with its bytes.
    pub data: Vec<(DataSegment, &'a [u8])>,
    /// Names of functions from the `name` section, sorted by index, without duplicates.
    pub func_names: Vec<(FuncIndex, &'a str)>,
    /// Which way conditional branches are expected to go: function, offset of the instruction in its body, and whether the
    /// condition is expected to hold. Sorted.
    pub branch_hints: Vec<(FuncIndex, u32, bool)>,
    /// The custom sections, in order.
    pub custom_sections: Vec<CustomSection<'a>>,
    /// Offset of the code section's content in the module; DWARF counts from there. 0 without code.
    pub code_section_offset: u64,
}

/// A custom section.
#[derive(Clone, Copy, Debug)]
pub struct CustomSection<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its bytes behind the name.
    pub data: &'a [u8],
}

impl<'a> ParsedModule<'a> {
    /// The type of a function.
    pub fn func_type(&self, func: FuncIndex) -> &FuncType {
        self.info.func_type(self.func_types[func.index()])
    }

    /// The index of the function whose body is at `position` of [`bodies`](Self::bodies).
    pub fn defined_func(&self, position: usize) -> FuncIndex {
        FuncIndex::from_index(self.info.num_imported_funcs as usize + position)
    }

    /// The branch hints of a function: offset in its body, and whether the condition is expected to hold.
    pub fn branch_hints(&self, func: FuncIndex) -> &[(FuncIndex, u32, bool)] {
        let start = self.branch_hints.partition_point(|hint| hint.0 < func);
        let len = self.branch_hints[start..].partition_point(|hint| hint.0 == func);
        &self.branch_hints[start..start + len]
    }

    /// The function's name, when the `name` section gives one.
    pub fn func_name(&self, func: FuncIndex) -> Option<&'a str> {
        let found = self.func_names.binary_search_by_key(&func, |&(index, _)| index).ok()?;
        Some(self.func_names[found].1)
    }
}
