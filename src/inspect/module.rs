//! The report on a module.

use wrun::Features;
use wrun_module::{ElementKind, ModuleInfo};

use super::Report;
use crate::{diagnosis, render::Failure};

/// What the module in `binary` holds. `name` is the file's, for messages.
///
/// # Errors
/// When it is no valid module.
pub(super) fn report(binary: &[u8], features: Features, name: &str) -> Result<Report, Failure> {
    let module = wrun_module::parse(binary, features)
        .map_err(|error| diagnosis::of_parse_error(&error, name))?;
    let mut report = Report::default();
    report.line("module", format_args!("{} bytes", binary.len()));
    interface(&mut report, &module.info);
    let sections = module.custom_sections.iter();
    let sections: Vec<_> = sections
        .map(|section| (section.name.to_owned(), format!("{} bytes", section.data.len())))
        .collect();
    report.table("custom sections", &sections);
    Ok(report)
}

/// What a module shows of itself: the same whether it is compiled or not.
pub(super) fn interface(report: &mut Report, info: &ModuleInfo) {
    if let Some(name) = &info.name {
        report.line("name", name);
    }
    report.line(
        "functions",
        format_args!("{} imported, {} defined", info.num_imported_funcs, info.num_defined_funcs),
    );
    let globals = info.globals.len() as u32;
    report.line(
        "globals",
        format_args!(
            "{} imported, {} defined",
            info.num_imported_globals,
            globals - info.num_imported_globals
        ),
    );
    report.line(
        "data segments",
        format_args!("{} ({} active)", info.num_data_segments, info.num_active_data_segments),
    );
    let is_active = |kind: &ElementKind| matches!(kind, ElementKind::Active { .. });
    let active = info.elements.iter().filter(|element| is_active(&element.kind)).count();
    report.line("element segments", format_args!("{} ({active} active)", info.elements.len()));
    if let Some(start) = info.start {
        report.line("start function", start.index());
    }
    let imports = info.imports.iter();
    let imports: Vec<_> = imports
        .map(|import| {
            (format!("{} {}", import.module, import.name), info.import_type(import).to_string())
        })
        .collect();
    report.table("imports", &imports);
    let exports = info.exports.iter();
    let exports: Vec<_> = exports
        .map(|export| (export.name.clone(), info.extern_type(export.item).to_string()))
        .collect();
    report.table("exports", &exports);
    let numbered = |index: usize, imported: u32| {
        format!("{index}{}", if index < imported as usize { " imported" } else { "" })
    };
    let memories = info.memories.iter().enumerate();
    let memories: Vec<_> = memories
        .map(|(index, memory)| (numbered(index, info.num_imported_memories), memory.to_string()))
        .collect();
    report.table("memories", &memories);
    let tables = info.tables.iter().enumerate();
    let tables: Vec<_> = tables
        .map(|(index, table)| (numbered(index, info.num_imported_tables), table.ty.to_string()))
        .collect();
    report.table("tables", &tables);
}
