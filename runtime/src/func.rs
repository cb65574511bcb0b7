//! [`Func`] and [`TypedFunc`]: functions, of instances and of the host.

use std::sync::Arc;

use wrun_module::{ConcreteType, FuncType, HeapType};

use crate::{
    AsContext, AsContextMut, Caller, Error, IntoFunc, Result, TypeMismatch, Val, WasmParams,
    WasmResults,
    vm::{FuncHandle, HostFuncDef, StoreOpaque, TypedHandle},
};

/// A function of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Func(FuncHandle);

impl Func {
    pub(crate) fn from_handle(handle: FuncHandle) -> Self {
        Self(handle)
    }

    pub(crate) fn handle(self) -> FuncHandle {
        self.0
    }

    /// A host function made of a closure: up to 16 parameters, before them a [`Caller`] if it wants one; it returns
    /// nothing, a value, a tuple of up to 16, or a `Result` of those. WebAssembly calls it without conversions.
    pub fn wrap<S: AsContextMut, Params, Results>(
        mut store: S,
        closure: impl IntoFunc<S::Data, Params, Results>,
    ) -> Func {
        let def = Arc::new(closure.into_host_func());
        match store.as_context_mut().opaque_mut().add_host_func(&def) {
            Ok(handle) => Func(handle),
            Err(error) => unreachable!("a function with native code needs nothing else: {error}"),
        }
    }

    /// A host function of any type. The closure gets the arguments, which have the type's types, and leaves the results in
    /// the second slice, which are zero or null before.
    ///
    /// # Errors
    /// When the type names none of the engine's, or the trampoline for it cannot be compiled; always when it is not in a
    /// loaded image and the compiler is not built in.
    pub fn new<S: AsContextMut>(
        mut store: S,
        ty: FuncType,
        closure: impl Fn(Caller<'_, S::Data>, &[Val], &mut [Val]) -> Result<()> + Send + Sync + 'static,
    ) -> Result<Func> {
        let mut store = store.as_context_mut();
        store.engine().check_func_type(&ty)?;
        let def = Arc::new(HostFuncDef::dynamic(ty, closure));
        Ok(Func(store.opaque_mut().add_host_func(&def)?))
    }

    /// A host function as [`new`](Self::new) makes it, of a type that a module declares or that
    /// [`define_type`](crate::Engine::define_type) gave. Modules import such a function where they ask for that very type, or a
    /// supertype of it; `new` makes functions whose type is final and a recursion group of its own.
    ///
    /// # Errors
    /// When it is no type of functions, and as for `new`.
    pub fn of_type<S: AsContextMut>(
        mut store: S,
        ty: HeapType,
        closure: impl Fn(Caller<'_, S::Data>, &[Val], &mut [Val]) -> Result<()> + Send + Sync + 'static,
    ) -> Result<Func> {
        let mut store = store.as_context_mut();
        let (number, ty) = store.engine().defined_func(ty)?;
        let def = Arc::new(HostFuncDef::dynamic(ty, closure).declared_as(number));
        Ok(Func(store.opaque_mut().add_host_func(&def)?))
    }

    /// Its type.
    ///
    /// # Panics
    /// When the function is another store's.
    pub fn ty(&self, store: impl AsContext) -> FuncType {
        let store = store.as_context();
        store.engine().types().get(self.0.type_id(store.opaque())).func().clone()
    }

    /// What references to it refer to: its type, by which others can name it.
    ///
    /// # Panics
    /// When the function is another store's.
    pub fn heap_type(&self, store: impl AsContext) -> HeapType {
        let store = store.as_context();
        HeapType::ConcreteFunc(ConcreteType::Engine(self.0.type_id(store.opaque())))
    }

    /// Calls it with any arguments. `results` has as many elements as the function has results.
    ///
    /// # Errors
    /// When arguments or results do not fit the type, when the function traps, or when a host function fails.
    ///
    /// # Panics
    /// When the function is another store's, and when a host function panics.
    pub fn call(
        &self,
        mut store: impl AsContextMut,
        arguments: &[Val],
        results: &mut [Val],
    ) -> Result<()> {
        let mut store = store.as_context_mut();
        let ty = store.engine().types().get(self.0.type_id(store.opaque()));
        check_arguments(store.opaque(), ty.func(), arguments, results.len())?;
        store.opaque_mut().call_dynamic(self.0, ty.func(), arguments, results)
    }

    /// The function with its type known to the Rust compiler: calls then cost little more than calls of Rust functions.
    ///
    /// The types need not be the same: the function may take more than `P` and give less than `R`, and where it takes less, such
    /// as structs of one type only, the values are compared with that when it is called.
    ///
    /// # Errors
    /// When `P` and `R` do not fit its parameters and results.
    ///
    /// # Panics
    /// When the function is another store's.
    pub fn typed<P: WasmParams, R: WasmResults>(
        &self,
        store: impl AsContext,
    ) -> Result<TypedFunc<P, R>> {
        Ok(TypedFunc { handle: TypedHandle::new(self.0, store.as_context().opaque())? })
    }
}

fn check_arguments(
    store: &StoreOpaque,
    ty: &FuncType,
    arguments: &[Val],
    results: usize,
) -> Result<()> {
    let params = ty.params();
    if arguments.len() != params.len() {
        return Err(TypeMismatch::count("arguments", params.len(), arguments.len()).into());
    }
    for (index, (argument, param)) in arguments.iter().zip(params).enumerate() {
        if !argument.is_of(store, *param) {
            return Err(TypeMismatch::new(
                format!("argument {index}"),
                param,
                &argument.exact_type(store),
            )
            .into());
        }
    }
    if results != ty.results().len() {
        return Err(TypeMismatch::count("results", ty.results().len(), results).into());
    }
    Ok(())
}

/// A function whose parameters are `P` and whose results are `R`.
#[derive(Debug)]
pub struct TypedFunc<P, R> {
    handle: TypedHandle<P, R>,
}

impl<P, R> Clone for TypedFunc<P, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P, R> Copy for TypedFunc<P, R> {}

impl<P, R> TypedFunc<P, R> {
    /// The function.
    pub fn func(&self) -> Func {
        Func(self.handle.func())
    }
}

impl<P: WasmParams, R: WasmResults> TypedFunc<P, R> {
    /// Calls it.
    ///
    /// # Errors
    /// When a value is not of its parameter's type, where that is narrower than `P` says; when it traps, or a host function
    /// fails.
    ///
    /// # Panics
    /// When the function is another store's, and when a host function panics.
    #[inline]
    pub fn call(&self, mut store: impl AsContextMut, params: P) -> Result<R, Error> {
        self.handle.call(store.as_context_mut().opaque_mut(), params)
    }
}
