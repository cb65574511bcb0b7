//! [`Table`]: a table of references.

use wrun_module::{TableType, ValType};

use crate::{
    AsContext, AsContextMut, Error, Ref, Result, TrapCode, store::StoreId, vm::StoreOpaque,
};

/// A table of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Table {
    store: StoreId,
    position: usize,
}

impl Table {
    pub(crate) fn at(store: &StoreOpaque, position: usize) -> Self {
        Self { store: store.id(), position }
    }

    pub(crate) fn position(self, store: &StoreOpaque) -> usize {
        store.id().assert_eq(self.store, "table");
        self.position
    }

    /// A table of the type's least size, all elements `init`.
    ///
    /// # Errors
    /// When the type is not valid, `init` is none of its elements, a limit of the store is passed, or the system has no room.
    pub fn new(mut store: impl AsContextMut, ty: TableType, init: Ref) -> Result<Table> {
        if !ty.is_valid() {
            return Err(Error::usage(format!("{ty} is no valid type of a table")));
        }
        let mut store = store.as_context_mut();
        store.engine().check_type(ValType::Ref(ty.element))?;
        let position = store.opaque_mut().add_table(ty)?;
        let table = Self::at(store.opaque(), position);
        table.fill(store, 0, init, ty.limits.min)?;
        Ok(table)
    }

    /// Its type, with the present size as the minimum.
    ///
    /// # Panics
    /// When the table is another store's; so do all methods.
    pub fn ty(&self, store: impl AsContext) -> TableType {
        let store = store.as_context();
        let table = store.opaque().table(self.position(store.opaque()));
        let mut ty = table.declared_type();
        ty.limits.min = table.len();
        ty
    }

    /// Number of elements.
    pub fn size(&self, store: impl AsContext) -> u64 {
        let store = store.as_context();
        store.opaque().table(self.position(store.opaque())).len()
    }

    /// An element, as a reference that is valid in the scope that is open; nothing past the end.
    pub fn get(&self, mut store: impl AsContextMut, index: u64) -> Option<Ref> {
        let mut store = store.as_context_mut();
        let position = self.position(store.opaque());
        store.opaque_mut().table_element(position, index)
    }

    /// Sets an element.
    ///
    /// # Errors
    /// When it is past the end or the reference is of another type.
    pub fn set(&self, store: impl AsContextMut, index: u64, value: Ref) -> Result<()> {
        self.fill(store, index, value, 1)
    }

    /// Sets `len` elements from `start` on.
    ///
    /// # Errors
    /// When the range is not inside or the reference is of another type; nothing is written then.
    pub fn fill(
        &self,
        mut store: impl AsContextMut,
        start: u64,
        value: Ref,
        len: u64,
    ) -> Result<()> {
        let mut store = store.as_context_mut();
        let position = self.position(store.opaque());
        let written = store.opaque_mut().fill_table(position, start, value, len)?;
        written.map_err(|_| TrapCode::TableOutOfBounds.into())
    }

    /// Grows it by `delta` elements of value `init` and gives the old size.
    ///
    /// # Errors
    /// When the reference is of another type, it would pass its maximum or a limit of the store, or the system has no
    /// room.
    pub fn grow(&self, mut store: impl AsContextMut, delta: u64, init: Ref) -> Result<u64> {
        let mut store = store.as_context_mut();
        let position = self.position(store.opaque());
        let size = store.opaque().table(position).len();
        store.opaque_mut().extend_table(position, delta, init)?.ok_or_else(|| {
            Error::limit(format!("cannot grow a table of {size} elements by {delta}"))
        })
    }
}
