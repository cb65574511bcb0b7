//! [`Store`]: what instances live in, together with the user's data; and the ways to borrow one.

use std::{
    fmt,
    num::NonZeroU64,
    sync::atomic::{AtomicU64, Ordering},
};

use crate::{Caller, Engine, Error, Exn, vm::StoreOpaque};

/// Which store something belongs to. No two stores of a process have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct StoreId(NonZeroU64);

impl StoreId {
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        Self(NonZeroU64::new(id).expect("2^64 stores"))
    }

    /// Checks that `found`, the store of a `what`, is this one.
    ///
    /// # Panics
    /// When it is not: the program mixes stores up.
    #[inline]
    pub(crate) fn assert_eq(self, found: StoreId, what: &str) {
        if self != found {
            wrong_store(what);
        }
    }
}

#[cold]
fn wrong_store(what: &str) -> ! {
    panic!("a {what} was used with another store than its own")
}

/// Bounds on what a store allocates, all its instances together. `None` is no bound of the store's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreLimits {
    /// Bytes of all linear memories.
    pub memory_bytes: Option<u64>,
    /// Elements of all tables.
    pub table_elements: Option<u64>,
    /// Number of instances.
    pub instances: Option<usize>,
}

/// Instances, everything they refer to, and data of the user's that host functions can reach.
///
/// Instances, memories, tables and functions are not freed before the store is: make one for each task, and drop it when the
/// task is done. Objects that references refer to are freed when nobody can reach them any more.
pub struct Store<T: 'static> {
    inner: Box<StoreInner<T>>,
}

/// The content of a store. Generated code has a pointer to its first field, which host functions take for one to all.
#[repr(C)]
pub(crate) struct StoreInner<T> {
    opaque: StoreOpaque,
    data: T,
}

impl<T> StoreInner<T> {
    /// The part without the user's data.
    pub(crate) fn opaque(&self) -> &StoreOpaque {
        &self.opaque
    }

    /// The part without the user's data.
    pub(crate) fn opaque_mut(&mut self) -> &mut StoreOpaque {
        &mut self.opaque
    }

    /// Both parts.
    pub(crate) fn split(&mut self) -> (&mut StoreOpaque, &mut T) {
        (&mut self.opaque, &mut self.data)
    }
}

impl<T: 'static> Store<T> {
    /// An empty store with this data.
    pub fn new(engine: &Engine, data: T) -> Self {
        let opaque = StoreOpaque::new(StoreId::new(), engine.clone());
        Self { inner: Box::new(StoreInner { opaque, data }) }
    }

    /// The user's data.
    pub fn data(&self) -> &T {
        &self.inner.data
    }

    /// The user's data, to be changed.
    pub fn data_mut(&mut self) -> &mut T {
        &mut self.inner.data
    }

    /// Gives the user's data back and drops all else.
    pub fn into_data(self) -> T {
        self.inner.data
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        self.inner.opaque.engine()
    }

    /// The error that throws an exception: a host function that gives it to its caller throws the exception in the WebAssembly
    /// that called it.
    ///
    /// # Panics
    /// When the exception is another store's or its scope has ended.
    pub fn throw(&mut self, exception: Exn) -> Error {
        self.as_context_mut().throw(exception)
    }

    /// Bounds what is allocated from now on; what there is stays.
    pub fn set_limits(&mut self, limits: StoreLimits) {
        self.inner.opaque.set_limits(limits);
    }

    /// Frees all objects that nobody can reach, and drops the values of the host's among them. There is no need to call it: the
    /// store does the same whenever its heap is full.
    ///
    /// # Panics
    /// When dropping a value panics.
    pub fn gc(&mut self) {
        self.inner.opaque.collect_garbage();
    }

    /// Bytes that objects take at present, whether or not somebody can reach them.
    pub fn gc_heap_size(&self) -> u64 {
        self.inner.opaque.heap_bytes()
    }
}

impl<T: fmt::Debug + 'static> fmt::Debug for Store<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("data", &self.inner.data).finish_non_exhaustive()
    }
}

/// A borrowed store.
#[allow(missing_debug_implementations, reason = "shows the store's data or nothing")]
pub struct StoreContext<'a, T: 'static>(&'a StoreInner<T>);

/// An exclusively borrowed store.
#[allow(missing_debug_implementations, reason = "shows the store's data or nothing")]
pub struct StoreContextMut<'a, T: 'static>(&'a mut StoreInner<T>);

impl<'a, T: 'static> StoreContext<'a, T> {
    /// The user's data.
    pub fn data(&self) -> &'a T {
        &self.0.data
    }

    /// The engine.
    pub fn engine(&self) -> &'a Engine {
        self.0.opaque.engine()
    }

    pub(crate) fn opaque(&self) -> &StoreOpaque {
        &self.0.opaque
    }

    pub(crate) fn into_opaque(self) -> &'a StoreOpaque {
        &self.0.opaque
    }
}

impl<'a, T: 'static> StoreContextMut<'a, T> {
    pub(crate) fn new(inner: &'a mut StoreInner<T>) -> Self {
        Self(inner)
    }

    /// The user's data.
    pub fn data(&self) -> &T {
        &self.0.data
    }

    /// The user's data, to be changed.
    pub fn data_mut(&mut self) -> &mut T {
        &mut self.0.data
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        self.0.opaque.engine()
    }

    pub(crate) fn opaque(&self) -> &StoreOpaque {
        &self.0.opaque
    }

    pub(crate) fn opaque_mut(&mut self) -> &mut StoreOpaque {
        &mut self.0.opaque
    }

    /// The error that throws an exception, as [`Store::throw`] gives it.
    ///
    /// # Panics
    /// When the exception is another store's or its scope has ended.
    pub fn throw(&mut self, exception: Exn) -> Error {
        exception.throw(self.opaque_mut())
    }

    /// Frees all objects that nobody can reach, as [`Store::gc`] does.
    ///
    /// # Panics
    /// When dropping a value of the host's panics.
    pub fn gc(&mut self) {
        self.0.opaque.collect_garbage();
    }

    pub(crate) fn into_split(self) -> (&'a mut StoreOpaque, &'a mut T) {
        self.0.split()
    }
}

/// What a store can be borrowed from.
pub trait AsContext {
    /// The user's data.
    type Data: 'static;

    /// Borrows the store.
    fn as_context(&self) -> StoreContext<'_, Self::Data>;
}

/// What a store can be borrowed from exclusively.
pub trait AsContextMut: AsContext {
    /// Borrows the store exclusively.
    fn as_context_mut(&mut self) -> StoreContextMut<'_, Self::Data>;
}

impl<T: 'static> AsContext for Store<T> {
    type Data = T;

    fn as_context(&self) -> StoreContext<'_, T> {
        StoreContext(&self.inner)
    }
}

impl<T: 'static> AsContextMut for Store<T> {
    fn as_context_mut(&mut self) -> StoreContextMut<'_, T> {
        StoreContextMut(&mut self.inner)
    }
}

impl<T: 'static> AsContext for StoreContext<'_, T> {
    type Data = T;

    fn as_context(&self) -> StoreContext<'_, T> {
        StoreContext(self.0)
    }
}

impl<T: 'static> AsContext for StoreContextMut<'_, T> {
    type Data = T;

    fn as_context(&self) -> StoreContext<'_, T> {
        StoreContext(self.0)
    }
}

impl<T: 'static> AsContextMut for StoreContextMut<'_, T> {
    fn as_context_mut(&mut self) -> StoreContextMut<'_, T> {
        StoreContextMut(self.0)
    }
}

impl<S: AsContext> AsContext for &'_ S {
    type Data = S::Data;

    fn as_context(&self) -> StoreContext<'_, S::Data> {
        S::as_context(self)
    }
}

impl<S: AsContext> AsContext for &'_ mut S {
    type Data = S::Data;

    fn as_context(&self) -> StoreContext<'_, S::Data> {
        S::as_context(self)
    }
}

impl<S: AsContextMut> AsContextMut for &'_ mut S {
    fn as_context_mut(&mut self) -> StoreContextMut<'_, S::Data> {
        S::as_context_mut(self)
    }
}

macro_rules! borrow_from {
    ($($source:ident $(<$lifetime:lifetime>)?),*) => {
        $(
            impl<'a, T: 'static> From<&'a $source<$($lifetime,)? T>> for StoreContext<'a, T> {
                fn from(source: &'a $source<$($lifetime,)? T>) -> Self {
                    source.as_context()
                }
            }

            impl<'a, T: 'static> From<&'a mut $source<$($lifetime,)? T>> for StoreContext<'a, T> {
                fn from(source: &'a mut $source<$($lifetime,)? T>) -> Self {
                    (&*source).into()
                }
            }

            impl<'a, T: 'static> From<&'a mut $source<$($lifetime,)? T>> for StoreContextMut<'a, T> {
                fn from(source: &'a mut $source<$($lifetime,)? T>) -> Self {
                    source.as_context_mut()
                }
            }
        )*
    };
}

borrow_from!(Store, Caller<'_>, StoreContextMut<'_>);

impl<'a, T: 'static> From<StoreContextMut<'a, T>> for StoreContext<'a, T> {
    fn from(store: StoreContextMut<'a, T>) -> Self {
        StoreContext(store.0)
    }
}
