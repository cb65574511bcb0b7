//! Whether what is given fits what a module imports.
//!
//! Source: spec, *Structure › Types › Matching*, and *Embedding*: sizes of tables and memories are the present ones.

use wrun_module::{ExternType, Limits};

use crate::{
    Error, Extern, ImportProblem, LinkError, Module, Result,
    vm::{StoreOpaque, VmImports},
};

/// The imports by kind, when all fit.
///
/// # Errors
/// With everything that does not.
pub(super) fn check(store: &StoreOpaque, module: &Module, given: &[Extern]) -> Result<VmImports> {
    if given.len() != module.imports().len() {
        return Err(Error::usage(format!(
            "the module has {} imports, and {} were given",
            module.imports().len(),
            given.len()
        )));
    }
    let mut imports = VmImports::default();
    let mut problems = Vec::new();
    for (import, &item) in module.imports().zip(given) {
        item.assert_in(store);
        let found = type_in(store, item);
        if !matches(&found, import.ty()) {
            problems.push(ImportProblem::new(&import, Some(found)));
        }
        match item {
            Extern::Func(func) => imports.funcs.push(func.handle()),
            Extern::Table(table) => imports.tables.push(table.position(store)),
            Extern::Memory(memory) => imports.memories.push(memory.position(store)),
            Extern::Global(global) => imports.globals.push(global.position(store)),
        }
    }
    if problems.is_empty() { Ok(imports) } else { Err(LinkError::new(module, problems).into()) }
}

fn type_in(store: &StoreOpaque, item: Extern) -> ExternType {
    match item {
        Extern::Func(func) => {
            ExternType::Func((*store.engine().types().get(func.handle().type_id(store))).clone())
        }
        Extern::Table(table) => {
            let table = store.table(table.position(store));
            let mut ty = table.declared_type();
            ty.limits.min = table.len();
            ExternType::Table(ty)
        }
        Extern::Memory(memory) => {
            let memory = store.memory(memory.position(store));
            let mut ty = memory.declared_type();
            ty.limits.min = memory.pages();
            ExternType::Memory(ty)
        }
        Extern::Global(global) => ExternType::Global(store.global_type(global.position(store))),
    }
}

/// Whether something of type `found` can be imported as `expected`.
pub(crate) fn matches(found: &ExternType, expected: &ExternType) -> bool {
    match (found, expected) {
        (ExternType::Func(found), ExternType::Func(expected)) => found == expected,
        (ExternType::Table(found), ExternType::Table(expected)) => {
            found.element == expected.element
                && found.table64 == expected.table64
                && limits_match(found.limits, expected.limits)
        }
        // Code that was compiled for another width of addresses or size of pages would check the wrong bounds.
        (ExternType::Memory(found), ExternType::Memory(expected)) => {
            found.memory64 == expected.memory64
                && found.page_size_log2 == expected.page_size_log2
                && found.shared == expected.shared
                && limits_match(found.limits, expected.limits)
        }
        // What can be set from both sides has to have the same type on both.
        (ExternType::Global(found), ExternType::Global(expected)) => {
            found.mutable == expected.mutable
                && if found.mutable {
                    found.content == expected.content
                } else {
                    found.content.matches(expected.content)
                }
        }
        _ => false,
    }
}

fn limits_match(found: Limits, expected: Limits) -> bool {
    let max_fits = match (found.max, expected.max) {
        (_, None) => true,
        (Some(found), Some(expected)) => found <= expected,
        (None, Some(_)) => false,
    };
    found.min >= expected.min && max_fits
}

#[cfg(test)]
mod tests {
    use wrun_module::{ExternType, Limits, MemoryType, RefType, TableType};

    use super::matches;

    fn memory(min: u64, max: Option<u64>) -> ExternType {
        ExternType::Memory(MemoryType::new(Limits { min, max }))
    }

    #[test]
    fn limits_may_be_tighter_than_asked_for_and_not_wider() {
        assert!(matches(&memory(2, Some(3)), &memory(1, Some(4))));
        assert!(matches(&memory(2, Some(3)), &memory(1, None)));
        assert!(!matches(&memory(1, None), &memory(2, None)));
        assert!(!matches(&memory(2, None), &memory(1, Some(4))));
        assert!(!matches(&memory(2, Some(5)), &memory(1, Some(4))));
    }

    #[test]
    fn only_shared_memories_are_imported_as_shared() {
        let own = MemoryType::new(Limits { min: 1, max: Some(2) });
        let [own, shared] = [own, MemoryType { shared: true, ..own }].map(ExternType::Memory);
        assert!(matches(&shared, &shared));
        assert!(!matches(&shared, &own));
        assert!(!matches(&own, &shared));
    }

    #[test]
    fn addresses_and_pages_have_to_be_of_the_same_size() {
        let limits = Limits { min: 0, max: None };
        let memory = MemoryType::new(limits);
        let memory64 = MemoryType { memory64: true, ..memory };
        let small_pages = MemoryType { page_size_log2: 0, ..memory };
        let all = [memory, memory64, small_pages, MemoryType { page_size_log2: 0, ..memory64 }];
        for (found, expected) in all.iter().flat_map(|a| all.iter().map(move |b| (*a, *b))) {
            let matched = matches(&ExternType::Memory(found), &ExternType::Memory(expected));
            assert_eq!(matched, found == expected, "{found} as {expected}");
        }
        let table = TableType::new(RefType::FUNCREF, limits);
        let table64 = TableType { table64: true, ..table };
        let [table, table64] = [table, table64].map(ExternType::Table);
        assert!(matches(&table64, &table64));
        assert!(!matches(&table64, &table) && !matches(&table, &table64));
    }
}
