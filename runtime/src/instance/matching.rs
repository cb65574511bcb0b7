//! Whether what is given fits what a module imports.
//!
//! Source: spec, *Structure › Types › Matching*, and *Embedding*: sizes of tables and memories are the present ones.

use wrun_module::{ExternType, Limits, TagType};

use crate::{
    Error, Extern, ImportProblem, LinkError, Module, Result,
    types::TypeRegistry,
    vm::{StoreOpaque, VmImports},
};

/// The type of what is imported, or of what is given for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Item<'a> {
    /// The type, which names others by their numbers.
    pub(crate) ty: &'a ExternType,
    /// The number of a function's or a tag's type in the engine: the same functions in another recursion group are others.
    pub(crate) type_id: Option<u32>,
    /// Whether an imported function has to be of this very type, and not of a subtype.
    pub(crate) exact: bool,
}

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
        let type_id = type_id(store, item);
        // Most imports are functions of the very type: of these the type need not be looked at.
        let is_function = matches!((item, import.ty()), (Extern::Func(_), ExternType::Func(_)));
        if !is_function || type_id != import.item().type_id {
            let found = type_in(store, item);
            let given = Item { ty: &found, type_id, exact: false };
            if !matches(store.engine().types(), given, import.item()) {
                problems.push(ImportProblem::new(&import, Some(found)));
            }
        }
        match item {
            Extern::Func(func) => imports.funcs.push(func.handle()),
            Extern::Table(table) => imports.tables.push(table.position(store)),
            Extern::Memory(memory) => imports.memories.push(memory.position(store)),
            Extern::Global(global) => imports.globals.push(global.position(store)),
            Extern::Tag(tag) => imports.tags.push(tag.position(store)),
        }
    }
    if problems.is_empty() { Ok(imports) } else { Err(LinkError::new(module, problems).into()) }
}

/// The number of the type of a function or a tag.
pub(crate) fn type_id(store: &StoreOpaque, item: Extern) -> Option<u32> {
    match item {
        Extern::Func(func) => Some(func.handle().type_id(store)),
        Extern::Tag(tag) => Some(store.tag_type_id(tag.position(store))),
        Extern::Table(_) | Extern::Memory(_) | Extern::Global(_) => None,
    }
}

fn type_in(store: &StoreOpaque, item: Extern) -> ExternType {
    match item {
        Extern::Func(func) => {
            let ty = store.engine().types().get(func.handle().type_id(store));
            ExternType::Func(ty.func().clone())
        }
        Extern::Tag(tag) => {
            let ty = store.engine().types().get(store.tag_type_id(tag.position(store)));
            ExternType::Tag(TagType { func: ty.func().clone() })
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
pub(crate) fn matches(types: &TypeRegistry, found: Item<'_>, expected: Item<'_>) -> bool {
    match (found.ty, expected.ty) {
        (ExternType::Func(_), ExternType::Func(_)) => match (found.type_id, expected.type_id) {
            (found, of) if expected.exact => found.is_some() && found == of,
            (Some(found), Some(expected)) => types.is_subtype(found, expected),
            _ => false,
        },
        // What is thrown with a tag is caught with it: both sides have to see the same values.
        (ExternType::Tag(_), ExternType::Tag(_)) => {
            found.type_id.is_some() && found.type_id == expected.type_id
        }
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
                    types.val_type_matches(found.content, expected.content)
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

    use super::Item;
    use crate::types::TypeRegistry;

    fn matches(found: &ExternType, expected: &ExternType) -> bool {
        let types = TypeRegistry::new().unwrap();
        let item = |ty| Item { ty, type_id: None, exact: false };
        super::matches(&types, item(found), item(expected))
    }

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
