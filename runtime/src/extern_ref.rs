//! [`ExternRef`]: references of type `externref`.

use std::any::Any;

use crate::{
    AsContextMut, Error, StoreContext,
    root::{GcRef, INTERNAL, gc_ref},
};

gc_ref! {
    /// A reference that WebAssembly can hold but not look into: to a value of the host's, or to an object of the program's that was
    /// converted to one.
    ///
    /// It is valid as [`GcRef`] says. The value itself lives until the store collects garbage and nobody refers to it any more: no
    /// variable, table or object of WebAssembly, and no reference of the host's that is still valid.
    ExternRef
}

impl ExternRef {
    /// Gives a value to a store. This may collect garbage, and so drop values that were given earlier.
    ///
    /// # Errors
    /// When the heap of the store is exhausted.
    pub fn new(
        mut store: impl AsContextMut,
        value: impl Any + Send + Sync,
    ) -> Result<ExternRef, Error> {
        store.as_context_mut().opaque_mut().add_external(Box::new(value)).map(Self::from_handle)
    }

    /// The value; nothing when the reference is to an object of the program's.
    ///
    /// # Panics
    /// When the reference is another store's or its scope has ended.
    pub fn data<'a, T: 'static>(
        &self,
        store: impl Into<StoreContext<'a, T>>,
    ) -> Option<&'a (dyn Any + Send + Sync)> {
        let store = store.into().into_opaque();
        store.external(store.reference(self.handle(INTERNAL)))
    }
}
