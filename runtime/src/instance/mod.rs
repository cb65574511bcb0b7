//! [`Instance`]: a module with everything it needs to run.

mod constant;
mod initialise;
mod matching;

use wrun_module::ExternIndex;

use crate::{
    AsContext, AsContextMut, Error, Extern, Func, Global, Memory, Module, Result, Table, Tag,
    TypeMismatch, TypedFunc, WasmParams, WasmResults, store::StoreId, vm::StoreOpaque,
};

pub(crate) use matching::{Item, matches, type_id};

/// An instance in a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Instance {
    store: StoreId,
    position: usize,
}

impl Instance {
    pub(crate) fn at(store: &StoreOpaque, position: usize) -> Self {
        Self { store: store.id(), position }
    }

    fn position(self, store: &StoreOpaque) -> usize {
        store.id().assert_eq(self.store, "instance");
        self.position
    }

    /// Instantiates a module: `imports` are what it imports, in its order. Runs its start function.
    ///
    /// # Errors
    /// When the imports do not fit (all that is wrong is in the error), a segment does not fit into its table or
    /// memory, a limit is passed, or the start function fails.
    ///
    /// # Panics
    /// When an import is another store's.
    pub fn new(
        mut store: impl AsContextMut,
        module: &Module,
        imports: &[Extern],
    ) -> Result<Instance> {
        let mut store = store.as_context_mut();
        if !crate::Engine::same(store.engine(), module.engine()) {
            return Err(Error::usage(
                "the module was made by another engine than the store's".into(),
            ));
        }
        let imports = matching::check(store.opaque(), module, imports)?;
        let position = initialise::instantiate(store.opaque_mut(), module, imports)?;
        Ok(Self::at(store.opaque(), position))
    }

    /// The module.
    pub fn module(&self, store: impl AsContext) -> Module {
        let store = store.as_context();
        store.opaque().instance(self.position(store.opaque())).module().clone()
    }

    /// An export.
    ///
    /// # Panics
    /// When the instance is another store's; so do all methods.
    pub fn get_export(&self, store: impl AsContext, name: &str) -> Option<Extern> {
        let store = store.as_context();
        let position = self.position(store.opaque());
        let item = store.opaque().instance(position).module().export(name)?;
        Some(item_of(store.opaque(), position, item))
    }

    /// All exports, in the module's order.
    pub fn exports(
        &self,
        store: impl AsContext,
    ) -> impl ExactSizeIterator<Item = (String, Extern)> {
        let store = store.as_context();
        let position = self.position(store.opaque());
        let module = store.opaque().instance(position).module();
        let exports = module.info().exports.iter();
        let exports: Vec<_> = exports
            .map(|export| (export.name.clone(), item_of(store.opaque(), position, export.item)))
            .collect();
        exports.into_iter()
    }

    /// An exported function.
    pub fn get_func(&self, store: impl AsContext, name: &str) -> Option<Func> {
        self.get_export(store, name)?.into_func()
    }

    /// An exported table.
    pub fn get_table(&self, store: impl AsContext, name: &str) -> Option<Table> {
        self.get_export(store, name)?.into_table()
    }

    /// An exported memory.
    pub fn get_memory(&self, store: impl AsContext, name: &str) -> Option<Memory> {
        self.get_export(store, name)?.into_memory()
    }

    /// An exported global.
    pub fn get_global(&self, store: impl AsContext, name: &str) -> Option<Global> {
        self.get_export(store, name)?.into_global()
    }

    /// An exported tag.
    pub fn get_tag(&self, store: impl AsContext, name: &str) -> Option<Tag> {
        self.get_export(store, name)?.into_tag()
    }

    /// An exported function whose type is known to the Rust compiler.
    ///
    /// # Errors
    /// When there is no such function, or it has another type.
    pub fn get_typed_func<P: WasmParams, R: WasmResults>(
        &self,
        store: impl AsContext,
        name: &str,
    ) -> Result<TypedFunc<P, R>> {
        let store = store.as_context();
        let what = format!("the export `{name}`");
        match self.get_export(&store, name) {
            Some(Extern::Func(func)) => func.typed(&store).map_err(|error| error.context(what)),
            Some(other) => Err(TypeMismatch::new(what, &"a function", &other.ty(&store)).into()),
            None => Err(Error::usage(format!("the module has no export `{name}`"))),
        }
    }
}

/// What an item of an instance is in the store.
fn item_of(store: &StoreOpaque, position: usize, item: ExternIndex) -> Extern {
    let instance = store.instance(position);
    match item {
        ExternIndex::Func(func) => Func::from_handle(store.instance_func(position, func)).into(),
        ExternIndex::Table(table) => Table::at(store, instance.table(table)).into(),
        ExternIndex::Memory(memory) => Memory::at(store, instance.memory(memory)).into(),
        ExternIndex::Global(global) => Global::at(store, instance.global(global)).into(),
        ExternIndex::Tag(tag) => Tag::at(store, instance.tag(tag)).into(),
    }
}
