//! [`Linker`]: finds what modules import by name.

mod error;
mod unknown;

use std::{collections::HashMap, fmt, sync::Arc};

use wrun_module::{ExternType, FuncType, HeapType};

use crate::{
    AsContext, AsContextMut, Caller, Engine, Error, Extern, Func, Instance, IntoFunc, Memory,
    Module, Result, SharedMemory, Val,
    instance::{Item, matches, type_id},
    vm::{HostFuncDef, StoreOpaque},
};

pub use error::{ImportProblem, LinkError};

/// Names, and what they stand for. Host functions that are defined here belong to no store yet: the linker can be used with
/// any store of the engine whose data is a `T`.
pub struct Linker<T: 'static> {
    engine: Engine,
    allow_shadowing: bool,
    /// By the two names.
    items: HashMap<String, HashMap<String, Definition>>,
    data: std::marker::PhantomData<fn(&mut T)>,
}

#[derive(Clone)]
enum Definition {
    /// Something of a store.
    Extern(Extern),
    /// A host function, for any store.
    Host(Arc<HostFuncDef>),
    /// A shared memory, for any store.
    SharedMemory(SharedMemory),
}

impl Definition {
    /// Its type, with present sizes as far as `store` can tell.
    fn ty(&self, store: impl AsContext) -> ExternType {
        match self {
            Definition::Extern(item) => item.ty(store),
            Definition::Host(def) => ExternType::Func(def.ty().clone()),
            Definition::SharedMemory(memory) => ExternType::Memory(memory.ty()),
        }
    }

    /// The number of its type in the engine, for what types are compared by it.
    fn type_id(&self, store: &StoreOpaque) -> Option<u32> {
        match self {
            Definition::Extern(item) => type_id(store, *item),
            Definition::Host(def) => Some(def.type_id(store.engine())),
            Definition::SharedMemory(_) => None,
        }
    }
}

impl<T: 'static> Clone for Linker<T> {
    fn clone(&self) -> Self {
        Self {
            engine: self.engine.clone(),
            allow_shadowing: self.allow_shadowing,
            items: self.items.clone(),
            data: std::marker::PhantomData,
        }
    }
}

impl<T: 'static> fmt::Debug for Linker<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.items.iter();
        let names = names.flat_map(|(module, items)| items.keys().map(move |name| (module, name)));
        f.debug_list().entries(names).finish()
    }
}

impl<T: 'static> Linker<T> {
    /// A linker that knows nothing.
    pub fn new(engine: &Engine) -> Self {
        Self {
            engine: engine.clone(),
            allow_shadowing: false,
            items: HashMap::new(),
            data: std::marker::PhantomData,
        }
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Whether a name that is defined may be defined again; the last definition counts then. Off unless set.
    pub fn allow_shadowing(&mut self, allow: bool) -> &mut Self {
        self.allow_shadowing = allow;
        self
    }

    /// Defines a host function made of a closure, as [`Func::wrap`] does.
    ///
    /// # Errors
    /// When the name is defined and shadowing is not allowed; so do all methods that define.
    pub fn func_wrap<Params, Results>(
        &mut self,
        module: &str,
        name: &str,
        closure: impl IntoFunc<T, Params, Results>,
    ) -> Result<&mut Self> {
        self.insert(module, name, Definition::Host(Arc::new(closure.into_host_func())))
    }

    /// Defines a host function of any type, as [`Func::new`] does.
    ///
    /// # Errors
    /// When the name is defined and shadowing is not allowed, or the type names none of the engine's.
    pub fn func_new(
        &mut self,
        module: &str,
        name: &str,
        ty: FuncType,
        closure: impl Fn(Caller<'_, T>, &[Val], &mut [Val]) -> Result<()> + Send + Sync + 'static,
    ) -> Result<&mut Self> {
        self.engine.check_func_type(&ty)?;
        self.insert(module, name, Definition::Host(Arc::new(HostFuncDef::dynamic(ty, closure))))
    }

    /// Defines a host function of a type that was declared, as [`Func::of_type`] does.
    ///
    /// # Errors
    /// When the name is defined and shadowing is not allowed, or it is no type of functions.
    pub fn func_of_type(
        &mut self,
        module: &str,
        name: &str,
        ty: HeapType,
        closure: impl Fn(Caller<'_, T>, &[Val], &mut [Val]) -> Result<()> + Send + Sync + 'static,
    ) -> Result<&mut Self> {
        let (number, ty) = self.engine.defined_func(ty)?;
        let def = HostFuncDef::dynamic(ty, closure).declared_as(number);
        self.insert(module, name, Definition::Host(Arc::new(def)))
    }

    /// Defines something that is in a store; the linker is then good for that store only.
    ///
    /// # Errors
    /// When the name is defined and shadowing is not allowed.
    ///
    /// # Panics
    /// When it is not in this store.
    pub fn define(
        &mut self,
        store: impl AsContext<Data = T>,
        module: &str,
        name: &str,
        item: impl Into<Extern>,
    ) -> Result<&mut Self> {
        let item = item.into();
        item.assert_in(store.as_context().opaque());
        self.insert(module, name, Definition::Extern(item))
    }

    /// Defines a shared memory, for any store of the engine.
    ///
    /// # Errors
    /// When the name is defined and shadowing is not allowed.
    pub fn define_shared_memory(
        &mut self,
        module: &str,
        name: &str,
        memory: &SharedMemory,
    ) -> Result<&mut Self> {
        self.insert(module, name, Definition::SharedMemory(memory.clone()))
    }

    /// Defines all exports of an instance, under `module`.
    ///
    /// # Errors
    /// When a name is defined and shadowing is not allowed.
    pub fn instance(
        &mut self,
        store: impl AsContext<Data = T>,
        module: &str,
        instance: Instance,
    ) -> Result<&mut Self> {
        for (name, item) in instance.exports(&store) {
            self.define(&store, module, &name, item)?;
        }
        Ok(self)
    }

    /// Defines the exports of a module, under `name`.
    ///
    /// A *command*, which exports `_start`, gets a new instance for each call of one of its functions, and nothing but its
    /// functions are defined. Every other module is instantiated now, and `_initialize` called if it exports that.
    ///
    /// # Errors
    /// When a name is defined and shadowing is not allowed, and when the instantiation fails.
    pub fn module(
        &mut self,
        mut store: impl AsContextMut<Data = T>,
        name: &str,
        module: &Module,
    ) -> Result<&mut Self> {
        if module.get_export("_start").is_some() {
            return self.command(name, module);
        }
        let instance = self.instantiate(&mut store, module)?;
        if instance.get_func(&store, "_initialize").is_some() {
            instance.get_typed_func::<(), ()>(&store, "_initialize")?.call(&mut store, ())?;
        }
        self.instance(&store, name, instance)
    }

    fn command(&mut self, module_name: &str, module: &Module) -> Result<&mut Self> {
        let linker = Arc::new(self.clone());
        for export in module.exports() {
            let Some(ty) = export.func_type() else { continue };
            let (linker, module, name) = (linker.clone(), module.clone(), export.name().to_owned());
            self.func_of_type(
                module_name,
                export.name(),
                ty,
                move |mut caller, arguments, results| {
                    let instance = linker.instantiate(&mut caller, &module)?;
                    let func = instance.get_func(&caller, &name).expect("the module exports it");
                    func.call(&mut caller, arguments, results)
                },
            )?;
        }
        Ok(self)
    }

    /// Defines `as_module` `as_name` as what `module` `name` is now.
    ///
    /// # Errors
    /// When there is no such name, or the new one is defined and shadowing is not allowed.
    pub fn alias(
        &mut self,
        module: &str,
        name: &str,
        as_module: &str,
        as_name: &str,
    ) -> Result<&mut Self> {
        let Some(item) = self.lookup(module, name).cloned() else {
            return Err(Error::usage(format!(
                "cannot make an alias of `{module}` `{name}`: it is not defined"
            )));
        };
        self.insert(as_module, as_name, item)
    }

    /// Defines everything that `module` has now under `as_module` too.
    ///
    /// # Errors
    /// When a new name is defined and shadowing is not allowed.
    pub fn alias_module(&mut self, module: &str, as_module: &str) -> Result<&mut Self> {
        let items = self.items.get(module).cloned().unwrap_or_default();
        for (name, item) in items {
            self.insert(as_module, &name, item)?;
        }
        Ok(self)
    }

    /// What a name stands for; a host function becomes part of the store.
    ///
    /// # Panics
    /// When it is another store's, or the store is another engine's.
    pub fn get(
        &self,
        store: impl AsContextMut<Data = T>,
        module: &str,
        name: &str,
    ) -> Option<Extern> {
        let same = Engine::same(&self.engine, store.as_context().engine());
        assert!(same, "a linker was used with a store of another engine");
        materialise(store, self.lookup(module, name)?).ok()
    }

    /// Instantiates a module with what its imports' names stand for.
    ///
    /// # Errors
    /// When imports are unknown or of the wrong type, with all of them; when the store is another engine's; and those of
    /// [`Instance::new`].
    ///
    /// # Panics
    /// When something that is defined is another store's.
    pub fn instantiate(
        &self,
        mut store: impl AsContextMut<Data = T>,
        module: &Module,
    ) -> Result<Instance> {
        if !Engine::same(&self.engine, store.as_context().engine()) {
            return Err(Error::usage(
                "the linker was made by another engine than the store's".to_owned(),
            ));
        }
        let mut found = Vec::with_capacity(module.imports().len());
        let mut problems = Vec::new();
        for import in module.imports() {
            match self.lookup(import.module(), import.name()) {
                None => problems.push(ImportProblem::new(&import, None)),
                Some(definition) => {
                    let ty = definition.ty(&store);
                    let type_id = definition.type_id(store.as_context().opaque());
                    let given = Item { ty: &ty, type_id, exact: false };
                    if !matches(self.engine.types(), given, import.item()) {
                        problems.push(ImportProblem::new(&import, Some(ty)));
                    }
                    found.push(definition);
                }
            }
        }
        if !problems.is_empty() {
            return Err(LinkError::new(module, problems).into());
        }
        let items = found.into_iter().map(|definition| materialise(&mut store, definition));
        let items = items.collect::<Result<Vec<_>>>()?;
        Instance::new(store, module, &items)
    }

    fn lookup(&self, module: &str, name: &str) -> Option<&Definition> {
        self.items.get(module)?.get(name)
    }

    fn insert(&mut self, module: &str, name: &str, item: Definition) -> Result<&mut Self> {
        let items = match self.items.get_mut(module) {
            Some(items) => items,
            None => self.items.entry(module.to_owned()).or_default(),
        };
        if !self.allow_shadowing && items.contains_key(name) {
            return Err(Error::usage(format!("`{module}` `{name}` is defined twice")));
        }
        items.insert(name.to_owned(), item);
        Ok(self)
    }
}

fn materialise(mut store: impl AsContextMut, definition: &Definition) -> Result<Extern> {
    match definition {
        Definition::Extern(item) => Ok(*item),
        Definition::Host(def) => {
            let handle = store.as_context_mut().opaque_mut().add_host_func(def)?;
            Ok(Func::from_handle(handle).into())
        }
        Definition::SharedMemory(memory) => Ok(Memory::from_shared(store, memory)?.into()),
    }
}
