//! [`StructRef`]: references to structs.

use wrun_module::{CompositeKind, HeapType};

use crate::{
    AsContext, AsContextMut, Result, Val,
    root::{GcRef, INTERNAL, gc_ref},
};

gc_ref! {
    /// A reference to a struct, valid as [`GcRef`] says.
    ///
    /// ```
    /// use wrun_runtime::{
    ///     Engine, FieldType, StorageType, Store, StructRef, StructType, Val, ValType,
    /// };
    ///
    /// let engine = Engine::default();
    /// let byte = FieldType { storage: StorageType::I8, mutable: true };
    /// let next = FieldType { storage: StorageType::Val(ValType::STRUCTREF), mutable: false };
    /// let node = engine.define_type(StructType { fields: [byte, next].into() })?;
    ///
    /// let mut store = Store::new(&engine, ());
    /// let last = StructRef::new_default(&mut store, node)?;
    /// let first = StructRef::new(&mut store, node, &[Val::I32(7), last.into()])?;
    /// last.set_field(&mut store, 0, Val::I32(-1))?;
    /// assert_eq!(last.field(&mut store, 0)?.i32(), Some(255));
    /// assert!(first.set_field(&mut store, 1, first.into()).is_err(), "it is immutable");
    /// # Ok::<(), wrun_runtime::Error>(())
    /// ```
    StructRef
}

impl StructRef {
    /// Makes a struct of a type with these values in its fields; a packed field gets the lower bits of an `i32`.
    ///
    /// # Errors
    /// When the type is none of a struct, the values do not fit it, or the heap is exhausted.
    ///
    /// # Panics
    /// When a value is another store's or its scope has ended.
    pub fn new(mut store: impl AsContextMut, ty: HeapType, fields: &[Val]) -> Result<StructRef> {
        let mut store = store.as_context_mut();
        let number = store.engine().defined_type(ty, CompositeKind::Struct)?;
        store.opaque_mut().new_struct(number, Some(fields)).map(Self::from_handle)
    }

    /// Makes a struct of a type whose fields are all zero or null.
    ///
    /// # Errors
    /// When the type is none of a struct, a field has no such value, or the heap is exhausted.
    pub fn new_default(mut store: impl AsContextMut, ty: HeapType) -> Result<StructRef> {
        let mut store = store.as_context_mut();
        let number = store.engine().defined_type(ty, CompositeKind::Struct)?;
        store.opaque_mut().new_struct(number, None).map(Self::from_handle)
    }

    /// Its type, exactly; what it consists of is found by [`Engine::resolve`](crate::Engine::resolve).
    ///
    /// # Panics
    /// When the reference is another store's or its scope has ended; so do all methods.
    pub fn ty(self, store: impl AsContext) -> HeapType {
        store.as_context().opaque().heap_type_of(self.handle(INTERNAL))
    }

    /// Whether it is of a type.
    pub fn matches_ty(self, store: impl AsContext, ty: HeapType) -> bool {
        store.as_context().engine().heap_type_matches(self.ty(&store), ty)
    }

    /// The value of a field. Of a packed field it is an `i32` whose upper bits are zero, as `struct.get_u` gives it.
    ///
    /// # Errors
    /// When there is no such field.
    pub fn field(self, mut store: impl AsContextMut, index: usize) -> Result<Val> {
        store.as_context_mut().opaque_mut().struct_field(self.handle(INTERNAL), index)
    }

    /// The values of all fields, in order.
    pub fn fields(self, mut store: impl AsContextMut) -> Vec<Val> {
        let mut store = store.as_context_mut();
        let len = store.opaque().struct_len(self.handle(INTERNAL));
        (0..len).map_while(|index| self.field(&mut store, index).ok()).collect()
    }

    /// Sets a field; a packed one gets the lower bits of an `i32`.
    ///
    /// # Errors
    /// When there is no such field, it is immutable, or the value is of another type.
    pub fn set_field(self, mut store: impl AsContextMut, index: usize, value: Val) -> Result<()> {
        let mut store = store.as_context_mut();
        store.opaque_mut().set_struct_field(self.handle(INTERNAL), index, value)
    }
}
