//! How the host holds references to objects of a store: for as long as a scope lasts ([`RootScope`]), or for as long as it
//! wants ([`OwnedRef`]).
//!
//! Objects move when the store collects garbage, so no reference is an address here. All types of references are small
//! names of places that the store keeps up to date.

use std::{fmt, marker::PhantomData};

use crate::{
    AsContext, AsContextMut, StoreContext, StoreContextMut,
    store::StoreId,
    vm::{OwnedToken, ScopeMark, SlotName, StoreOpaque},
};

/// The name of a reference in a store, which is valid until the scope ends that it was made in.
#[derive(Clone, Copy, Debug)]
#[allow(
    unreachable_pub,
    reason = "named in hidden methods of a public trait that only this crate implements"
)]
pub struct RootHandle {
    store: StoreId,
    name: SlotName,
}

impl RootHandle {
    pub(crate) fn new(store: StoreId, name: SlotName) -> Self {
        Self { store, name }
    }

    /// The name, in the store that it was made for.
    ///
    /// # Panics
    /// When `store` is another.
    #[inline]
    pub(crate) fn name(self, store: StoreId) -> SlotName {
        store.assert_eq(self.store, "reference");
        self.name
    }
}

/// What only this crate has. A method that asks for it cannot be called from elsewhere: a handle that somebody could take out of a
/// reference could be put into one of another type, which generated code trusts to refer to what its type says.
#[derive(Clone, Copy, Debug)]
#[allow(
    unreachable_pub,
    reason = "named in hidden methods of a public trait that only this crate implements"
)]
pub struct Internal(());

/// The only one there is.
pub(crate) const INTERNAL: Internal = Internal(());

/// Declares a type of references.
macro_rules! gc_ref {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name($crate::root::RootHandle);

        impl $crate::root::Sealed for $name {}

        impl $crate::root::GcRef for $name {
            #[inline]
            fn handle(self, _: $crate::root::Internal) -> $crate::root::RootHandle {
                self.0
            }

            #[inline]
            fn from_handle(handle: $crate::root::RootHandle) -> Self {
                Self(handle)
            }
        }
    };
}
pub(crate) use gc_ref;

mod sealed {
    /// Keeps others from implementing [`GcRef`](super::GcRef).
    pub trait Sealed {}
}
pub(crate) use sealed::Sealed;

/// A reference to an object of a store that is valid until the scope ends in which it was made: the call of a host function,
/// a [`RootScope`], or, outside of both, the store's life. To use it later, or with another store, is a panic and never
/// reaches another object.
pub trait GcRef: Copy + Sealed {
    #[doc(hidden)]
    fn handle(self, _: Internal) -> RootHandle;

    #[doc(hidden)]
    fn from_handle(handle: RootHandle) -> Self;

    /// A reference to the same object that is valid for as long as it is kept.
    ///
    /// # Panics
    /// When the reference is another store's or its scope has ended.
    fn to_owned_ref(self, mut store: impl AsContextMut) -> OwnedRef<Self> {
        let mut store = store.as_context_mut();
        let reference = store.opaque().reference(self.handle(INTERNAL));
        OwnedRef::new(store.opaque_mut(), reference)
    }

    /// Whether two references are to the same object.
    ///
    /// # Panics
    /// When one of them is another store's or its scope has ended.
    fn ref_eq(store: impl AsContext, a: Self, b: Self) -> bool {
        let store = store.as_context();
        let reference = |it: Self| store.opaque().reference(it.handle(INTERNAL));
        reference(a) == reference(b)
    }
}

/// A reference to an object of a store that is valid for as long as this, or a clone of it, is kept: the object lives as long.
pub struct OwnedRef<R> {
    store: StoreId,
    index: u32,
    token: OwnedToken,
    ty: PhantomData<fn() -> R>,
}

impl<R: GcRef> OwnedRef<R> {
    /// Of a reference as generated code has it, which is to an object that `R` is for.
    pub(crate) fn new(store: &mut StoreOpaque, reference: u32) -> Self {
        let (index, token) = store.own_reference(reference);
        Self { store: store.id(), index, token, ty: PhantomData }
    }

    /// The reference as generated code has it, until something may collect; nothing in another store.
    pub(crate) fn reference_in(&self, store: &StoreOpaque) -> Option<u32> {
        (store.id() == self.store).then(|| store.owned_reference(self.index, &self.token))
    }

    /// A reference to the object in the scope that is open.
    ///
    /// # Panics
    /// When the object is another store's.
    pub fn get(&self, mut store: impl AsContextMut) -> R {
        let mut store = store.as_context_mut();
        store.opaque().id().assert_eq(self.store, "reference");
        R::from_handle(store.opaque_mut().root_owned(self.index, &self.token))
    }
}

impl<R> Clone for OwnedRef<R> {
    fn clone(&self) -> Self {
        Self { token: self.token.clone(), ..*self }
    }
}

impl<R> fmt::Debug for OwnedRef<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedRef").field("store", &self.store).finish_non_exhaustive()
    }
}

/// A borrowed store in which references that are made through it, or while it is there, are valid until it is dropped.
///
/// ```
/// use wrun_runtime::{Engine, ExternRef, RootScope, Store};
///
/// let mut store = Store::new(&Engine::default(), ());
/// for number in 0..1000 {
///     let mut scope = RootScope::new(&mut store);
///     let reference = ExternRef::new(&mut scope, number)?;
///     assert_eq!(reference.data(&scope).and_then(|data| data.downcast_ref()), Some(&number));
/// } // Here the store forgets the reference: nothing piles up.
/// # Ok::<(), wrun_runtime::Error>(())
/// ```
#[allow(missing_debug_implementations, reason = "shows the store's data or nothing")]
pub struct RootScope<S: AsContextMut> {
    store: S,
    mark: ScopeMark,
}

impl<S: AsContextMut> RootScope<S> {
    /// Begins a scope.
    pub fn new(store: S) -> Self {
        let mark = store.as_context().opaque().begin_scope();
        Self { store, mark }
    }
}

impl<S: AsContextMut> Drop for RootScope<S> {
    fn drop(&mut self) {
        self.store.as_context_mut().opaque_mut().end_scope(self.mark);
    }
}

impl<S: AsContextMut> AsContext for RootScope<S> {
    type Data = S::Data;

    fn as_context(&self) -> StoreContext<'_, S::Data> {
        self.store.as_context()
    }
}

impl<S: AsContextMut> AsContextMut for RootScope<S> {
    fn as_context_mut(&mut self) -> StoreContextMut<'_, S::Data> {
        self.store.as_context_mut()
    }
}

impl<'a, S: AsContextMut> From<&'a RootScope<S>> for StoreContext<'a, S::Data> {
    fn from(scope: &'a RootScope<S>) -> Self {
        scope.as_context()
    }
}

impl<'a, S: AsContextMut> From<&'a mut RootScope<S>> for StoreContext<'a, S::Data> {
    fn from(scope: &'a mut RootScope<S>) -> Self {
        (&*scope).into()
    }
}

impl<'a, S: AsContextMut> From<&'a mut RootScope<S>> for StoreContextMut<'a, S::Data> {
    fn from(scope: &'a mut RootScope<S>) -> Self {
        scope.as_context_mut()
    }
}
