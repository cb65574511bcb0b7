//! [`Caller`]: what a host function sees of the instance that calls it.

use crate::{
    AsContext, AsContextMut, Engine, Error, Exn, Extern, Instance, SharedMemory, StoreContext,
    StoreContextMut, WasmBacktrace, store::StoreInner,
};

/// The store that a host function is called in, and the instance that calls it.
#[allow(missing_debug_implementations, reason = "shows the store's data or nothing")]
pub struct Caller<'a, T: 'static> {
    store: StoreContextMut<'a, T>,
    /// Position of the calling instance; none when the host calls.
    instance: Option<usize>,
}

impl<'a, T: 'static> Caller<'a, T> {
    #[inline]
    pub(crate) fn new(store: &'a mut StoreInner<T>, instance: Option<usize>) -> Self {
        Self { store: StoreContextMut::new(store), instance }
    }

    /// The user's data.
    pub fn data(&self) -> &T {
        self.store.data()
    }

    /// The user's data, to be changed.
    pub fn data_mut(&mut self) -> &mut T {
        self.store.data_mut()
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        self.store.engine()
    }

    /// The calling instance; nothing when the host calls the function itself.
    pub fn instance(&self) -> Option<Instance> {
        Some(Instance::at(self.store.opaque(), self.instance?))
    }

    /// An export of the calling instance.
    pub fn get_export(&mut self, name: &str) -> Option<Extern> {
        self.instance()?.get_export(&mut self.store, name)
    }

    /// The bytes of the calling instance's exported memory `memory`, together with the user's data. Faster than by
    /// [`get_export`](Self::get_export): the memory was looked up when the instance was made. Nothing when there is no such
    /// memory, or it is shared: then others may write its bytes at any time.
    pub fn memory_and_data(&mut self) -> Option<(&mut [u8], &mut T)> {
        let memory = self.store.opaque().instance(self.instance?).default_memory()?;
        let (store, data) = self.store.as_context_mut().into_split();
        Some((store.memory_mut(memory).data_mut()?, data))
    }

    /// The calling instance's exported memory `memory`, when it is a shared one; otherwise there is
    /// [`memory_and_data`](Self::memory_and_data).
    pub fn shared_memory(&self) -> Option<SharedMemory> {
        let store = self.store.opaque();
        let memory = store.instance(self.instance?).default_memory()?;
        let memory = store.memory(memory).shared()?;
        Some(SharedMemory::of(store.engine(), memory.clone()))
    }

    /// The error that throws an exception in the WebAssembly that called, when the host function gives it.
    ///
    /// ```
    /// use wrun_runtime::{Caller, Engine, Exn, FuncType, Linker, Module, Store, Tag, TagType, ValType};
    ///
    /// let engine = Engine::default();
    /// let module = Module::new(&engine, r#"
    ///     (module
    ///         (import "host" "failed" (tag $failed (param i32)))
    ///         (import "host" "read" (func $read))
    ///         (func (export "run") (result i32)
    ///             (block $h (result i32)
    ///                 (try_table (catch $failed $h) (call $read))
    ///                 (i32.const 0))))
    /// "#)?;
    /// let mut store = Store::new(&engine, ());
    /// let failed = Tag::new(&mut store, &TagType { func: FuncType::new([ValType::I32], []) })?;
    /// let mut linker = Linker::new(&engine);
    /// linker.define(&mut store, "host", "failed", failed)?;
    /// linker.func_wrap("host", "read", move |mut caller: Caller<'_, ()>| {
    ///     let exception = Exn::new(&mut caller, failed, &[5.into()])?;
    ///     Err::<(), _>(caller.throw(exception))
    /// })?;
    /// let instance = linker.instantiate(&mut store, &module)?;
    /// let run = instance.get_typed_func::<(), i32>(&mut store, "run")?;
    /// assert_eq!(run.call(&mut store, ())?, 5);
    /// # Ok::<(), wrun_runtime::Error>(())
    /// ```
    ///
    /// # Panics
    /// When the exception is another store's or its scope has ended.
    pub fn throw(&mut self, exception: Exn) -> Error {
        self.store.throw(exception)
    }

    /// Where the program is: the frames of WebAssembly that lead to this call.
    pub fn backtrace(&self) -> WasmBacktrace {
        self.store.opaque().current_backtrace()
    }
}

impl<T: 'static> AsContext for Caller<'_, T> {
    type Data = T;

    fn as_context(&self) -> StoreContext<'_, T> {
        self.store.as_context()
    }
}

impl<T: 'static> AsContextMut for Caller<'_, T> {
    fn as_context_mut(&mut self) -> StoreContextMut<'_, T> {
        self.store.as_context_mut()
    }
}
