//! Builds a [`ParsedModule`] payload by payload. Each payload has been validated before it comes here.

use wasmparser::{
    DataKind, ElementItems as WasmElementItems, ElementKind as WasmElementKind, FunctionBody,
    KnownCustom, Payload, TableInit,
};

use super::{Result, convert, names::Names};
use crate::{
    CompositeKind, ConstOp, CustomSection, DataSegment, ElementItems, ElementKind, ElementSegment,
    Export, ExternIndex, FuncIndex, FuncRefDecl, GlobalDecl, Import, ImportKind, MemoryIndex,
    ModuleInfo, ParsedModule, TableDecl, TableIndex, TypeIndex,
};

/// A module in the making.
#[derive(Debug, Default)]
pub(super) struct Builder<'a> {
    info: ModuleInfo,
    /// What each type is, also of those that are not in `info` yet.
    kinds: Vec<CompositeKind>,
    func_types: Vec<TypeIndex>,
    /// Bodies of the defined functions.
    pub(super) bodies: Vec<FunctionBody<'a>>,
    data: Vec<(DataSegment, &'a [u8])>,
    names: Names<'a>,
    custom_sections: Vec<CustomSection<'a>>,
    branch_hints: Vec<(FuncIndex, u32, bool)>,
    code_section_offset: u64,
}

impl<'a> Builder<'a> {
    /// Takes in one section.
    pub(super) fn payload(&mut self, payload: Payload<'a>) -> Result<()> {
        match payload {
            Payload::TypeSection(section) => {
                for item in section.into_iter_with_offsets() {
                    let (offset, group) = item?;
                    // The types of a group may name those behind them.
                    for ty in group.types() {
                        self.kinds.push(convert::kind(ty, offset)?);
                    }
                    self.info.rec_groups.push(group.types().len() as u32);
                    for ty in group.into_types() {
                        self.info.types.push(convert::sub_type(&self.kinds, &ty, offset)?);
                    }
                }
            }
            Payload::ImportSection(section) => self.imports(section)?,
            Payload::FunctionSection(section) => {
                for ty in section {
                    self.func_types.push(TypeIndex(ty?));
                    self.info.num_defined_funcs += 1;
                }
            }
            Payload::TableSection(section) => self.tables(section)?,
            Payload::MemorySection(section) => {
                for ty in section {
                    self.info.memories.push(convert::memory_type(ty?));
                }
            }
            Payload::GlobalSection(section) => {
                for item in section.into_iter_with_offsets() {
                    let (offset, global) = item?;
                    let ty = convert::global_type(&self.kinds, global.ty, offset)?;
                    let init = Some(convert::const_expr(&self.kinds, &global.init_expr)?);
                    self.info.globals.push(GlobalDecl { ty, init });
                }
            }
            Payload::TagSection(section) => {
                for tag in section {
                    self.info.tags.push(TypeIndex(tag?.func_type_idx));
                }
            }
            Payload::ExportSection(section) => {
                for item in section.into_iter_with_offsets() {
                    let (offset, export) = item?;
                    let item = convert::extern_index(export.kind, export.index, offset)?;
                    self.info.exports.push(Export { name: export.name.to_owned(), item });
                }
            }
            Payload::StartSection { func, .. } => self.info.start = Some(FuncIndex(func)),
            Payload::ElementSection(section) => self.elements(section)?,
            Payload::DataSection(section) => self.data(section)?,
            Payload::CodeSectionStart { unchecked_range, .. } => {
                self.code_section_offset = unchecked_range.start;
            }
            Payload::CustomSection(section) => {
                match section.as_known() {
                    KnownCustom::Name(reader) => self.names = Names::read(reader),
                    KnownCustom::BranchHints(reader) => {
                        // As with all custom sections, what cannot be read makes no difference.
                        self.branch_hints = branch_hints(reader).unwrap_or_default();
                    }
                    _ => {}
                }
                let section = CustomSection { name: section.name(), data: section.data() };
                self.custom_sections.push(section);
            }
            _ => {}
        }
        Ok(())
    }

    fn imports(&mut self, section: wasmparser::ImportSectionReader<'a>) -> Result<()> {
        for item in section.into_imports_with_offsets() {
            let (offset, import) = item?;
            let kind = convert::import_kind(&self.kinds, import.ty, offset)?;
            match kind {
                ImportKind::Func(ty) => {
                    self.func_types.push(ty);
                    self.info.num_imported_funcs += 1;
                }
                ImportKind::Table(ty) => {
                    self.info.tables.push(TableDecl { ty, init: None });
                    self.info.num_imported_tables += 1;
                }
                ImportKind::Memory(ty) => {
                    self.info.memories.push(ty);
                    self.info.num_imported_memories += 1;
                }
                ImportKind::Global(ty) => {
                    self.info.globals.push(GlobalDecl { ty, init: None });
                    self.info.num_imported_globals += 1;
                }
                ImportKind::Tag(ty) => {
                    self.info.tags.push(ty);
                    self.info.num_imported_tags += 1;
                }
            }
            self.info.imports.push(Import {
                module: import.module.to_owned(),
                name: import.name.to_owned(),
                kind,
                exact: matches!(import.ty, wasmparser::TypeRef::FuncExact(_)),
            });
        }
        Ok(())
    }

    fn tables(&mut self, section: wasmparser::TableSectionReader<'a>) -> Result<()> {
        for item in section.into_iter_with_offsets() {
            let (offset, table) = item?;
            let ty = convert::table_type(&self.kinds, table.ty, offset)?;
            let init = match table.init {
                TableInit::RefNull => None,
                TableInit::Expr(expr) => Some(convert::const_expr(&self.kinds, &expr)?),
            };
            self.info.tables.push(TableDecl { ty, init });
        }
        Ok(())
    }

    fn elements(&mut self, section: wasmparser::ElementSectionReader<'a>) -> Result<()> {
        for item in section.into_iter_with_offsets() {
            let (offset, segment) = item?;
            let kind = match segment.kind {
                WasmElementKind::Passive => ElementKind::Passive,
                WasmElementKind::Declared => ElementKind::Declared,
                WasmElementKind::Active { table_index, offset_expr } => ElementKind::Active {
                    table: TableIndex(table_index.unwrap_or(0)),
                    offset: convert::const_expr(&self.kinds, &offset_expr)?,
                },
            };
            let (ty, items) = match segment.items {
                WasmElementItems::Functions(funcs) => {
                    let funcs = funcs.into_iter().map(|func| Ok(FuncIndex(func?)));
                    let items = ElementItems::Functions(funcs.collect::<Result<_>>()?);
                    (crate::RefType::FUNCREF, items)
                }
                WasmElementItems::Expressions(ty, exprs) => {
                    let exprs =
                        exprs.into_iter().map(|expr| convert::const_expr(&self.kinds, &expr?));
                    let items = ElementItems::Expressions(exprs.collect::<Result<_>>()?);
                    (convert::ref_type(&self.kinds, ty, offset)?, items)
                }
            };
            self.info.elements.push(ElementSegment { kind, ty, items });
        }
        Ok(())
    }

    fn data(&mut self, section: wasmparser::DataSectionReader<'a>) -> Result<()> {
        for segment in section {
            let segment = segment?;
            let kind = match segment.kind {
                DataKind::Passive => DataSegment::Passive,
                DataKind::Active { memory_index, offset_expr } => DataSegment::Active {
                    memory: MemoryIndex(memory_index),
                    offset: convert::const_expr(&self.kinds, &offset_expr)?,
                },
            };
            self.info.num_data_segments += 1;
            self.info.num_active_data_segments +=
                u32::from(matches!(kind, DataSegment::Active { .. }));
            self.data.push((kind, segment.data));
        }
        Ok(())
    }

    /// The module, after its last section. `tail_calls` says of each body whether there is a tail call in it.
    pub(super) fn finish(mut self, tail_calls: &[bool]) -> ParsedModule<'a> {
        self.info.name = self.names.module.map(str::to_owned);
        self.info.func_refs = escaping(&self.info, &self.func_types, tail_calls);
        ParsedModule {
            info: self.info,
            func_types: self.func_types,
            bodies: self.bodies,
            data: self.data,
            func_names: self.names.funcs,
            branch_hints: self.branch_hints,
            custom_sections: self.custom_sections,
            code_section_offset: self.code_section_offset,
        }
    }
}

/// The branch hints of all functions, sorted.
fn branch_hints(
    section: wasmparser::BranchHintSectionReader<'_>,
) -> wasmparser::Result<Vec<(FuncIndex, u32, bool)>> {
    let mut all = Vec::new();
    for function in section {
        let function = function?;
        for hint in function.hints {
            let hint = hint?;
            all.push((FuncIndex(function.func), hint.func_offset, hint.taken));
        }
    }
    all.sort_unstable();
    Ok(all)
}

/// The functions that escape, sorted.
///
/// `ref.func` in a body needs no look at the bodies: validation demands that the function be named outside them
/// too (spec, *Validation › Modules*, the set of references).
///
/// Those with tail calls have the internal calling convention, and an adapter each.
fn escaping(info: &ModuleInfo, func_types: &[TypeIndex], tail_calls: &[bool]) -> Vec<FuncRefDecl> {
    let mut funcs: Vec<FuncIndex> = info.start.into_iter().collect();
    let mut add_expr = |expr: &crate::ConstExpr| {
        funcs.extend(expr.0.iter().filter_map(|op| match op {
            ConstOp::RefFunc(func) => Some(*func),
            _ => None,
        }));
    };
    info.tables.iter().filter_map(|table| table.init.as_ref()).for_each(&mut add_expr);
    info.globals.iter().filter_map(|global| global.init.as_ref()).for_each(&mut add_expr);
    for segment in &info.elements {
        if let ElementItems::Expressions(exprs) = &segment.items {
            exprs.iter().for_each(&mut add_expr);
        }
    }
    for segment in &info.elements {
        if let ElementItems::Functions(items) = &segment.items {
            funcs.extend(items);
        }
    }
    funcs.extend(info.exports.iter().filter_map(|export| match export.item {
        ExternIndex::Func(func) => Some(func),
        _ => None,
    }));
    funcs.sort_unstable();
    funcs.dedup();
    let mut adapters = 0..;
    let mut declare = |func: FuncIndex| {
        let defined = func.index().checked_sub(info.num_imported_funcs as usize);
        let has_tail_call = defined.is_some_and(|position| tail_calls[position]);
        let adapter = if has_tail_call { adapters.next() } else { None };
        FuncRefDecl { func, ty: func_types[func.index()], adapter }
    };
    funcs.into_iter().map(&mut declare).collect()
}
