//! [`Global`]: a global.

use wrun_module::GlobalType;

use crate::{AsContext, AsContextMut, Error, Result, Val, store::StoreId, vm::StoreOpaque};

/// A global of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Global {
    store: StoreId,
    position: usize,
}

impl Global {
    pub(crate) fn at(store: &StoreOpaque, position: usize) -> Self {
        Self { store: store.id(), position }
    }

    pub(crate) fn position(self, store: &StoreOpaque) -> usize {
        store.id().assert_eq(self.store, "global");
        self.position
    }

    /// A global with a value.
    ///
    /// # Errors
    /// When the value is none of the type, or the type names none of the engine's.
    pub fn new(mut store: impl AsContextMut, ty: GlobalType, value: Val) -> Result<Global> {
        let mut store = store.as_context_mut();
        store.engine().check_type(ty.content)?;
        let position = store.opaque_mut().add_host_global(ty, value)?;
        Ok(Self::at(store.opaque(), position))
    }

    /// Its type.
    ///
    /// # Panics
    /// When the global is another store's; so do all methods.
    pub fn ty(&self, store: impl AsContext) -> GlobalType {
        let store = store.as_context();
        store.opaque().global_type(self.position(store.opaque()))
    }

    /// Its value. A reference is valid in the scope that is open.
    pub fn get(&self, mut store: impl AsContextMut) -> Val {
        let mut store = store.as_context_mut();
        let position = self.position(store.opaque());
        store.opaque_mut().global_value(position)
    }

    /// Sets its value.
    ///
    /// # Errors
    /// When it is immutable or the value is of another type.
    pub fn set(&self, mut store: impl AsContextMut, value: Val) -> Result<()> {
        let ty = self.ty(&store);
        if !ty.mutable {
            return Err(Error::usage(format!("cannot set the immutable {ty}")));
        }
        let mut store = store.as_context_mut();
        let position = self.position(store.opaque());
        store.opaque_mut().set_global_value(position, value)
    }
}
